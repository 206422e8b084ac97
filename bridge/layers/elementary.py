"""Linear layers, activations and softmax: their rows, and the functions that write them."""

from __future__ import annotations

import math

from bridge.diagram.attributes import POSITIVE, AttributeDefinition, AttributeKind, one_of
from bridge.diagram.ir import Layer
from bridge.layers.definition import (
    AXIS,
    SIZE,
    Constant,
    Initial,
    LayerDefinition,
    Parameter,
    Shape,
    Uniform,
    Values,
    along_axis,
    integer,
    mismatch,
    same_shape,
)
from bridge.layers.make import make

__all__ = [
    "ROWS",
    "celu",
    "elu",
    "gelu",
    "hardsigmoid",
    "leaky_relu",
    "linear",
    "log_softmax",
    "mish",
    "relu",
    "relu6",
    "sigmoid",
    "silu",
    "softmax",
    "softplus",
    "tanh",
]


def linear(inputs: int, outputs: int, *, bias: bool = True, init: str = "kaiming_uniform") -> Layer:
    """x Wᵀ + b over the last axis, with W (outputs, inputs).

    `init` is "kaiming_uniform" (torch.nn.Linear's default), "glorot_uniform" (Flux's, with zero bias) or "zeros".
    """
    return make("linear", **{"in": inputs, "out": outputs, "bias": bias, "init": init})


def relu() -> Layer:
    """max(x, 0)."""
    return make("relu")


def sigmoid() -> Layer:
    """1/(1 + e⁻ˣ)."""
    return make("sigmoid")


def tanh() -> Layer:
    """The hyperbolic tangent."""
    return make("tanh")


def leaky_relu(slope: float = 0.01) -> Layer:
    """x where x > 0, else slope·x."""
    return make("leaky_relu", slope=slope)


def elu(alpha: float = 1.0) -> Layer:
    """x where x > 0, else alpha·(eˣ − 1)."""
    return make("elu", alpha=alpha)


def celu(alpha: float = 1.0) -> Layer:
    """max(x, 0) + min(alpha·(e^(x/alpha) − 1), 0)."""
    return make("celu", alpha=alpha)


def relu6() -> Layer:
    """min(max(x, 0), 6)."""
    return make("relu6")


def silu() -> Layer:
    """x·sigmoid(x)."""
    return make("silu")


def hardsigmoid() -> Layer:
    """min(max(x + 3, 0), 6)/6."""
    return make("hardsigmoid")


def mish() -> Layer:
    """x·tanh(softplus(x))."""
    return make("mish")


def softplus() -> Layer:
    """log(1 + eˣ), and x above 20."""
    return make("softplus")


def gelu(approximate: str = "none") -> Layer:
    """x·Φ(x), or with "tanh" its approximation by tanh."""
    return make("gelu", approximate=approximate)


def softmax(axis: int = -1) -> Layer:
    """Softmax along an axis, counted from the last (−1)."""
    return make("softmax", axis=axis)


def log_softmax(axis: int = -1) -> Layer:
    """The logarithm of softmax along an axis, counted from the last (−1)."""
    return make("log_softmax", axis=axis)


def linear_shapes(where: str, values: Values, inputs: tuple[Shape, ...]) -> tuple[Shape]:
    """(…, in) to (…, out)."""
    (shape,) = inputs
    if not shape or shape[-1] != values["in"]:
        raise mismatch(where, f"an input whose last axis has size {values['in']}", shape)
    return ((*shape[:-1], integer(values, "out")),)


def linear_parameters(values: Values) -> tuple[Parameter, ...]:
    """Weight (out, in), bias (out,). `kaiming_uniform` is torch.nn.Linear's default, `glorot_uniform` Flux's."""
    inputs, outputs = integer(values, "in"), integer(values, "out")
    weight: Initial = Constant(0.0)
    bias: Initial = Constant(0.0)
    if values["init"] == "kaiming_uniform":
        weight = bias = Uniform(1 / math.sqrt(inputs))
    elif values["init"] == "glorot_uniform":
        weight = Uniform(math.sqrt(6 / (inputs + outputs)))
    parameters = (Parameter("weight", (outputs, inputs), weight), Parameter("bias", (outputs,), bias))
    return parameters if values["bias"] else parameters[:1]


def activation(operation: str, *attributes: AttributeDefinition) -> LayerDefinition:
    """An element-wise function of one input."""
    return LayerDefinition(operation, same_shape, attributes)


ROWS = (
    LayerDefinition(
        "linear",
        linear_shapes,
        (
            AttributeDefinition("in", AttributeKind.INTEGER, None, SIZE),
            AttributeDefinition("out", AttributeKind.INTEGER, None, SIZE),
            AttributeDefinition("bias", AttributeKind.BOOLEAN, True),
            AttributeDefinition(
                "init", AttributeKind.TEXT, "kaiming_uniform", one_of("kaiming_uniform", "glorot_uniform", "zeros")
            ),
        ),
        linear_parameters,
    ),
    activation("relu"),
    activation("sigmoid"),
    activation("tanh"),
    activation("leaky_relu", AttributeDefinition("slope", AttributeKind.REAL, 0.01)),
    activation("elu", AttributeDefinition("alpha", AttributeKind.REAL, 1.0, POSITIVE)),
    activation("celu", AttributeDefinition("alpha", AttributeKind.REAL, 1.0, POSITIVE)),
    activation("relu6"),
    activation("silu"),
    activation("hardsigmoid"),
    activation("mish"),
    activation("softplus"),
    activation("gelu", AttributeDefinition("approximate", AttributeKind.TEXT, "none", one_of("none", "tanh"))),
    LayerDefinition("softmax", along_axis, (AXIS,)),
    LayerDefinition("log_softmax", along_axis, (AXIS,)),
)
