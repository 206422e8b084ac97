"""Knowledge distillation.

A small student in Julia agrees with a hundred labels and, on images without labels, with a frozen teacher in PyTorch
(Hinton, Vinyals and Dean, arXiv 1503.02531). The teacher was trained before, on all labels.

Baseline: the student alone, with its hundred labels; the teacher is what it lacks.
"""

from __future__ import annotations

from torch import nn

import bridge
from bridge import layers
from examples.gallery.running import Result, Run, main
from examples.gallery.samples import few

METRIC = "the student's held-out accuracy"
BASELINE = "the student without the teacher"
PLACEMENT = {"student": "julia"}


def teacher_network() -> nn.Module:
    """A convolutional network: images (N, 8, 8) to logits (N, 10)."""
    convolution = (nn.Unflatten(1, (1, 8)), nn.Conv2d(1, 32, 3), nn.ReLU(), nn.Flatten())
    return nn.Sequential(*convolution, nn.Linear(1152, 64), nn.ReLU(), nn.Linear(64, 10))


def lesson(network: nn.Module) -> bridge.Builder:
    """The teacher's own training."""
    d = bridge.Builder("lesson")
    image, logits = d.space("image", row=8, column=8), d.space("logits", digit=10)
    digits = d.source("digits", image=image, label=d.index("label", classes=10))
    d.agree(d.arrow("teacher", image, logits, network)(digits.image), digits.label, by=bridge.cross_entropy())
    return d


def diagram(network: nn.Module | None = None) -> bridge.Builder:
    """The student agrees with labels where there are some, and with the teacher everywhere else."""
    d = bridge.Builder("distillation")
    image, logits = d.space("image", row=8, column=8), d.space("logits", digit=10)
    labelled = d.source("labelled", image=image, label=d.index("label", classes=10))
    unlabelled = d.source("unlabelled", image=image)
    body = layers.chain(layers.flatten(), layers.linear(64, 16), layers.relu(), layers.linear(16, 10))
    student = d.arrow("student", image, logits, body)
    teacher = d.arrow("teacher", image, logits, network or teacher_network(), frozen=True)
    d.agree(student(labelled.image), labelled.label, by=bridge.cross_entropy(), name="labels")
    d.agree(student(unlabelled.image), teacher(unlabelled.image), by=bridge.kl(temperature=2), name="teaching")
    d.output("prediction", student(labelled.image))
    return d


def measure(run: Run) -> Result:
    """A teacher; the student with it and without."""
    train, test = run.digits.train, run.digits.test
    taught, _ = run.train(lesson(teacher_network()), {"digits": train.columns()}, steps=300, placement={}, lr=2e-3)
    setup = diagram(taught.components["teacher"])
    data = {"labelled": few(train, 10).columns(), "unlabelled": {"image": train.image}}
    accuracies, curves = [], []
    for part in (setup, setup.build().restrict(agreements="labels", name="student alone")):
        objective, curve = run.train(part, data, steps=800, placement=PLACEMENT)
        accuracies.append(run.accuracy(objective, "prediction", {"labelled": {"image": test.image}}, test.label))
        curves.append(curve)
    return Result(accuracies[0], accuracies[1], curves[0])


if __name__ == "__main__":
    main("distillation")
