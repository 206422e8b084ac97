"""A diagram as a training script in plain Flux."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping

from torch import Tensor

from bridge import __version__
from bridge.diagram.ir import Diagram
from bridge.diagram.ir import Training as Mode
from bridge.diagram.messages import element, space_text
from bridge.port.source.expressions import broken, quoted
from bridge.port.source.julia_classes import struct_text, type_parameters
from bridge.port.source.julia_helpers import HELPERS, helpers
from bridge.port.source.julia_layers import flux_call
from bridge.port.source.julia_losses import loss_text
from bridge.port.source.julia_template import HEAD, LOADING, MAIN
from bridge.port.source.julia_tensors import flux_tensors
from bridge.port.source.julia_ties import tie_pairs, tied_nodes
from bridge.port.source.names import CALLED, CLASSES, Names, class_name, identifier
from bridge.port.source.outline import Class, argument_names, module_paths, outline
from bridge.port.source.reuse import reuse
from bridge.port.source.sharing import classes, share
from bridge.port.source.training import Part, Training, training

__all__ = ["julia_script"]


def julia_script(diagram: Diagram, weights: Mapping[str, Mapping[str, Tensor]]) -> tuple[str, dict[str, Tensor]]:
    """The text of a script, and the tensors of the file beside it: Flux's arrays, named by fields, axes reversed.

    `weights` are the parameters and buffers of each component by path. Raises UnsupportedError for a diagram with a
    component that is not portable.
    """
    told = training(diagram, "Flux.Zygote.dropgrad({})")
    wide = {name: part.data_type.value == "float64" for name, part in told.parts.items()}
    times = Counter(applied.part.name for applied in told.applications)
    tensors: dict[str, Tensor] = {}
    roots, ties = dict[str, Class](), dict[str, list[str]]()
    for name, part in told.parts.items():
        every = {node.name for node in part.graph.nodes}
        again = every if times[part.name] > 1 else tied_nodes(part.graph)
        roots[name] = outline(part.graph, part.shapes, flux_call(wide[name], again))
        reuse(roots[name], dict(part.graph.ties))
        paths = module_paths(roots[name], first=1)  # in a chain Julia counts from 1
        ties[name] = tie_pairs(part.graph, part.shapes, paths, element("component", name))
        tensors.update(_tensors(part, paths, weights[name], again))
    for kind in (False, True):
        share([root for name, root in roots.items() if wide[name] is kind])
    structs = classes(list(roots.values()))
    homes = {id(made): name for name, root in roots.items() for made in classes([root])}
    names = Names(CLASSES | HELPERS.keys())
    called = {}
    for made in structs:  # Julia's constructors have arguments of the fields' names
        called[id(made)] = names.new(class_name(made.branch, homes[id(made)]), {step.name for step in made.steps})
    texts = []
    for made in structs:
        of = next((part for name, part in told.parts.items() if roots[name] is made), None)
        inputs = argument_names(made) if of is None else _inputs(of)
        about = _about(told, made, of).replace("$", "\\$")
        pairs = [] if of is None else ties[of.component.name]
        texts.append(struct_text(made, called[id(made)], inputs, about, called, wide[homes[id(made)]], pairs))
    body = "\n\n".join([*texts, _model(told, {name: called[id(root)] for name, root in roots.items()})])
    head = HEAD.format(name=diagram.name, version=__version__, data=_data(told))
    frozen = [part for part in told.parts.values() if part.component.training.is_frozen]
    modes = [f"    testmode!(model.{part.name})\n" for part in frozen if part.component.training is Mode.FROZEN]
    kept = [f"    Flux.freeze!(optimiser.{part.name})\n" for part in frozen]
    main = MAIN.replace("# MODES\n", "".join(modes)).replace("# FROZEN\n", "".join(kept))
    parts = [head, *helpers(body), body, LOADING, main]
    return "\n\n".join(part.strip("\n") + "\n" for part in parts), tensors


def _inputs(part: Part) -> list[str]:
    names = Names(CALLED)
    return [names.new(identifier(space, "x")) for space in part.arrow.sources]


def _about(told: Training, made: Class, part: Part | None) -> str:
    if part is None:
        return f"{'.'.join(made.branch)}, and what is built like it."
    spaces = {space.name: space_text(space) for space in told.diagram.spaces}
    sides = [" and ".join(f"{n}, {spaces[n]}" for n in names) for names in (part.arrow.sources, part.arrow.targets)]
    return f"{sides[0]}, to {sides[1]}."


def _tensors(
    part: Part, paths: Mapping[str, tuple[str, ...]], weights: Mapping[str, Tensor], again: Collection[str]
) -> dict[str, Tensor]:
    """A tied one is there once."""
    found = {}
    for node in part.graph.nodes:
        start = f"{node.name}."
        held = {path.removeprefix(start): tensor for path, tensor in weights.items() if path.startswith(start)}
        for name, tensor in flux_tensors(node.layer, held, node.name in again).items():
            found[".".join((part.name, *paths[node.name], name)).rstrip(".")] = tensor
    return found


def _model(told: Training, names: Mapping[str, str]) -> str:
    parts = [told.parts[component.name] for component in told.diagram.components]
    types = type_parameters("Model", [part.name for part in parts])
    lines = ['"All components."', f"struct Model{{{', '.join(types)}}}"]
    lines += [f"    {part.name}::{kind}" for part, kind in zip(parts, types, strict=True)]
    lines += ["end", "", "Flux.@layer Model", "", "Model() = Model("]
    for part in parts:
        made = f"{names[part.component.name]}()"
        lines.append(f"    {f'f64({made})' if part.data_type.value == 'float64' else made},")
    lines += [")", "", '"The weighted sum of the losses of a batch, and each by itself."']
    lines.append("function losses(m::Model, batch)")
    for source, columns in told.columns.items():
        lines += [f"    {name} = batch[{quoted(source)}][{quoted(column)}]" for column, name in columns.items()]
    for applied in told.applications:
        lines.append(f"    {', '.join(applied.names)} = m.{applied.part.name}({', '.join(applied.arguments)})")
    lines.append("    each = (")
    for compared in told.compared:
        text = loss_text(compared.agreement, *compared.sides, compared.mask, compared.spaces)
        lines.append(" " * 8 + broken(f"{_field(compared.agreement.name)} = {text},", 8))
    lines.append("    )")
    total = [f"each.{_field(c.agreement.name)}" for c in told.compared]
    weighted = [
        t if c.agreement.weight == 1 else f"{c.agreement.weight!r} * {t}" for t, c in zip(total, told.compared, strict=True)
    ]
    joined = " + ".join(weighted).replace("+ -", "- ")
    text = f"    total = {joined}"
    if len(text) > 110:
        text = "    total = (\n" + " +\n".join(f"        {term}" for term in weighted) + "\n    )"
    return "\n".join([*lines, text, "    return total, each", "end"]) + "\n"


def _field(name: str) -> str:
    """A field of a named tuple.

    >>> _field("hard"), _field("f~data.y")
    ('hard', 'var"f~data.y"')
    >>> print(_field('a"b'), _field('\\\\"'), _field('c\\\\'))
    var"a\\"b" var"\\\\\\"" var"c\\\\"
    """
    if name.isidentifier() and name.isascii() and identifier(name) == name:
        return name
    # A raw string: backslashes count only before a quote.
    return 'var"' + re.sub(r'(\\*)("|$)', lambda m: m[1] * 2 + ('\\"' if m[2] else ""), name) + '"'


def _data(told: Training) -> str:
    lines = []
    for source, columns in told.columns.items():
        for column in told.diagram.source(source).columns:
            if column.name in columns:
                lines.append(f"#     {source}.{column.name}: {space_text(told.diagram.space(column.space))} for each sample")
    return "\n".join(lines)
