"""The body of a class' forward function: what a person would put on one line is on one line.

A value that one later expression uses alone is written inside it, unless the line gets long or too many calls are
inside each other; all others get names.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence

from bridge.port.source.expressions import Expression, atom
from bridge.port.source.names import CALLED, Names
from bridge.port.source.outline import Class, Leaf, Reference, Step

__all__ = ["Body", "Writer"]

LONGEST, DEEPEST = 92, 4

Writer = Callable[[Step, Sequence[Expression]], Expression]
"""What a step says of its arguments."""

Unpack = Callable[[Step, list[str]], tuple[str, list[Expression]]]
"""How the values of a step get names (or "_"): the left side of an assignment, and what stands for each value."""


class Body:
    """Statements and results, written step by step."""

    def __init__(
        self,
        made: Class,
        inputs: Sequence[str],
        write: Writer,
        unpack: Unpack,
        needs_names: Callable[[Step], bool] = lambda step: False,
    ) -> None:
        self.made, self.write, self.unpack, self.needs_names = made, write, unpack, needs_names
        self.lines: list[tuple[str, str]] = []
        self.uses = Counter([*(r for step in made.steps for r in step.inputs), *made.outputs])
        self.values: dict[Reference, Expression] = {(-1, k): atom(name) for k, name in enumerate(inputs)}
        self.names = {(-1, k): name for k, name in enumerate(inputs)}
        self.left = Counter(self.uses)
        self.inline = self._inlined()
        for place, step in enumerate(made.steps):
            self._step(place, step)
        self.results = [self.values[reference] for reference in made.outputs]

    def _inlined(self) -> list[bool]:
        """Which steps are written inside the one that uses them: evaluation keeps its order."""
        steps = self.made.steps
        user = {r: place for place, step in enumerate(steps) for r in step.inputs}
        user.update({r: len(steps) for r in self.made.outputs})
        inside, target = [False] * len(steps), list(range(len(steps) + 1))
        for place in reversed(range(len(steps))):
            reference = (place, 0)
            if steps[place].outputs != 1 or self.uses[reference] != 1 or is_recurrent(steps[place]):
                continue
            reader = user[reference]
            home = target[reader]
            if reader < len(steps) and self.needs_names(steps[reader]):
                continue
            if all(inside[k] and target[k] == home for k in range(place + 1, reader)):
                inside[place], target[place] = True, home
        return inside

    def _step(self, place: int, step: Step) -> None:
        arguments = [self.values[r] for r in step.inputs]
        made = self.write(step, arguments)
        while len(str(made)) > LONGEST or made.depth > DEEPEST:
            pending = [r for r in step.inputs if r not in self.names and r[0] >= 0 and self.inline[r[0]]]
            if not pending:
                break
            longest = max(pending, key=lambda r: len(str(self.values[r])))
            self._name(longest, self.made.steps[longest[0]])
            arguments = [self.values[r] for r in step.inputs]
            made = self.write(step, arguments)
        for r in step.inputs:
            self.left[r] -= 1
        if step.outputs == 1 and not is_recurrent(step):
            self.values[place, 0] = made
            if not self.inline[place]:
                self._name((place, 0), step)
            return
        wanted = [self._new(step, (place, k)) if self.uses[place, k] else "_" for k in range(step.outputs)]
        left, found = self.unpack(step, wanted)
        self.lines.append((left, str(made)))
        self.values.update({(place, k): value for k, value in enumerate(found)})

    def _name(self, reference: Reference, step: Step) -> None:
        text = str(self.values[reference])
        name = self._new(step, reference)
        self.lines.append((name, text))
        self.values[reference] = atom(name)

    def _new(self, step: Step, reference: Reference) -> str:
        live = {name for r, name in self.names.items() if self.left[r] > 0}
        for r, value in self.values.items():
            if r not in self.names and self.left[r] > 0:
                live.update(re.findall(r"[A-Za-z_]\w*", str(value)))
        own = not isinstance(step.member, Leaf) or step.member.call is not None
        wanted = ["x", *([step.name] if own and len(step.name) > 1 else []), "y", "z", "h", "u", "v", "w"]
        name = next((w for w in wanted if w not in live | CALLED), None) or Names(live).new("x")
        self.names = {r: known for r, known in self.names.items() if known != name}
        self.names[reference] = name
        return name


def is_recurrent(step: Step) -> bool:
    """Whether it gives a sequence and last states, which have names of their own."""
    return isinstance(step.member, Leaf) and step.member.node.layer.operation in ("rnn", "gru", "lstm")
