"""What is installed: the wheel has the Julia sources, the command, and types."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import bridge

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=120)
    (path,) = folder.glob("*.whl")
    assert path.name == f"diagram_bridge-{bridge.__version__}-py3-none-any.whl"
    return zipfile.ZipFile(path)


def test_the_wheel_has_every_source(wheel: zipfile.ZipFile) -> None:
    names = set(wheel.namelist())
    python = {str(path.relative_to(ROOT)) for path in (ROOT / "bridge").rglob("*.py")}
    julia = {
        f"bridge/_julia/{path.relative_to(ROOT / 'julia')}"
        for path in (ROOT / "julia").rglob("*")
        if path.suffix in (".jl", ".toml") and path.name != "Manifest.toml"
    }
    assert python <= names and julia <= names and "bridge/py.typed" in names
    assert {name.split("/")[0] for name in names} == {"bridge", f"diagram_bridge-{bridge.__version__}.dist-info"}


def test_the_command_is_declared(wheel: zipfile.ZipFile) -> None:
    points = wheel.read(f"diagram_bridge-{bridge.__version__}.dist-info/entry_points.txt").decode()
    assert "diagram-bridge = bridge.cli.main:main" in points


def test_versions_agree() -> None:
    project = (ROOT / "julia" / "Project.toml").read_text()
    assert re.findall(r'^version = "(.*)"', project, re.MULTILINE) == [bridge.__version__]
    assert f"## [{bridge.__version__}]" in (ROOT / "CHANGELOG.md").read_text()


def test_every_requirement_is_pinned_for_ci() -> None:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pinned = {line.split("==")[0].lower().replace("_", "-") for line in lines}
    project = (ROOT / "pyproject.toml").read_text()
    wanted = set(re.findall(r'^ {4}"([a-z-]+)(?:[>\[]|")', project, re.MULTILINE)) | {"scikit-learn"}
    assert wanted - {"diagram-bridge"} <= pinned
