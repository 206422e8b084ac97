"""Exported scripts run by themselves and have the diagram's losses."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from hypothesis import HealthCheck, Phase, given, settings
from safetensors.torch import save_file
from torch import Tensor, nn

import bridge
from bridge import layers, port
from bridge.cli.main import main
from bridge.errors import FileError, UnsupportedError
from tests.trainable_diagrams import Trainable, trainable_diagrams

Data = dict[str, dict[str, Tensor]]


def save_data(data: Data, path: Path) -> None:
    save_file({f"{s}.{c}": x.contiguous() for s, columns in data.items() for c, x in columns.items()}, path)


def curve(
    objective: bridge.Objective, data: Data, epochs: int, size: int, lr: float
) -> list[tuple[float, dict[str, float]]]:
    """The losses of a loop written here: batches in order, Adam."""
    objective.train()
    optimizer = torch.optim.Adam(objective.trainable_parameters(), lr=lr)
    counts = {source: len(next(iter(columns.values()))) for source, columns in data.items()}
    found, steps = [], epochs * -(-max(counts.values()) // size)
    for step in range(steps):
        batch = {}
        for source, columns in data.items():
            place = step % -(-counts[source] // size)
            batch[source] = {name: x[place * size : (place + 1) * size] for name, x in columns.items()}
        losses = objective(batch)
        optimizer.zero_grad()
        losses.total.backward()
        optimizer.step()
        found.append((losses.total.item(), {name: loss.item() for name, loss in losses.agreements.items()}))
    return found


RUN = """
import json, runpy, sys
for folder, *arguments in json.loads(sys.argv[1]):
    print("script", folder)
    sys.argv = ["train.py", *arguments]
    runpy.run_path(folder + "/train.py", run_name="__main__")
wrong = [name for name in ("bridge", "safetensors", "juliacall") if name in sys.modules]
print("imported", wrong)
"""


def run(*scripts: tuple[Path, list[str]]) -> list[list[dict[str, float]]]:
    """The losses that scripts print, by name, the total by none; run in a Python that knows nothing of this project."""
    given = json.dumps([[str(folder), *arguments] for folder, arguments in scripts])
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-P", "-c", RUN, given], env=environment, capture_output=True, text=True, check=False, cwd="/"
    )
    assert done.returncode == 0, done.stderr
    *lines, imported = done.stdout.removesuffix("\n").split("\n")
    assert imported == "imported []"
    return losses_shown(lines)


def losses_shown(lines: list[str]) -> list[list[dict[str, float]]]:
    """The losses of each script in what several print, each after a line "script …"."""
    found: list[list[dict[str, float]]] = []
    for line in lines:
        if line.startswith("script "):
            found.append([])
        else:
            _, _, shown = line.partition(": ")
            total, _, rest = shown.partition(" (")
            losses = {"": float(total.removeprefix("total "))}
            for part in rest.removesuffix(")").split(", "):
                name, _, value = part.rpartition(" ")
                losses[name] = float(value)
            found[-1].append(losses)
    return found


def assert_follows(found: list[dict[str, float]], expected: list[tuple[float, dict[str, float]]], tolerance: float) -> None:
    assert len(found) == len(expected)
    for shown, (total, losses) in zip(found, expected, strict=True):
        assert shown[""] == pytest.approx(total, rel=tolerance, abs=tolerance)
        for name, loss in losses.items():
            assert shown[name] == pytest.approx(loss, rel=tolerance, abs=tolerance)


class Collected:
    """Generated diagrams, collected to be run together."""

    def __init__(self) -> None:
        self.cases: list[Trainable] = []

    def generate(self, count: int) -> list[Trainable]:
        @settings(max_examples=count, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
        @given(trainable_diagrams(portable=True))
        def collect(case: Trainable) -> None:
            self.cases.append(case)

        collect()
        return self.cases


def test_generated_diagrams(tmp_path: Path) -> None:
    """Shared, frozen, detached and masked components, every divergence, several sources: in one subprocess."""
    scripts, curves = [], []
    for place, case in enumerate(Collected().generate(25)):
        folder = tmp_path / str(place)
        objective = bridge.compile(case.diagram)
        port.export(objective, folder)
        save_data(case.batch, folder / "data.safetensors")
        curves.append(curve(objective, case.batch, 3, 2, 0.01))
        given = ["--epochs", "3", "--batch-size", "2", "--lr", "0.01", "--in-order"]
        scripts.append((folder, [str(folder / "data.safetensors"), *given]))
    found = run(*scripts)
    assert len(found) == len(curves) >= 20
    for shown, expected in zip(found, curves, strict=True):
        assert_follows(shown, expected, 1e-7)


def digits() -> tuple[bridge.Builder, Data]:
    """A distillation with a frozen teacher, in float32."""
    d = bridge.Builder("distillation")
    image, logits = d.space("image", row=4, column=4), d.space("logits", digit=3)
    source = d.source("digits", image=image, label=d.index("label", classes=3, dtype="int32"))
    body = layers.chain(layers.flatten(), layers.linear(16, 8), layers.relu(), layers.linear(8, 3))
    student, teacher = d.arrow("student", image, logits, body), d.arrow("teacher", image, logits, body, frozen=True)
    d.agree(student(source.image), source.label, by=bridge.cross_entropy(label_smoothing=0.1), weight=0.5, name="hard $1")
    d.agree(student(source.image), teacher(source.image), by=bridge.kl(temperature=4), weight=0.5, name="soft")
    data = {"digits": {"image": torch.randn(10, 4, 4), "label": torch.randint(3, (10,), dtype=torch.int32)}}
    return d, data


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """From a file of weights to losses; with initial weights; with data in .npz; shuffled by a seed."""
    d, data = digits()
    objective = bridge.compile(d)
    bridge.save_weights(tmp_path / "distillation.safetensors", objective)
    folder = tmp_path / "out"
    assert main(["export", str(tmp_path / "distillation.safetensors"), "--language", "python", "-o", str(folder)]) == 0
    assert capsys.readouterr().out.split() == [str(folder / name) for name in ("train.py", "weights.safetensors")]
    port.export(d, tmp_path / "one", seed=3)
    port.export(d.build(), tmp_path / "two", seed=3)
    one, two = ((tmp_path / name / "weights.safetensors").read_bytes() for name in ("one", "two"))
    assert one == two
    save_data(data, tmp_path / "data.safetensors")
    numpy.savez(tmp_path / "data.npz", **{f"digits.{name}": x.numpy() for name, x in data["digits"].items()})
    given = ["--epochs", "4", "--batch-size", "4", "--lr", "0.01"]
    found, initial, *shuffled = run(
        (folder, [str(tmp_path / "data.safetensors"), *given, "--in-order"]),
        (tmp_path / "one", [str(tmp_path / "data.npz"), *given, "--in-order"]),
        *((folder, [str(tmp_path / "data.safetensors"), *given, "--seed", seed]) for seed in "334"),
    )
    assert_follows(found, curve(objective, data, 4, 4, 0.01), 1e-5)
    torch.manual_seed(3)
    assert_follows(initial, curve(bridge.compile(d), data, 4, 4, 0.01), 1e-5)
    assert shuffled[0] == shuffled[1] != shuffled[2]


def names(text: str, kind: Any) -> list[str]:
    return [node.name for node in ast.walk(ast.parse(text)) if isinstance(node, kind)]


def test_a_script_reads_like_one(tmp_path: Path) -> None:
    """Blocks that are alike are one class; lines are short; nothing is said of nodes or values."""

    class Block(nn.Module):
        def __init__(self, a: int, b: int) -> None:
            super().__init__()
            self.inner, self.outer = nn.Linear(a, 2 * a), nn.Linear(2 * a, b)
            self.skip = nn.Linear(a, b, bias=False)

        def forward(self, x: Tensor) -> Tensor:
            return self.outer(torch.relu(self.inner(x))) + self.skip(x)

    module = nn.Sequential(nn.Flatten(), Block(16, 8), Block(8, 4), Block(4, 4), nn.Tanh())
    ported = port.from_torch(module, torch.zeros(1, 4, 4))
    d = bridge.Builder("blocks")
    x, y = d.space("image", row=4, column=4), d.space("code", k=4)
    s = d.source("s", x=x, y=y)
    d.agree(d.arrow("encoder", x, y, ported.graph)(s.x), s.y, by=bridge.mse(), name="fit")
    text = port.export(d, tmp_path)[0].read_text()
    assert [name for name in names(text, ast.ClassDef)] == ["EncoderBlock", "Encoder", "Model"]
    assert "return self.outer(F.relu(self.inner(x))) + self.skip(x)" in text
    assert max(map(len, text.splitlines())) <= 110
    assert "node" not in text and "graph" not in text and "bridge" in text.splitlines()[0]


def test_blocks_that_begin_with_a_norm(tmp_path: Path) -> None:
    """Arguments of a class by name stand behind those by place."""

    class Block(nn.Module):
        def __init__(self, a: int, b: int) -> None:
            super().__init__()
            self.norm, self.map = nn.BatchNorm1d(a), nn.Linear(a, b)

        def forward(self, x: Tensor) -> Tensor:
            return self.map(torch.relu(self.norm(x)))

    ported = port.from_torch(nn.Sequential(Block(4, 8), Block(8, 4)), torch.zeros(2, 4))
    d = bridge.Builder("blocks")
    x = d.space("x", k=4)
    s = d.source("s", x=x)
    d.agree(d.arrow("net", x, x, ported.graph)(s.x), s.x, by=bridge.mse(), name="same")
    text = port.export(d, tmp_path)[0].read_text()
    compile(text, "train.py", "exec")
    assert len(names(text, ast.ClassDef)) == 3


def test_modules_of_a_list_that_take_turns(tmp_path: Path) -> None:
    """A list whose modules don't follow each other is taken apart; its sequences stay whole."""

    class Turns(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.down = nn.ModuleList(nn.Sequential(nn.Linear(4, 4), nn.Tanh()) for _ in range(2))
            self.up = nn.ModuleList(nn.Sequential(nn.Linear(4, 4), nn.ReLU()) for _ in range(2))

        def forward(self, x: Tensor) -> Tensor:
            for down, up in zip(self.down, self.up, strict=True):
                x = x + up(down(x))
            return x

    ported = port.from_torch(Turns(), torch.zeros(1, 4))
    d = bridge.Builder("turns")
    x = d.space("x", k=4)
    s = d.source("s", x=x)
    d.agree(d.arrow("turn", x, x, ported.graph)(s.x), s.x, by=bridge.mse(), name="same")
    text = port.export(d, tmp_path)[0].read_text()
    assert text.count("= nn.Sequential(nn.Linear(4, 4), nn.Tanh())") == 2
    assert "self.up_0(self.down_0(" in text and "self.up_1(self.down_1(" in text


def test_what_can_not_be_exported(tmp_path: Path) -> None:
    d = bridge.Builder("mixed")
    x = d.space("x", k=2)
    s = d.source("s", x=x)
    d.agree(d.arrow("f", x, x, nn.Linear(2, 2))(s.x), s.x, by=bridge.mse())
    with pytest.raises(UnsupportedError, match="component 'f': expected a portable component"):
        port.export(d, tmp_path)
    with pytest.raises(UnsupportedError, match="a language of python"):
        port.export(digits()[0], tmp_path, "fortran")
    assert not list(tmp_path.iterdir())
    d = bridge.Builder("large")
    x = d.space("x", k=2**20)
    s = d.source("s", x=x)
    d.agree(d.arrow("f", x, x, layers.linear(2**20, 2**20))(s.x), s.x, by=bridge.mse())
    with pytest.raises(UnsupportedError, match=r"parameter '0\.weight': expected memory for its numbers"):
        port.export(d, tmp_path)
    (tmp_path / "there" / "weights.safetensors").mkdir(parents=True)
    for folder, element in (("there", "file "), ("a\0b", "folder ")):
        with pytest.raises(FileError, match=f"^{element}'.*a path that can be written"):
            port.export(digits()[0], tmp_path / folder)
    assert [path.name for path in tmp_path.rglob("*")] == ["there", "weights.safetensors"]


def test_any_seed(tmp_path: Path) -> None:
    one, two = (port.export(digits()[0], tmp_path / str(seed), seed=seed)[1].read_bytes() for seed in (-1, 2**64 - 1))
    assert one == two == port.export(digits()[0], tmp_path / "three", seed=2**65 - 1)[1].read_bytes()
