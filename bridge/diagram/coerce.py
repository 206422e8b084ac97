"""What a builder is given, as the IR's values: names of dtypes, axes by keyword, numbers, modules."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal, TypeAlias

from bridge.diagram.check_elements import check_axis
from bridge.diagram.ir import Axis, DataType, Divergence, Training
from bridge.diagram.messages import element, listing, quote
from bridge.errors import DiagramError

__all__ = ["Axes", "Frozen", "as_weight", "data_type", "is_module", "make_axes", "require_divergence", "training"]

Frozen: TypeAlias = "bool | Literal['train']"
Axes: TypeAlias = "Iterable[tuple[str, int | str]]"


def training(where: str, frozen: Frozen | None) -> Training:
    """What `frozen=` says of a component; None is False.

    >>> training("component 'teacher'", "train")
    <Training.FROZEN_TRAIN_MODE: 'frozen_train_mode'>
    """
    if frozen is None or isinstance(frozen, bool):
        return Training.FROZEN if frozen else Training.TRAINABLE
    if frozen != "train":
        raise DiagramError(where, "frozen to be True, False or 'train'", quote(frozen), "component")
    return Training.FROZEN_TRAIN_MODE


def data_type(where: str, dtype: str | DataType) -> DataType:
    """A dtype by its name."""
    try:
        return DataType(dtype)
    except ValueError:
        raise DiagramError(where, f"a dtype ({listing(d.value for d in DataType)})", quote(dtype), "space") from None


def make_axes(space: str, axes: Axes | None, sizes: Mapping[str, int | str]) -> tuple[Axis, ...]:
    """Axes from pairs and from keywords."""
    made = tuple(Axis(name, size) for name, size in [*(axes or ()), *sizes.items()])
    for axis in made:
        check_axis(axis, element("space", space))
    return made


def is_module(body: object) -> bool:
    """Whether it looks like a PyTorch module; torch is not imported to find out."""
    return callable(getattr(body, "parameters", None)) and callable(getattr(body, "state_dict", None))


def require_divergence(where: str, divergence: object) -> None:
    """Refuse what is no divergence, such as the function that makes one."""
    if not isinstance(divergence, Divergence):
        name = getattr(divergence, "__name__", None)
        found = quote(divergence) if name is None else f"the function {name}, which has to be called"
        raise DiagramError(where, "by= to be a divergence, such as bridge.mse()", found, "divergence")


def as_weight(where: str, weight: object) -> float:
    """A weight as a float; whether it is finite is the checker's business."""
    try:
        return float(weight)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise DiagramError(where, "a finite weight", quote(weight), "weight") from None
