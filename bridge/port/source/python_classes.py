"""Classes of an outline as nn.Modules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import takewhile

from bridge.port.source.expressions import Expression, atom, call, method
from bridge.port.source.outline import Class, Instance, Leaf, Member, Sequence_, Step
from bridge.port.source.python_layers import RECURRENT, apply_function, apply_member, repeats_arguments
from bridge.port.source.statements import Body
from bridge.port.torch_calls import module_call

__all__ = ["class_text", "constructor"]

WIDTH = 110


def constructor(member: Member, names: Mapping[int, str], indent: str = "") -> str:
    """What makes a member. `names` are those of the classes, by the class' id."""
    if isinstance(member, Sequence_):
        parts = [constructor(inner, names, f"{indent}    ") for inner in member.members]
        text = f"nn.Sequential({', '.join(parts)})"
        if len(indent) + len(text) <= WIDTH and "\n" not in text:
            return text
        inner = "".join(f"{indent}    {part},\n" for part in parts)
        return f"nn.Sequential(\n{inner}{indent})"
    if isinstance(member, Instance):
        plain = list(takewhile(lambda name: name in ("inputs", "outputs", "width"), list(member.arguments)[:2]))
        given = [repr(value) if name in plain else f"{name}={value!r}" for name, value in member.arguments.items()]
        return f"{names[id(member.of)]}({', '.join(given)})"
    made = member.call or module_call(member.node.layer, len(member.inputs[0]))
    return str(made)


def class_text(
    made: Class, name: str, inputs: Sequence[str], about: str, names: Mapping[int, str], ties: Sequence[str] = ()
) -> str:
    """The class' definition; its forward takes arguments of these names, its constructor ends with the lines `ties`."""
    body = Body(made, inputs, _write, _unpack, _needs_names)
    arguments = ", ".join(["self", *(f"{parameter}: int" for parameter in made.parameters)])
    lines = [f"class {name}(nn.Module):", f'    """{about}"""', "", f"    def __init__({arguments}) -> None:"]
    lines.append("        super().__init__()")
    for step in made.steps:
        if not step.held:
            continue
        layer = step.member.node.layer if isinstance(step.member, Leaf) else None
        made_by = constructor(step.member, names, " " * 8)
        if layer is not None and layer.operation == "constant":
            lines.append(f'        self.register_buffer("{step.name}", {made_by})')
            continue
        lines.append(f"        self.{step.name} = {made_by}")
        if layer is not None and layer.operation in RECURRENT and layer["biases"] == 1:
            lines.append(f"        self.{step.name}.bias_hh_l0.requires_grad_(False)  # one bias is enough")
    lines += [f"        {line}" for line in ties]
    returns = "Tensor" if len(body.results) == 1 else f"tuple[{', '.join(['Tensor'] * len(body.results))}]"
    given = ", ".join(["self", *(f"{name}: Tensor" for name in inputs)])
    lines += ["", f"    def forward({given}) -> {returns}:"]
    lines += [f"        {left} = {right}" for left, right in body.lines]
    results = ", ".join(map(str, body.results))
    if len(body.results) == 1 and body.lines and body.lines[-1][0] == results:
        lines[-1] = f"        return {body.lines[-1][1]}"
    else:
        lines.append(f"        return {results}")
    return "\n".join(lines) + "\n"


def _write(step: Step, arguments: Sequence[Expression]) -> Expression:
    if isinstance(step.member, Leaf):
        if step.member.call is None:
            return apply_function(step.member, arguments)
        return apply_member(step.member, f"self.{step.again or step.name}", arguments)
    return call(f"self.{step.again or step.name}", *arguments)


def _needs_names(step: Step) -> bool:
    return isinstance(step.member, Leaf) and repeats_arguments(step.member)


def _unpack(step: Step, wanted: list[str]) -> tuple[str, list[Expression]]:
    layer = step.member.node.layer if isinstance(step.member, Leaf) else None
    if layer is None or layer.operation not in RECURRENT or layer["lengths"]:
        return ", ".join(wanted), [atom(name) for name in wanted]
    sequence, *states = wanted
    last = f"({', '.join(states)})" if layer.operation == "lstm" else states[0]
    if all(name == "_" for name in states):
        last = "_"
    made = method(sequence, ".flip(1)") if layer["reverse"] else atom(sequence)
    return f"{sequence}, {last}", [made, *(method(name, "[0]") for name in states)]
