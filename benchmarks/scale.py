"""What large diagrams cost to read, check and plan: `python -m benchmarks.scale --json`.

| key | what |
| --- | --- |
| `python_s`, `julia_s` | seconds from the bytes of a diagram of 10,000 components and 30,000 agreements to its plan |
| `python_growth`, `julia_growth` | time per component at 100,000 components over that at 1,000 |

Times are the processor's, which is what passes on an idle machine: one thread works. Each size is measured in a process of
its own, the best of several rounds; what an earlier round left is collected between
rounds, and the first round of all, in which Julia compiles, is of another diagram. Components are layer graphs, of a hundred
different ones; three agreements compare what each arrow gives with something else in its space. Where there is no Julia
its keys are null.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from random import Random

import bridge
from bridge import layers, schema
from bridge.diagram.ir import (
    Agreement,
    Arrow,
    Axis,
    Column,
    ColumnTerm,
    Component,
    DataType,
    Diagram,
    OutputTerm,
    Source,
    Space,
    Term,
)
from bridge.errors import JuliaUnavailable
from bridge.julia.find import choose, layout
from bridge.julia.folders import depot_folder
from bridge.julia.sources import julia_project
from bridge.plan import plan

SIZES = (1_000, 10_000, 100_000)
ROUNDS = {1_000: 10, 10_000: 3, 100_000: 2}
SPACES = 16
AGREEMENTS = 3


def large(components: int, seed: int = 0) -> Diagram:
    """A diagram of so many components, and three times as many agreements."""
    random = Random(seed)
    spaces = tuple(Space(f"x{k}", DataType.FLOAT32, (Axis("width", 4),)) for k in range(SPACES))
    source = Source("data", tuple(Column(f"x{k}", f"x{k}") for k in range(SPACES)))
    bodies = [layers.chain(layers.linear(4, 4 + k), layers.tanh(), layers.linear(4 + k, 4)) for k in range(100)]
    made = tuple(Component(f"f{k}", random.choice(bodies), True) for k in range(components))
    arrows, agreements = [], []
    terms: list[Term] = [ColumnTerm("data", f"x{k}") for k in range(SPACES)]
    of_space = [[k] for k in range(SPACES)]
    for k in range(components):
        start, end = random.randrange(SPACES), random.randrange(SPACES)
        arrows.append(Arrow(f"f{k}", (f"x{start}",), (f"x{end}",), f"f{k}"))
        terms.append(OutputTerm(f"f{k}", (random.choice(of_space[start]),)))
        for number in range(AGREEMENTS):
            by = random.choice([bridge.mse(), bridge.mae(), bridge.huber()])
            agreements.append(Agreement(f"f{k}~{number}", len(terms) - 1, random.choice(of_space[end]), by))
        of_space[end].append(len(terms) - 1)
    return Diagram("large", spaces, (source,), made, tuple(arrows), tuple(terms), tuple(agreements))


def measure(path: Path, rounds: int) -> float:
    """The least seconds that reading, checking and planning a file's bytes take."""
    data, times = path.read_bytes(), []
    for _ in range(rounds):
        gc.collect()
        started = time.process_time()
        plan(schema.from_bytes(data))
        times.append(time.process_time() - started)
    return min(times)


def in_python(path: Path, warm_up: Path, rounds: int) -> float:
    """`measure` in a new process."""
    code = f"""if True:
        from pathlib import Path
        from benchmarks.scale import measure
        measure(Path({str(warm_up)!r}), 1)
        print(measure(Path({str(path)!r}), {rounds}))
    """
    return float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)


def in_julia(paths: dict[int, Path], warm_up: Path) -> dict[int, float] | None:
    """The same in Julia, each file in a process of its own, None where there is no Julia."""
    try:
        chosen = choose()
    except JuliaUnavailable:
        return None
    found = chosen.layout or layout(Path(chosen.where))
    environment = found.environment()
    environment.setdefault("JULIA_DEPOT_PATH", f"{depot_folder()}{os.pathsep}")
    script = str(Path(__file__).with_suffix(".jl"))
    times = {}
    for size, path in paths.items():
        command = [str(found.executable), "--startup-file=no", f"--project={julia_project()}", script]
        ended = subprocess.run(
            [*command, str(warm_up), str(path), str(ROUNDS[size])],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        times[size] = float(ended.stdout)
    return times


def figures() -> dict[str, float | None]:
    """The figures that are printed."""
    with tempfile.TemporaryDirectory() as folder:
        paths = {size: Path(folder, f"{size}.pb") for size in SIZES}
        for size, path in paths.items():
            path.write_bytes(schema.to_bytes(large(size)))
        warm_up = Path(folder, "warm_up.pb")
        warm_up.write_bytes(schema.to_bytes(large(200, seed=1)))
        ours = {size: in_python(path, warm_up, ROUNDS[size]) for size, path in paths.items()}
        theirs = in_julia(paths, warm_up)
    return {**named("python", ours), **named("julia", theirs)}


def named(language: str, times: dict[int, float] | None) -> dict[str, float | None]:
    """The two figures of a language."""
    if times is None:
        return {f"{language}_s": None, f"{language}_growth": None}
    small, middle, large_ = SIZES
    growth = (times[large_] / large_) / (times[small] / small)
    return {f"{language}_s": round(times[middle], 3), f"{language}_growth": round(growth, 3)}


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description="What large diagrams cost to read, check and plan.")
    options.add_argument("--json", action="store_true", help="one JSON object")
    as_json = options.parse_args().json
    found = figures()
    print(json.dumps(found) if as_json else "\n".join(f"{key:14} {value}" for key, value in found.items()))


if __name__ == "__main__":
    main()
