"""A second reading of docs/semantics.md, recursive and without a plan, for the tests to compare with."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from bridge.diagram.ir import ColumnTerm, DetachTerm, Diagram, Divergence, OutputTerm, Space, Training
from bridge.diagram.paths import expand


def divergence(by: Divergence, left: Tensor, right: Tensor, space: Space) -> Tensor:
    """d of every sample and element without the class axis, straight from the table's formulas."""
    a = dict(by.attributes)
    axis = 1 + [x.name for x in space.axes].index(a["axis"]) if "axis" in a else None
    u = left - right if left.shape == right.shape else None
    if by.name == "mse":
        return u**2
    if by.name == "mae":
        return u.abs()
    if by.name == "huber":
        delta = a["delta"]
        return torch.where(u.abs() <= delta, u**2 / 2, delta * (u.abs() - delta / 2))
    if by.name == "binary_cross_entropy":
        return left.clamp(min=0) - left * right + torch.log1p(torch.exp(-left.abs()))
    if by.name == "cross_entropy":
        classes, smoothing = left.shape[axis], a["label_smoothing"]
        if not right.is_floating_point():
            right = nn.functional.one_hot(right.long(), classes).to(left.dtype).movedim(-1, axis)
        q = (1 - smoothing) * right + smoothing / classes
        return -(q * torch.log(left.softmax(axis))).sum(axis)
    if by.name == "kl":
        t = a["temperature"]
        p, q = (right / t).softmax(axis), (left / t).softmax(axis)
        return t**2 * (p * (p.log() - q.log())).sum(axis)
    norms = [x.pow(2).sum(axis, keepdim=True).sqrt().clamp(min=1e-8) for x in (left, right)]
    left, right = left / norms[0], right / norms[1]
    if by.name == "cosine":
        return 1 - (left * right).sum(axis)
    assert by.name == "info_nce"
    left, right = left.movedim(axis, -1), right.movedim(axis, -1)
    rows = []
    for s in range(len(left)):
        scores = torch.stack([(left[s] * right[k]).sum(-1) for k in range(len(left))], -1) / a["temperature"]
        value = -torch.log(scores.softmax(-1))[..., s]
        if a["symmetric"]:
            back = torch.stack([(left[k] * right[s]).sum(-1) for k in range(len(left))], -1) / a["temperature"]
            value = (value - torch.log(back.softmax(-1))[..., s]) / 2
        rows.append(value)
    return torch.stack(rows)


def agreement(by: Divergence, left: Tensor, right: Tensor, mask: Tensor | None, space: Space) -> Tensor:
    """L of one agreement on its batch."""
    if len(left) == 0:
        return left.sum() * 0
    d = divergence(by, left, right, space)
    if mask is None:
        return d.mean()
    if mask.dim() == 1:
        d = d.reshape(len(d), -1).mean(1)
    mask = mask.to(d.dtype)
    return (mask * d).sum() / mask.sum() if mask.sum() > 0 else (d * 0).sum()


class Interpreter:
    """Evaluates terms by recursion, each once. Leaves modules as they are: states are passed by `functional_call`."""

    def __init__(self, diagram: Diagram, modules: dict[str, nn.Module], batch: dict[str, Any], train: bool) -> None:
        self.diagram, self.modules, self.batch, self.train = diagram, modules, batch, train
        self.terms = expand(diagram).terms
        self.values: dict[Any, Any] = {}
        self.calls: dict[str, int] = {}

    def value(self, term: int) -> Tensor:
        node = self.terms[term]
        if isinstance(node, ColumnTerm):
            return self.batch[node.source][node.column]
        if isinstance(node, DetachTerm):
            return self.value(node.argument).detach()
        assert isinstance(node, OutputTerm)
        key = (node.arrow, node.arguments)
        if key not in self.values:
            self.values[key] = self.apply(node)
        return self.values[key][node.output]

    def has_source(self, term: int) -> bool:
        node = self.terms[term]
        if isinstance(node, ColumnTerm):
            return True
        below = (node.argument,) if isinstance(node, DetachTerm) else node.arguments
        return any(self.has_source(argument) for argument in below)

    def apply(self, node: OutputTerm) -> tuple[Tensor, ...]:
        arrow = self.diagram.arrow(node.arrow)
        component = self.diagram.component(arrow.component)
        module = self.modules[component.name]
        arguments = [self.value(argument) for argument in node.arguments]
        sourced = [self.has_source(argument) for argument in node.arguments]
        if any(sourced):
            samples = len(arguments[sourced.index(True)])
            arguments = [
                x if known else x.expand(samples, *x.shape[1:]) for x, known in zip(arguments, sourced, strict=True)
            ]
        train = {Training.TRAINABLE: self.train, Training.FROZEN: False}.get(component.training, True)
        state = dict(module.named_parameters())
        if component.training.is_frozen:
            state = {name: value.detach() for name, value in state.items()}
        if train:
            self.calls[component.name] = self.calls.get(component.name, 0) + 1
        buffers = {name: value.clone() for name, value in module.named_buffers()}
        modes = {submodule: submodule.training for submodule in module.modules()}
        module.train(train)
        try:
            outputs = functional_call(module, {**state, **buffers}, tuple(arguments))
        finally:
            for submodule, mode in modes.items():
                submodule.training = mode
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        return outputs if arguments else tuple(output.unsqueeze(0) for output in outputs)

    def losses(self) -> tuple[Tensor, dict[str, Tensor]]:
        """The total, and each agreement's own."""
        own: dict[str, Tensor] = {}
        total: Any = 0
        for entry in expand(self.diagram).agreements:
            left, right = self.value(entry.left), self.value(entry.right)
            mask = None if entry.mask is None else self.value(entry.mask)
            space = self.diagram.space(self.space_name(entry.left))
            own[entry.name] = agreement(entry.divergence, left, right, mask, space)
            total = total + entry.weight * own[entry.name]
        return total, own

    def space_name(self, term: int) -> str:
        node = self.terms[term]
        if isinstance(node, ColumnTerm):
            return self.diagram.source(node.source).column(node.column).space
        if isinstance(node, DetachTerm):
            return self.space_name(node.argument)
        return self.diagram.arrow(node.arrow).targets[node.output]
