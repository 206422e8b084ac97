"""Installing Julia from a Debian archive that the tests make, sign and serve, with everything that goes wrong."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from bridge.errors import JuliaUnavailable
from bridge.julia import debian, install, official, prefix
from bridge.julia.debian import Archive
from bridge.julia.folders import data_folder, prefix_folder

ROOT = Path(__file__).resolve().parents[1]
TRIPLET = "x86_64-linux-gnu"
NAMES = ("julia", "libjulia1")

needs_archive = pytest.mark.skipif(
    any(shutil.which(program) is None for program in ("apt-get", "dpkg-deb", "gpg")),
    reason="making a signed archive needs apt, dpkg and gpg",
)


@dataclass
class Faults:
    """What the server does wrong: cut answers to `.deb`s short, the first so many times, or flip their last byte."""

    cut_after: int | None = None
    cuts: int = 0
    flip: bool = False
    slow: float = 0.0
    log: list[tuple[str, str | None]] = field(default_factory=list)


class Server(ThreadingHTTPServer):
    """Serves a folder, with byte ranges and faults."""

    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.folder = folder
        self.faults = Faults()


class Answer(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        faults = self.server.faults
        path = self.server.folder / self.path.lstrip("/").replace("%2b", "+").replace("%3a", ":")
        asked = self.headers["Range"]
        faults.log.append((path.name, asked))
        if not path.is_file():
            self.send_error(404)
            return
        data = path.read_bytes()
        if path.suffix == ".deb" and faults.flip:
            data = data[:-1] + bytes([data[-1] ^ 1])
        start = int(asked.removeprefix("bytes=").split("-")[0]) if asked else 0
        self.send_response(206 if asked else 200)
        self.send_header("Content-Length", str(len(data) - start))
        if asked:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        self.end_headers()
        body = data[start:]
        if path.suffix == ".deb":
            time.sleep(faults.slow)
            if faults.cut_after is not None and faults.cuts > 0:
                faults.cuts -= 1
                body = body[: faults.cut_after]
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:
        pass


@dataclass
class Depot:
    """The archive that was made: its folder, server, description for the installer, and the keys that signed it."""

    folder: Path
    server: Server
    archive: Archive
    gnupg: Path

    def package(self, name: str, version: str, files: dict[str, str]) -> None:
        tree = self.folder / "trees" / name
        shutil.rmtree(tree, ignore_errors=True)
        for path, text in files.items():
            (tree / path).parent.mkdir(parents=True, exist_ok=True)
            (tree / path).write_text(text)
            (tree / path).chmod(0o755)
        (tree / "DEBIAN").mkdir()
        architecture = subprocess.run(["dpkg", "--print-architecture"], capture_output=True, text=True, check=True)
        (tree / "DEBIAN" / "control").write_text(
            f"Package: {name}\nVersion: {version}\nArchitecture: {architecture.stdout.strip()}\n"
            "Maintainer: Test <test@example.org>\nDepends: something-that-is-nowhere\nDescription: a test\n"
        )
        (self.folder / "pool").mkdir(exist_ok=True)
        file = self.folder / "pool" / f"{name}_{version}_{architecture.stdout.strip()}.deb"
        subprocess.run(["dpkg-deb", "--root-owner-group", "-b", str(tree), str(file)], check=True, capture_output=True)

    def publish(self) -> None:
        """Write and sign the index of what is in the pool."""
        entries = []
        for file in sorted((self.folder / "pool").glob("*.deb")):
            control = subprocess.run(["dpkg-deb", "-f", str(file)], capture_output=True, text=True, check=True).stdout
            digest = hashlib.sha256(file.read_bytes()).hexdigest()
            entries.append(f"{control}Filename: pool/{file.name}\nSize: {file.stat().st_size}\nSHA256: {digest}\n")
        architecture = subprocess.run(["dpkg", "--print-architecture"], capture_output=True, text=True, check=True)
        below = f"main/binary-{architecture.stdout.strip()}"
        release = self.folder / "dists" / "test"
        (release / below).mkdir(parents=True, exist_ok=True)
        index = "\n".join(entries).encode()
        (release / below / "Packages").write_bytes(index)
        text = (
            f"Origin: Test\nSuite: test\nCodename: test\nArchitectures: {architecture.stdout.strip()}\n"
            f"Components: main\nDate: Thu, 01 Jan 2026 00:00:00 UTC\n"
            f"SHA256:\n {hashlib.sha256(index).hexdigest()} {len(index)} {below}/Packages\n"
        )
        gpg(self.gnupg, "--clearsign", "--yes", "-o", str(release / "InRelease"), input=text)


def gpg(home: Path, *arguments: str, input: str | None = None) -> bytes:
    command = ["gpg", "--homedir", str(home), "--batch", "--quiet", "--pinentry-mode", "loopback", "--passphrase", ""]
    run = subprocess.run([*command, *arguments], input=None if input is None else input.encode(), capture_output=True)
    assert run.returncode == 0, run.stderr.decode()
    return run.stdout


def key(home: Path, keyring: Path) -> None:
    home.mkdir(mode=0o700)
    gpg(home, "--quick-generate-key", "Test archive", "ed25519", "sign", "never")
    keyring.write_bytes(gpg(home, "--export"))


def julia_files(version: str = "1.5.3", smoke: str = "works: 1.5.3") -> dict[str, str]:
    return {
        "usr/bin/julia": f'#!/bin/sh\n[ "$1" = --version ] && echo "julia version {version}" || printf "{smoke}"\n',
        f"usr/lib/{TRIPLET}/julia/sys.so": random.Random(0).randbytes(20_000).hex(),
    }


@pytest.fixture
def depot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Depot]:
    """A served archive with an imitation of Julia, and an empty data folder."""
    monkeypatch.setenv("DIAGRAM_BRIDGE_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    folder, keyring = tmp_path / "archive", tmp_path / "keyring.gpg"
    folder.mkdir()
    # gpg's agent listens on a socket in its home, whose path may not be long.
    gnupg = Path(subprocess.run(["mktemp", "-d"], capture_output=True, text=True, check=True).stdout.strip()) / "gnupg"
    key(gnupg, keyring)
    with Server(folder) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        archive = Archive((f"http://127.0.0.1:{server.server_port}",), "test", (keyring,))
        made = Depot(folder, server, archive, gnupg)
        made.package("julia", "1.5.3-1", julia_files())
        made.package("libjulia1", "1.5.3-1", {f"usr/lib/{TRIPLET}/libjulia.so.1": "a library\n"})
        made.publish()
        yield made
        server.shutdown()
    subprocess.run(["gpgconf", "--homedir", str(gnupg), "--kill", "gpg-agent"], check=False)
    shutil.rmtree(gnupg.parent)


def run(depot: Depot) -> prefix.Prefix:
    return prefix.install(archive=depot.archive, names=NAMES)


def state_of_the_machine() -> list[tuple[str, int, int]]:
    """Every file of the machine's own apt and dpkg that can be seen, with its size and time of change."""
    folders = [Path("/etc/apt"), Path("/var/lib/apt"), Path("/var/lib/dpkg"), Path("/var/cache/apt")]
    files = [path for folder in folders for path in sorted(folder.rglob("*")) if path.is_file()]
    return [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in files]


@needs_archive
def test_an_installation_is_whole_and_leaves_the_machine_alone(depot: Depot) -> None:
    before = state_of_the_machine()
    steps: list[tuple[str, float]] = []
    made = prefix.install(lambda step, fraction: steps.append((step, fraction)), archive=depot.archive, names=NAMES)
    assert (made.folder, made.version, made.new) == (prefix_folder(), "1.5.3", True)
    assert prefix.damage(prefix_folder(), thorough=True) is None
    assert (prefix_folder() / "usr" / "bin" / "julia").stat().st_mode & 0o111
    launched = subprocess.run([prefix_folder() / "bin" / "julia", "--version"], capture_output=True, text=True)
    assert launched.stdout == "julia version 1.5.3\n"
    assert all(0 <= fraction <= 1 for _, fraction in steps) and steps[-1] == ("done", 1.0)
    assert [fraction for step, fraction in steps if step.startswith("fetch")] == sorted(
        fraction for step, fraction in steps if step.startswith("fetch")
    )
    assert sorted(path.name for path in data_folder().iterdir() if path.suffix != ".lock") == sorted(
        ["julia", prefix_folder().resolve().name]
    )
    assert state_of_the_machine() == before


@needs_archive
def test_a_whole_installation_is_left_as_it_is(depot: Depot) -> None:
    run(depot)
    depot.server.faults.log.clear()
    assert not run(depot).new
    assert depot.server.faults.log == []


@needs_archive
def test_a_damaged_installation_is_repaired(depot: Depot) -> None:
    run(depot)
    image = prefix_folder() / "usr" / "lib" / TRIPLET / "julia" / "sys.so"
    text = image.read_text()
    image.write_text(text[::-1])
    assert prefix.damage(prefix_folder()) is None
    assert "other contents" in (prefix.damage(prefix_folder(), thorough=True) or "")
    image.write_text("short")
    assert "bytes" in (prefix.damage(prefix_folder()) or "")
    image.unlink()
    assert "missing" in (prefix.damage(prefix_folder()) or "")
    assert run(depot).new
    assert image.read_text() == text


@needs_archive
def test_a_newer_package_replaces_the_prefix_in_one_step(depot: Depot) -> None:
    run(depot)
    old = prefix_folder().resolve()
    (old / "diagram-bridge.json").unlink()
    depot.package("julia", "1.5.3-2", julia_files(smoke="works: 1.5.4"))
    depot.publish()
    assert run(depot).version == "1.5.4"
    assert prefix_folder().resolve() != old and not old.exists()


@needs_archive
def test_an_interrupted_download_is_continued(depot: Depot) -> None:
    faults = depot.server.faults
    faults.cut_after, faults.cuts = 700, 1000
    with pytest.raises(JuliaUnavailable, match=r"package julia: expected .* bytes"):
        run(depot)
    assert not prefix_folder().exists()
    part = next((data_folder() / "julia.download" / "packages").glob("julia_*.part"))
    had = part.stat().st_size
    assert had > 0
    faults.cuts = 0
    faults.log.clear()
    assert run(depot).new
    assert [asked for name, asked in faults.log if name.startswith("julia_")] == [f"bytes={had}-"]


@needs_archive
def test_a_cut_connection_is_mended_within_one_run(depot: Depot) -> None:
    depot.server.faults.cut_after, depot.server.faults.cuts = 700, 1
    assert run(depot).new


@needs_archive
def test_a_killed_installation_is_continued(depot: Depot, tmp_path: Path) -> None:
    depot.server.faults.slow = 30.0
    code = (
        "import sys, pathlib\nfrom bridge.julia import prefix\nfrom bridge.julia.debian import Archive\n"
        "prefix.install(archive=Archive((sys.argv[1],), 'test', (pathlib.Path(sys.argv[2]),)), names=sys.argv[3:])"
    )
    arguments = [depot.archive.mirrors[0], str(depot.archive.keyrings[0]), *NAMES]
    process = subprocess.Popen([sys.executable, "-c", code, *arguments], env={**os.environ, "PYTHONPATH": str(ROOT)})
    until = time.monotonic() + 60
    while not any(name.endswith(".deb") for name, _ in depot.server.faults.log) and time.monotonic() < until:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not prefix_folder().exists()
    depot.server.faults.slow = 0.0
    assert run(depot).new  # the lock went with the process


@needs_archive
def test_a_package_that_is_not_the_signed_one_is_refused(depot: Depot) -> None:
    depot.server.faults.flip = True
    with pytest.raises(JuliaUnavailable, match=r"package julia: expected SHA-256 .*signed index.*was removed"):
        run(depot)
    assert not prefix_folder().exists()
    assert not list((data_folder() / "julia.download" / "packages").iterdir())
    depot.server.faults.flip = False
    assert run(depot).new


@needs_archive
def test_a_spoilt_file_from_an_earlier_run_is_fetched_again(depot: Depot) -> None:
    folder = data_folder() / "julia.download" / "packages"
    folder.mkdir(parents=True)
    file = next((depot.folder / "pool").glob("julia_*.deb"))
    (folder / file.name).write_bytes(bytes(file.stat().st_size))
    assert run(depot).new


@needs_archive
@pytest.mark.parametrize(("name", "old", "new"), [("Packages", "a test", "b test"), ("InRelease", "Test", "Tess")])
def test_an_index_that_was_changed_after_signing_is_refused(name: str, old: str, new: str, depot: Depot) -> None:
    index = next((depot.folder / "dists").rglob(name))
    index.write_text(index.read_text().replace(old, new))
    with pytest.raises(JuliaUnavailable, match="mirror that answers"):
        run(depot)
    assert not prefix_folder().exists()


@needs_archive
def test_another_key_is_refused(depot: Depot, tmp_path: Path) -> None:
    other, keyring = depot.gnupg.parent / "other", tmp_path / "other.gpg"
    key(other, keyring)
    subprocess.run(["gpgconf", "--homedir", str(other), "--kill", "gpg-agent"], check=False)
    with pytest.raises(JuliaUnavailable, match="mirror that answers"):
        prefix.install(archive=Archive(depot.archive.mirrors, "test", (keyring,)), names=NAMES)


@needs_archive
def test_the_second_mirror_serves_where_the_first_does_not(depot: Depot) -> None:
    mirrors = ("http://127.0.0.1:9", *depot.archive.mirrors)
    assert prefix.install(archive=Archive(mirrors, "test", depot.archive.keyrings), names=NAMES).new


@needs_archive
def test_without_a_network_the_mirror_is_named(depot: Depot) -> None:
    archive = Archive(("http://127.0.0.1:9",), "test", depot.archive.keyrings)
    with pytest.raises(JuliaUnavailable, match=r"mirror that answers, found http://127\.0\.0\.1:9: .*[Cc]onnect"):
        prefix.install(archive=archive, names=NAMES)


@needs_archive
def test_a_package_that_the_archive_lacks_is_named(depot: Depot) -> None:
    with pytest.raises(JuliaUnavailable, match="libllvm9"):
        prefix.install(archive=depot.archive, names=[*NAMES, "libllvm9"])


@needs_archive
@pytest.mark.parametrize("smoke", ["Segmentation fault", ""])
def test_a_julia_that_does_not_work_is_not_put_in_place(smoke: str, depot: Depot) -> None:
    run(depot)
    before = prefix_folder().resolve()
    (before / "diagram-bridge.json").rename(before / "kept.json")
    depot.package("julia", "1.5.3-2", julia_files(smoke=smoke))
    depot.publish()
    with pytest.raises(JuliaUnavailable, match="to pass its smoke test"):
        run(depot)
    (before / "kept.json").rename(before / "diagram-bridge.json")
    assert prefix_folder().resolve() == before and prefix.damage(before, thorough=True) is None


@needs_archive
def test_two_at_once_wait_for_each_other(depot: Depot) -> None:
    depot.server.faults.slow = 0.3
    made: list[prefix.Prefix] = []
    steps: list[str] = []

    def work() -> None:
        made.append(prefix.install(lambda step, _: steps.append(step), archive=depot.archive, names=NAMES))

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(one.new for one in made) == [False, True]
    assert "waiting for another installation to end" in steps
    assert len([name for name, _ in depot.server.faults.log if name.startswith("julia_")]) == 1


def test_a_machine_without_apt_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIAGRAM_BRIDGE_DATA", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(
        JuliaUnavailable, match="Debian-like system with apt and dpkg, found no apt-get, apt-config, dpkg"
    ):
        prefix.install()


@pytest.mark.skipif(shutil.which("apt-get") is None, reason="needs apt")
def test_a_machine_without_debians_keyring_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIAGRAM_BRIDGE_DATA", str(tmp_path))
    with pytest.raises(JuliaUnavailable, match="debian-archive-keyring has it"):
        prefix.install(archive=Archive(("http://127.0.0.1:9",), "test", (tmp_path / "absent.gpg",)), names=NAMES)


def test_a_data_folder_that_can_not_be_written_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("DIAGRAM_BRIDGE_DATA", str(tmp_path / "file" / "below"))
    with pytest.raises(JuliaUnavailable, match=r"data folder .*below: expected to be writable"):
        prefix.install()


def test_a_full_disk_is_noticed_before_anything_is_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIAGRAM_BRIDGE_DATA", str(tmp_path))
    monkeypatch.setattr(prefix.shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(9, 9, 1 << 20))
    with pytest.raises(JuliaUnavailable, match="450 MB of room, found 1 MB"):
        prefix.install()


def test_a_folder_of_someone_elses_is_not_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIAGRAM_BRIDGE_DATA", str(tmp_path))
    (tmp_path / "julia" / "mine").mkdir(parents=True)
    with pytest.raises(JuliaUnavailable, match="a link that an earlier installation made"):
        prefix.install()
    assert (tmp_path / "julia" / "mine").is_dir()


def test_a_damaged_package_file_is_refused(tmp_path: Path) -> None:
    if shutil.which("dpkg-deb") is None:
        pytest.skip("needs dpkg")
    (tmp_path / "x.deb").write_bytes(b"not a package")
    with pytest.raises(JuliaUnavailable, match=r"package file x\.deb"):
        debian.unpack(tmp_path / "x.deb", tmp_path)


@pytest.fixture
def choosing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """A machine where the prefix can be installed, and juliacall is there without a project."""
    made = prefix.Prefix(tmp_path, "1.5.3", True)
    monkeypatch.setattr(prefix, "install", lambda progress: made)
    monkeypatch.setattr(official, "install", lambda progress: "1.12.1")
    monkeypatch.setattr(official, "installed", lambda: True)
    monkeypatch.setattr(official, "probe", lambda timeout: ())
    monkeypatch.setattr(official, "ready", lambda: official.Ready(False, "a project", "", "not set up"))
    return monkeypatch


def test_the_official_julia_is_chosen_where_its_servers_answer(choosing: pytest.MonkeyPatch) -> None:
    made = install.install()
    assert (made.which, made.engine, made.version) == ("official", "flux", "1.12.1")
    assert "answer" in made.why and json.dumps(made.to_json())


def test_the_prefix_is_chosen_where_a_server_is_silent(choosing: pytest.MonkeyPatch) -> None:
    choosing.setattr(official, "probe", lambda timeout: ("https://pkg.julialang.org does not answer",))
    made = install.install()
    assert (made.which, made.engine) == ("private prefix", "native")
    assert made.why == "https://pkg.julialang.org does not answer"


def test_the_prefix_is_chosen_without_juliacall_and_where_it_fails(choosing: pytest.MonkeyPatch) -> None:
    def fail(progress: debian.Progress) -> str:
        raise JuliaUnavailable("the official Julia", "juliapkg to set it up", "no space")

    choosing.setattr(official, "install", fail)
    assert "no space" in install.install().why
    with pytest.raises(JuliaUnavailable, match="no space"):
        install.install("official")
    choosing.setattr(official, "installed", lambda: False)
    assert "pip install juliacall" in install.install().why


def test_what_is_there_already_is_kept(choosing: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "Manifest.toml").write_text("[[deps.Flux]]\n")
    choosing.setattr(official, "ready", lambda: official.Ready(True, "here", "1.11.0", "ready", tmp_path))
    made = install.install()
    assert (made.which, made.version, made.new) == ("official", "1.11.0", False)
    assert install.install("prefix").which == "private prefix"


def test_both_failing_gives_both_reasons(choosing: pytest.MonkeyPatch) -> None:
    def fail(progress: debian.Progress) -> prefix.Prefix:
        raise JuliaUnavailable("the private Julia", "apt", "no apt-get")

    choosing.setattr(prefix, "install", fail)
    choosing.setattr(official, "probe", lambda timeout: ("https://pkg.julialang.org is silent",))
    with pytest.raises(JuliaUnavailable, match=r"no apt-get \(tried because https://pkg\.julialang\.org is silent"):
        install.install()


def test_probing_is_bounded_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = threading.Event()
    monkeypatch.setattr(official, "_silence", lambda server, timeout: ended.wait(60) or "")
    assert all("does not answer in 0.2 s" in answer for answer in official.probe(0.2))
    ended.set()


def test_probing_tells_answers_from_silence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Julia(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_response(200 if self.path == "/registries" else 503)
            self.end_headers()

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with ThreadingHTTPServer(("127.0.0.1", 0), Julia) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        here = f"http://127.0.0.1:{server.server_port}"
        monkeypatch.setattr(official, "SERVERS", ("unused", f"{here}/bin/versions.json"))
        monkeypatch.setenv("JULIA_PKG_SERVER", here)
        assert official.probe() == (f"{here}/bin/versions.json answers 503",)
        monkeypatch.setattr(official, "SERVERS", ("unused", f"{here}/registries"))
        assert official.probe() == ()
        server.shutdown()
    assert all("does not answer" in answer for answer in official.probe())
