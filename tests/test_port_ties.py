"""Modules that use a parameter in several places, ported with their ties."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import bridge
from bridge import layers, port
from bridge.errors import BridgeError, PortError, UnsupportedError
from bridge.train.tensor_file import read_tensors
from tests.port_checks import assert_comes_back, assert_same_function
from tests.port_diagrams import fitted
from tests.port_models import Tongue
from tests.test_export import assert_follows, curve, run, save_data


def tongue() -> tuple[Tongue, Tensor]:
    torch.manual_seed(5)
    return Tongue().double(), torch.randint(7, (4, 5))


def test_a_cell_applied_thrice_and_a_head_that_is_an_embedding() -> None:
    """With gradients, and with running statistics that each application changes."""
    module, x = tongue()
    ported = port.from_torch(module, x)
    assert_same_function(module, ported, [x])
    assert_comes_back(ported, [x])
    assert {name: shapes for name, shapes in ported.names.items() if name.startswith("w")} == {
        "words.weight": ("words.weight",)
    }
    made = ported.module()
    assert sum(p.numel() for p in made.parameters()) == sum(p.numel() for p in module.parameters())
    again = port.to_torch(ported.graph, ported.weights, ported.inputs)
    assert sum(p.numel() for p in again.parameters()) == sum(p.numel() for p in module.parameters())
    ported.write_back({path: weight + 1 for path, weight in ported.weights.items()})
    assert torch.equal(module.say.weight, ported.weights["words.weight"] + 1) and module.say.weight is module.words.weight


class Autoencoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(3, 3))

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(F.linear(x, self.weight), self.weight.t())


def test_the_transpose_of_a_parameter_is_refused() -> None:
    with pytest.raises(PortError, match=r"parameter 'weight': expected a parameter that is the same, in the same order"):
        port.from_torch(Autoencoder(), torch.zeros(1, 3))


def diagram() -> tuple[bridge.Diagram, dict[str, dict[str, Tensor]]]:
    module, x = tongue()
    ported = port.from_torch(module, x)
    d = bridge.Builder("tied")
    index = d.index("word", classes=7, axes=[("step", 5)])
    data = d.source("data", x=index, y=index)
    network = d.arrow("network", index, d.space("scores", "float64", step=5, word=7), ported.graph)
    d.agree(network(data.x), data.y, by=bridge.cross_entropy(axis="word"), name="fit")
    return d.build(), {"data": {"x": torch.randint(7, (8, 5)), "y": torch.randint(7, (8, 5))}}


def test_files_hold_a_tied_parameter_once(tmp_path: Path) -> None:
    d, data = diagram()
    bridge.save(d, tmp_path / "d.json")
    assert bridge.load(tmp_path / "d.json") == d
    torch.manual_seed(0)
    one, two = bridge.compile(d), bridge.compile(d)
    bridge.fit(one, data, epochs=2, batch_size=4)
    bridge.save_weights(tmp_path / "w.safetensors", one)
    found = bridge.read_weights(tmp_path / "w.safetensors")
    assert ("network", "words.weight") in found and ("network", "say.weight") not in found
    bridge.load_weights(tmp_path / "w.safetensors", two)
    assert two(data).total.item() == one(data).total.item()
    history = bridge.fit(one, data, epochs=1, batch_size=4)
    bridge.save_checkpoint(tmp_path / "c.safetensors", one, history.optimizer, history.cursor)
    start = bridge.load_checkpoint(tmp_path / "c.safetensors", two)
    resumed = bridge.fit(two, data, epochs=3, batch_size=4, start=start)
    whole = bridge.fit(one, data, epochs=3, batch_size=4, optimizer=history.optimizer, start=history.cursor)
    assert resumed.total == whole.total


def test_scripts(tmp_path: Path) -> None:
    """A module applied thrice is one module of the script's."""
    d, data = diagram()
    torch.manual_seed(0)
    objective = bridge.compile(d)
    port.export(objective, tmp_path / "script")
    text = (tmp_path / "script" / "train.py").read_text()
    assert "self.say.weight = self.words.weight" in text
    save_data(data, tmp_path / "data.safetensors")
    options = ["--in-order", "--epochs", "3", "--batch-size", "4", "--lr", "0.01"]
    (found,) = run((tmp_path / "script", [str(tmp_path / "data.safetensors"), *options]))
    assert_follows(found, curve(objective, data, 3, 4, 0.01), 1e-7)
    port.export(objective, tmp_path / "julia", "julia")
    text = (tmp_path / "julia" / "train.jl").read_text()
    assert "return tie(m, m.say.weight => transpose(m.words.weight))" in text and text.count("Dense(4 => 4)") == 1
    held = read_tensors(tmp_path / "julia" / "weights.safetensors")[0]
    assert sum(x.numel() for x in held.values()) == sum(x.numel() for x in objective.state_dict().values())


class Lap(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.up, self.down, self.norm = nn.Linear(width, 5), nn.Linear(5, width), nn.LayerNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(x + self.down(torch.tanh(self.up(x))))


class Laps(nn.Module):
    """A block that is applied twice, blocks like it that share some of its parameters, one by one or in a sequence."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = Lap(3), Lap(3), nn.Sequential(Lap(3), Lap(3))
        self.b.up.weight, self.b.norm = self.a.up.weight, self.a.norm
        self.c[1].down, self.c[0].up.weight = self.a.down, self.b.up.weight

    def forward(self, x: Tensor) -> Tensor:
        return self.c(self.b(self.a(self.a(x))))


def test_scripts_with_blocks(tmp_path: Path) -> None:
    """Blocks are of one class, whatever they share."""
    torch.manual_seed(2)
    d, ported, data = fitted(Laps().double(), [torch.zeros(1, 3, dtype=torch.float64)])
    objective = bridge.compile(d)
    objective.components["net"].load_state_dict(dict(ported.weights))
    port.export(objective, tmp_path / "python")
    port.export(objective, tmp_path / "julia", "julia")
    save_data(data, tmp_path / "data.safetensors")
    options = ["--in-order", "--epochs", "3", "--batch-size", "4", "--lr", "0.01"]
    (found,) = run((tmp_path / "python", [str(tmp_path / "data.safetensors"), *options]))
    assert_follows(found, curve(objective, data, 3, 4, 0.01), 1e-7)
    text = (tmp_path / "julia" / "train.jl").read_text()
    for pair in ("m.b.up.weight => m.a.up.weight", "m.b.norm => m.a.norm", "m.c[2].down => m.a.down"):
        assert pair in text


def test_ties_that_flux_can_not_have(tmp_path: Path) -> None:
    """Its kernels are turned around."""
    d = bridge.Builder("turned")
    x = d.space("x", c=2, n=4)
    g = layers.GraphBuilder()
    h = g(layers.reshape(2, 2, 2), g(layers.conv1d(2, 2, 1), *g.inputs))
    h = g(layers.reshape(2, 4), g(layers.parameter(2, 2, 1), h, name="value"))
    graph = g.build(h, ties={"value.value": "0.weight"})
    s = d.source("s", x=x)
    d.agree(d.arrow("f", x, x, graph)(s.x), s.x, by=bridge.mse())
    with pytest.raises(UnsupportedError, match=r"component 'f', tie 'value.value': expected a parameter that Flux has"):
        port.export(d, tmp_path, "julia")


def test_any_earlier_parameter_may_be_the_owner() -> None:
    g = layers.GraphBuilder()
    x = g(layers.linear(3, 3), *g.inputs)
    for _ in range(4):
        x = g(layers.linear(3, 3), x)
    for one in range(5):
        for two in range(5):
            if two < one:
                g.build(x, ties={f"{one}.bias": f"{two}.bias"})
                continue
            with pytest.raises(BridgeError, match="an owner that comes before it"):
                g.build(x, ties={f"{one}.bias": f"{two}.bias"})


@pytest.mark.parametrize(
    ("ties", "refusal"),
    [
        ({"1.weight": "0.scale"}, "parameters or buffers of the graph, found '0.scale'"),
        ({"1.weight": "1.bias"}, r"a parameter of shape \(3, 3\), found '1.bias', a parameter of shape \(3,\)"),
        ({"2.running_mean": "0.bias"}, r"a buffer of shape \(3,\), found '0.bias', a parameter"),
        ({"0.weight": "1.weight"}, "an owner that comes before it, found '1.weight'"),
        ({"1.bias": "0.bias", "2.bias": "1.bias"}, "an owner that is not tied itself, found '1.bias'"),
    ],
)
def test_refusals(ties: dict[str, str], refusal: str) -> None:
    g = layers.GraphBuilder()
    x = g(layers.batch_norm(3), g(layers.linear(3, 3), g(layers.linear(3, 3), *g.inputs)))
    with pytest.raises(BridgeError, match=refusal):
        g.build(x, ties=ties)
