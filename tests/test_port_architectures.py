"""The five architectures, written by hand, as layer graphs and back."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import bridge
from bridge import port
from tests.port_checks import assert_comes_back, assert_same_function
from tests.port_diagrams import fitted
from tests.port_models import Captioner, Vision, five
from tests.test_export import assert_follows, curve, run, save_data


@pytest.mark.parametrize("name", ["resnet", "captioner", "pre-norm", "post-norm", "packed", "u-net", "mixer"])
def test_the_five_architectures(name: str) -> None:
    torch.manual_seed(3)
    module, inputs = five()[name]
    module, inputs = module.double(), [x.double() if x.is_floating_point() else x for x in inputs]
    before = {key: value.clone() for key, value in module.state_dict().items()}
    modes = [part.training for part in module.modules()]
    ported = port.from_torch(module, *inputs)
    assert_same_function(module, ported, inputs)
    assert_comes_back(ported, inputs)
    found = {part for parts in ported.names.values() for part in parts}
    assert found == set(ported.weights) and set(ported.names) <= set(before)
    assert [part.training for part in module.modules()] == modes
    assert all(torch.equal(value, before[key]) for key, value in module.state_dict().items())


def test_parameters_that_are_added_and_multiplied() -> None:
    torch.manual_seed(3)
    module, images = Vision().double(), [torch.randn(4, 1, 8, 8, dtype=torch.float64)]
    ported = port.from_torch(module, *images)
    assert_same_function(module, ported, images)
    assert_comes_back(ported, images)
    found = {node.name: node.layer for node in ported.graph.nodes if node.layer.operation == "parameter"}
    assert [(layer["shape"], layer["by"]) for layer in found.values()] == [
        ((1, 8), "add"),
        ((5, 8), "add"),
        ((1, 8), "multiply"),
        ((1, 8), "multiply"),
    ]
    assert ported.names["where"] == ("where.value",) and ported.names["token"] == ("token.value",)


def test_learned_values_in_a_script(tmp_path: Path) -> None:
    """Blocks of one class whose learned values differ in shape, and one that adds where the other multiplies."""
    torch.manual_seed(3)
    module = nn.Sequential(Scaled(3, True), Scaled(1, True), Scaled(3, False)).double()
    d, ported, data = fitted(module, [torch.zeros(1, 3, dtype=torch.float64)])
    objective = bridge.compile(d)
    objective.components["net"].load_state_dict(dict(ported.weights))
    port.export(objective, tmp_path / "script")
    text = (tmp_path / "script" / "train.py").read_text()
    assert text.count("nn.Parameter(torch.zeros(shape))") == 1 and text.count("nn.Parameter(torch.zeros((3,)))") == 1
    save_data(data, tmp_path / "data.safetensors")
    options = ["--in-order", "--epochs", "2", "--batch-size", "4", "--lr", "0.01"]
    (found,) = run((tmp_path / "script", [str(tmp_path / "data.safetensors"), *options]))
    assert_follows(found, curve(objective, data, 2, 4, 0.01), 1e-7)


class Scaled(nn.Module):
    """A linear map, and a learned value that is added or that multiplies it."""

    def __init__(self, size: int, adds: bool) -> None:
        super().__init__()
        self.map, self.adds = nn.Linear(3, 3), adds
        self.value = nn.Parameter(torch.randn(size))

    def forward(self, x: Tensor) -> Tensor:
        return self.map(x) + self.value if self.adds else self.map(x) * self.value


def test_weights_go_back_into_the_module() -> None:
    """Also those of a packed projection, which are three in the graph."""
    module = nn.MultiheadAttention(8, 2, batch_first=True)
    other = copy.deepcopy(module)

    class Self(nn.Module):
        def __init__(self, m: nn.Module) -> None:
            super().__init__()
            self.m = m

        def forward(self, x: Tensor) -> Tensor:
            return self.m(x, x, x)[0]

    x = torch.randn(3, 5, 8)
    ported = port.from_torch(Self(module), x)
    assert [node.layer.operation for node in ported.graph.nodes] == ["multi_head_attention"]
    assert ported.names["m.in_proj_weight"] == ("m.q_weight", "m.k_weight", "m.v_weight")
    changed = {path: weight + 1 for path, weight in ported.weights.items()}
    ported.write_back(changed)
    for name, parameter in module.named_parameters():
        assert torch.equal(parameter, other.get_parameter(name) + 1)
    again = port.from_torch(Self(module), x)
    assert all(torch.equal(again.weights[path], changed[path]) for path in changed)


def test_a_variable_axis() -> None:
    """Captions of any length."""
    caption = bridge.Builder().index("caption", classes=11, axes=[("step", "length")])
    image = torch.zeros(1, 1, 8, 8)
    module = Captioner()
    ported = port.from_torch(module, image, caption)
    assert ported.inputs == ((1, 8, 8), ("length",)) and ported.outputs == (("length", 11),)
    for length in (3, 8):
        inputs = [torch.randn(2, 1, 8, 8), torch.randint(11, (2, length))]
        torch.testing.assert_close(ported.module()(*inputs), module(*inputs))
