"""A PyTorch module as a portable layer graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from bridge.diagram.ir import DataType, Space, Ties
from bridge.diagram.ir import ties as sorted_ties
from bridge.diagram.messages import shape_text
from bridge.errors import PortError
from bridge.layers.graph import check_graph, infer_shapes
from bridge.port.capture import capture
from bridge.port.interpret import Program
from bridge.port.joining import joined
from bridge.port.naming import names
from bridge.port.operators import OPERATORS
from bridge.port.ported import Ported
from bridge.port.sketch import Value
from bridge.port.weights import Weight
from bridge.torch.batch import DTYPES

__all__ = ["from_torch"]


def from_torch(module: nn.Module, *inputs: Tensor | Space, verify: bool = True) -> Ported:
    """A module as a graph of portable layers with its weights, for inputs like these.

    Each input is a tensor with the batch axis first, of which only dtype and sizes count, or a space, whose variable axes
    stay variable. What the module does is found by `torch.export` in train and in test mode, so neither types nor names
    of submodules matter. With `verify` the graph's outputs in test mode are compared with the module's. The module stays
    as it is.

    Raises PortError for the first operator that the portable layers do not cover, for one that lets the samples of a batch
    see each other, and for a module whose program depends on the numbers in its inputs.

    >>> net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    >>> ported = from_torch(net, torch.zeros(1, 4))
    >>> [(node.name, node.layer.operation) for node in ported.graph.nodes], sorted(ported.weights)
    ([('0', 'linear'), ('1', 'relu'), ('2', 'linear')], ['0.bias', '0.weight', '2.bias', '2.weight'])
    """
    if not isinstance(module, nn.Module):
        raise PortError("the module itself", "a torch.nn.Module", f"a {type(module).__name__}")
    values = [_value(place, given) for place, given in enumerate(inputs)]
    captured = capture(module, values)
    program = Program(module, captured, OPERATORS, _float_type(module, values))
    for node, value in zip(captured.inputs, values, strict=True):
        program.take(node, value)
    outputs = program.run()
    steps = joined(program.sketch.live(outputs), outputs)
    graph = program.sketch.graph(steps, called := names(steps), outputs)
    sources, ties = _owned(
        {f"{name}.{k}": weight for name, step in zip(called, steps, strict=True) for k, weight in step.weights.items()}
    )
    graph = replace(graph, ties=ties)
    check_graph(graph, "the ported graph")
    shapes = tuple(value.shape for value in values)
    assert infer_shapes(graph, shapes, "the ported graph") == tuple(value.shape for value in outputs)
    ported = Ported(
        graph,
        {path: weight.value() for path, weight in sources.items()},
        program.float_type,
        shapes,
        tuple(value.shape for value in outputs),
        sources,
        _is_frozen(sources),
    )
    if verify:
        _verify(module, ported, inputs)
    return ported


def _value(place: int, given: Tensor | Space) -> Value:
    if isinstance(given, Space):
        return Value(given.shape, given.data_type)
    kinds = {dtype: kind for kind, dtype in DTYPES.items()}
    if not isinstance(given, Tensor) or given.dim() < 1:
        found = "one without axes" if isinstance(given, Tensor) else f"a {type(given).__name__}"
        raise PortError(f"input {place}", "a tensor with the batch axis first, or a space", found)
    if given.dtype not in kinds:
        raise PortError(f"input {place}", f"one of {', '.join(kind.value for kind in kinds.values())}", str(given.dtype))
    return Value(tuple(given.shape[1:]), kinds[given.dtype])


def _float_type(module: nn.Module, inputs: Sequence[Value]) -> DataType:
    types = {parameter.dtype for parameter in module.parameters()}
    types |= {DTYPES[value.data_type] for value in inputs if value.data_type.is_float}
    if not types <= {torch.float32} and not types <= {torch.float64}:
        found = ", ".join(sorted(str(dtype).removeprefix("torch.") for dtype in types))
        raise PortError("the module itself", "inputs and parameters of float32, or all of float64", found)
    return DataType.FLOAT64 if torch.float64 in types else DataType.FLOAT32


def _is_frozen(sources: Mapping[str, Weight]) -> bool:
    """Whether no parameter trains. (Where some do, the others are constants.)"""
    parameters = [source.tensor for source in sources.values() if isinstance(source.tensor, nn.Parameter)]
    return bool(parameters) and not any(parameter.requires_grad for parameter in parameters)


def _owned(sources: Mapping[str, Weight]) -> tuple[dict[str, Weight], Ties]:
    """The paths whose numbers no earlier one has, and the ties of the others to those.

    Refuses numbers that paths share otherwise: some of them, or in another order.
    """
    owned: dict[str, Weight] = {}
    ties: dict[str, str] = {}
    seen: dict[int, list[str]] = {}
    for path, weight in sources.items():
        if weight.places is not None and len(weight.places.unique()) < weight.count:
            expected = "a parameter each of whose numbers is used once"
            raise PortError(f"parameter '{weight.name}'", expected, f"copies in '{path}'")
        for other in seen.setdefault(id(weight.tensor), []):
            if owned[other].same(weight):
                ties[path] = other
                break
            both = torch.cat([w.places_wanted().flatten() for w in (owned[other], weight)])
            if len(both.unique()) < len(both):
                expected = "a parameter that is the same, in the same order, wherever it is used"
                raise PortError(f"parameter '{weight.name}'", expected, f"others in '{other}' and in '{path}'")
        if path not in ties:
            seen[id(weight.tensor)].append(path)
            owned[path] = weight
    return owned, sorted_ties(ties.items())


def _verify(module: nn.Module, ported: Ported, inputs: Sequence[Tensor | Space]) -> None:
    """Compare both in test mode, on random numbers and on the indices and truth values that were given."""
    batch = [_batch(given) for given in inputs]
    modes = {part: part.training for part in module.modules()}
    try:
        module.eval()
        with torch.no_grad():
            wanted = tree_leaves(module(*batch))
            found = ported.module().eval()(*batch)
    finally:
        for part, mode in modes.items():
            part.training = mode
    tolerance = 1e-4 if ported.data_type is DataType.FLOAT32 else 1e-9
    for place, (one, two) in enumerate(zip(wanted, found if isinstance(found, tuple) else (found,), strict=True)):
        furthest, largest = (float(x.abs().max()) if one.numel() else 0.0 for x in (one - two, one))
        if not furthest <= tolerance * max(1.0, largest):
            expected = f"the module's numbers, of shape {shape_text(tuple(one.shape[1:]))}"
            raise PortError(f"output {place} of the ported graph", expected, f"a difference of {furthest:.3g}")


def _batch(given: Tensor | Space) -> Tensor:
    """Two samples like those given."""
    if isinstance(given, Tensor):
        example = given[:1].expand(2, *given.shape[1:])
    else:
        sizes = (4 if isinstance(size, str) else size for size in given.shape)
        example = torch.zeros(2, *sizes, dtype=DTYPES[given.data_type])
    if not example.dtype.is_floating_point:
        return example
    return torch.randn(example.shape, generator=torch.Generator().manual_seed(0), dtype=example.dtype)
