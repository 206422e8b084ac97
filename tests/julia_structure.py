"""What Julia and Python make of a diagram, in the same words, so that they can be compared."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import bridge
from bridge.diagram.ir import Diagram
from bridge.diagram.operations.morphisms import Morphism
from bridge.errors import BindingError, BridgeError, DiagramError, FileError
from bridge.julia.session import session
from bridge.julia.start import LibJulia, julia_literal
from bridge.plan import Runtime, fragment, plan, plan_outputs
from bridge.schema import from_bytes, identity, to_bytes

Answer = list[str]


@cache
def julia() -> LibJulia:
    """The session's Julia, with structure.jl loaded."""
    started = session()
    started.include(Path(__file__).with_name("structure.jl"))
    return started.runtime


def in_julia(function: str, *arguments: str) -> Answer:
    return julia().eval_string(f"Structure.{function}({', '.join(arguments)})").split("\x1f")


def in_python(answer: Callable[[], Answer]) -> Answer:
    try:
        return answer()
    except BridgeError as error:
        if isinstance(error, DiagramError):
            kind = error.kind
        else:
            kind = {FileError: "file", BindingError: "binding"}[type(error)]
        return ["refused", kind, error.element, error.expected, error.found]


def hexadecimal(data: bytes) -> str:
    return f'"{data.hex()}"'


def placed(placement: Mapping[str, Runtime]) -> str:
    pairs = (f"{julia_literal(name)} => DiagramBridge.{runtime.name}" for name, runtime in placement.items())
    return f"Pair{{String,DiagramBridge.Runtime}}[{', '.join(pairs)}]"


def read(data: bytes) -> tuple[Answer, Answer]:
    """Both answers to the bytes of a diagram."""

    def answer() -> Answer:
        diagram = from_bytes(data)
        return ["read", to_bytes(diagram).hex(), identity(diagram)]

    return in_julia("read_diagram", hexadecimal(data)), in_python(answer)


def operated(data: bytes, operation: str, names: Sequence[str], **options: str) -> tuple[Answer, Answer]:
    """What an operation on components makes of the bytes of a diagram, in both."""

    def answer() -> Answer:
        diagram = getattr(bridge, operation)(from_bytes(data), *names, **options)
        return ["read", to_bytes(diagram).hex(), identity(diagram)]

    keywords = [f"{name} = {julia_literal(value)}" for name, value in options.items()]
    arguments = ", ".join([hexadecimal(data), f"DiagramBridge.{operation}", *map(julia_literal, names)])
    call = f"Structure.operate({arguments}; {', '.join(keywords)})"
    return julia().eval_string(call).split("\x1f"), in_python(answer)


@dataclass(frozen=True)
class Case:
    """An operation on diagrams: `substitute` has the component, what of the second diagram takes its place, and its name."""

    operation: str
    diagrams: Sequence[Diagram]
    arguments: Sequence[Any]
    options: Mapping[str, Any]

    def in_python(self) -> Answer:
        arguments = [*self.diagrams, *self.arguments]
        if self.operation == "substitute":
            component, what, name = self.arguments
            by = self.diagrams[1]
            found = by if what == "diagram" else by.component(name) if what == "component" else by.component(name).body
            arguments = [self.diagrams[0], component, found]
        made = getattr(bridge, self.operation)(*arguments, **self.options)
        if isinstance(made, Diagram):
            return ["read", to_bytes(made).hex(), identity(made)]
        found = made if isinstance(made, tuple) else () if made is None else (made,)
        return ["found", *map(described, found)]


def described(morphism: Morphism) -> str:
    """A morphism as text."""
    lines = [f"{kind} {old} {new}" for kind, names in morphism.kinds().items() for old, new in sorted(names.items())]
    return "\n".join(lines)


def operated_all(cases: Sequence[Case], folder: Path) -> list[tuple[Answer, Answer]]:
    """What operations make of diagrams, in both languages, in one call of Julia."""
    told = [
        {
            "operation": case.operation,
            "diagrams": [to_bytes(diagram).hex() for diagram in case.diagrams],
            "arguments": case.arguments,
            "options": case.options,
        }
        for case in cases
    ]
    question, answers = folder / "cases.json", folder / "answers.json"
    question.write_text(json.dumps(told))
    julia().eval_string(f'Structure.operate_all({julia_literal(str(question))}, {julia_literal(str(answers))}); ""')
    return list(zip(json.loads(answers.read_text()), (in_python(case.in_python) for case in cases), strict=True))


def load(path: Path) -> tuple[Answer, Answer]:
    """Both answers to a file."""
    return in_julia("load_file", julia_literal(str(path))), in_python(lambda: ["read", identity(bridge.load(path))])


def planned(data: bytes, placement: Mapping[str, Runtime], driver: Runtime) -> tuple[Answer, Answer]:
    """Both plans of a diagram, with the fragments of their islands."""

    def answer() -> Answer:
        diagram = from_bytes(data)
        made = plan(diagram, placement, driver)
        fragments = [fragment(made, diagram, island).hex() for island in made.islands]
        return ["planned", made.to_bytes().hex(), *fragments]

    theirs = in_julia("plan_diagram", hexadecimal(data), placed(placement), f"DiagramBridge.{driver.name}")
    return theirs, in_python(answer)


def planned_outputs(
    data: bytes, names: Sequence[str], placement: Mapping[str, Runtime], driver: Runtime
) -> tuple[Answer, Answer]:
    """Both plans of some outputs of a diagram, with their registers."""

    def answer() -> Answer:
        made, registers = plan_outputs(from_bytes(data), names, placement, driver)
        return ["planned", made.to_bytes().hex(), *map(str, registers)]

    listed = f"String[{', '.join(map(julia_literal, names))}]"
    theirs = in_julia("plan_outputs", hexadecimal(data), listed, placed(placement), f"DiagramBridge.{driver.name}")
    return theirs, in_python(answer)
