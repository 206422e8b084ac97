"""Co-training: a PyTorch encoder and a Julia head learn together; gradients flow from Julia back into PyTorch."""

from __future__ import annotations

import copy

import torch.nn.functional as F
from torch import Tensor, nn

import bridge
from bridge import layers
from bridge.demo.training import PREDICTION, SOURCE, Twin
from bridge.torch.objective import Objective

__all__ = ["Encoder", "diagram", "twin"]


class Encoder(nn.Sequential):
    """A small convolutional network: images (N, 8, 8) to features (N, 128)."""

    def __init__(self) -> None:
        super().__init__(
            nn.Unflatten(1, (1, 8)), nn.Conv2d(1, 8, 3, padding=1), nn.Tanh(), nn.MaxPool2d(2), nn.Flatten()
        )


def diagram(encoder: nn.Module, dtype: str) -> bridge.Builder:
    """The learning diagram; its component `head` is portable."""
    d = bridge.Builder("cotraining")
    image = d.space("image", dtype, row=8, column=8)
    features = d.space("features", dtype, feature=128)
    logits = d.space("logits", dtype, digit=10)
    digits = d.source(SOURCE, image=image, label=d.index("label", classes=10))
    encode = d.arrow("encoder", image, features, encoder)
    body = layers.chain(layers.linear(128, 64), layers.gelu(), layers.layer_norm(64), layers.linear(64, 10))
    head = d.arrow("head", features, logits, body)
    prediction = head(encode(digits.image))
    d.agree(prediction, digits.label, by=bridge.cross_entropy())
    d.output(PREDICTION, prediction)
    return d


def twin(objective: Objective) -> Twin:
    """The same in plain PyTorch, from the weights that the objective has now."""
    encoder = copy.deepcopy(objective.components["encoder"])
    weights = objective.components["head"].state_dict()
    head = nn.Sequential(nn.Linear(128, 64), nn.GELU(), nn.LayerNorm(64), nn.Linear(64, 10))
    head.to(weights["0.weight"].dtype).load_state_dict(weights)

    def loss(image: Tensor, label: Tensor) -> Tensor:
        return F.cross_entropy(head(encoder(image)), label)

    return Twin([*encoder.parameters(), *head.parameters()], loss, lambda image: head(encoder(image)))
