"""Supervised learning.

An encoder in PyTorch and a head in Julia agree with the labels of digit images. Gradients of the head's island flow back
into PyTorch.

Baseline: the class whose mean training image is nearest, without anything learned.
"""

from __future__ import annotations

from torch import nn

import bridge
from bridge import layers
from examples.gallery.running import Result, Run, main
from examples.gallery.samples import class_means, nearest

METRIC = "held-out accuracy"
BASELINE = "the nearest class mean"
PLACEMENT = {"head": "julia"}


def diagram() -> bridge.Builder:
    """image → features → logits ~ label."""
    d = bridge.Builder("supervised")
    image, features = d.space("image", row=8, column=8), d.space("features", feature=128)
    logits = d.space("logits", digit=10)
    digits = d.source("digits", image=image, label=d.index("label", classes=10))
    network = nn.Sequential(nn.Unflatten(1, (1, 8)), nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten())
    encoder = d.arrow("encoder", image, features, network)
    head = d.arrow("head", features, logits, layers.chain(layers.linear(128, 64), layers.relu(), layers.linear(64, 10)))
    prediction = head(encoder(digits.image))
    d.agree(prediction, digits.label, by=bridge.cross_entropy(), name="labels")
    d.output("prediction", prediction)
    return d


def measure(run: Run) -> Result:
    """Train on 1347 images and test on 450."""
    train, test = run.digits.train, run.digits.test
    objective, curve = run.train(diagram(), {"digits": train.columns()}, steps=400, placement=PLACEMENT)
    accuracy = run.accuracy(objective, "prediction", {"digits": {"image": test.image}}, test.label)
    baseline = (nearest(test.image, class_means(train)) == test.label).double().mean().item()
    return Result(accuracy, baseline, curve)


if __name__ == "__main__":
    main("supervised")
