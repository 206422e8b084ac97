"""juliacall, torch and bridge in one process, in every order, and beside juliacall code of the user's and in IPython."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from bridge.julia import official
from bridge.julia.find import choose

ROOT = Path(__file__).resolve().parents[1]

JULIACALL = "import juliacall\n"
TORCH = "import torch\n"
TRAIN = """
import torch, bridge
from bridge import layers
from bridge.julia.session import session
d = bridge.Builder("head")
x, y = d.space("x", "float64", i=3), d.space("y", "float64", j=2)
data = d.source("data", x=x, y=y)
head = d.arrow("head", x, y, layers.linear(3, 2))
d.agree(head(data.x), data.y, by=bridge.mse())
objective = bridge.compile(d, placement={"head": "julia"})
batch = {"data": {"x": torch.rand(5, 3, dtype=torch.float64), "y": torch.rand(5, 2, dtype=torch.float64)}}
total = objective(batch).total
total.backward()
weight, bias = objective.components["head"].parameters()
found = weight.grad.clone()
expected = torch.nn.functional.mse_loss(batch["data"]["x"] @ weight.T + bias, batch["data"]["y"])
torch.testing.assert_close(total, expected)
torch.testing.assert_close(found, torch.autograd.grad(expected, weight)[0])
print(session().how)
"""


@pytest.fixture
def by_juliacall(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only juliacall's own Julia is left to choose."""
    if not official.installed():
        pytest.skip("juliacall is not installed")
    monkeypatch.delenv("DIAGRAM_BRIDGE_JULIA", raising=False)
    if not (state := official.ready()).usable:
        pytest.skip(f"juliacall has no Julia with PythonCall: {state.reason}")


def run(code: str, folder: Path, *program: str, **extra: str) -> subprocess.CompletedProcess[str]:
    """A fresh Python, which keeps what it compiles in `folder`."""
    return subprocess.run(
        [sys.executable, *program, "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), **extra},
    )


@pytest.mark.parametrize("first", [JULIACALL, JULIACALL + TORCH, "import bridge\n" + JULIACALL], ids=repr)
def test_juliacall_before_torch_is_silent(first: str, by_juliacall: None, tmp_path: Path) -> None:
    done = run(first + TRAIN, tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "juliacall\n", "")


def test_torch_before_juliacall_is_one_warning_with_the_remedy(by_juliacall: None, tmp_path: Path) -> None:
    done = run(TRAIN, tmp_path)
    assert (done.returncode, done.stdout) == (0, "juliacall\n"), done.stderr
    assert done.stderr.count("Warning: ") == 1 and "Put `import juliacall` before `import torch`" in done.stderr


def test_the_users_own_juliacall_code_goes_on(by_juliacall: None, tmp_path: Path) -> None:
    before = """
        from juliacall import Main as jl, JuliaError
        jl.seval("load(x) = 2x; mine = [1.0, 2.0]")
        project = jl.seval("Base.active_project()")
    """
    after = """
        assert jl.load(21) == 42 and list(jl.mine) == [1, 2]
        assert jl.seval("Base.active_project()") == project
        assert jl.seval("collect(names(Main, imported = true, all = false)) ∌ :compile") and not hasattr(jl, "compile")
        jl.seval("compile(x) = x + 1; loss = 3")  # names that DiagramBridge exports are free
        assert jl.compile(1) == 2 and jl.loss == 3
        try:
            jl.seval("sqrt(-1.0)")
        except JuliaError as error:
            assert "DomainError" in str(error)
        total = objective(batch).total
        total.backward()
        session().eval("mine[1] = 7")
        assert list(jl.mine) == [7, 2]
        print("fine")
    """
    done = run(textwrap.dedent(before) + TRAIN + textwrap.dedent(after), tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "juliacall\nfine\n", "")


def test_in_ipython(by_juliacall: None, tmp_path: Path) -> None:
    if importlib.util.find_spec("IPython") is None:
        pytest.skip("IPython is not installed")
    done = run(JULIACALL + TRAIN, tmp_path, "-m", "IPython", "--no-banner", IPYTHONDIR=str(tmp_path))
    assert done.returncode == 0 and done.stdout.splitlines()[-1] == "juliacall", done.stdout + done.stderr
    assert "Error" not in done.stdout + done.stderr


def test_juliacall_is_refused_after_a_julia_of_bridges_own(tmp_path: Path) -> None:
    if choose().layout is None:
        pytest.skip(f"the Julia in use is started by {choose().how}")
    if not official.installed():
        pytest.skip("juliacall is not installed")
    code = """
        import importlib.util
        from bridge.julia.start import start
        runtime = start()
        for _ in range(2):
            try:
                import juliacall
            except ImportError as error:
                print(error.name, runtime.version in str(error), "Import juliacall before bridge" in str(error))
        assert importlib.util.find_spec("juliacall") is not None
        print(runtime.eval_string("1 + 1"))
    """
    done = run(code, tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "juliacall True True\n" * 2 + "2\n", "")


def test_a_juliacall_that_starts_no_julia_is_refused(by_juliacall: None, tmp_path: Path) -> None:
    code = """
        from bridge.errors import JuliaUnavailable
        from bridge.julia.start import start
        try:
            start()
        except JuliaUnavailable as error:
            print(error)
    """
    done = run(code, tmp_path, PYTHON_JULIACALL_INIT="no")
    expected = "juliacall: expected to start Julia when it is imported, found PYTHON_JULIACALL_INIT=no\n"
    assert (done.returncode, done.stdout) == (0, expected), done.stderr
