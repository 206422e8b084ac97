"""What diagram-bridge finds on this machine, what it would use and why, and what to do about what is wrong.

What a Julia can do is measured by starting it in a fresh process, as a program would.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from bridge.errors import JuliaUnavailable
from bridge.julia import official
from bridge.julia.find import Candidate, candidates, choose
from bridge.julia.folders import data_folder
from bridge.julia.sources import julia_project

__all__ = ["Live", "Problem", "Report", "report", "session_facts", "torch_facts"]


@dataclass(frozen=True)
class Problem:
    """Something that is wrong or slower than it could be, and its remedy."""

    element: str
    found: str
    remedy: str


@dataclass(frozen=True)
class Live:
    """What a fresh process measured: Julia's version, how it was started and in how many seconds, Julia's threads, the
    kernels of its BLAS, what runs layers in a session, torch's threads, whether torch's library exports its BLAS, whose BLAS
    Julia uses in a session ("caller": torch's), the versions of the packages that the engine is made of, and whether loops
    of Julia's run on torch's threads. The session's are empty without torch.
    """

    version: str
    how: str
    start_seconds: float
    threads: int
    kernels: str
    engine: str
    torch_threads: int
    torch_blas: bool
    blas: str = ""
    packages: Mapping[str, str] = field(default_factory=dict)
    shares_threads: bool = False


@dataclass(frozen=True)
class Report:
    """The findings; versions are "" where a package is not installed, `chosen` is the name of a candidate."""

    python: str
    platform: str
    torch: str
    protobuf: str
    juliacall: str
    data: str
    sources: str
    candidates: tuple[Candidate, ...]
    chosen: str | None
    why: str
    engine: str | None
    live: Live | None
    problems: tuple[Problem, ...]

    @property
    def healthy(self) -> bool:
        """Whether islands can run in Julia."""
        return self.live is not None and bool(self.torch) and bool(self.protobuf) and bool(self.sources)

    def to_json(self) -> dict[str, object]:
        """Plain values for `json.dumps`."""
        plain = asdict(self)
        plain["candidates"] = [candidate.to_json() for candidate in self.candidates]
        plain["healthy"] = self.healthy
        return plain

    def text(self) -> str:
        """The report for a person, in lines of text."""
        lines = [
            f"Python      {self.python} on {self.platform}",
            f"torch       {self.torch or 'not installed'}",
            f"protobuf    {self.protobuf or 'not installed'}",
            f"juliacall   {self.juliacall or 'not installed'}",
            f"data        {self.data}",
            f"sources     {self.sources or 'not found'}",
            "Julia, in the order of preference:",
        ]
        for candidate in self.candidates:
            mark = "→" if candidate.name == self.chosen else "·" if candidate.usable else "✗"
            lines.append(f"  {mark} {candidate.name} {candidate.version} ({candidate.where}): {candidate.reason}")
        lines += [] if self.candidates else ["  none"]
        lines.append(f"would use   {self.why}")
        if self.live is not None:
            live = self.live
            lines += [
                f"engine      {self.engine or 'unknown without torch'}" + _in_brackets(live.packages),
                f"started     Julia {live.version} by {live.how} in {live.start_seconds:.2f} s, "
                f"{live.threads} thread(s), BLAS kernels: {live.kernels}",
                f"torch       {live.torch_threads} thread(s), its BLAS is {_sharing(live)}",
                f"loops       of portable layers in Julia run on {_threads(live)}",
            ]
        lines += [f"problem     {p.element}: {p.found}. {p.remedy}" for p in self.problems] or ["no problems"]
        return "\n".join(lines)


def _in_brackets(packages: Mapping[str, str]) -> str:
    listed = ", ".join(f"{name} {version}" for name, version in packages.items())
    return f" ({listed})" if listed else ""


def _sharing(live: Live) -> str:
    if not live.torch_blas:
        return "not exported"
    if live.blas == "caller":
        return "shared with Julia (DIAGRAM_BRIDGE_BLAS=julia switches that off)"
    return f"exported, Julia uses: {live.blas or 'its own'}"


def _threads(live: Live) -> str:
    if live.shares_threads:
        return "torch's threads (DIAGRAM_BRIDGE_THREADS=julia switches that off)"
    return f"Julia's {live.threads} thread(s)"


def report() -> Report:
    """Look at everything; starts Julia in a process of its own and takes a few seconds."""
    versions = {name: _version(name) for name in ("torch", "protobuf", "juliacall")}
    found = candidates()
    absent = [name for name in ("torch", "protobuf") if not versions[name]]
    problems = [Problem(name, "not installed", f"pip install {name}") for name in absent]
    sources = ""
    try:
        sources = str(julia_project())
    except JuliaUnavailable as error:
        problems.append(Problem(error.element, error.found, "install diagram-bridge again"))
    chosen, why, live = None, "", None
    try:
        chosen = choose(found)
        why = f"{chosen.name}, Julia {chosen.version}: {chosen.reason}"
        live = _measure()
    except JuliaUnavailable as error:
        why = why or f"none: {error.found}"
        problems.append(Problem(error.element, error.found, _remedy(error, found)))
    problems += _advice(chosen, live, versions)
    engine = None if live is None else live.engine or None
    return Report(
        python=f"{platform.python_version()} ({sys.executable})",
        platform=f"{platform.system()} {platform.machine()}",
        torch=versions["torch"],
        protobuf=versions["protobuf"],
        juliacall=versions["juliacall"],
        data=str(data_folder()),
        sources=sources,
        candidates=found,
        chosen=None if chosen is None else chosen.name,
        why=why,
        engine=engine,
        live=live,
        problems=tuple(problems),
    )


def _version(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _remedy(error: JuliaUnavailable, found: tuple[Candidate, ...]) -> str:
    if any(candidate.name == "DIAGRAM_BRIDGE_JULIA" for candidate in found):
        return "Let DIAGRAM_BRIDGE_JULIA name a Julia executable that works, or unset it"
    return "Run `diagram-bridge julia install`"


def _advice(chosen: Candidate | None, live: Live | None, versions: dict[str, str]) -> list[Problem]:
    found = []
    if chosen is not None and chosen.how == "juliacall":
        found += [Problem("juliacall", complaint, "") for complaint in official.complaints()]
        if os.environ.get("PYTHONFAULTHANDLER"):
            found.append(Problem("PYTHONFAULTHANDLER", "set, which ends the process beside juliacall", "Unset it"))
    if live is not None and versions["torch"] and not live.torch_blas:
        said = "its library does not export its BLAS, so Julia uses its own and two thread pools alternate"
        found.append(Problem("torch", said, "PyPI's Linux wheels of torch export it"))
    return found


_MEASURE = """
import json, time
begin = time.perf_counter()
from bridge.julia.start import start
runtime = start()
seconds = time.perf_counter() - begin
threads = runtime.eval_pointer("Threads.nthreads()")
from bridge.julia import doctor
torch_threads, torch_blas = doctor.torch_facts()
engine, blas, packages = doctor.session_facts()
shares = bool(engine) and runtime.eval_pointer("Int(DiagramBridge.shares_threads())") == 1
print(json.dumps(dict(version=runtime.version, how=runtime.how, start_seconds=seconds, threads=threads,
    kernels=runtime.blas, engine=engine, torch_threads=torch_threads, torch_blas=torch_blas, blas=blas,
    shares_threads=shares, packages=packages)))
"""


def _measure() -> Live:
    try:
        run = subprocess.run(
            [sys.executable, "-c", _MEASURE],
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        )
    except subprocess.TimeoutExpired:
        raise JuliaUnavailable("Julia", "to start in a fresh process", "no end of it in 300 s") from None
    lines = run.stdout.strip().splitlines()
    if run.returncode != 0 or not lines:
        said = run.stderr.strip().splitlines() or [f"exit status {run.returncode}"]
        raise JuliaUnavailable("Julia", "to start in a fresh process", said[-1])
    return Live(**json.loads(lines[-1]))


def session_facts() -> tuple[str, str, dict[str, str]]:
    """The engine of a session, whose BLAS it uses and the versions of its packages; all empty without torch."""
    try:
        from bridge.julia.session import session
    except ImportError:
        return "", "", {}
    julia = session()
    return julia.engine, julia.blas, julia.packages


def torch_facts() -> tuple[int, bool]:
    """How many threads torch uses and whether its CPU library exports its 64-bit BLAS; (0, False) without torch."""
    import ctypes
    from pathlib import Path

    try:
        import torch
    except ImportError:
        return 0, False
    library = Path(torch.__file__).parent / "lib" / "libtorch_cpu.so"
    exported = library.exists() and hasattr(ctypes.CDLL(str(library)), "sgemm_64_")
    return torch.get_num_threads(), exported
