"""The divergences: which there are, their attributes, and which pairs of spaces each accepts.

The formulas are in docs/semantics.md; each engine has them in one table of its own. Left is the prediction, right the
target. A divergence with a *class axis* sums over it; its attribute `axis` names that axis, and "" is the only axis
that left has. Canonical diagrams hold the name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bridge.diagram.attributes import (
    POSITIVE,
    AttributeDefinition,
    AttributeKind,
    Constraint,
    check_attributes,
    resolve,
)
from bridge.diagram.ir import Axis, Divergence, Space, attributes
from bridge.diagram.messages import axes_text, listing, quote, show_space, space_text
from bridge.errors import DiagramError

__all__ = [
    "DIVERGENCES",
    "DivergenceDefinition",
    "binary_cross_entropy",
    "check_divergence",
    "class_axis",
    "cosine",
    "cross_entropy",
    "definition",
    "element_axes",
    "huber",
    "info_nce",
    "kl",
    "mae",
    "mse",
    "resolve_axis",
]

PROBABILITY = Constraint("a number from 0 to 1", lambda value: isinstance(value, float) and 0 <= value <= 1)

AXIS = AttributeDefinition("axis", AttributeKind.TEXT, "")


@dataclass(frozen=True)
class DivergenceDefinition:
    """A row of the table.

    `accepts(left, right, axes)` says what right has to be where it isn't, else "". `axes` are left's axes, without the
    class axis if the divergence has one. `is_batch`: it compares a sample with the others of its batch.
    """

    name: str
    attributes: tuple[AttributeDefinition, ...]
    accepts: Callable[[Space, Space, tuple[Axis, ...]], str]
    is_batch: bool = False

    @property
    def has_class_axis(self) -> bool:
        """Whether it sums over a class axis."""
        return AXIS in self.attributes


def same_space(left: Space, right: Space, _axes: tuple[Axis, ...]) -> str:
    """Right is in left's space."""
    return "" if left == right else show_space(left)


def same_type(left: Space, right: Space, _axes: tuple[Axis, ...]) -> str:
    """Right has left's dtype and axes, in whatever space."""
    fits = (left.data_type, left.axes) == (right.data_type, right.axes)
    return "" if fits else space_text(left)


def distribution_or_index(left: Space, right: Space, axes: tuple[Axis, ...]) -> str:
    """Right is a distribution of left's type, or an index with as many classes as left's class axis is long."""
    if not right.is_index:
        expected = f"a space of class indices, or {space_text(left)}"
        return "" if not same_type(left, right, axes) else expected
    (klass,) = (axis for axis in left.axes if axis not in axes)
    fits = right.axes == axes and right.classes == klass.size
    return "" if fits else f"class indices {axes_text(axes)} with {klass.size} classes"


DIVERGENCES: Mapping[str, DivergenceDefinition] = {
    row.name: row
    for row in (
        DivergenceDefinition("mse", (), same_space),
        DivergenceDefinition("mae", (), same_space),
        DivergenceDefinition("huber", (AttributeDefinition("delta", AttributeKind.REAL, 1.0, POSITIVE),), same_space),
        DivergenceDefinition(
            "cross_entropy",
            (AttributeDefinition("label_smoothing", AttributeKind.REAL, 0.0, PROBABILITY), AXIS),
            distribution_or_index,
        ),
        DivergenceDefinition("binary_cross_entropy", (), same_type),
        DivergenceDefinition(
            "kl", (AttributeDefinition("temperature", AttributeKind.REAL, 1.0, POSITIVE), AXIS), same_type
        ),
        DivergenceDefinition("cosine", (AXIS,), same_space),
        DivergenceDefinition(
            "info_nce",
            (
                AttributeDefinition("temperature", AttributeKind.REAL, 0.07, POSITIVE),
                AttributeDefinition("symmetric", AttributeKind.BOOLEAN, False),
                AXIS,
            ),
            same_space,
            is_batch=True,
        ),
    )
}


def make(name: str, **given: object) -> Divergence:
    """A divergence with its resolved attributes (but for an `axis` of "")."""
    return Divergence(name, resolve(f"divergence '{name}'", DIVERGENCES[name].attributes, given, "divergence"))


def mse() -> Divergence:
    """Squared difference, (l − r)². Sides in the same float space."""
    return make("mse")


def mae() -> Divergence:
    """Absolute difference, |l − r|. Sides in the same float space."""
    return make("mae")


def huber(delta: float = 1.0) -> Divergence:
    """u²/2 where |u| ≤ delta, else delta·(|u| − delta/2), with u = l − r. Sides in the same float space.

    >>> huber(2)
    Divergence(name='huber', attributes=(('delta', 2.0),))
    """
    return make("huber", delta=delta)


def cross_entropy(label_smoothing: float = 0.0, axis: str = "") -> Divergence:
    """−Σ q log softmax(l) over the class axis, with q = (1 − label_smoothing)·r + label_smoothing / K.

    Left are logits. Right is an index space with K classes and left's other axes, or a distribution of left's type.
    """
    return make("cross_entropy", label_smoothing=label_smoothing, axis=axis)


def binary_cross_entropy() -> Divergence:
    """max(l, 0) − l·r + log1p(exp(−|l|)). Left are logits, right are probabilities of left's type."""
    return make("binary_cross_entropy")


def kl(temperature: float = 1.0, axis: str = "") -> Divergence:
    """T² Σ p (log p − log q) over the class axis, with p = softmax(r/T), q = softmax(l/T). Both sides are logits.

    The factor T² keeps the size of gradients, as in Hinton, Vinyals and Dean, arXiv 1503.02531.
    """
    return make("kl", temperature=temperature, axis=axis)


def cosine(axis: str = "") -> Divergence:
    """1 − l·r / (max(‖l‖, 1e-8)·max(‖r‖, 1e-8)) along the class axis. Sides in the same float space."""
    return make("cosine", axis=axis)


def info_nce(temperature: float = 0.07, symmetric: bool = False, axis: str = "") -> Divergence:
    """Cross entropy of row s of l̂ r̂ᵀ / temperature against s, over the batch; l̂ and r̂ are normalised as in cosine.

    With `symmetric`, the mean of both directions. Sides in the same float space. (van den Oord et al., arXiv
    1807.03748)
    """
    return make("info_nce", temperature=temperature, symmetric=symmetric, axis=axis)


def definition(divergence: Divergence, where: str) -> DivergenceDefinition:
    """The row of a divergence; the refusal of an unknown one is about `where`."""
    row = DIVERGENCES.get(divergence.name)
    if row is None:
        raise DiagramError(where, f"a divergence ({listing(DIVERGENCES)})", quote(divergence.name), "divergence")
    return row


def class_axis(divergence: Divergence, left: Space, where: str) -> Axis | None:
    """The class axis of a divergence whose prediction is in `left`, or None for one that has none.

    >>> from bridge.diagram.ir import DataType
    >>> class_axis(kl(), Space("logits", DataType.FLOAT32, (Axis("klass", 10),)), "agreement 'a'")
    Axis(name='klass', size=10)
    """
    row = definition(divergence, where)
    if not row.has_class_axis:
        return None
    name = divergence["axis"]
    for axis in left.axes:
        if axis.name == name or (name == "" and len(left.axes) == 1):
            return axis
    expected = f"attribute 'axis' to name one of its axes ({listing(axis.name for axis in left.axes)})"
    raise DiagramError(f"{where}, left: {show_space(left)}", expected, quote(name), "divergence")


def element_axes(divergence: Divergence, left: Space, where: str = "divergence") -> tuple[Axis, ...]:
    """The axes of what the divergence says of one sample: left's, without the class axis."""
    klass = class_axis(divergence, left, where)
    return tuple(axis for axis in left.axes if axis is not klass)


def check_divergence(divergence: Divergence, left: Space, right: Space, where: str) -> None:
    """Refuse a divergence that is unknown, has wrong attributes, or does not accept this pair of spaces."""
    row = definition(divergence, where)
    check_attributes(f"{where}, divergence '{row.name}'", row.attributes, divergence.attributes, "divergence")
    if not left.data_type.is_float:
        raise DiagramError(f"{where}, left", f"a float space, for {row.name}", show_space(left), "divergence")
    expected = row.accepts(left, right, element_axes(divergence, left, where))
    if expected:
        raise DiagramError(f"{where}, right", f"{expected}, for {row.name}", show_space(right), "parallel")


def resolve_axis(divergence: Divergence, left: Space) -> Divergence:
    """The divergence with its class axis by name, as the canonical form has it."""
    klass = class_axis(divergence, left, f"divergence '{divergence.name}'")
    if klass is None or divergence["axis"] == klass.name:
        return divergence
    return Divergence(divergence.name, attributes({**dict(divergence.attributes), "axis": klass.name}))
