"""Finding the Julia to use: every candidate, whether it would do, and why not.

The order is a promise: a Julia that runs in this process already, the one the user named in `DIAGRAM_BRIDGE_JULIA`,
juliacall with a Julia project that is ready, `julia` on the PATH, and the private prefix of `diagram-bridge julia
install`. Looking starts no Julia in this process; an executable is asked for its version, which takes milliseconds.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from bridge.errors import JuliaUnavailable
from bridge.julia import official
from bridge.julia.folders import prefix_folder
from bridge.julia.version import OLDEST, OLDEST_JULIACALL, dotted, numbers, said_by

__all__ = ["Candidate", "Layout", "Way", "candidates", "choose", "layout"]

Way = Literal["libjulia", "juliacall"]
"""How a candidate is started: "libjulia" or "juliacall"."""


@dataclass(frozen=True)
class Layout:
    """Where the parts of one installation of Julia are.

    `libraries` are the private folders with the libraries it was built with, in the order they are searched; empty
    where the installation finds its own.
    """

    executable: Path
    bindir: Path
    library: Path
    sysimage: Path
    libraries: tuple[Path, ...] = ()

    def environment(self) -> dict[str, str]:
        """The environment in which the executable finds its libraries."""
        environment = dict(os.environ)
        if self.libraries:
            paths = [str(folder) for folder in self.libraries]
            inherited = environment.get("LD_LIBRARY_PATH")
            environment["LD_LIBRARY_PATH"] = os.pathsep.join([*paths, inherited] if inherited else paths)
        return environment


@dataclass(frozen=True)
class Candidate:
    """One Julia that might be used.

    `name` says which place in the search order it has, `where` its executable or project, `version` is "" where it
    could not be read, and `reason` says why it is usable or why it is not.
    """

    name: str
    how: Way
    where: str
    version: str
    usable: bool
    reason: str
    layout: Layout | None = None

    def to_json(self) -> dict[str, object]:
        """Plain values for `json.dumps`."""
        plain = asdict(self)
        plain["layout"] = (
            None
            if self.layout is None
            else {
                key: [str(part) for part in value] if isinstance(value, tuple) else str(value)
                for key, value in asdict(self.layout).items()
            }
        )
        return plain


def candidates() -> tuple[Candidate, ...]:
    """Every candidate that there is any sign of, in the order of preference."""
    looks: tuple[Callable[[], Candidate | None], ...] = (_loaded, _named, _juliacall, _on_path, _prefix)
    return tuple(found for look in looks if (found := look()) is not None)


def choose(found: tuple[Candidate, ...] | None = None) -> Candidate:
    """The first usable candidate.

    Raises JuliaUnavailable, with a line for each candidate, where none is; and where the one that the user named in
    `DIAGRAM_BRIDGE_JULIA` is not, since another in its place would be a surprise.
    """
    found = candidates() if found is None else found
    for candidate in found:
        if candidate.usable:
            return candidate
        if candidate.name in ("DIAGRAM_BRIDGE_JULIA", "loaded juliacall"):
            raise JuliaUnavailable(candidate.name, "a Julia that can be used", f"{candidate.where}: {candidate.reason}")
    looked = "; ".join(f"{c.name} ({c.where}): {c.reason}" for c in found)
    raise JuliaUnavailable(
        "Julia", f"Julia {dotted(OLDEST)} or newer (`diagram-bridge julia install` gets one)", looked or "none"
    )


def layout(executable: Path) -> Layout:
    """The installation that an executable belongs to: the official layout, Debian's, or what the executable says.

    Raises JuliaUnavailable where neither helps.
    """
    real = executable.resolve()
    root = real.parent.parent
    for libdir in (root / "lib", root / "lib64", *sorted(root.glob("lib/*-linux-gnu*"))):
        sysimage = next((p for p in (libdir / "julia" / "sys.so", libdir / "julia" / "sys.dylib") if p.is_file()), None)
        library = _libjulia(libdir)
        if sysimage is not None and library is not None:
            return Layout(executable, real.parent, library, sysimage, _private_folders(root, libdir))
    return _asked(executable)


def _libjulia(libdir: Path) -> Path | None:
    names = [libdir / "libjulia.so", libdir / "libjulia.dylib", libdir / "libjulia.so.1"]
    return next((path for path in names if path.exists()), None)


def _private_folders(root: Path, libdir: Path) -> tuple[Path, ...]:
    """A multiarch folder outside of `/usr` is one that the dynamic linker does not know."""
    if libdir.parent.name != "lib" or root == Path("/usr"):
        return ()
    beside = root.parent / "lib" / libdir.name
    return tuple(folder for folder in (libdir, beside) if folder.is_dir())


_QUESTION = (
    'using Libdl; foreach(println, (Sys.BINDIR, first(filter(l -> startswith(basename(l), "libjulia."), dllist())), '
    "unsafe_string(Base.JLOptions().image_file)))"
)


def _asked(executable: Path) -> Layout:
    """Ask a launcher or wrapper (juliaup's, a script) where its Julia is; that runs Julia for a moment."""
    try:
        run = subprocess.run(
            [str(executable), "--startup-file=no", "-O0", "-e", _QUESTION],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise JuliaUnavailable(str(executable), "an executable Julia", str(error)) from None
    lines = run.stdout.splitlines()
    if run.returncode != 0 or len(lines) != 3:
        said = (run.stderr or run.stdout).strip().splitlines() or ["nothing"]
        raise JuliaUnavailable(str(executable), "a Julia that says where its library is", said[0])
    bindir, library, sysimage = map(Path, lines)
    root = bindir.parent
    return Layout(executable, bindir, library, sysimage, _private_folders(root, library.parent))


def _by_executable(name: str, executable: Path) -> Candidate:
    def refused(reason: str, version: str = "") -> Candidate:
        return Candidate(name, "libjulia", str(executable), version, False, reason)

    if not executable.is_file() or not os.access(executable, os.X_OK):
        return refused("not an executable file")
    try:
        found = layout(executable)
    except JuliaUnavailable as error:
        return refused(f"expected {error.expected}, found {error.found}")
    version = said_by(found.executable, found.environment())
    if not version:
        return refused("it does not say its version (`julia --version`)")
    if numbers(version) < OLDEST:
        return refused(f"DiagramBridge needs Julia {dotted(OLDEST)} or newer", version)
    return Candidate(name, "libjulia", str(executable), version, True, "started by its library, libjulia", found)


def _loaded() -> Candidate | None:
    module = sys.modules.get("juliacall")
    config = getattr(module, "CONFIG", None)
    # Where Julia runs Python (PythonCall), juliacall has Julia's modules without having started it.
    if module is None or not isinstance(config, dict) or not hasattr(module, "Main"):
        return None
    where = str(config.get("exepath") or "this process")
    version = str(module.Base.VERSION)
    if numbers(version) < OLDEST_JULIACALL:
        return Candidate(
            "loaded juliacall",
            "juliacall",
            where,
            version,
            False,
            f"DiagramBridge beside juliacall needs Julia {dotted(OLDEST_JULIACALL)} or newer",
        )
    return Candidate("loaded juliacall", "juliacall", where, version, True, "it runs in this process already")


def _named() -> Candidate | None:
    named = os.environ.get("DIAGRAM_BRIDGE_JULIA")
    if not named:
        return None
    path = Path(named).expanduser()
    if path.is_dir():
        path = path / "bin" / "julia"
    return _by_executable("DIAGRAM_BRIDGE_JULIA", path.absolute())


def _on_path() -> Candidate | None:
    found = shutil.which("julia")
    return _by_executable("PATH", Path(found).absolute()) if found else None


def _prefix() -> Candidate | None:
    folder = prefix_folder()
    if not folder.exists():
        return None
    from bridge.julia.prefix import damage

    executable = folder / "usr" / "bin" / "julia"
    if (found := damage(folder)) is not None:
        reason = f"{found}; `diagram-bridge julia install` repairs it"
        return Candidate("private prefix", "libjulia", str(executable), "", False, reason)
    return _by_executable("private prefix", executable)


def _juliacall() -> Candidate | None:
    if not official.installed() or _loaded() is not None:
        return None
    state = official.ready()
    return Candidate("juliacall", "juliacall", state.where, state.version, state.usable, state.reason)
