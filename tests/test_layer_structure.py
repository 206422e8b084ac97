"""Diagrams of every portable layer, sound and spoiled: Julia reads and refuses what Python does."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from layer_parity import FAMILIES, Trial, diagram_of
from spoiled import spoil
from test_julia_structure import check_same, read

from bridge import layers, schema
from bridge.errors import BridgeError, DiagramError
from bridge.layers.make import make
from bridge.layers.table import LAYERS
from bridge.schema.generated import diagram_pb2
from tests.julia_arrays import evaluate, julia

MAKERS = {operation: make for family in FAMILIES.values() for operation, make in family.items()}


@st.composite
def messages(draw: st.DrawFn) -> diagram_pb2.Diagram:
    """A diagram with one or two layers."""
    chosen = draw(st.lists(st.sampled_from(sorted(MAKERS)), min_size=1, max_size=2))
    trial = Trial([draw(MAKERS[operation](2)) for operation in chosen], 2, torch.float32, True, 0)
    return diagram_pb2.Diagram.FromString(schema.to_bytes(diagram_of(trial)))


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(messages())
def test_sound_layers(message: diagram_pb2.Diagram) -> None:
    assert check_same(read(message.SerializeToString(deterministic=True)))[0] == "read"


@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data(), messages(), st.integers(1, 2))
def test_spoiled_layers(data: st.DataObject, message: diagram_pb2.Diagram, changes: int) -> None:
    component = data.draw(st.sampled_from([c for c in message.components if c.name != "last"]))
    part = data.draw(st.sampled_from([component.graph, message]))
    data.draw(spoil(part, changes))
    answer = check_same(read(message.SerializeToString(deterministic=True)))
    event(" ".join(answer[: 2 if answer[0] == "refused" else 1]))


#: Values that can be given to a function that writes a layer, and that no attribute can be; and how Julia writes them.
ODD = {
    10**5000: 'big"10"^5000',
    "x": '"x"',
    None: "nothing",
    (True, 1): "(true, 1)",
    (2**63,): '(big"9223372036854775808",)',
    ("1",): '("1",)',
    1j: "1im",
    float("nan"): "NaN",
}


def test_values_that_no_attribute_can_be() -> None:
    """They are refused under the same name in both languages, the first one in the order of the table."""
    cases, odd = [], itertools.cycle(ODD.items())
    for row in LAYERS.values():
        names = [definition.name for definition in row.attributes]
        for place in range(len(names)):
            cases.append((row.operation, {name: next(odd) if at >= place else (1, "1") for at, name in enumerate(names)}))
    julia()
    for operation, values in cases:
        with pytest.raises(DiagramError) as pythons:
            make(operation, **{name: value for name, (value, _) in values.items()})
        attributes = "".join(f', "{name}" => {value}' for name, (_, value) in values.items())
        with pytest.raises(BridgeError) as julias:
            evaluate(f'DiagramBridge.Layers.layer("{operation}"{attributes})')
        assert pythons.value.element == julias.value.element
        assert len(str(pythons.value)) < 2000


@pytest.mark.parametrize("size", [np.int32(3), np.array(3), torch.tensor(3), 3, [3], (3,), torch.Size([3]), range(3, 4)])
def test_sizes_of_other_libraries(size: object) -> None:
    assert layers.conv1d(2, 2, size) == layers.conv1d(2, 2, 3)
    assert layers.layer_norm(size) == layers.layer_norm(3)


@pytest.mark.parametrize("size", [3.0, None, "3", np.array([3, 3]), torch.tensor([3, 3]), True, [True], {3: 3}])
def test_what_is_no_size(size: object) -> None:
    with pytest.raises(DiagramError, match="layer 'conv1d', attribute 'kernel': expected"):
        layers.conv1d(2, 2, size)
    with pytest.raises(DiagramError, match="layer 'layer_norm', attribute 'shape': expected"):
        layers.layer_norm(size)
