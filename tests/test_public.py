"""The public names: each is where `bridge` says, for type checkers too, and `import bridge` is light."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import bridge

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.parametrize("name", bridge.EXPORTS)
def test_every_name_is_there(name: str) -> None:
    module = sys.modules.get(bridge.EXPORTS[name]) or __import__(bridge.EXPORTS[name], fromlist=[name])
    assert getattr(bridge, name) is getattr(module, name)
    assert name in dir(bridge)
    assert name in bridge.__all__


def test_type_checkers_see_the_same_names() -> None:
    tree = ast.parse((ROOT / "bridge" / "__init__.py").read_text(encoding="utf-8"))
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    imports = [node for node in block.body if isinstance(node, ast.ImportFrom)]
    assert {alias.asname: node.module for node in imports for alias in node.names} == bridge.EXPORTS


def test_unknown_names() -> None:
    with pytest.raises(AttributeError, match="no attribute 'compyle'"):
        _ = bridge.compyle


def test_import_is_light() -> None:
    """Neither `import bridge` nor writing a diagram imports torch, numpy or protobuf."""
    code = """if True:
        import sys, bridge
        assert not any(name.startswith("bridge.") for name in sys.modules)
        bridge.Builder("d").space("x")
        bridge.layers.relu()
        print([name for name in ("torch", "numpy", "google.protobuf", "juliacall") if name in sys.modules])
        bridge.schema
        print([name for name in ("torch", "numpy", "juliacall") if name in sys.modules])
    """
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout == "[]\n[]\n", done.stderr


def test_the_version_is_the_distributions() -> None:
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert f'\nversion = "{bridge.__version__}"\n' in project
