"""Run julia/test with the Julia that diagram-bridge would use: `python scripts/julia_tests.py`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from bridge.julia import official
from bridge.julia.find import choose, layout
from bridge.julia.folders import depot_folder

ROOT = Path(__file__).resolve().parent.parent


def main() -> int:
    """Run the tests; returns Julia's exit status."""
    chosen = choose()
    found = chosen.layout or layout(Path(chosen.where))
    environment = found.environment()
    # An empty entry stands for Julia's own depots.
    environment.setdefault("JULIA_DEPOT_PATH", f"{depot_folder()}{os.pathsep}")
    if chosen.layout is None and (packages := official.ready().project) is not None:
        environment.setdefault("JULIA_LOAD_PATH", os.pathsep.join(("@", str(packages), "@stdlib")))
    project, tests = ROOT / "julia", ROOT / "julia" / "test" / "runtests.jl"
    print(f"Julia {chosen.version} ({chosen.name}): {tests.relative_to(ROOT)}", flush=True)
    command = [str(found.executable), "--startup-file=no", f"--project={project}", str(tests)]
    return subprocess.run(command, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
