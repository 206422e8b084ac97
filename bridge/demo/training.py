"""Training an objective and its twin side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from bridge.demo.digits import Digits, Samples
from bridge.julia.session import Session
from bridge.torch.objective import Objective
from bridge.train.fit import fit
from bridge.train.order import order

__all__ = ["Comparison", "Twin", "compare", "largest_difference"]

SOURCE = "digits"
PREDICTION = "prediction"
BATCH_SIZE = 64
RATE = 0.05
MOMENTUM = 0.9
"""Plain SGD with momentum: Adam divides a gradient by its size, so that a wrong factor in it would hardly show."""


@dataclass(frozen=True)
class Twin:
    """A network and its loss in plain PyTorch: trained parameters, loss of a batch (image, label), and logits."""

    parameters: Sequence[nn.Parameter]
    loss: Callable[[Tensor, Tensor], Tensor]
    predict: Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Comparison:
    """The loss before each step and the held-out accuracy, mixed and of the twin; and the calls of islands that the
    session counted in the mixed steps.
    """

    curve: list[float]
    curve_torch: list[float]
    accuracy: float
    accuracy_torch: float
    island_calls: int


def compare(
    objective: Objective, twin: Twin, digits: Digits, steps: int, seed: int, julia: Session, show: Callable[[], object]
) -> Comparison:
    """Train both for so many steps with the same batches; `show` is called after each step of either."""
    before = julia.statistics().forwards
    history = fit(
        objective,
        {SOURCE: digits.train.columns()},
        epochs=-(-steps * BATCH_SIZE // len(digits.train)) + 1,
        batch_size=BATCH_SIZE,
        optimizer="sgd",
        lr=RATE,
        momentum=MOMENTUM,
        seed=seed,
        progress=False,
        callback=lambda step: (show(), step.number + 1 == steps)[1],
    )
    calls = julia.statistics().forwards - before
    curve_torch = train_by_hand(twin, digits.train, steps, seed, show)
    prediction = objective.evaluate(PREDICTION, {SOURCE: {"image": digits.test.image}})
    with torch.no_grad():
        prediction_torch = twin.predict(digits.test.image)
    label = digits.test.label
    return Comparison(history.total, curve_torch, accuracy(prediction, label), accuracy(prediction_torch, label), calls)


def train_by_hand(twin: Twin, samples: Samples, steps: int, seed: int, show: Callable[[], object]) -> list[float]:
    """A training loop as people write it; only the order of the samples is taken from diagram-bridge."""
    optimizer = torch.optim.SGD(twin.parameters, lr=RATE, momentum=MOMENTUM)
    curve: list[float] = []
    epoch = 0
    while len(curve) < steps:
        shuffled = torch.from_numpy(order(seed, epoch, SOURCE, len(samples)))
        for chosen in shuffled.split(BATCH_SIZE)[: steps - len(curve)]:
            loss = twin.loss(samples.image[chosen], samples.label[chosen])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            curve.append(loss.item())
            show()
        epoch += 1
    return curve


def accuracy(logits: Tensor, label: Tensor) -> float:
    """The fraction of the samples whose largest logit is the label's."""
    return (logits.argmax(1) == label).double().mean().item()


def largest_difference(curve: Sequence[float], other: Sequence[float]) -> float:
    """The largest relative difference between two curves, against the second.

    >>> largest_difference([1.0, 1.5], [1.0, 2.0])
    0.25
    """
    return max(abs(a - b) / abs(b) for a, b in zip(curve, other, strict=True))
