"""What is installed: the wheel has the Julia sources, the command, and types."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import textwrap
import zipfile
from pathlib import Path

import pytest

import bridge
from bridge.errors import JuliaUnavailable
from bridge.julia import official
from bridge.julia.find import choose
from bridge.julia.version import OLDEST_JULIACALL, dotted

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=600)
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
    assert python <= names and julia <= names and {"bridge/py.typed", "bridge/juliapkg.json"} <= names
    assert {name.split("/")[0] for name in names} == {"bridge", f"diagram_bridge-{bridge.__version__}.dist-info"}


def test_the_command_is_declared(wheel: zipfile.ZipFile) -> None:
    points = wheel.read(f"diagram_bridge-{bridge.__version__}.dist-info/entry_points.txt").decode()
    assert "diagram-bridge = bridge.cli.main:main" in points


def test_the_wheel_trains_outside_of_the_checkout(wheel: zipfile.ZipFile, tmp_path: Path) -> None:
    """The Julia sources that run are the wheel's, and so is everything else of bridge."""
    try:
        julia = choose()
    except JuliaUnavailable as error:
        pytest.skip(str(error))
    wheel.extractall(tmp_path)
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    if julia.layout is not None:
        environment["DIAGRAM_BRIDGE_JULIA"] = str(julia.layout.executable)
    code = """
        import bridge, torch
        from bridge import layers
        from bridge.julia.session import session
        d = bridge.Builder("head")
        x, y = d.space("x", "float32", i=3), d.space("y", "float32", j=2)
        data = d.source("data", x=x, y=y)
        d.agree(d.arrow("head", x, y, layers.linear(3, 2))(data.x), data.y, by=bridge.mse())
        objective = bridge.compile(d, placement={"head": "julia"})
        objective({"data": {"x": torch.rand(5, 3), "y": torch.rand(5, 2)}}).total.backward()
        assert all(parameter.grad is not None for parameter in objective.parameters())
        print(bridge.__file__)
        print(session().runtime.eval_string("pathof(DiagramBridge)"))
    """
    command = [sys.executable, "-c", textwrap.dedent(code)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=400, cwd=tmp_path, env=environment)
    places = [tmp_path / "bridge" / "__init__.py", tmp_path / "bridge" / "_julia" / "src" / "DiagramBridge.jl"]
    assert run.stdout.splitlines() == [str(place) for place in places], run.stderr


def test_juliapkg_asks_for_what_the_julia_package_declares() -> None:
    asked = json.loads(official.REQUIREMENTS.read_text())
    assert asked["julia"] == dotted(OLDEST_JULIACALL)
    project = (ROOT / "julia" / "Project.toml").read_text()
    for name, package in asked["packages"].items():
        stands = re.findall(rf'^{name} = "(.*)"$', project, re.MULTILINE)
        assert stands[:2] == [package["uuid"], package["version"]]  # [weakdeps], [compat]


def test_juliapkg_can_meet_what_is_asked_beside_juliacall(tmp_path: Path) -> None:
    """juliapkg itself merges bridge's file with juliacall's."""
    if not official.installed():
        pytest.skip("juliacall is not installed")
    code = """
        from juliapkg.compat import Version
        from juliapkg.deps import find_requirements
        julia, packages = find_requirements()
        assert Version.parse("1.10.8") in julia and Version.parse("1.9.4") not in julia
        print({package.name: package.version for package in packages}["Flux"])
    """
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHON_JULIAPKG_PROJECT": str(tmp_path / "project")}
    command = [sys.executable, "-c", textwrap.dedent(code)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=tmp_path, env=environment)
    assert run.stdout.splitlines()[-1:] == ["^0.16"], run.stdout + run.stderr


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
