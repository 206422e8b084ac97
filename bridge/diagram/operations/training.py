"""Which components train: freezing and unfreezing."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from bridge.diagram.canonical import canonical
from bridge.diagram.ir import Diagram, Training
from bridge.diagram.messages import element, quote
from bridge.diagram.operations.elements import known_elements
from bridge.errors import DiagramError

__all__ = ["freeze", "unfreeze"]


def freeze(diagram: Diagram, *components: str, mode: str = "test") -> Diagram:
    """The diagram with some components frozen: parameters are constants, gradients flow through to the inputs.

    They run in test mode and their buffers never change; `mode="train"` runs them in train mode. Optimiser state stays
    as it is while a component is frozen.

    Raises DiagramError for unknown components, another mode, and where nothing would be left to train.

    >>> from bridge import Builder, layers, mse
    >>> d = Builder("two")
    >>> x = d.space("x", width=3)
    >>> data = d.source("data", left=x, right=x)
    >>> f, g = (d.arrow(name, x, x, layers.linear(3, 3)) for name in "fg")
    >>> d.agree(f(data.left), g(data.right), by=mse())
    >>> freeze(d.build(), "g").component("g").training
    <Training.FROZEN: 'frozen'>
    """
    trainings = {"test": Training.FROZEN, "train": Training.FROZEN_TRAIN_MODE}
    if mode not in trainings:
        raise DiagramError("mode", "'test' or 'train'", quote(mode), "component")
    return with_training(diagram, components, trainings[mode])


def unfreeze(diagram: Diagram, *components: str) -> Diagram:
    """The diagram with some components trainable.

    Raises DiagramError for unknown components.
    """
    return with_training(diagram, components, Training.TRAINABLE)


def with_training(diagram: Diagram, names: Collection[str], training: Training) -> Diagram:
    """The diagram with the training of some components changed."""
    diagram = canonical(diagram)
    if not names:
        raise DiagramError(element("diagram", diagram.name), "the names of components", "none", "component")
    chosen = known_elements(diagram, {"components": names})["components"]
    components = (replace(c, training=training) if c.name in chosen else c for c in diagram.components)
    return canonical(replace(diagram, components=tuple(components)))
