"""Cycle consistency.

One arrow, in Julia, shrinks images to four by four pixels, another, in PyTorch, enlarges them again. Both learn from twenty
pairs; and on sharp images, and on small ones, that have no partner, going there and back gives the same (Zhu et al., arXiv
1703.10593, with a few pairs in the place of their adversary).

Baseline: the two arrows trained on the twenty pairs alone, without cycles.
"""

from __future__ import annotations

from torch import Tensor, nn

import bridge
from bridge import layers
from examples.gallery.running import Result, Run, main
from examples.gallery.samples import few

METRIC = "held-out squared error per pixel of what is enlarged"
BASELINE = "the pairs alone"
PLACEMENT = {"shrink": "julia"}
LOWER_IS_BETTER = True


def diagram() -> bridge.Builder:
    """image ⇄ small image."""
    d = bridge.Builder("cycle")
    image, small = d.space("image", row=8, column=8), d.space("small", row=4, column=4)
    pairs = d.source("pairs", image=image, small=small)
    sharp, blurred = d.source("sharp", image=image), d.source("blurred", small=small)
    body = layers.chain(layers.flatten(), layers.linear(64, 16), layers.reshape(4, 4))
    shrink = d.arrow("shrink", image, small, body)
    network = nn.Sequential(nn.Flatten(), nn.Linear(16, 128), nn.ReLU(), nn.Linear(128, 64), nn.Unflatten(1, (8, 8)))
    enlarge = d.arrow("enlarge", small, image, network)
    d.agree(shrink(pairs.image), pairs.small, by=bridge.mse(), name="shrink")
    d.agree(enlarge(pairs.small), pairs.image, by=bridge.mse(), name="enlarge")
    d.agree(enlarge(shrink(sharp.image)), sharp.image, by=bridge.mse(), name="there and back")
    d.agree(shrink(enlarge(blurred.small)), blurred.small, by=bridge.mse(), name="back and there")
    d.output("enlarged", enlarge(pairs.small))
    return d


def shrunk(image: Tensor) -> Tensor:
    """The means of two by two pixels."""
    return nn.functional.avg_pool2d(image[:, None], 2)[:, 0]


def measure(run: Run) -> Result:
    """With cycles and without. The small images without partners are of other images than the sharp ones."""
    train, test = run.digits.train.image, run.digits.test.image
    some = few(run.digits.train, 2).image
    half = len(train) // 2
    data = {
        "pairs": {"image": some, "small": shrunk(some)},
        "sharp": {"image": train[:half]},
        "blurred": {"small": shrunk(train[half:])},
    }
    whole = diagram()
    found = []
    for part in (whole.build(), whole.build().restrict(agreements=("shrink", "enlarge"), name="pairs")):
        objective, curve = run.train(part, data, steps=600, placement=PLACEMENT, modules=whole.modules)
        enlarged = objective.evaluate("enlarged", {"pairs": {"small": shrunk(test)}})
        found.append(((enlarged - test).square().mean().item(), curve))
    return Result(found[0][0], found[1][0], found[0][1])


if __name__ == "__main__":
    main("cycle")
