"""Finding Julia among installations that a few files imitate, and reading what shared libraries need."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bridge.errors import JuliaUnavailable
from bridge.julia import find, libraries, official, sources
from bridge.julia.find import Candidate, candidates, choose, layout
from bridge.julia.folders import data_folder, depot_folder, prefix_folder
from bridge.julia.version import numbers

TRIPLET = "x86_64-linux-gnu"


@pytest.fixture(autouse=True)
def nothing_installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No Julia but those that a test puts in place."""
    for name in ("DIAGRAM_BRIDGE_JULIA", "PYTHON_JULIACALL_EXE", "PYTHON_JULIACALL_PROJECT", "LD_LIBRARY_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DIAGRAM_BRIDGE_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    monkeypatch.setattr(find.shutil, "which", lambda name: None)
    monkeypatch.setattr(official, "installed", lambda: False)
    monkeypatch.delitem(sys.modules, "juliacall", raising=False)


def imitate(root: Path, version: str = "1.10.8", libdir: str = "lib", library: str = "libjulia.so") -> Path:
    """An installation with the files that matter; its executable says its version and nothing else."""
    executable = root / "bin" / "julia"
    executable.parent.mkdir(parents=True)
    executable.write_text(f'#!/bin/sh\n[ "$1" = --version ] && echo "julia version {version}"\n')
    executable.chmod(0o755)
    (root / libdir / "julia").mkdir(parents=True)
    (root / libdir / library).touch()
    (root / libdir / "julia" / "sys.so").touch()
    return executable


def test_the_official_layout(tmp_path: Path) -> None:
    executable = imitate(tmp_path / "julia-1.10.8")
    found = layout(executable)
    root = tmp_path / "julia-1.10.8"
    assert (found.bindir, found.library) == (root / "bin", root / "lib" / "libjulia.so")
    assert found.sysimage == root / "lib" / "julia" / "sys.so"
    assert found.libraries == () and found.environment() == dict(os.environ)


def test_debians_layout_in_a_private_prefix_names_its_own_libraries(tmp_path: Path) -> None:
    executable = imitate(tmp_path / "usr", "1.5.3", f"lib/{TRIPLET}", "libjulia.so.1")
    (tmp_path / "lib" / TRIPLET).mkdir(parents=True)
    found = layout(executable)
    assert found.libraries == (tmp_path / "usr" / "lib" / TRIPLET, tmp_path / "lib" / TRIPLET)
    assert found.environment()["LD_LIBRARY_PATH"] == ":".join(map(str, found.libraries))


def test_the_users_library_path_stays_behind_the_private_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = layout(imitate(tmp_path / "usr", "1.5.3", f"lib/{TRIPLET}", "libjulia.so.1"))
    monkeypatch.setenv("LD_LIBRARY_PATH", "/mine")
    assert found.environment()["LD_LIBRARY_PATH"] == f"{found.libraries[0]}:/mine"


def test_a_link_leads_to_the_installation(tmp_path: Path) -> None:
    executable = imitate(tmp_path / "julia-1.10.8")
    link = tmp_path / "julia"
    link.symlink_to(executable)
    assert layout(link).bindir == executable.parent


def test_a_launcher_is_asked(tmp_path: Path) -> None:
    real = imitate(tmp_path / "real")
    launcher = tmp_path / "launcher" / "julia"
    launcher.parent.mkdir()
    answer = f"{real.parent}\\n{tmp_path}/real/lib/libjulia.so\\n{tmp_path}/real/lib/julia/sys.so\\n"
    launcher.write_text(f"#!/bin/sh\nprintf '{answer}'\n")
    launcher.chmod(0o755)
    assert layout(launcher).library == tmp_path / "real" / "lib" / "libjulia.so"


@pytest.mark.parametrize("script", ["echo no idea", "exit 3", "echo ERROR: broken >&2; exit 1"])
def test_a_launcher_that_does_not_answer_is_refused(script: str, tmp_path: Path) -> None:
    launcher = tmp_path / "julia"
    launcher.write_text(f"#!/bin/sh\n{script}\n")
    launcher.chmod(0o755)
    with pytest.raises(JuliaUnavailable, match="a Julia that says where its library is"):
        layout(launcher)


def test_nothing_is_found_where_nothing_is() -> None:
    assert candidates() == ()
    with pytest.raises(JuliaUnavailable, match="diagram-bridge julia install"):
        choose()


def test_the_order_of_preference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    on_path = imitate(tmp_path / "path", "1.11.2")
    named = imitate(tmp_path / "named")
    monkeypatch.setattr(find.shutil, "which", lambda name: str(on_path))
    monkeypatch.setenv("DIAGRAM_BRIDGE_JULIA", str(named))
    monkeypatch.setattr(official, "installed", lambda: True)
    monkeypatch.setattr(official, "ready", lambda: official.Ready(True, "here", "1.12.0", "a project is ready"))
    names = [candidate.name for candidate in candidates()]
    assert names == ["DIAGRAM_BRIDGE_JULIA", "juliacall", "PATH"]
    assert choose().version == "1.10.8"
    monkeypatch.delenv("DIAGRAM_BRIDGE_JULIA")
    assert (choose().name, choose().how, choose().layout) == ("juliacall", "juliacall", None)
    monkeypatch.setattr(official, "ready", lambda: official.Ready(False, "here", "", "not set up"))
    assert (choose().name, choose().how) == ("PATH", "libjulia")


def test_a_juliacall_that_is_loaded_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIAGRAM_BRIDGE_JULIA", str(imitate(tmp_path)))

    class Loaded:
        CONFIG = {"inited": False, "exepath": "/some/julia"}  # noqa: RUF012
        Main = "Julia's"

        class Base:
            VERSION = "1.11.1"

    monkeypatch.setitem(sys.modules, "juliacall", Loaded)  # type: ignore[arg-type]
    assert (choose().name, choose().version, choose().where) == ("loaded juliacall", "1.11.1", "/some/julia")
    del Loaded.Main  # imported with PYTHON_JULIACALL_INIT=no, and no Julia there
    assert choose().name == "DIAGRAM_BRIDGE_JULIA"


def test_what_the_user_named_is_not_replaced_by_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(find.shutil, "which", lambda name: str(imitate(tmp_path / "path")))
    monkeypatch.setenv("DIAGRAM_BRIDGE_JULIA", str(tmp_path / "nowhere"))
    with pytest.raises(JuliaUnavailable, match=r"^DIAGRAM_BRIDGE_JULIA: .*nowhere: not an executable file"):
        choose()


def test_a_folder_may_be_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    executable = imitate(tmp_path / "julia-1.10.8")
    monkeypatch.setenv("DIAGRAM_BRIDGE_JULIA", str(tmp_path / "julia-1.10.8"))
    assert choose().where == str(executable)


@pytest.mark.parametrize(
    ("version", "reason"), [("1.4.2", "needs Julia 1.5"), ("0.6.4", "needs Julia 1.5"), ("", "say")]
)
def test_versions_that_do_not_do(version: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIAGRAM_BRIDGE_JULIA", str(imitate(tmp_path, version)))
    (found,) = candidates()
    assert not found.usable and reason in found.reason


def test_a_prefix_without_its_record_is_damaged(tmp_path: Path) -> None:
    imitate(prefix_folder() / "usr", "1.5.3", f"lib/{TRIPLET}", "libjulia.so.1")
    (found,) = candidates()
    assert not found.usable and "diagram-bridge julia install" in found.reason
    with pytest.raises(JuliaUnavailable, match="record"):
        choose()


def test_candidates_are_plain_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(
        "DIAGRAM_BRIDGE_JULIA", str(imitate(tmp_path / "usr", "1.5.3", f"lib/{TRIPLET}", "libjulia.so.1"))
    )
    plain = json.loads(json.dumps(choose().to_json()))
    assert plain["layout"]["libraries"] == [str(tmp_path / "usr" / "lib" / TRIPLET)]
    assert json.dumps(Candidate("PATH", "libjulia", "x", "", False, "no").to_json())


def test_a_juliacall_set_up_by_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(official, "installed", lambda: True)
    monkeypatch.setenv("PYTHON_JULIACALL_EXE", str(imitate(tmp_path / "julia")))
    assert "set together" in official.ready().reason
    project = tmp_path / "project"
    project.mkdir()
    monkeypatch.setenv("PYTHON_JULIACALL_PROJECT", str(project))
    assert official.ready().reason == "the project has no PythonCall"
    (project / "Manifest.toml").write_text('[[deps.PythonCall]]\nuuid = "x"\n\n[[deps.FluxExtras]]\n')
    assert official.ready().usable
    assert not official.has_package(project, "Flux")
    monkeypatch.setenv("PYTHON_JULIACALL_EXE", str(imitate(tmp_path / "old", "1.9.4")))
    assert not official.ready().usable and "1.9.4" in official.ready().reason


def test_juliacalls_settings_are_set_only_where_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(("PYTHON_JULIACALL", "JULIA_NUM"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PYTHON_JULIACALL_STARTUP_FILE", "yes")
    monkeypatch.setenv("PYTHON_JULIACALL_THREADS", "2")
    assert len(official.complaints()) == 1
    before = dict(os.environ)
    try:
        official.set_defaults()
        assert os.environ["PYTHON_JULIACALL_STARTUP_FILE"] == "yes"
        assert os.environ["PYTHON_JULIACALL_HANDLE_SIGNALS"] == "yes"
        assert official.complaints() == []
    finally:
        os.environ.clear()
        os.environ.update(before)


def test_the_data_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert data_folder() == tmp_path / "data" and prefix_folder().parent == depot_folder().parent == data_folder()
    monkeypatch.delenv("DIAGRAM_BRIDGE_DATA")
    monkeypatch.setenv("XDG_DATA_HOME", "/somewhere")
    assert data_folder() == Path("/somewhere/diagram-bridge")
    monkeypatch.setenv("XDG_DATA_HOME", "relative")  # to be ignored, says the specification
    monkeypatch.setenv("HOME", "/home/me")
    assert data_folder() == Path("/home/me/.local/share/diagram-bridge")


def test_the_sources_of_a_wheel_and_of_a_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = tmp_path / "bridge" / "julia" / "sources.py"
    monkeypatch.setattr(sources, "__file__", str(module))
    with pytest.raises(JuliaUnavailable, match="DiagramBridge"):
        sources.julia_project()
    for place in (tmp_path / "julia", tmp_path / "bridge" / "_julia"):  # a wheel's comes first
        place.mkdir(parents=True)
        (place / "Project.toml").touch()
        assert sources.julia_project() == place


def test_numbers_of_versions() -> None:
    assert numbers("1.5.3") < numbers("1.9.0-beta2") < numbers("1.10.0") < numbers("2.0")
    assert numbers("nightly") == ()


def shared_libraries() -> list[Path]:
    """Some real libraries: the extension modules of this Python."""
    import _ctypes
    import _ssl

    return [Path(module.__file__) for module in (_ctypes, _ssl) if module.__file__]


@pytest.mark.skipif(shutil.which("readelf") is None, reason="binutils' readelf is the reference")
def test_what_a_library_needs_is_what_readelf_says() -> None:
    for path in shared_libraries():
        dump = subprocess.run(["readelf", "-dW", str(path)], capture_output=True, text=True, check=True).stdout
        assert libraries.needs(path).needed == tuple(re.findall(r"\(NEEDED\).*\[(.+)\]", dump))
        assert libraries.needs(path).soname == "".join(re.findall(r"\(SONAME\).*\[(.+)\]", dump))


def test_what_is_no_library_is_refused(tmp_path: Path) -> None:
    whole = shared_libraries()[0].read_bytes()
    path = tmp_path / "libbroken.so"
    for broken in (
        b"",
        b"\x7fELF",
        b"#!/bin/sh\n" + bytes(100),
        b"\x7fELF\x01\x01" + bytes(100),
        whole[:64],
        whole[:999],
    ):
        path.write_bytes(broken)
        with pytest.raises(JuliaUnavailable, match="ELF"):
            libraries.needs(path)


def test_libraries_come_after_those_they_need(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wants = {"julia": ["a", "b"], "a": ["c", "system"], "b": ["a"], "c": ["b"]}  # with a cycle, a → c → b → a
    for name in wants:
        (tmp_path / name).touch()
    monkeypatch.setattr(libraries, "needs", lambda path: libraries.Needs(path.name, tuple(wants[path.name])))
    order = [path.name for path in libraries.load_order([tmp_path / "julia"], [tmp_path])]
    assert sorted(order) == ["a", "b", "c"] and order.index("c") < order.index("a")


def test_this_process_knows_its_own_libraries() -> None:
    held = libraries.loaded_libraries()
    assert any(name.startswith("libc.so") or name.startswith("libc-") for name in held)
