"""Diagrams of every portable layer, sound and spoiled: Julia reads and refuses what Python does."""

from __future__ import annotations

import torch
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from layer_parity import FAMILIES, Trial, diagram_of
from spoiled import spoil
from test_julia_structure import check_same, read

from bridge import schema
from bridge.schema.generated import diagram_pb2

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
