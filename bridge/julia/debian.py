"""Fetching packages of a Debian release that the machine does not run, without touching the machine's own apt.

apt reads the archive's signed index into a private state folder, with the Debian archive keyring and nothing else as
trust, and says where each package is and what its SHA-256 must be. The packages are fetched from there with resumption
and are checked against that. No root is needed; where the caller is root, apt's switch to the `_apt` user is turned
off, since that user can't read a home folder.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from bridge.errors import JuliaUnavailable

__all__ = ["BULLSEYE", "PACKAGES", "Archive", "Package", "Progress", "fetch", "packages", "unpack"]

Progress = Callable[[str, float], None]
"""Called with what is being done and the fraction that is done, 0 to 1."""

# fmt: off
PACKAGES = (
    "julia", "libjulia1", "julia-common", "libllvm9", "libffi7", "libz3-4", "libedit2", "libbsd0", "libmd0",
    "libunwind8", "libutf8proc2", "libopenlibm3", "libmpfr6", "libgmp10", "libpcre2-8-0", "libdsfmt-19937-1",
    "libgfortran5", "libquadmath0", "libgit2-1.1", "libmbedtls12", "libmbedx509-0", "libmbedcrypto3",
    "libhttp-parser2.9", "libpcre3", "libssh2-1", "libgcrypt20", "libgpg-error0",
)
# fmt: on
"""Debian 11's Julia 1.5.3 and what it was built with. libc, libstdc++, libgcc, zlib, lzma and tinfo stay the system's,
for the sake of the other libraries in the process."""


@dataclass(frozen=True)
class Archive:
    """A Debian archive: where it is (the first that answers), which release, and the keyrings that may sign it."""

    mirrors: tuple[str, ...]
    release: str
    keyrings: tuple[Path, ...]


_KEYRINGS = Path("/usr/share/keyrings")

BULLSEYE = Archive(
    ("http://deb.debian.org/debian", "http://archive.debian.org/debian"),
    "bullseye",
    (_KEYRINGS / "debian-archive-keyring.gpg", _KEYRINGS / "debian-archive-bullseye-automatic.gpg"),
)


@dataclass(frozen=True)
class Package:
    """A package as the signed index describes it; `size` is in bytes."""

    name: str
    uri: str
    file: str
    size: int
    sha256: str


def packages(archive: Archive, names: Sequence[str], folder: Path) -> tuple[Package, ...]:
    """Where the newest of each named package is and what it must hash to, from the archive's signed index.

    `folder` keeps apt's private state. Raises JuliaUnavailable where apt, dpkg or the keyring is missing, where no
    mirror answers, and where the index is not signed by the keyring.
    """
    programs = {program: shutil.which(program) for program in ("apt-get", "apt-config", "dpkg", "dpkg-deb")}
    if missing := [program for program, path in programs.items() if path is None]:
        raise JuliaUnavailable(
            "the private Julia", "a Debian-like system with apt and dpkg", f"no {', '.join(missing)} on the PATH"
        )
    keyring = next((path for path in archive.keyrings if os.access(path, os.R_OK)), None)
    if keyring is None:
        raise JuliaUnavailable(
            "the private Julia",
            f"the Debian archive keyring {archive.keyrings[0]}",
            "no such file; the package debian-archive-keyring has it",
        )
    failures = []
    for mirror in archive.mirrors:
        settings = _configure(folder, archive.release, mirror, keyring)
        update = _apt(settings, "update")
        listed = _apt(settings, "--print-uris", "download", *names)
        if listed.returncode == 0:
            return _parse(listed.stdout, names, mirror)
        failures.append(f"{mirror}: {_complaint(update) or _complaint(listed)}")
    raise JuliaUnavailable(
        "the private Julia", f"Debian's {archive.release} packages from a mirror that answers", "; ".join(failures)
    )


def _configure(folder: Path, release: str, mirror: str, keyring: Path) -> Path:
    """Write apt's private configuration; it is read after the machine's, whose proxies stay in force."""
    architecture = subprocess.run(
        ["dpkg", "--print-architecture"], capture_output=True, text=True, check=False
    ).stdout.strip()
    state = folder / re.sub(r"\W+", "-", urlsplit(mirror).netloc + urlsplit(mirror).path)
    for below in ("lists/partial", "cache/archives/partial"):
        (state / below).mkdir(parents=True, exist_ok=True)
    (state / "status").touch()
    (state / "sources.list").write_text(f"deb [signed-by={keyring} arch={architecture}] {mirror} {release} main\n")
    settings = state / "apt.conf"
    settings.write_text(f"""\
#clear APT::Update;
#clear APT::Architectures;
APT::Architecture "{architecture}";
APT::Architectures {{ "{architecture}"; }};
APT::Sandbox::User "root";
APT::Get::AllowUnauthenticated "false";
Acquire::AllowInsecureRepositories "false";
Acquire::AllowWeakRepositories "false";
Acquire::Languages "none";
Acquire::Retries "2";
Acquire::http::Timeout "20";
Dir::State "{state}";
Dir::State::status "{state}/status";
Dir::State::lists "{state}/lists";
Dir::Cache "{state}/cache";
Dir::Etc::sourcelist "{state}/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
""")
    return settings


def _apt(settings: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = ["apt-get", "-c", str(settings), "-qq", *arguments]
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        cwd=settings.parent,
        env={**os.environ, "LC_ALL": "C.UTF-8"},
    )


def _complaint(run: subprocess.CompletedProcess[str]) -> str:
    lines = [line.strip() for line in run.stderr.splitlines() if line.startswith(("E:", "W:", "Err:"))]
    return lines[0] if lines else ""


_URI = re.compile(r"^'([^']+)' (\S+) (\d+) SHA256:([0-9a-f]{64})$", re.MULTILINE)


def _parse(listing: str, names: Sequence[str], mirror: str) -> tuple[Package, ...]:
    found = {}
    for uri, file, size, sha256 in _URI.findall(listing):
        name = unquote(file).split("_")[0]
        found[name] = Package(name, uri, file, int(size), sha256)
    if absent := [name for name in names if name not in found]:
        raise JuliaUnavailable(f"package {absent[0]}", f"an entry with a SHA-256 in the index of {mirror}", "none")
    return tuple(found[name] for name in names)


def fetch(package: Package, folder: Path, progress: Progress) -> Path:
    """The package's file in `folder`: the one that is there if it is whole and right, else fetched.

    What an interrupted run left in `FILE.part` is continued. Raises JuliaUnavailable where the network fails, and where
    what arrives is not what the signed index says; that is removed.
    """
    file = folder / package.file
    if file.exists() and _is(package, file):
        return file
    part = file.with_name(file.name + ".part")
    failure: Exception | None = None
    for _ in range(3):
        try:
            _continue(package, part, progress)
        except (OSError, urllib.error.URLError) as error:
            failure = error
            continue
        if part.stat().st_size >= package.size:
            break
    else:
        raise JuliaUnavailable(
            f"package {package.name}", f"{package.size} bytes from {package.uri}", str(failure) if failure else "fewer"
        )
    if not _is(package, part):
        found = _digest(part)
        part.unlink()
        raise JuliaUnavailable(
            f"package {package.name}",
            f"SHA-256 {package.sha256}, as the signed index says",
            f"{found}; the file was removed",
        )
    part.replace(file)
    return file


def _continue(package: Package, part: Path, progress: Progress) -> None:
    have = part.stat().st_size if part.exists() else 0
    if have > package.size:
        part.unlink()
        have = 0
    if have == package.size:
        return
    request = urllib.request.Request(package.uri, headers={"Range": f"bytes={have}-"} if have else {})
    with _opener().open(request, timeout=30) as answer:
        resumed = have > 0 and getattr(answer, "status", 200) == 206
        with part.open("ab" if resumed else "wb") as out:
            done = have if resumed else 0
            while block := answer.read(1 << 18):
                out.write(block)
                done += len(block)
                progress(f"fetching {package.name}", min(done / package.size, 1.0))


def _opener() -> urllib.request.OpenerDirector:
    """An opener that goes through the proxy that apt was told to use, else through the environment's."""
    question = ["apt-config", "shell", "proxy", "Acquire::http::Proxy"]
    run = subprocess.run(question, capture_output=True, text=True, check=False)
    match = re.match(r"proxy='(.+)'", run.stdout)
    if match is None or match[1] == "DIRECT":
        return urllib.request.build_opener()
    return urllib.request.build_opener(urllib.request.ProxyHandler({"http": match[1]}))


def _digest(file: Path) -> str:
    digest = hashlib.sha256()
    with file.open("rb") as data:
        while block := data.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _is(package: Package, file: Path) -> bool:
    return file.stat().st_size == package.size and _digest(file) == package.sha256


def unpack(file: Path, folder: Path) -> None:
    """Unpack a package's files below `folder`, running none of its scripts. A damaged one is JuliaUnavailable."""
    run = subprocess.run(["dpkg-deb", "--extract", str(file), str(folder)], capture_output=True, text=True, check=False)
    if run.returncode != 0:
        said = run.stderr.strip().splitlines()
        raise JuliaUnavailable(f"package file {file.name}", "a Debian package", said[-1] if said else "a damaged file")
