"""Measure the portable layers in every engine, and write what was found into the table of docs/layers.md.

    python scripts/parity.py                # with a Julia that has Flux, so that no column stays empty
    python scripts/parity.py pooling        # some families; other rows stay as they are

Each number is the largest difference from torch's own functions, of values, gradients and buffers, over generated cases
(tests/layer_parity.py), relative to a tensor's largest number where that is above 1.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
import textwrap
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from hypothesis import HealthCheck, Phase, given, settings

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from layer_parity import FAMILIES, Bench, Trial, diagram_of, differences, trials

import bridge
from bridge.julia.session import Session, session
from bridge.julia.start import julia_literal

ROOT = Path(__file__).resolve().parent.parent
DOCUMENT = ROOT / "docs" / "layers.md"
BEGIN, END = "<!-- scripts/parity.py writes from here -->\n", "<!-- to here -->\n"
ENGINES = {"torch": "torch", "native": "native Julia", "flux": "Flux"}
DTYPES = (torch.float64, torch.float32)

Measured = dict[tuple[str, str, torch.dtype], float]
"""The largest difference by operation, engine and dtype."""

Done = dict[str, set[bool]]
"""Whether Flux does it, by operation, over all cases."""


def measure(trial: Trial, julia: Session, folder: Path, largest: Measured) -> None:
    """Run a trial in every engine, and note its differences."""
    bench = Bench(trial)
    expected = bench.reference()
    answers = [("torch", bench.in_torch())]
    for engine in ("native", "flux") if "Flux" in julia.packages else ("native",):
        answers += [(engine, bench.in_island(julia, engine)), (engine, bench.in_julia(julia, engine, folder))]
    for engine, found in answers:
        for case, answer, wanted in zip(trial.cases, found, expected, strict=True):
            key = case.layer.operation, engine, trial.dtype
            largest[key] = max([largest[key], *(off for _, off in differences(answer, wanted))])


def every_trial(family: str, dtype: torch.dtype, examples: int, use: Callable[[Trial], None]) -> None:
    """Use so many trials of a family, the same ones each time."""

    @settings(
        max_examples=examples, derandomize=True, database=None, deadline=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(trials(family, dtype))
    def every(trial: Trial) -> None:
        use(trial)

    every()


def done_by_flux(trial: Trial, julia: Session, folder: Path, done: Done) -> None:
    """Note which of a trial's layers the Flux engine leaves to native Julia's code."""
    path = folder / "asked.pb"
    bridge.save(diagram_of(trial), path)
    answer = julia.runtime.eval_string(f"Objectives.done_by_flux({julia_literal(str(path))})")
    for line in answer.splitlines():
        operation, _, flux = line.partition(" ")
        done[operation].add(flux == "true")


def left_over(done: Done) -> Iterator[str]:
    """What the Flux engine leaves to native Julia's code."""
    every = [operation for family in FAMILIES.values() for operation in family]
    never, sometimes = ([f"`{name}`" for name in every if done.get(name) == who] for who in ({False}, {False, True}))
    if never:
        more = f"; and with some attributes {', '.join(sometimes)}" if sometimes else ""
        said = f"In the Flux engine native Julia's code runs {', '.join(never)}{more}."
        yield f"\n{textwrap.fill(said, 125, break_on_hyphens=False)}\n"


def table(largest: Measured, before: str) -> Iterator[str]:
    """The table's lines; those of operations that were not measured are as before."""
    rows = dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", before, re.MULTILINE))
    columns = [(engine, dtype) for dtype in DTYPES for engine in ENGINES]
    yield "| layer | " + " | ".join(f"{ENGINES[e]}, {str(d).removeprefix('torch.')}" for e, d in columns) + " |\n"
    yield "| --- |" + " --- |" * len(columns) + "\n"
    for family in FAMILIES.values():
        for operation in family:
            found = [largest.get((operation, *column)) for column in columns]
            cells = ["" if off is None else "0" if off == 0 else f"{off:.0e}" for off in found]
            row = " | ".join(cells) if any(cells) else rows.get(operation)
            if row is not None:
                yield f"| `{operation}` | {row} |\n"


def main() -> int:
    """Measure, and write the table; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("families", nargs="*", help=f"of {', '.join(FAMILIES)} (default: all)")
    parser.add_argument("--examples", type=int, default=8, help="generated trials of a family and dtype (default 8)")
    options = parser.parse_args()
    julia = session()
    julia.include(ROOT / "tests" / "objective.jl")
    largest: Measured = defaultdict(float)
    done: Done = defaultdict(set)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if "Flux" in julia.packages:
            for family in FAMILIES:
                every_trial(family, DTYPES[0], options.examples, lambda trial: done_by_flux(trial, julia, folder, done))
        for family in options.families or FAMILIES:
            for dtype in DTYPES:
                every_trial(family, dtype, options.examples, lambda trial: measure(trial, julia, folder, largest))
            write(julia, largest, done)
    return 0


def write(julia: Session, largest: Measured, done: Done) -> None:
    """Write what is known so far."""
    text = DOCUMENT.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    kept, _, after = rest.partition(END)
    versions = ", ".join(f"{name} {version}" for name, version in julia.packages.items())
    said = f"Measured with torch {torch.__version__.split('+')[0]}, Julia {julia.version}, {versions}.\n\n"
    made = [said, *table(largest, kept), *left_over(done)]
    DOCUMENT.write_text("".join([before, BEGIN, *made, END, after]), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
