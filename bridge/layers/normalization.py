"""Normalisation: rows, and the functions that write them."""

from __future__ import annotations

from collections.abc import Sequence

from bridge.diagram.attributes import POSITIVE, AttributeDefinition, AttributeKind
from bridge.diagram.ir import Layer
from bridge.diagram.messages import shape_text
from bridge.errors import DiagramError
from bridge.layers.definition import (
    SHARE,
    SIZE,
    SIZES,
    Constant,
    LayerDefinition,
    Parameter,
    Shape,
    Values,
    integer,
    integers,
    mismatch,
)
from bridge.layers.make import make
from bridge.layers.spatial import for_each_axis

__all__ = ["ROWS", "batch_norm", "group_norm", "instance_norm", "layer_norm"]


def batch_norm(
    features: int, *, eps: float = 1e-5, momentum: float = 0.1, affine: bool = True, track: bool = True
) -> Layer:
    """Normalise each feature (axis 0 of the sample) over the batch and all other axes.

    With `track` running statistics are kept in buffers, to which the batch's are added in train mode with the weight
    `momentum` (the variance unbiased), and which are used in test mode. eps is inside the root, the variance biased.
    """
    return make("batch_norm", features=features, eps=eps, momentum=momentum, affine=affine, track=track)


def instance_norm(
    features: int, *, eps: float = 1e-5, momentum: float = 0.1, affine: bool = False, track: bool = False
) -> Layer:
    """Normalise each feature (axis 0) of each sample over its other axes; the rest is as in `batch_norm`."""
    return make("instance_norm", features=features, eps=eps, momentum=momentum, affine=affine, track=track)


def group_norm(groups: int, features: int, *, eps: float = 1e-5, affine: bool = True) -> Layer:
    """Normalise each of so many groups of features (axis 0) of each sample over the group and all other axes."""
    return make("group_norm", groups=groups, features=features, eps=eps, affine=affine)


def layer_norm(shape: int | Sequence[int], *, eps: float = 1e-5, affine: bool = True) -> Layer:
    """Normalise over the last axes, which have this shape; eps is inside the root, the variance biased."""
    return make("layer_norm", shape=for_each_axis(shape, 1), eps=eps, affine=affine)


def layer_norm_shapes(where: str, values: Values, inputs: tuple[Shape, ...]) -> tuple[Shape]:
    """The last axes of the input are `shape`."""
    (shape,), last = inputs, integers(values, "shape")
    if shape[-len(last) :] != last:
        raise mismatch(where, f"an input whose last axes are {shape_text(last)}", shape)
    return (shape,)


def layer_norm_parameters(values: Values) -> tuple[Parameter, ...]:
    """Ones and zeros, of the normalised shape."""
    return affine(values, integers(values, "shape"))


def affine(values: Values, shape: tuple[int, ...]) -> tuple[Parameter, ...]:
    """The weight and bias of a normalisation with `affine`: ones and zeros."""
    weight, bias = Parameter("weight", shape, Constant(1.0)), Parameter("bias", shape, Constant(0.0))
    return (weight, bias) if values["affine"] else ()


def features_shapes(where: str, values: Values, inputs: tuple[Shape, ...]) -> tuple[Shape]:
    """The first axis of the input has `features`."""
    (shape,) = inputs
    if not shape or shape[0] != values["features"]:
        raise mismatch(where, f"an input whose first axis has size {values['features']}", shape)
    return (shape,)


def instance_norm_shapes(where: str, values: Values, inputs: tuple[Shape, ...]) -> tuple[Shape]:
    """There is another axis behind the features."""
    (shape,) = features_shapes(where, values, inputs)
    if len(shape) < 2:
        raise mismatch(where, "an input of two or more axes", shape)
    return (shape,)


def features_parameters(values: Values) -> tuple[Parameter, ...]:
    """One weight and one bias a feature."""
    return affine(values, (integer(values, "features"),))


def running_statistics(values: Values) -> tuple[Parameter, ...]:
    """The mean and the unbiased variance of each feature so far, with `track`."""
    shape = (integer(values, "features"),)
    mean, variance = Parameter("running_mean", shape, Constant(0.0)), Parameter("running_var", shape, Constant(1.0))
    return (mean, variance) if values["track"] else ()


def check_groups(where: str, values: Values) -> None:
    """Groups have equally many features."""
    groups, features = integer(values, "groups"), integer(values, "features")
    if features % groups:
        raise DiagramError(f"{where}, attribute 'groups'", f"a divisor of the {features} features", f"{groups}", "layer")


FEATURES = AttributeDefinition("features", AttributeKind.INTEGER, None, SIZE)
EPS = AttributeDefinition("eps", AttributeKind.REAL, 1e-5, POSITIVE)
MOMENTUM = AttributeDefinition("momentum", AttributeKind.REAL, 0.1, SHARE)
AFFINE = AttributeDefinition("affine", AttributeKind.BOOLEAN, True)

ROWS = (
    LayerDefinition(
        "layer_norm",
        layer_norm_shapes,
        (AttributeDefinition("shape", AttributeKind.INTEGERS, None, SIZES), EPS, AFFINE),
        layer_norm_parameters,
    ),
    LayerDefinition(
        "batch_norm",
        features_shapes,
        (FEATURES, EPS, MOMENTUM, AFFINE, AttributeDefinition("track", AttributeKind.BOOLEAN, True)),
        features_parameters,
        running_statistics,
        modal=True,
    ),
    LayerDefinition(
        "instance_norm",
        instance_norm_shapes,
        (
            FEATURES,
            EPS,
            MOMENTUM,
            AttributeDefinition("affine", AttributeKind.BOOLEAN, False),
            AttributeDefinition("track", AttributeKind.BOOLEAN, False),
        ),
        features_parameters,
        running_statistics,
        modal=True,
    ),
    LayerDefinition(
        "group_norm",
        features_shapes,
        (AttributeDefinition("groups", AttributeKind.INTEGER, None, SIZE), FEATURES, EPS, AFFINE),
        features_parameters,
        check=check_groups,
    ),
)
