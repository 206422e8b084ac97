"""Self-distillation with a stopped gradient.

What a network says of an image of which one half is hidden agrees with what it says itself of the whole image, behind a
stopped gradient: on images without labels it is its own teacher, as in Caron et al., arXiv 2104.14294. The encoder runs in
PyTorch, the head in Julia.

Baseline: the same network with the same hundred labels, of whole images and of halves, without the teaching.
"""

from __future__ import annotations

from torch import Tensor, nn

import bridge
from bridge import layers
from examples.gallery.running import Result, Run, main
from examples.gallery.samples import few

METRIC = "accuracy on halves of held-out images"
BASELINE = "the same without the teaching"
PLACEMENT = {"head": "julia"}


def diagram() -> bridge.Builder:
    """prediction ~ label, and prediction(half) ~ detach(prediction(image))."""
    d = bridge.Builder("selfdistillation")
    image, features = d.space("image", row=8, column=8), d.space("features", feature=64)
    logits = d.space("logits", digit=10)
    labelled = d.source("labelled", image=image, half=image, label=d.index("label", classes=10))
    unlabelled = d.source("unlabelled", image=image, half=image)
    encoder = d.arrow("encoder", image, features, nn.Sequential(nn.Flatten(), nn.Linear(64, 64), nn.ReLU()))
    head = d.arrow("head", features, logits, layers.chain(layers.linear(64, 64), layers.relu(), layers.linear(64, 10)))
    d.agree(head(encoder(labelled.image)), labelled.label, by=bridge.cross_entropy(), name="whole")
    d.agree(head(encoder(labelled.half)), labelled.label, by=bridge.cross_entropy(), name="half")
    teacher = bridge.detach(head(encoder(unlabelled.image)))
    d.agree(head(encoder(unlabelled.half)), teacher, by=bridge.kl(), name="teaching")
    d.output("prediction", head(encoder(labelled.half)))
    return d


def halves(image: Tensor) -> Tensor:
    """The images with their upper half hidden, with their lower, their left and their right half: (4 N, 8, 8)."""
    hidden = image.repeat(4, 1, 1, 1)
    hidden[0, :, :4], hidden[1, :, 4:], hidden[2, :, :, :4], hidden[3, :, :, 4:] = 0, 0, 0, 0
    return hidden.flatten(0, 1)


def measure(run: Run) -> Result:
    """With the teaching and without."""
    train, test = run.digits.train, run.digits.test
    some = few(train, 10)
    data = {
        "labelled": {"image": some.image.repeat(4, 1, 1), "half": halves(some.image), "label": some.label.repeat(4)},
        "unlabelled": {"image": train.image.repeat(4, 1, 1), "half": halves(train.image)},
    }
    whole = diagram()
    batch, label, found = {"labelled": {"half": halves(test.image)}}, test.label.repeat(4), []
    for part in (whole, whole.build().restrict(agreements=("whole", "half"), name="labels alone")):
        objective, curve = run.train(part, data, steps=600, placement=PLACEMENT, modules=whole.modules, batch_size=64)
        found.append((run.accuracy(objective, "prediction", batch, label), curve))
    return Result(found[0][0], found[1][0], found[0][1])


if __name__ == "__main__":
    main("selfdistillation")
