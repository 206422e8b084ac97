"""Mutual learning with pseudo-labels.

Three networks learn from fifty labels: one in PyTorch that sees the whole image, and two in Julia that see its upper and its
lower half. On images without labels each agrees with what the two others say, behind stopped gradients (Zhang et al., arXiv
1706.00384; Blum and Mitchell, 1998). They begin with what they learned alone.

Baseline: the same three networks, each trained alone on the fifty labels throughout.
"""

from __future__ import annotations

from torch import nn

import bridge
from bridge import layers
from bridge.diagram.ir import Layer
from examples.gallery.running import Result, Run, main
from examples.gallery.samples import few

METRIC = "mean held-out accuracy of the three"
BASELINE = "the three trained alone"
PLACEMENT = {"upper": "julia", "lower": "julia"}
PEERS = ("whole", "upper", "lower")


def part() -> tuple[Layer, ...]:
    """Four rows to logits."""
    return layers.flatten(), layers.linear(32, 64), layers.relu(), layers.linear(64, 10)


def diagram() -> bridge.Builder:
    """Three peers, each with the labels, and each pair on images without."""
    d = bridge.Builder("mutual")
    image, logits = d.space("image", row=8, column=8), d.space("logits", digit=10)
    labelled = d.source("labelled", image=image, label=d.index("label", classes=10))
    unlabelled = d.source("unlabelled", image=image)
    convolution = (nn.Unflatten(1, (1, 8)), nn.Conv2d(1, 16, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten())
    bodies = {
        "whole": nn.Sequential(*convolution, nn.Linear(144, 10)),
        "upper": layers.chain(layers.slice(-2, 0, 4), *part()),
        "lower": layers.chain(layers.slice(-2, 4, 8), *part()),
    }
    peers = {name: d.arrow(name, image, logits, body) for name, body in bodies.items()}
    for name, peer in peers.items():
        d.agree(peer(labelled.image), labelled.label, by=bridge.cross_entropy(), name=name)
        d.output(name, peer(labelled.image))
        for other in PEERS:
            if other != name:
                taught = bridge.detach(peers[other](unlabelled.image))
                d.agree(peer(unlabelled.image), taught, by=bridge.kl(), weight=0.5, name=f"{name} from {other}")
    return d


def measure(run: Run) -> Result:
    """Alone at first; then together, or alone again."""
    train, test = run.digits.train, run.digits.test
    data = {"labelled": few(train, 5).columns(), "unlabelled": {"image": train.image}}
    together = diagram()
    alone = together.build().restrict(agreements=PEERS, name="alone")
    begun, _ = run.train(alone, data, steps=300, placement=PLACEMENT, modules=together.modules, batch_size=64)
    modules, found = dict(begun.components.items()), []
    for part in (together, alone):
        objective, curve = run.train(part, data, steps=400, placement=PLACEMENT, modules=modules, batch_size=64)
        held_out = {"labelled": {"image": test.image}}
        accuracies = [run.accuracy(objective, name, held_out, test.label) for name in PEERS]
        found.append((sum(accuracies) / len(accuracies), curve))
    return Result(found[0][0], found[1][0], found[0][1])


if __name__ == "__main__":
    main("mutual")
