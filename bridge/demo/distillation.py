"""Distillation: a student in Julia agrees with the labels and with a frozen PyTorch teacher.

After Hinton, Vinyals and Dean, arXiv 1503.02531.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import bridge
from bridge import layers
from bridge.demo.digits import Samples
from bridge.demo.training import BATCH_SIZE, PREDICTION, SOURCE, Twin
from bridge.torch.objective import Objective

__all__ = ["Teacher", "diagram", "train_teacher", "twin"]

TEMPERATURE = 4.0
TEACHER_EPOCHS = 8


class Teacher(nn.Sequential):
    """A small convolutional network: images (N, 8, 8) to logits (N, 10)."""

    def __init__(self) -> None:
        super().__init__(
            nn.Unflatten(1, (1, 8)),
            nn.Conv2d(1, 16, 3, padding=1),
            nn.BatchNorm2d(16),
            nn.ReLU(),
            nn.Conv2d(16, 32, 3, padding=1),
            nn.BatchNorm2d(32),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(512, 10),
        )


def train_teacher(samples: Samples, seed: int) -> Teacher:
    """A teacher that has learned the labels, as a diagram with one agreement that runs in PyTorch alone."""
    teacher = Teacher()
    d = bridge.Builder("teacher")
    image, logits, label = spaces(d, "float32")
    digits = d.source(SOURCE, image=image, label=label)
    d.agree(d.arrow("teacher", image, logits, teacher)(digits.image), digits.label, by=bridge.cross_entropy())
    data = {SOURCE: samples.columns()}
    bridge.fit(
        bridge.compile(d),
        data,
        epochs=TEACHER_EPOCHS,
        batch_size=BATCH_SIZE,
        optimizer="adam",
        lr=2e-3,
        seed=seed,
        progress=False,
    )
    return teacher


def spaces(d: bridge.Builder, dtype: str) -> tuple[bridge.Space, bridge.Space, bridge.Space]:
    """The spaces of images, logits and labels."""
    image = d.space("image", dtype, row=8, column=8)
    return image, d.space("logits", dtype, digit=10), d.index("label", classes=10)


def diagram(teacher: nn.Module, dtype: str) -> bridge.Builder:
    """The learning diagram; its component `student` is portable."""
    d = bridge.Builder("distillation")
    image, logits, label = spaces(d, dtype)
    digits = d.source(SOURCE, image=image, label=label)
    body = layers.chain(layers.flatten(), layers.linear(64, 128), layers.relu(), layers.linear(128, 10))
    student = d.arrow("student", image, logits, body)(digits.image)
    taught = d.arrow("teacher", image, logits, teacher, frozen=True)(digits.image)
    d.agree(student, digits.label, by=bridge.cross_entropy(), weight=0.5)
    d.agree(student, bridge.detach(taught), by=bridge.kl(temperature=TEMPERATURE), weight=0.5)
    d.output(PREDICTION, student)
    return d


def twin(objective: Objective, teacher: nn.Module) -> Twin:
    """The same in plain PyTorch, from the weights that the objective has now."""
    weights = objective.components["student"].state_dict()
    student = nn.Sequential(nn.Flatten(), nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10))
    student.to(weights["1.weight"].dtype).load_state_dict(weights)
    teacher.eval()

    def loss(image: Tensor, label: Tensor) -> Tensor:
        logits = student(image)
        with torch.no_grad():
            taught = F.softmax(teacher(image) / TEMPERATURE, dim=1)
        soft = F.kl_div(F.log_softmax(logits / TEMPERATURE, dim=1), taught, reduction="batchmean")
        return 0.5 * F.cross_entropy(logits, label) + 0.5 * TEMPERATURE**2 * soft

    return Twin(list(student.parameters()), loss, student)
