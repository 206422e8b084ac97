"""Components move between PyTorch, portable layers and Flux, with weights; Flux's part is skipped where it is missing."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from hypothesis import HealthCheck, Phase, given, settings
from torch import Tensor, nn

import bridge
from bridge import layers, port
from bridge.diagram.ir import JuliaReference, LayerGraph, TorchReference
from bridge.errors import BindingError, PortError
from bridge.julia.session import session
from bridge.layers.graph import input_kinds
from tests.port_cases import compositions
from tests.port_models import five
from tests.test_port_ties import diagram as tied

Case = tuple[nn.Module, Sequence[Tensor]]


def has_flux() -> bool:
    return session().runtime.eval_string('haskey(DiagramBridge.ENGINES, "flux")') == "true"


def together(cases: dict[str, Case]) -> tuple[bridge.Builder, dict[str, port.Ported]]:
    """One diagram with a portable component for each module."""
    d, found = bridge.Builder("together"), {}
    for name, (module, inputs) in cases.items():
        ported = found[name] = port.from_torch(module, *inputs)
        kind, columns = ported.data_type.value, {}
        for place, (shape, x) in enumerate(zip(ported.inputs, inputs, strict=True)):
            axes = [(f"a{k}", size) for k, size in enumerate(shape)]
            if x.is_floating_point():
                columns[f"x{place}"] = d.space(f"{name}:x{place}", kind, axes=axes)
            else:
                classes = input_kinds(ported.graph)[place][0].classes
                columns[f"x{place}"] = d.index(f"{name}:x{place}", classes=classes, axes=axes)
        targets = [
            d.space(f"{name}:y{place}", kind, axes=[(f"a{k}", size) for k, size in enumerate(shape)])
            for place, shape in enumerate(ported.outputs)
        ]
        source = d.source(name, columns)
        arrow = d.arrow(name, list(columns.values()), targets, ported.graph)
        made = arrow(*(source[column] for column in columns))
        for place, term in enumerate(made if isinstance(made, tuple) else (made,)):
            d.agree(term, term, by=bridge.mse(), name=f"{name} {place}")
    return d, found


def assert_same_bits(found: dict[str, Tensor], wanted: dict[str, Tensor]) -> None:
    assert found.keys() == wanted.keys()
    for path, tensor in wanted.items():
        assert found[path].dtype is tensor.dtype and torch.equal(found[path], tensor), path


def generated(count: int) -> list[Case]:
    found: list[Case] = []

    @settings(max_examples=count, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    @given(compositions())
    def collect(case: Case) -> None:
        found.append(case)

    collect()
    return found


def test_a_round_trip_through_flux() -> None:
    """torch → portable → Flux → portable → torch: the same bits and the same canonical diagram."""
    if not has_flux():
        pytest.skip(f"Julia {session().version} has no Flux in its active project")
    torch.manual_seed(5)
    cases: dict[str, Case] = {**five(), **{f"generated{k}": case for k, case in enumerate(generated(15))}}
    d, ported = together(cases)
    portable = bridge.compile(d)
    for name, made in ported.items():
        portable.components[name].load_state_dict(dict(made.weights))
    flux = bridge.to(portable, "flux", verify=False)
    assert all(isinstance(c.body, JuliaReference) for c in flux.diagram.components)
    back = bridge.to(flux, "portable", verify=False)
    assert back.diagram == portable.diagram
    assert_same_bits(back.state_dict(), portable.state_dict())
    again = bridge.to(back, "torch")
    for name, (_, inputs) in cases.items():
        last = port.from_torch(again.components[name], *inputs)
        assert last.graph == ported[name].graph
        assert_same_bits(dict(last.weights), dict(ported[name].weights))


def small() -> tuple[bridge.Builder, nn.Module]:
    d = bridge.Builder("small")
    x, y = d.space("x", "float64", k=3), d.space("y", "float64", k=2)
    data = d.source("data", x=x)
    # A bias before a batch norm has a gradient of rounding alone, which Adam makes as large as any other.
    module = nn.Sequential(nn.Linear(3, 4, bias=False), nn.BatchNorm1d(4), nn.Tanh(), nn.Linear(4, 2)).double()
    one = d.arrow("one", x, y, module)
    two = d.arrow("two", x, y, layers.chain(layers.linear(3, 2), layers.relu()), frozen=True)
    d.agree(one(data.x), two(data.x), by=bridge.mse())
    return d, module


def test_modules_and_portable_layers() -> None:
    """Losses, gradients and running statistics stay what they are; a frozen component stays frozen."""
    d, module = small()
    given = bridge.compile(d)
    before = {path: value.clone() for path, value in given.state_dict().items()}
    portable = bridge.to(given, "portable")
    modules = bridge.to(portable, "torch")
    assert all(isinstance(c.body, LayerGraph) for c in portable.diagram.components)
    assert all(isinstance(c.body, TorchReference) for c in modules.diagram.components)
    assert bridge.to(given, "torch").components["one"] is module
    assert [c.training for c in modules.diagram.components] == [c.training for c in given.diagram.components]
    batch = {"data": {"x": torch.randn(5, 3, dtype=torch.float64)}}
    totals = []
    for objective in (given, portable, modules):
        optimizer = torch.optim.SGD(objective.trainable_parameters(), lr=0.1)
        for _ in range(3):
            optimizer.zero_grad()
            objective(batch).backward()
            optimizer.step()
        totals.append(objective.eval()(batch).total.item())
    assert totals == pytest.approx([totals[0]] * 3, rel=1e-12)
    assert all(not torch.equal(value, before[path]) for path, value in given.state_dict().items() if "one.3" in path)


def test_a_diagram_by_itself() -> None:
    """Initial values are those of a seed."""
    d = bridge.Builder("initial")
    x = d.space("x", k=3)
    data = d.source("data", x=x)
    d.agree(d.arrow("f", x, x, layers.linear(3, 3))(data.x), data.x, by=bridge.mse())
    one, two, other = (d.build().to("torch", seed=seed) for seed in (1, 1, 2))
    weights = [made.components["f"].get_parameter("0.weight") for made in (one, two, other)]
    assert torch.equal(weights[0], weights[1]) and not torch.equal(weights[0], weights[2])


def test_what_is_refused() -> None:
    d, _ = small()
    with pytest.raises(BindingError, match="runtime: expected one of torch, flux, portable"):
        bridge.to(d, "jax")
    e = bridge.Builder("odd")
    x = e.space("x", k=3)
    data = e.source("data", x=x)
    e.agree(e.arrow("f", x, x, nn.Sequential(nn.Linear(3, 3), nn.LogSigmoid()))(data.x), data.x, by=bridge.mse())
    with pytest.raises(PortError, match=r"component 'f'.*an operator of the portable layers"):
        bridge.to(e, "portable")
    if not has_flux():
        with pytest.raises(PortError, match="to_flux: expected Flux"):
            bridge.to(bridge.to(d, "portable"), "flux")


def test_flux_trains_as_torch_does() -> None:
    """Also through a model that was trained in Flux, whose weights come back."""
    if not has_flux():
        pytest.skip(f"Julia {session().version} has no Flux in its active project")
    d, _ = small()
    given = bridge.to(d, "portable")
    flux = bridge.to(given, "flux")
    data = {"data": {"x": torch.randn(8, 3, dtype=torch.float64)}}
    expected = bridge.fit(given, data, epochs=3, batch_size=4, lr=0.1)
    found = bridge.fit(flux, data, epochs=3, batch_size=4, lr=0.1)
    assert found.total == pytest.approx(expected.total, rel=1e-10)
    back = bridge.to(flux, "portable")
    assert back.diagram == given.diagram
    for path, value in given.state_dict().items():
        torch.testing.assert_close(back.state_dict()[path], value, rtol=1e-9, atol=1e-11)


def test_flux_trains_tied_weights_as_torch_does() -> None:
    """Also those of a norm that is applied three times."""
    if not has_flux():
        pytest.skip(f"Julia {session().version} has no Flux in its active project")
    d, data = tied()
    torch.manual_seed(0)
    given = bridge.compile(d)
    flux = bridge.to(given, "flux", verify=False)
    expected = bridge.fit(given, data, epochs=2, batch_size=4, lr=0.01)
    found = bridge.fit(flux, data, epochs=2, batch_size=4, lr=0.01)
    assert found.total == pytest.approx(expected.total, rel=1e-9)
