"""Operators by element, products of matrices, and reductions."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from bridge.port.onnx.operators.applied import Applied, integers, operand

__all__ = ["OPERATORS"]

Function = Callable[..., Any]


def unary(function: Function) -> Function:
    """A function of each number."""
    return lambda a, x: function(a.variable(x))


def binary(function: Callable[[Any, Any], Tensor]) -> Function:
    """A function of two numbers."""

    def made(a: Applied, x: Any, y: Any) -> Tensor:
        like = x if isinstance(x, Tensor) else y
        return function(operand(x, like), operand(y, like))

    return made


def total(a: Applied, *terms: Any) -> Tensor:
    """`Sum`."""
    made = terms[0]
    for term in terms[1:]:
        made = binary(torch.add)(a, made, term)
    return a.variable(made)


def power(a: Applied, x: Any, exponent: Any) -> Tensor:
    """`Pow` with a constant number."""
    number = operand(a.constant(exponent, "an exponent"), x)
    a.require(isinstance(number, (int, float)), "one exponent", "several")
    return a.variable(x) ** float(number)


def clip(a: Applied, x: Any, low: Any = None, high: Any = None) -> Tensor:
    """`Clip` with constant bounds."""
    bounds = [None if bound is None else operand(a.constant(bound, "bounds"), x) for bound in (low, high)]
    if bounds[1] is not None and bounds[1] >= torch.finfo(x.dtype).max:
        bounds[1] = None
    return torch.clamp(a.variable(x), *bounds)


def hard_sigmoid(a: Applied, x: Any) -> Tensor:
    """`HardSigmoid` with torch's slope of 1/6."""
    alpha, beta = a.get("alpha", 0.2), a.get("beta", 0.5)
    a.require(math.isclose(alpha, 1 / 6, rel_tol=1e-6) and beta == 0.5, "alpha 1/6 and beta 1/2", f"{alpha} and {beta}")
    return F.hardsigmoid(a.variable(x))


def selu(a: Applied, x: Any) -> Tensor:
    """`Selu` with its own constants."""
    a.require("alpha" not in a.call.attributes and "gamma" not in a.call.attributes, "the usual constants", "others")
    return F.selu(a.variable(x))


def along(function: Callable[[Tensor, int], Tensor]) -> Function:
    """`Softmax` and its logarithm."""
    return lambda a, x: function(a.variable(x), a.get("axis", -1))


def gemm(a: Applied, x: Any, weight: Any, bias: Any = None) -> Tensor:
    """`Gemm`: x W + b, with W transposed or not."""
    a.require(a.get("alpha", 1.0) == a.get("beta", 1.0) == 1, "alpha and beta of 1", "others")
    a.require(not a.get("transA", 0), "an input that is not transposed", "transA")
    if bias is not None:
        bias = a.variable(bias, "the bias")
        bias = bias.reshape(-1) if bias.dim() == 2 and bias.shape[0] == 1 else bias
        a.require(bias.dim() == 1, "a bias (outputs,)", f"one of shape {tuple(bias.shape)}")
    return F.linear(a.variable(x), weight if a.get("transB", 0) else weight.t(), bias)


def linear(a: Applied, x: Any, weight: Tensor, bias: Any = None) -> Tensor:
    """MatMul and Add of a matrix (inputs, outputs) and a vector."""
    if bias is not None and not isinstance(bias, Tensor):
        a.refuse("a bias that is a parameter", "a constant")
    return F.linear(a.variable(x), weight.t(), bias)


def matmul(a: Applied, x: Any, y: Any) -> Tensor:
    """`MatMul`."""
    return torch.matmul(a.variable(x, "each side"), a.variable(y, "each side"))


def reduced(function: Callable[..., Tensor]) -> Function:
    """`ReduceMean` and `ReduceSum`, whose axes are an argument from some version on."""

    def made(a: Applied, x: Any, axes: Any = None) -> Tensor:
        given = integers(a.constant(axes, "axes") if axes is not None else a.get("axes", ()))
        keep = bool(a.get("keepdims", 1))
        if not given and a.get("noop_with_empty_axes", 0):
            return a.variable(x)
        return function(a.variable(x), given or list(range(x.dim())), keepdim=keep)

    return made


UNARY: dict[str, Function] = {
    "Relu": F.relu,
    "Sigmoid": torch.sigmoid,
    "Tanh": torch.tanh,
    "Softplus": F.softplus,
    "HardSwish": F.hardswish,
    "Mish": F.mish,
    "Exp": torch.exp,
    "Log": torch.log,
    "Sqrt": torch.sqrt,
    "Abs": torch.abs,
    "Neg": torch.neg,
    "Reciprocal": torch.reciprocal,
}

OPERATORS: dict[str, Function] = {
    **{name: unary(function) for name, function in UNARY.items()},
    "Identity": lambda a, x: x,
    "LeakyRelu": lambda a, x: F.leaky_relu(a.variable(x), a.get("alpha", 0.01)),
    "Elu": lambda a, x: F.elu(a.variable(x), a.get("alpha", 1.0)),
    "Celu": lambda a, x: F.celu(a.variable(x), a.get("alpha", 1.0)),
    "Gelu": lambda a, x: F.gelu(a.variable(x), approximate=a.get("approximate", "none")),
    "Selu": selu,
    "HardSigmoid": hard_sigmoid,
    "Clip": clip,
    "Softmax": along(torch.softmax),
    "LogSoftmax": along(torch.log_softmax),
    "Add": binary(lambda x, y: x + y),
    "Sub": binary(lambda x, y: x - y),
    "Mul": binary(lambda x, y: x * y),
    "Div": binary(lambda x, y: x / y),
    "Sum": total,
    "Pow": power,
    "MatMul": matmul,
    "Gemm": gemm,
    "Linear": linear,
    "ReduceMean": reduced(torch.mean),
    "ReduceSum": reduced(torch.sum),
}
