"""A diagram as a training script in plain PyTorch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from bridge import __version__
from bridge.diagram.ir import Diagram, Training
from bridge.diagram.messages import element, space_text
from bridge.port.source.expressions import broken, docstring, quoted
from bridge.port.source.names import CALLED, CLASSES, Names, class_name, identifier
from bridge.port.source.outline import Class, argument_names, module_paths, outline
from bridge.port.source.python_classes import class_text
from bridge.port.source.python_layers import member_call, parameter_names
from bridge.port.source.python_losses import HELPERS, loss_text
from bridge.port.source.python_template import DATA, HEAD, LOADING, MAIN
from bridge.port.source.python_ties import tie_lines
from bridge.port.source.reuse import reuse
from bridge.port.source.sharing import classes, share
from bridge.port.source.training import Part, training
from bridge.port.source.training import Training as Told

__all__ = ["python_script"]


def python_script(diagram: Diagram, weights: Mapping[str, Mapping[str, Tensor]]) -> tuple[str, dict[str, Tensor]]:
    """The text of a script, and the tensors of the file beside it by their names in its model's `state_dict`.

    `weights` are the parameters and buffers of each component by path. Raises UnsupportedError for a diagram with a
    component that is not portable.
    """
    told = training(diagram)
    roots = {name: outline(part.graph, part.shapes, member_call) for name, part in told.parts.items()}
    for name, part in told.parts.items():
        reuse(roots[name], dict(part.graph.ties))
    paths = {name: module_paths(root) for name, root in roots.items()}
    tensors: dict[str, Tensor] = {}
    for name, part in told.parts.items():
        every = {**weights[name], **{path: weights[name][owner] for path, owner in part.graph.ties}}
        tensors.update(_tensors(part, paths[name], every))
    share(list(roots.values()))
    called, names = {}, Names(CLASSES)
    homes = {id(made): name for name, root in roots.items() for made in classes([root])}
    for made in classes(list(roots.values())):
        called[id(made)] = names.new(class_name(made.branch, homes[id(made)]))
    texts = []
    for made in classes(list(roots.values())):
        of = next((part for name, part in told.parts.items() if roots[name] is made), None)
        inputs = argument_names(made) if of is None else _inputs(told, of)
        ties = [] if of is None else _ties(of, paths[of.component.name])
        texts.append(class_text(made, called[id(made)], inputs, _about(told, made, of), called, ties))
    body = "\n\n".join([*texts, _model(told, {name: called[id(root)] for name, root in roots.items()})])
    helpers = [text for name, text in HELPERS.items() if f"{name}(" in body]
    head = HEAD.format(name=docstring(diagram.name), version=__version__, data=_data(told))
    parts = [head, *helpers, body, LOADING, DATA, MAIN]
    return "\n\n".join(part.strip("\n") + "\n" for part in parts), tensors


def _inputs(told: Told, part: Part) -> list[str]:
    names = Names(CALLED)
    return [names.new(identifier(space, "x")) for space in part.arrow.sources]


def _about(told: Told, made: Class, part: Part | None) -> str:
    if part is None:
        return f"{'.'.join(made.branch)}, and what is built like it."
    spaces = {space.name: space_text(space) for space in told.diagram.spaces}
    sides = [" and ".join(f"{n}, {spaces[n]}" for n in names) for names in (part.arrow.sources, part.arrow.targets)]
    return f"{sides[0]}, to {sides[1]}."


def _ties(part: Part, paths: Mapping[str, tuple[str, ...]]) -> list[str]:
    return tie_lines(part.graph, paths, element("component", part.component.name))


def _tensors(part: Part, paths: Mapping[str, tuple[str, ...]], weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    found: dict[str, Tensor] = {}
    for node in part.graph.nodes:
        start = f"{node.name}."
        held = {path.removeprefix(start): tensor for path, tensor in weights.items() if path.startswith(start)}
        if not held or node.name not in paths:
            continue
        where = ".".join((part.name, *paths[node.name]))
        found.update((f"{where}.{name}".rstrip("."), tensor) for name, tensor in parameter_names(node.layer)(held).items())
        if "running_mean" in held:
            found[f"{where}.num_batches_tracked"] = torch.tensor(0)
    return found


def _model(told: Told, names: Mapping[str, str]) -> str:
    lines = ["class Model(nn.Module):", '    """All components, and how far they are from agreeing."""', ""]
    lines += ["    def __init__(self) -> None:", "        super().__init__()"]
    modes: list[str] = []
    for component in told.diagram.components:
        part = told.parts[component.name]
        text = f"self.{part.name} = {names[component.name]}()"
        if part.data_type.value == "float64":
            text += ".double()"
        if component.training.is_frozen:
            text += ".requires_grad_(False)"
            mode = "eval" if component.training is Training.FROZEN else "train"
            modes.append(f"        self.{part.name}.{mode}()")
        lines.append(f"        {text}")
    if modes:
        lines += ["", '    def train(self, mode: bool = True) -> "Model":', '        """Frozen parts keep their mode."""']
        lines += ["        super().train(mode)", *modes, "        return self"]
    lines += ["", "    def forward(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:"]
    lines.append('        """The weighted sum of the losses, and each by itself."""')
    for source, columns in told.columns.items():
        own = f"batch[{quoted(source)}]"
        lines += [f"        {name} = {own}[{quoted(column)}]" for column, name in columns.items()]
    for applied in told.applications:
        left = ", ".join(applied.names)
        lines.append(f"        {left} = self.{applied.part.name}({', '.join(applied.arguments)})")
    lines.append("        losses = {")
    for compared in told.compared:
        text = loss_text(compared.agreement, *compared.sides, compared.mask, compared.spaces)
        lines.append(" " * 12 + broken(f"{quoted(compared.agreement.name)}: {text},", 12))
    lines.append("        }")
    terms = [_weighted(c.agreement.name, c.agreement.weight) for c in told.compared]
    lines += _sum("total", terms), "        return total, losses"
    return "\n".join(lines) + "\n"


def _weighted(name: str, weight: float) -> str:
    return f"losses[{quoted(name)}]" if weight == 1 else f"{weight!r} * losses[{quoted(name)}]"


def _sum(name: str, terms: list[str]) -> str:
    signed = [term if not place else f"- {term[1:]}" if term[0] == "-" else f"+ {term}" for place, term in enumerate(terms)]
    text = f"        {name} = {' '.join(signed)}"
    if len(text) <= 110:
        return text
    return f"        {name} = (\n{''.join(f'            {term}{chr(10)}' for term in signed)}        )"


def _data(told: Told) -> str:
    lines = []
    for source in told.columns:
        for column in told.diagram.source(source).columns:
            if column.name in told.columns[source]:
                space: Any = told.diagram.space(column.space)
                lines.append(f"    {source}.{column.name}: {space_text(space)} for each sample")
    return "\n".join(lines)
