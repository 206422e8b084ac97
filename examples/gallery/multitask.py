"""Few-shot multi-task learning.

Three tasks are written down by themselves, each a backbone in PyTorch, a head in Julia and images of its own, and glued
along the backbone. Two of them have many labels (parity, and whether a digit is below five); thirty images say which
digit they show.

Baseline: the digits' task alone, with its thirty images and a backbone of its own.
"""

from __future__ import annotations

from torch import nn

import bridge
from bridge import layers
from examples.gallery.running import Result, Run, main
from examples.gallery.samples import few

METRIC = "held-out accuracy of the digits' task"
BASELINE = "the digits' task alone"
PLACEMENT = {"digit_head": "julia", "parity_head": "julia", "below_head": "julia"}
CLASSES = {"digit": 10, "parity": 2, "below": 2}


def backbone() -> nn.Module:
    """Images (N, 8, 8) to features (N, 32)."""
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU())


def task(name: str, network: nn.Module) -> bridge.Builder:
    """One task: image → features → logits ~ label."""
    d = bridge.Builder(name)
    image, features = d.space("image", row=8, column=8), d.space("features", feature=32)
    logits = d.space(f"{name}_logits", choice=CLASSES[name])
    samples = d.source(name, image=image, label=d.index(f"{name}_label", classes=CLASSES[name]))
    shared = d.arrow("backbone", image, features, network)
    head = d.arrow(f"{name}_head", features, logits, layers.linear(32, CLASSES[name]))
    prediction = head(shared(samples.image))
    d.agree(prediction, samples.label, by=bridge.cross_entropy(), name=name)
    d.output(f"{name}_prediction", prediction)
    return d


def diagram() -> bridge.Diagram:
    """The three tasks, glued along the backbone."""
    digit, parity, below = (task(name, backbone()).build() for name in CLASSES)
    both = bridge.glue(digit, parity, along={"arrows": "backbone"}, name="multitask")
    return bridge.glue(both, below, along={"arrows": "backbone"})


def measure(run: Run) -> Result:
    """All tasks, and the digits' alone."""
    train, test = run.digits.train, run.digits.test
    labels = {"parity": train.label % 2, "below": (train.label < 5).long()}
    data = {name: {"image": train.image, "label": label} for name, label in labels.items()}
    data["digit"] = few(train, 3).columns()
    found = []
    for part in (diagram(), task("digit", backbone())):
        network = {"backbone": backbone()}
        objective, curve = run.train(part, data, steps=600, placement=PLACEMENT, modules=network)
        found.append((run.accuracy(objective, "digit_prediction", {"digit": {"image": test.image}}, test.label), curve))
    return Result(found[0][0], found[1][0], found[0][1])


if __name__ == "__main__":
    main("multitask")
