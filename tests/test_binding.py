"""Which modules interpret the components, and which are refused."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import bridge
from bridge import layers
from bridge.errors import BindingError
from bridge.torch import PortableModule


def builder(body: object, **options: object) -> bridge.Builder:
    d = bridge.Builder("one")
    x = d.space("x", "float32", k=3)
    data = d.source("data", x=x)
    f = d.arrow("f", x, x, body, **options)
    g = d.arrow("g", x, x, layers.linear(3, 3))
    d.agree(g(f(data.x)), data.x, by=bridge.mse())
    return d


class Trusted(nn.Linear):
    """What `test_binding:Trusted` refers to."""

    def __init__(self) -> None:
        super().__init__(3, 3)


def test_by_component_name_reference_name_and_builder():
    module = nn.Linear(3, 3)
    assert bridge.compile(builder(module)).components["f"] is module
    assert bridge.compile(builder(bridge.TorchReference("net")).build(), {"net": module}).components["f"] is module
    assert bridge.compile(builder(bridge.TorchReference("net")).build(), {"f": module}).components["f"] is module
    other = nn.Linear(3, 3)
    assert bridge.compile(builder(module), {"f": other}).components["f"] is other


def test_trusted_references():
    d = builder(bridge.TorchReference(f"{__name__}:Trusted"))
    assert isinstance(bridge.compile(d, trust=[__name__]).components["f"], Trusted)
    with pytest.raises(BindingError, match=rf"trust=\['{__name__}'\]"):
        bridge.compile(d)
    with pytest.raises(BindingError, match="trust"):
        bridge.compile(d, trust=["os"])
    module = Trusted()
    assert bridge.compile(d, {"f": module}).components["f"] is module


def test_nothing_is_imported_without_trust(monkeypatch):
    monkeypatch.setattr("importlib.import_module", lambda name: pytest.fail(f"imported {name}"))
    with pytest.raises(BindingError):
        bridge.torch.compile(builder(bridge.TorchReference("antigravity:fly")).build())


@pytest.mark.parametrize("reference", [f"{__name__}:Missing", "no_such_module_here:X", f"{__name__}:Trusted.more"])
def test_trusted_references_that_do_not_exist(reference):
    home = reference.partition(":")[0]
    with pytest.raises(BindingError, match="to exist"):
        bridge.compile(builder(bridge.TorchReference(reference)), trust=[home])


def test_trusted_references_to_something_else():
    with pytest.raises(BindingError, match=r"torch\.nn\.Module"):
        bridge.compile(builder(bridge.TorchReference("math:pi")), trust=["math"])


@pytest.mark.parametrize(
    ("modules", "message"),
    [
        ({}, "component 'f'"),
        ({"f": nn.Linear(3, 3), "h": nn.Linear(3, 3)}, "module 'h'"),
        ({"f": torch.relu}, "component 'f'"),
        ({"f": nn.ReLU()}, "component 'f': expected a module with parameters, found none"),
        ({"f": nn.Linear(3, 3), "g": nn.Linear(3, 3)}, "component 'g': expected a PortableModule"),
        ({"f": nn.Linear(3, 3), "g": PortableModule(layers.chain(layers.linear(3, 2)))}, "of other layers"),
    ],
)
def test_refusals(modules, message):
    with pytest.raises(BindingError, match=message):
        bridge.compile(builder(bridge.TorchReference("f")), modules)


def test_parameters_where_the_component_has_none():
    d = builder(bridge.TorchReference("f"), has_parameters=False)
    with pytest.raises(BindingError, match="without parameters, found 2, such as 'weight'"):
        bridge.compile(d, {"f": nn.Linear(3, 3)})


def test_parameter_shared_with_a_frozen_component():
    one, two = nn.Linear(3, 3), nn.Linear(3, 3)
    two.bias = one.bias
    d = bridge.Builder("shared")
    x = d.space("x", "float32", k=3)
    data = d.source("data", x=x)
    f, g = d.arrow("f", x, x, one), d.arrow("g", x, x, two, frozen=True)
    d.agree(g(f(data.x)), data.x, by=bridge.mse())
    with pytest.raises(BindingError, match=r"component 'g'.*'bias' shared with component 'f'"):
        bridge.compile(d)


def test_trainable_components_may_share_parameters():
    module = nn.Linear(3, 3)
    d = builder(bridge.TorchReference("f"))
    x = d.spaces["x"]
    h = d.arrow("h", x, x, bridge.TorchReference("h"))
    source = d.source("more", x=x)
    d.agree(h(source.x), source.x, by=bridge.mse())
    objective = bridge.compile(d, {"f": module, "h": module})
    assert len(objective.trainable_parameters()) == 4  # the module's two, and those of g


def test_a_portable_module_of_the_callers():
    own = PortableModule(layers.chain(layers.linear(3, 3)))
    d = builder(nn.Linear(3, 3))
    objective = bridge.compile(d, {"g": own})
    assert objective.components["g"] is own


def test_dtype_of_portable_parameters():
    d = bridge.Builder("wide")
    x = d.space("x", "float64", k=3)
    data = d.source("data", x=x)
    f = d.arrow("f", x, x, layers.linear(3, 3))
    d.agree(f(data.x), data.x, by=bridge.mse())
    assert {p.dtype for p in bridge.compile(d).parameters()} == {torch.float64}


def test_placement_names():
    d = builder(nn.Linear(3, 3))
    with pytest.raises(BindingError, match=r"placement of 'g'.*'torch', 'julia'.*'jax'"):
        bridge.compile(d, placement={"g": "jax"})
    with pytest.raises(BindingError, match="component 'f'"):
        bridge.compile(d, placement={"f": "julia"})
    assert not bridge.compile(d, placement={"g": "torch"}).plan.islands
