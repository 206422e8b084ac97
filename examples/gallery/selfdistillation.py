"""Self-distillation with a stopped gradient.

A network has two exits. The early one, in Julia, is cheap; on images without labels it agrees with what the deep one, in
PyTorch, says behind a stopped gradient: the network is its own teacher (Zhang et al., arXiv 1905.08094).

Baseline: the same network, both of whose exits learn from the same hundred labels, without the teaching. (An early exit that
has the encoder to itself is about as good as one that is taught.)
"""

from __future__ import annotations

from torch import nn

import bridge
from bridge import layers
from examples.gallery.running import Result, Run, main
from examples.gallery.samples import few

METRIC = "held-out accuracy of the early exit"
BASELINE = "the same without the teaching"
PLACEMENT = {"early": "julia"}


def diagram() -> bridge.Builder:
    """early(image) ~ label ~ deep(image), and early(image) ~ detach(deep(image))."""
    d = bridge.Builder("selfdistillation")
    image, features = d.space("image", row=8, column=8), d.space("features", channel=8, row=4, column=4)
    logits = d.space("logits", digit=10)
    labelled = d.source("labelled", image=image, label=d.index("label", classes=10))
    unlabelled = d.source("unlabelled", image=image)
    convolution = nn.Sequential(nn.Unflatten(1, (1, 8)), nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2))
    network = (nn.Conv2d(8, 32, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(512, 64), nn.ReLU(), nn.Linear(64, 10))
    encoder = d.arrow("encoder", image, features, convolution)
    deep = d.arrow("deep", features, logits, nn.Sequential(*network))
    body = layers.chain(layers.mean_pool2d(2), layers.flatten(), layers.linear(32, 10))
    early = d.arrow("early", features, logits, body)
    for name, leave in (("deep", deep), ("early", early)):
        d.agree(leave(encoder(labelled.image)), labelled.label, by=bridge.cross_entropy(), name=name)
        d.output(name, leave(encoder(labelled.image)))
    seen = encoder(unlabelled.image)
    d.agree(early(seen), bridge.detach(deep(seen)), by=bridge.kl(), weight=2, name="teaching")
    return d


def measure(run: Run) -> Result:
    """With the teaching and without."""
    train, test = run.digits.train, run.digits.test
    data = {"labelled": few(train, 10).columns(), "unlabelled": {"image": train.image}}
    whole = diagram()
    found = []
    for part in (whole, whole.build().restrict(agreements=("early", "deep"), name="labels alone")):
        objective, curve = run.train(part, data, steps=500, placement=PLACEMENT, modules=whole.modules, batch_size=64)
        found.append((run.accuracy(objective, "early", {"labelled": {"image": test.image}}, test.label), curve))
    return Result(found[0][0], found[1][0], found[0][1])


if __name__ == "__main__":
    main("selfdistillation")
