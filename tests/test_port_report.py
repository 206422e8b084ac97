"""The fidelity report: nothing is found where nothing differs, and what differs is located."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

import bridge
from bridge import layers, port
from bridge.cli.main import main
from bridge.errors import DiagramError, UnsupportedError
from bridge.julia.session import session
from bridge.port.report import Row
from bridge.train.tensor_file import read_tensors, write_tensors


def branching() -> bridge.Objective:
    """Convolutions, norms, dropout, an embedding and an LSTM; shared values, a frozen component, indices."""
    d = bridge.Builder("branching")
    image, code = d.space("image", channel=1, row=6, column=6), d.space("code", k=3)
    words = d.index("words", classes=7, axes=[("time", 4)])
    g = layers.GraphBuilder(1)
    h = g(layers.relu(), g(layers.batch_norm(4), g(layers.conv2d(1, 4, 3, padding=1), *g.inputs, name="see")))
    h = g(layers.add(), h, g(layers.conv2d(4, 4, 1, groups=2), h))
    h = g(layers.dropout(0.3), g(layers.flatten(), g(layers.max_pool2d(2), h)))
    looks = d.arrow("looks", image, code, g.build(g(layers.linear(36, 3), h, name="say")))
    g = layers.GraphBuilder(1)
    y, last, _ = g(layers.lstm(5, 4), g(layers.embedding(7, 5), *g.inputs))
    mean = g(layers.mean(-2), g(layers.layer_norm(4), y))
    reads = d.arrow("reads", words, code, g.build(g(layers.linear(4, 3), g(layers.add(), last, mean))))
    fixed = d.arrow("fixed", code, code, layers.chain(layers.linear(3, 3), layers.gelu()), frozen=True)
    s = d.source("s", image=image, words=words, code=code)
    d.agree(looks(s.image), reads(s.words), by=bridge.mse(), name="both")
    d.agree(fixed(looks(s.image)), s.code, by=bridge.cosine(), name="code", weight=0.5)
    torch.manual_seed(1)
    return bridge.compile(d)


def test_the_same_function() -> None:
    objective = branching()
    before = {path: value.clone() for path, value in objective.state_dict().items()}
    made = port.report(objective, "flux")
    assert made.first is None, made.text()
    assert made.engine.startswith(f"engine {session().engine}") and made.dtype == "float64"
    elements = [row.element for row in made.rows]
    nodes = [f"{c.name}, {node.name}" for c in objective.diagram.components for node in c.body.nodes]  # type: ignore[union-attr]
    assert elements[: len(nodes)] == nodes and "looks, see" in nodes
    assert elements[len(nodes) :] == [
        "agreement 'both'",
        "agreement 'code'",
        "gradients",
        *(f"step {k}" for k in range(10)),
        "parameters after 10 steps",
    ]
    say = next(row for row in made.rows if row.element == "looks, say")
    assert set(say.differences) == {"weights", "output", "loss", "input gradient", "parameter gradient"}
    assert all(torch.equal(value, before[path]) for path, value in objective.state_dict().items())
    assert "no difference beyond the bounds" in made.text()


@pytest.mark.parametrize(
    ("path", "element", "differing"),
    [
        ("looks.say.bias", "looks, say", {"weights", "output", "loss", "input gradient", "parameter gradient"}),
        ("looks.1.running_var", "looks, 1", {"weights", "output"}),
        ("reads.1.weight_hh", "reads, 1", {"weights", "output", "loss", "input gradient", "parameter gradient"}),
    ],
)
def test_a_difference_is_located(path: str, element: str, differing: set[str]) -> None:
    """One number of one weight, on Julia's side."""
    objective, other = branching(), branching()
    with torch.no_grad():
        other.state_dict()[f"components.{path}"].view(-1)[1] += 1e-3
    made = port.report(objective, "torch", other=other)
    assert made.first is not None and made.first.element == element
    beyond = {name for name, apart in made.first.differences.items() if apart > made.first.bound}
    assert beyond == differing
    component = element.split(",")[0]
    for row in made.rows:
        if row.element.startswith(("looks,", "reads,", "fixed,")) and row is not made.first:
            assert row.within, row
    assert f"first difference: {component}" in made.text()


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    d = bridge.Builder("small")
    x = d.space("x", k=3)
    s = d.source("s", x=x)
    d.agree(d.arrow("f", x, x, layers.chain(layers.linear(3, 3), layers.tanh()))(s.x), s.x, by=bridge.mse(), name="fit")
    objective = bridge.compile(d)
    one, two = str(tmp_path / "one.safetensors"), str(tmp_path / "two.safetensors")
    bridge.save_weights(one, objective)
    with torch.no_grad():
        objective.components["f"].get_parameter("0.bias")[2] += 0.5
    bridge.save_weights(two, objective)
    assert main(["port", one, "--to", "flux", "--report"]) == 0
    shown = capsys.readouterr().out
    assert "f, 0" in shown and "linear" in shown and f"engine {session().engine}" in shown
    assert main(["port", one, "--to", "torch", "--report", "--as-it-is", "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert made["within"] and made["dtype"] == "float32" and made["rows"][0]["operation"] == "linear"
    assert main(["port", one, "--to", "flux", "--report", "--against", two]) == 1
    assert "first difference: f, 0" in capsys.readouterr().out


def test_flux_on_the_other_side(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Layers that Flux runs; then one of them with another weight."""
    if "Flux" not in session().packages:
        pytest.skip(f"Julia {session().version} has no Flux in its active project")
    d = bridge.Builder("small")
    x, y = d.space("x", k=3), d.space("y", k=2)
    s = d.source("s", x=x, y=y)
    body = layers.chain(layers.linear(3, 4), layers.batch_norm(4), layers.dropout(0.5), layers.linear(4, 2))
    d.agree(d.arrow("f", x, y, body)(s.x), s.y, by=bridge.mse(), name="fit")
    objective = bridge.compile(d)
    one, two = str(tmp_path / "one.safetensors"), str(tmp_path / "two.safetensors")
    bridge.save_weights(one, objective)
    with torch.no_grad():
        objective.components["f"].get_parameter("3.weight")[1, 2] += 1e-3
    bridge.save_weights(two, objective)
    assert main(["port", one, "--to", "flux", "--report"]) == 0
    shown = capsys.readouterr().out
    assert "engine flux: Flux" in shown and "no difference beyond the bounds" in shown
    assert main(["port", one, "--to", "flux", "--report", "--against", two]) == 1
    assert "first difference: f, 3" in capsys.readouterr().out


def test_what_can_not_be_compared() -> None:
    d = bridge.Builder("mixed")
    x = d.space("x", k=2)
    s = d.source("s", x=x)
    d.agree(d.arrow("f", x, x, torch.nn.Linear(2, 2))(s.x), s.x, by=bridge.mse())
    with pytest.raises(UnsupportedError, match="component 'f': expected a portable component"):
        port.report(bridge.compile(d))
    d = bridge.Builder("aimless")
    x = d.space("x", k=2)
    d.output("y", d.arrow("f", x, x, layers.linear(2, 2))(d.source("s", x=x).x))
    with pytest.raises(DiagramError, match="diagram 'aimless': expected an agreement"):
        port.report(d)


def test_data_that_is_not_the_diagrams(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Refused by name, in one line and as JSON: also numbers of which all that comes is NaN, which would be equal."""
    d = bridge.Builder("small")
    x, y = d.space("x", k=3), d.space("y", k=2)
    s = d.source("s", x=x, y=y)
    d.agree(d.arrow("f", x, y, layers.linear(3, 2))(s.x), s.y, by=bridge.mse())
    bridge.save(d.build(), tmp_path / "d.pb")
    sound = {"s.x": torch.ones(4, 3), "s.y": torch.ones(4, 2)}
    wrong = {
        "s.x": {"s.x": torch.full((4, 3), torch.nan)},
        "s.y": {"s.y": torch.tensor(1.0)},
        "s.z": {"s.z": torch.ones(4, 2)},
        "t.x": {"t.x": torch.ones(4, 3)},
        "x.": {"x": torch.ones(4, 3)},
    }
    path = str(tmp_path / "data.safetensors")
    for column, more in wrong.items():
        write_tensors(path, {**sound, **more}, {})
        assert main(["port", str(tmp_path / "d.pb"), "--to", "flux", "--report", "--data", path, "--json"]) == 2
        shown = capsys.readouterr()
        assert json.loads(shown.out)["error"]["element"] == f"column '{column}'" and shown.err.count("\n") == 1
    write_tensors(path, {}, {})
    assert read_tensors(path) == ({}, {})
    assert main(["port", str(tmp_path / "d.pb"), "--to", "flux", "--report", "--data", path]) == 2
    assert "column 's.x': expected an array of samples, found none" in capsys.readouterr().err


def test_infinite_differences_are_json() -> None:
    row = Row("f, 0", "linear", {"output": float("inf"), "loss": 0.5}, 1e-10)
    made = port.Report("d", "flux", "float64", "2", "1", "native", (row,))
    assert json.loads(json.dumps(made.to_json(), allow_nan=False))["rows"][0]["differences"] == {"output": None, "loss": 0.5}
