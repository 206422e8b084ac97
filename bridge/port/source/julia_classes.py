"""Classes of an outline as Flux structs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bridge.port.source.expressions import Expression, atom, call
from bridge.port.source.julia_layers import apply_function, apply_member, literal, repeats_arguments
from bridge.port.source.names import Names
from bridge.port.source.outline import Class, Instance, Leaf, Member, Sequence_, Step
from bridge.port.source.statements import Body

__all__ = ["constructor", "struct_text"]

WIDTH = 110


def constructor(member: Member, names: Mapping[int, str], wide: bool, indent: str = "") -> str:
    """What makes a member."""
    if isinstance(member, Sequence_):
        parts = [constructor(inner, names, wide, f"{indent}    ") for inner in member.members]
        text = f"Chain({', '.join(parts)})"
        if len(indent) + len(text) <= WIDTH and "\n" not in text:
            return text
        return "Chain(\n" + "".join(f"{indent}    {part},\n" for part in parts) + f"{indent})"
    if isinstance(member, Instance):
        return f"{names[id(member.of)]}({', '.join(literal(value) for value in member.arguments.values())})"
    if member.call is not None:
        return str(member.call)
    made = str(apply_function(member, [atom("x")], wide))
    return "Flux.flatten" if made == "Flux.flatten(x)" else f"x -> {made}"


def type_parameters(struct: str, fields: Sequence[str]) -> list[str]:
    """Names of the types of a struct's fields, which the fields and the struct don't have.

    >>> type_parameters("Model", ["student", "T2"])
    ['T1', 'T22']
    """
    names = Names({struct, *fields})
    return [names.new(f"T{place}") for place in range(1, len(fields) + 1)]


def struct_text(
    made: Class,
    name: str,
    inputs: Sequence[str],
    about: str,
    names: Mapping[int, str],
    wide: bool,
    ties: Sequence[str] = (),
) -> str:
    """The struct, its constructor, which ties these pairs, and what it does with its inputs."""

    def write(step: Step, arguments: Sequence[Expression]) -> Expression:
        if isinstance(step.member, Leaf):
            if step.member.call is None:
                return apply_function(step.member, arguments, wide)
            return apply_member(step.member, f"m.{step.again or step.name}", arguments)
        return call(f"m.{step.again or step.name}", *arguments)

    body = Body(made, inputs, write, _unpack, _needs_names)
    held = [step for step in made.steps if step.held]
    types = type_parameters(name, [step.name for step in held])
    parameters = f"{{{', '.join(types)}}}" if held else ""
    lines = [f'"{about}"', f"struct {name}{parameters}"]
    lines += [f"    {step.name}::{kind}" for step, kind in zip(held, types, strict=True)]
    trained = [step.name for step in held if not _stays(step)]
    listed = "" if len(trained) == len(held) else f" trainable=({''.join(f'{field}, ' for field in trained).strip(' ')})"
    lines += ["end", "", f"Flux.@layer {name}{listed}", ""]
    if ties:
        lines += [f"function {name}()", f"    m = {name}("]
        lines += [f"        {constructor(step.member, names, wide, ' ' * 8)}," for step in held]
        lines.append("    )")
        text = f"    return tie(m, {', '.join(ties)})"
        if len(text) > WIDTH:
            text = "\n".join(["    return tie(", *(f"        {given}," for given in ("m", *ties)), "    )"])
        lines += [text, "end", ""]
    elif held or made.parameters:
        lines.append(f"{name}({', '.join(made.parameters)}) = {name}(")
        lines += [f"    {constructor(step.member, names, wide, '    ')}," for step in held]
        lines += [")", ""]
    lines.append(f"function (m::{name})({', '.join(inputs)})")
    lines += [f"    {left} = {right}" for left, right in body.lines]
    results = ", ".join(map(str, body.results))
    if len(body.results) == 1 and body.lines and body.lines[-1][0] == results:
        lines[-1] = f"    return {body.lines[-1][1]}"
    else:
        lines.append(f"    return {results}")
    return "\n".join([*lines, "end"]) + "\n"


def _stays(step: Step) -> bool:
    """Whether a field is a value that is not trained."""
    return isinstance(step.member, Leaf) and step.member.node.layer.operation == "constant"


def _needs_names(step: Step) -> bool:
    return isinstance(step.member, Leaf) and repeats_arguments(step.member)


def _unpack(step: Step, wanted: list[str]) -> tuple[str, list[Expression]]:
    return ", ".join(wanted), [atom(name) for name in wanted]
