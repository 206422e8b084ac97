"""What the documents and examples show runs, and says what they say."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import bridge
from bridge import errors
from bridge.diagram.divergences import DIVERGENCES
from bridge.layers.table import LAYERS

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])


def run(command: list[str], folder: Path) -> str:
    # Networks this small are slower with more threads, much slower beside other processes.
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    ended = subprocess.run(
        [sys.executable, *command], cwd=folder, env=environment, capture_output=True, text=True, timeout=600
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def code(document: str) -> str:
    return "\n".join(re.findall(r"```python\n(.*?)```", (ROOT / document).read_text(), re.DOTALL))


def test_the_readme_runs(tmp_path: Path) -> None:
    run(["-c", code("README.md")], tmp_path)
    diagram = bridge.load(tmp_path / "distillation.pb")
    assert [arrow.name for arrow in diagram.arrows] == ["student", "teacher"]
    assert [agreement.divergence.name for agreement in diagram.agreements] == ["cross_entropy", "kl"]


def test_a_julia_component_learns(tmp_path: Path) -> None:
    said = re.findall(r"# (Float32\[.*\])", code("docs/julia-components.md"))
    assert run(["-c", code("docs/julia-components.md")], tmp_path).splitlines() == said


def test_a_training_goes_on(tmp_path: Path) -> None:
    said = re.findall(r"# (Cursor.*)", code("docs/checkpoints.md"))
    assert run(["-c", code("docs/checkpoints.md")], tmp_path).splitlines() == said


@pytest.mark.parametrize("page", ["operations", "porting"])
def test_a_page_says_what_its_code_prints(page: str, tmp_path: Path) -> None:
    said = re.findall(r"^ *# (.*)", code(f"docs/{page}.md"), re.MULTILINE)
    assert run(["-c", code(f"docs/{page}.md")], tmp_path).splitlines() == said


@pytest.mark.parametrize("example", ["distillation", "cotraining"])
def test_an_example_learns(example: str, tmp_path: Path) -> None:
    said = run([str(ROOT / "examples" / f"{example}.py")], tmp_path)
    accuracy = float(re.findall(r"held-out accuracy (\d\.\d+)", said)[0])
    steps = (16 if example == "distillation" else 8) * 22
    first, last, calls = re.findall(r"loss (\S+) → (\S+); (\d+) island calls", said)[0]
    assert accuracy > 0.93 and float(last) < float(first) / 2 and int(calls) >= steps


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", document.read_text()):
        assert (document.parent / target).exists(), target


def test_the_readme_lists_every_public_error_and_divergence() -> None:
    text = (ROOT / "README.md").read_text()
    names = {name for name in errors.__all__ if name != "BridgeError"} | set(DIVERGENCES)
    assert {name for name in names if f"`{name}`" not in text} == set()


def test_every_layer_was_measured() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (.*) \|$", (ROOT / "docs" / "layers.md").read_text(), re.MULTILINE)
    assert {operation for operation, _ in rows} == {operation for operation, _ in LAYERS}
    for _, cells in rows:
        differences = [float(cell or "0") for cell in cells.split(" | ")]
        assert max(differences[:3]) < 1e-10 and max(differences[3:]) < 1e-5
