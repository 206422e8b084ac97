"""Diagrams of ported modules, with data for them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

import bridge
from bridge import port
from bridge.diagram.builder import Builder
from bridge.layers.graph import input_kinds

Data = dict[str, dict[str, Tensor]]


def fitted(module: nn.Module, inputs: Sequence[Tensor], samples: int = 8) -> tuple[Builder, port.Ported, Data]:
    """A module that should agree with random targets: a diagram of what it was ported to, and its data."""
    ported = port.from_torch(module, *inputs)
    kind = ported.data_type.value
    d, spaces, columns = Builder("fitted"), {}, {}
    for place, (shape, x) in enumerate(zip(ported.inputs, inputs, strict=True)):
        axes = [(f"a{k}", size) for k, size in enumerate(shape)]
        if x.is_floating_point():
            spaces[f"x{place}"] = d.space(f"input{place}", kind, axes=axes)
            columns[f"x{place}"] = torch.randn(samples, *x.shape[1:], dtype=x.dtype)
        else:
            classes = input_kinds(ported.graph)[place][0].classes
            spaces[f"x{place}"] = d.index(f"input{place}", classes=classes, axes=axes)
            columns[f"x{place}"] = torch.randint(classes, (samples, *x.shape[1:]))
    (shape,) = ported.outputs
    spaces["target"] = d.space("output", kind, axes=[(f"a{k}", size) for k, size in enumerate(shape)])
    columns["target"] = torch.randn(samples, *shape, dtype=getattr(torch, kind))  # type: ignore[arg-type]
    data = d.source("data", spaces)
    net = d.arrow("net", [spaces[f"x{k}"] for k in range(len(inputs))], spaces["target"], ported.graph)
    d.agree(net(*(data[f"x{k}"] for k in range(len(inputs)))), data.target, by=bridge.mse(), name="fit")
    return d, ported, {"data": columns}
