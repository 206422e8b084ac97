"""All examples over several seeds, and a page of them: `python -m examples.gallery --seeds 5 -o build/gallery`."""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

from examples.gallery import NAMES
from examples.gallery.page import page
from examples.gallery.running import Summary, line, summarise

__all__ = ["run_all"]


def run_all(names: tuple[str, ...], seeds: int, processes: int) -> list[Summary]:
    """The summaries of some examples, each computed in one of several processes that have a Julia each."""
    done: dict[str, Summary] = {}
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=context) as pool:
        waiting = [pool.submit(summarise, name, seeds) for name in names]
        for future in as_completed(waiting):
            summary = future.result()
            done[summary.name] = summary
            print(line(summary), flush=True)
    return [done[name] for name in names]


def main() -> int:
    """Run the examples; 1 where one does not beat its baseline."""
    parser = argparse.ArgumentParser(prog="python -m examples.gallery", description=__doc__)
    parser.add_argument("names", nargs="*", default=NAMES, help="which examples (all)")
    parser.add_argument("--seeds", type=int, default=5, help="how many seeds (5)")
    parser.add_argument("--processes", type=int, default=min(2, os.cpu_count() or 1), help="how many processes (2 at most)")
    parser.add_argument("-o", "--output", type=Path, default=Path("build/gallery"), help="where the page goes")
    options = parser.parse_args()
    for name in {*options.names} - {*NAMES}:
        parser.error(f"no example {name!r}; there are {', '.join(NAMES)}")
    started = time.monotonic()
    summaries = run_all(tuple(options.names), options.seeds, options.processes)
    options.output.mkdir(parents=True, exist_ok=True)
    path = options.output / "index.html"
    path.write_text(page(summaries), encoding="utf-8")
    print(f"wrote {path} after {time.monotonic() - started:.0f} s")
    missed = [summary.name for summary in summaries if not summary.beats]
    for name in missed:
        print(f"not reached: {name} does not beat its baseline", file=sys.stderr)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
