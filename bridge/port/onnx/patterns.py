"""Operators that are one layer when they are together: a matrix with a bias, gelu written out."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from bridge.port.onnx.file import Array, Call

__all__ = ["combined"]


def combined(calls: Sequence[Call], outputs: Sequence[str], tensors: Mapping[str, Array]) -> list[Call]:
    """The calls, in their order, with `Linear` for MatMul and Add, and `Gelu` for what it is made of."""
    found = Graph(list(calls), outputs, tensors)
    for call in calls:
        if call.operator == "Add":
            found.linear(call)
        elif call.operator == "Erf":
            found.gelu(call)
    return found.calls


class Graph:
    """Calls that are being put together; all constants are among `tensors`."""

    def __init__(self, calls: list[Call], outputs: Sequence[str], tensors: Mapping[str, Array]) -> None:
        self.calls, self.tensors = calls, tensors
        self.uses = Counter([*outputs, *(name for call in calls for name in call.inputs)])
        self.makers = {name: call for call in calls for name in call.outputs}

    def linear(self, add: Call) -> None:
        """x W + b with constants W (inputs, outputs) and b (outputs,)."""
        for x, bias in (add.inputs, add.inputs[::-1]):
            product = self.makers.get(x)
            if product is None or product.operator != "MatMul" or self.uses[x] != 1:
                continue
            weight, vector = self.tensors.get(product.inputs[1]), self.tensors.get(bias)
            if weight is not None and vector is not None and weight.ndim == 2 and vector.shape == weight.shape[1:]:
                self._become([product, add], replace(product, operator="Linear", inputs=(*product.inputs, bias)))
                return

    def gelu(self, erf: Call) -> None:
        """x/2 (1 + erf(x/√2)), in the two orders in which it is written."""
        scaled = self.makers.get(erf.inputs[0])
        if scaled is None or not self._scales(scaled, math.sqrt(0.5)):
            return
        if (x := self._variable(scaled)) is None:
            return
        one = self._user(erf, "Add")
        product = one and self._user(one, "Mul")
        if one is None or product is None or self._number(one) != 1:
            return
        other = next(name for name in product.inputs if name != one.outputs[0])
        half = self.makers.get(other)
        if half is not None and self._scales(half, 0.5) and self._variable(half) == x and self.uses[other] == 1:
            whole = [scaled, erf, one, half, product]
        else:
            after = self._user(product, "Mul")
            if other != x or after is None or not self._scales(after, 0.5):
                return
            whole = [scaled, erf, one, product, after]
        if self.uses[scaled.outputs[0]] == self.uses[erf.outputs[0]] == 1:
            self._become(whole, replace(erf, operator="Gelu", inputs=(x,), attributes={}))

    def _become(self, whole: list[Call], made: Call) -> None:
        """Let one call stand in the place of the last of several, and make its value."""
        made = replace(made, outputs=whole[-1].outputs)
        self.calls = [made if call is whole[-1] else call for call in self.calls if call not in whole[:-1]]
        self.makers.update((name, made) for name in made.outputs)

    def _user(self, call: Call, operator: str) -> Call | None:
        """The only call that takes what a call makes, if it is of this operator."""
        name = call.outputs[0]
        if self.uses[name] != 1:
            return None
        return next((user for user in self.calls if name in user.inputs and user.operator == operator), None)

    def _number(self, call: Call) -> float | None:
        """The constant number that a call of two arguments has."""
        for name in call.inputs:
            array = self.tensors.get(name)
            if array is not None and array.size == 1:
                return float(array.reshape(()))
        return None

    def _variable(self, call: Call) -> str | None:
        """The first argument of a call that is no constant."""
        return next((name for name in call.inputs if name not in self.tensors), None)

    def _scales(self, call: Call, factor: float) -> bool:
        """Whether a call multiplies by a factor, within float32's rounding."""
        number = self._number(call) if call.operator in ("Mul", "Div") else None
        if number is None or number == 0 or len(call.inputs) != 2:
            return False
        if call.operator == "Div" and call.inputs[1] not in self.tensors:
            return False
        return math.isclose(number if call.operator == "Mul" else 1 / number, factor, rel_tol=1e-6)
