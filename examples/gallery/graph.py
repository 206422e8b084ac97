"""Graph-regularised few-shot learning.

An encoder in PyTorch and a head in Julia agree with twenty labels; and where two images are neighbours, what they say of
one agrees with what they say of the other (Bui, Ravi and Ramavajjala, arXiv 1703.04818). Each image has edges to its five
nearest others; no edge knows a label.

Baseline: the same network with the twenty labels and no graph.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

import bridge
from bridge import layers
from examples.gallery.running import Result, Run, main
from examples.gallery.samples import few

METRIC = "held-out accuracy"
BASELINE = "the same without the graph"
PLACEMENT = {"head": "julia"}


def diagram() -> bridge.Builder:
    """prediction ~ label, and prediction(one end of an edge) ~ prediction(the other)."""
    d = bridge.Builder("graph")
    image, features = d.space("image", row=8, column=8), d.space("features", feature=64)
    chances = d.space("logits", digit=10)
    labelled = d.source("labelled", image=image, label=d.index("label", classes=10))
    edges = d.source("edges", one=image, other=image)
    encoder = d.arrow("encoder", image, features, nn.Sequential(nn.Flatten(), nn.Linear(64, 64), nn.ReLU()))
    head = d.arrow("head", features, chances, layers.linear(64, 10))
    d.agree(head(encoder(labelled.image)), labelled.label, by=bridge.cross_entropy(), name="labels")
    d.agree(head(encoder(edges.one)), head(encoder(edges.other)), by=bridge.kl(), weight=2, name="neighbours")
    d.output("prediction", head(encoder(labelled.image)))
    return d


def neighbours(image: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Both ends of the edges from each image to its nearest others."""
    distances = torch.cdist(image.flatten(1), image.flatten(1)).fill_diagonal_(float("inf"))
    nearest = distances.topk(count, largest=False).indices
    return torch.arange(len(image)).repeat_interleave(count), nearest.flatten()


def measure(run: Run) -> Result:
    """With the graph and without."""
    train, test = run.digits.train, run.digits.test
    one, other = neighbours(train.image, 5)
    data = {"labelled": few(train, 2).columns(), "edges": {"one": train.image[one], "other": train.image[other]}}
    whole = diagram()
    found = []
    for part in (whole.build(), whole.build().restrict(agreements="labels", name="labels alone")):
        objective, curve = run.train(part, data, steps=600, placement=PLACEMENT, modules=whole.modules, batch_size=128)
        found.append((run.accuracy(objective, "prediction", {"labelled": {"image": test.image}}, test.label), curve))
    return Result(found[0][0], found[1][0], found[0][1])


if __name__ == "__main__":
    main("graph")
