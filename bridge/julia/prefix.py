"""Debian 11's Julia 1.5.3 in a private prefix below the data folder, for machines that don't reach Julia's own servers.

An installation is made beside the prefix and put in its place by renaming one symbolic link, so that the prefix is
always whole: the old one, the new one, or none. Two processes that install at once wait for each other. An installation
that was interrupted is continued.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bridge.errors import JuliaUnavailable
from bridge.julia.debian import BULLSEYE, PACKAGES, Archive, Package, Progress, fetch, packages, unpack
from bridge.julia.find import Layout, layout
from bridge.julia.folders import data_folder, prefix_folder

__all__ = ["Prefix", "damage", "install", "smoke_test"]

_RECORD = "diagram-bridge.json"
_RECORD_VERSION = 1
_UNPACKED_BYTES = 450 << 20

_SMOKE_TEST = r"""
using LinearAlgebra
half(n::Int) = isodd(n) ? error("odd") : n ÷ 2
caught(n::Int) = try half(n) catch exception; exception isa ErrorException ? -1 : -2 end
@assert caught(3) == -1 && caught(4) == 2
@assert svdvals([3.0 0.0; 0.0 4.0]) == [4.0, 3.0]
@assert setprecision(() -> string(BigFloat(2)^0.5), 64) == "1.41421356237309504876"
@assert fetch(@async 1 + 1) == 2
print("works: ", VERSION)
"""
"""An exception thrown and caught in compiled functions, LAPACK, MPFR, a task: what breaks with the wrong libraries."""


@dataclass(frozen=True)
class Prefix:
    """An installed prefix: its folder, its Julia's version, and whether this run made it."""

    folder: Path
    version: str
    new: bool


def install(
    progress: Progress = lambda step, fraction: None,
    *,
    archive: Archive = BULLSEYE,
    names: Sequence[str] = PACKAGES,
) -> Prefix:
    """Put Julia into the private prefix, or leave the whole one that is there.

    Fetches about 64 MB and takes about 330 MB. Raises JuliaUnavailable where apt, dpkg or the keyring is missing, the
    network is away, the disk is full, a package is not the one that was signed, or the Julia does not work here.
    """
    data = data_folder()
    try:
        data.mkdir(parents=True, exist_ok=True)
        with _alone(data / "julia.lock", progress):
            return _install(data, prefix_folder(), progress, archive, names)
    except OSError as error:
        raise JuliaUnavailable(f"the data folder {data}", "to be writable, with 500 MB of room", str(error)) from error


def _install(data: Path, prefix: Path, progress: Progress, archive: Archive, names: Sequence[str]) -> Prefix:
    if prefix.exists() and damage(prefix, thorough=True) is None:
        return Prefix(prefix, str(_read_record(prefix)["version"]), new=False)
    if prefix.exists() and not prefix.is_symlink():
        raise JuliaUnavailable(str(prefix), "a link that an earlier installation made, or nothing", "something else")
    free = shutil.disk_usage(data).free
    if free < _UNPACKED_BYTES:
        raise JuliaUnavailable(f"the data folder {data}", f"{_UNPACKED_BYTES >> 20} MB of room", f"{free >> 20} MB")
    work = data / "julia.download"
    progress("reading Debian's index", 0.0)
    wanted = packages(archive, names, work / "apt")
    fetched = _fetch_all(wanted, work, progress)
    new = data / f"julia-{_identity(wanted)}"
    shutil.rmtree(new, ignore_errors=True)
    for k, file in enumerate(fetched):
        progress(f"unpacking {wanted[k].name}", k / len(fetched))
        unpack(file, new)
    progress("testing", 0.0)
    version = smoke_test(layout(new / "usr" / "bin" / "julia"))
    _write_launcher(new)
    _write_record(new, version, wanted)
    _switch(prefix, new)
    shutil.rmtree(work, ignore_errors=True)
    progress("done", 1.0)
    return Prefix(prefix, version, new=True)


@contextmanager
def _alone(lock: Path, progress: Progress) -> Iterator[None]:
    """Hold the lock file; it is let go when the process ends, however it ends."""
    with lock.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress("waiting for another installation to end", 0.0)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _fetch_all(wanted: Sequence[Package], work: Path, progress: Progress) -> list[Path]:
    total, done, files = sum(package.size for package in wanted), 0, []
    folder = work / "packages"
    folder.mkdir(parents=True, exist_ok=True)
    for package in wanted:
        before = done

        def below(step: str, fraction: float, before: int = before, size: int = package.size) -> None:
            progress(step, (before + fraction * size) / total)

        files.append(fetch(package, folder, below))
        done += package.size
        progress(f"fetched {package.name}", done / total)
    return files


def _identity(wanted: Sequence[Package]) -> str:
    return hashlib.sha256(" ".join(package.sha256 for package in wanted).encode()).hexdigest()[:12]


def smoke_test(found: Layout) -> str:
    """The version of an unpacked Julia that throws, catches, decomposes and prints as it should.

    Raises JuliaUnavailable with what it printed where it does not.
    """
    command = [str(found.executable), "--startup-file=no", "--history-file=no", "-e", _SMOKE_TEST]
    try:
        run = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, env=found.environment())
    except (OSError, subprocess.TimeoutExpired) as error:
        raise JuliaUnavailable(f"Julia in {found.executable}", "to run here", str(error)) from error
    if run.returncode != 0 or not run.stdout.startswith("works: "):
        said = (run.stderr or run.stdout).strip() or f"exit status {run.returncode}"
        raise JuliaUnavailable(f"Julia in {found.executable}", "to pass its smoke test", said)
    return run.stdout.removeprefix("works: ").strip()


def _write_launcher(folder: Path) -> None:
    """A `bin/julia` that can be run by hand: the one in `usr/bin` does not find its libraries."""
    libraries = layout(folder / "usr" / "bin" / "julia").libraries
    below = ":".join(f"$root/{path.relative_to(folder.resolve())}" for path in libraries)
    launcher = folder / "bin" / "julia"
    launcher.parent.mkdir(exist_ok=True)
    launcher.write_text(
        '#!/bin/sh\nroot=$(dirname "$(dirname "$(readlink -f "$0")")")\n'
        f'LD_LIBRARY_PATH="{below}${{LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}}" exec "$root/usr/bin/julia" "$@"\n'
    )
    launcher.chmod(0o755)


def _switch(prefix: Path, new: Path) -> None:
    """Let the prefix be the new folder, in one step, and remove the one it was."""
    old = prefix.resolve() if prefix.is_symlink() else None
    link = prefix.with_name(prefix.name + ".new")
    link.unlink(missing_ok=True)
    link.symlink_to(new.name)
    link.replace(prefix)
    if old is not None and old != new.resolve() and old.parent == prefix.parent.resolve():
        shutil.rmtree(old, ignore_errors=True)


def _files(folder: Path) -> Iterator[Path]:
    """What the integrity check covers: the executable and every library, not documentation and sources."""
    for below in ("usr/bin", "usr/lib", "lib"):
        for path in sorted((folder / below).rglob("*")):
            if path.is_file() and not path.is_symlink():
                yield path


def _write_record(folder: Path, version: str, wanted: Sequence[Package]) -> None:
    record = {
        "record": _RECORD_VERSION,
        "version": version,
        "packages": {package.file: package.sha256 for package in wanted},
        "files": {str(path.relative_to(folder)): [path.stat().st_size, _hash(path)] for path in _files(folder)},
    }
    (folder / _RECORD).write_text(json.dumps(record, indent=1, sort_keys=True))


def _read_record(folder: Path) -> dict[str, Any]:
    record = json.loads((folder / _RECORD).read_text())
    if not isinstance(record, dict) or record.get("record") != _RECORD_VERSION:
        raise ValueError("a record of another format")
    return record


def damage(folder: Path, *, thorough: bool = False) -> str | None:
    """What is wrong with an installed prefix, or None: a file that is gone or has another size.

    `thorough` compares contents as well, which takes a second.
    """
    try:
        files = _read_record(folder)["files"]
        for name, (size, sha256) in files.items():
            path = folder / name
            if not path.is_file():
                return f"{name} is missing"
            if path.stat().st_size != size:
                return f"{name} has {path.stat().st_size} bytes and not {size}"
            if thorough and _hash(path) != sha256:
                return f"{name} has other contents than it was installed with"
    except (OSError, ValueError, KeyError, TypeError) as error:
        return f"its record {_RECORD} can't be read ({error})"
    return None


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        digest = hashlib.sha256()
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
