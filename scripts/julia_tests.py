"""Run julia/test with the Julia that diagram-bridge would use, and once more with one that has Flux, if that is another:
`python scripts/julia_tests.py`.

Where PythonCall is there too it gets the Python that runs this.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from bridge.julia import official
from bridge.julia.find import Candidate, Layout, candidates, choose, layout
from bridge.julia.folders import depot_folder

ROOT = Path(__file__).resolve().parent.parent
PROJECT, TESTS = ROOT / "julia", ROOT / "julia" / "test" / "runtests.jl"
PARTS = 2
HAS_FLUX = 'exit(VERSION >= v"1.9" && Base.find_package("Flux") !== nothing ? 0 : 1)'


def main() -> int:
    """Run the tests; returns Julia's exit status."""
    chosen = choose()
    status = run_tests(chosen)
    if status or has_flux(chosen):
        return status
    other = next((found for found in candidates() if found.usable and has_flux(found)), None)
    return status if other is None else run_tests(other)


def run_tests(julia: Candidate) -> int:
    """The exit status of the tests, which two processes share."""
    print(f"Julia {julia.version} ({julia.name}): {TESTS.relative_to(ROOT)}, in {PARTS} processes", flush=True)
    variables = environment(julia)
    # Compiled once, and not in each.
    subprocess.run([*command(julia), "-e", "using DiagramBridge"], env=variables, check=False)
    with ExitStack() as stack:
        # The first one says what it has to say at once, the others when they have ended.
        said = [None, *(stack.enter_context(tempfile.TemporaryFile()) for _ in range(1, PARTS))]
        running = [
            subprocess.Popen([*command(julia), str(TESTS), f"{part}/{PARTS}"], env=variables, stdout=out, stderr=out)
            for part, out in enumerate(said, 1)
        ]
        statuses = []
        for process, out in zip(running, said, strict=True):
            statuses.append(process.wait())
            if out is not None:
                out.seek(0)
                print(out.read().decode(errors="replace"), flush=True)
    return next((status for status in statuses if status), 0)


def has_flux(julia: Candidate) -> bool:
    """Whether the tests would find Flux there."""
    return subprocess.run([*command(julia), "-e", HAS_FLUX], env=environment(julia), check=False).returncode == 0


def command(julia: Candidate) -> list[str]:
    """Julia with this package as its project."""
    return [str(installation(julia).executable), "--startup-file=no", f"--project={PROJECT}"]


def environment(julia: Candidate) -> dict[str, str]:
    """What Julia finds its libraries, packages and Python by; what is set already stays."""
    variables = installation(julia).environment()
    # An empty entry stands for Julia's own depots.
    variables.setdefault("JULIA_DEPOT_PATH", f"{depot_folder()}{os.pathsep}")
    # This package takes the place of the active project, whose packages are found behind it.
    packages = official.ready().project if julia.how == "juliacall" else variables.get("JULIA_PROJECT")
    if packages:
        variables.setdefault("JULIA_LOAD_PATH", os.pathsep.join(("@", str(packages), "@stdlib")))
    variables.setdefault("JULIA_CONDAPKG_BACKEND", "Null")
    variables.setdefault("JULIA_PYTHONCALL_EXE", sys.executable)
    return variables


def installation(julia: Candidate) -> Layout:
    """Where it is; juliacall's may be named by hand."""
    if julia.layout is not None:
        return julia.layout
    return layout(Path(os.environ.get("PYTHON_JULIACALL_EXE") or julia.where))


if __name__ == "__main__":
    sys.exit(main())
