"""Contrastive image–text learning.

An image encoder in PyTorch and a text encoder in Julia put an image near its own caption and far from the others of its
batch (InfoNCE; Radford et al., arXiv 2103.00020). An image is then classified by the nearest of the ten captions, though
no label was seen.

Baseline: ridge regression from pixels to the words of the caption, and the caption with the nearest words.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

import bridge
from bridge import layers
from examples.gallery.running import Result, Run, main
from examples.gallery.samples import LENGTH, WORDS, captions

METRIC = "held-out images nearest to their caption"
BASELINE = "ridge regression to words"
PLACEMENT = {"reader": "julia"}


def diagram() -> bridge.Builder:
    """image → embedding ~ embedding ← caption."""
    d = bridge.Builder("contrastive")
    image, shared = d.space("image", row=8, column=8), d.space("shared", number=32)
    words = d.index("words", classes=len(WORDS), time=LENGTH)
    pairs = d.source("pairs", image=image, words=words)
    convolution = (nn.Unflatten(1, (1, 8)), nn.Conv2d(1, 16, 3), nn.ReLU(), nn.Flatten())
    look = d.arrow("viewer", image, shared, nn.Sequential(*convolution, nn.Linear(576, 32)))
    body = layers.chain(layers.embedding(len(WORDS), 32), layers.mean(-2), layers.linear(32, 32))
    read = d.arrow("reader", words, shared, body)
    by = bridge.info_nce(temperature=0.2, symmetric=True)
    d.agree(look(pairs.image), read(pairs.words), by=by, name="pairs")
    d.output("seen", look(pairs.image))
    d.output("read", read(pairs.words))
    return d


def closest(seen: Tensor, read: Tensor) -> Tensor:
    """The row of `read` in whose direction each row of `seen` points most."""
    return (nn.functional.normalize(seen, dim=1) @ nn.functional.normalize(read, dim=1).T).argmax(1)


def bags(words: Tensor) -> Tensor:
    """How often each word is in a caption, of (N, LENGTH)."""
    return nn.functional.one_hot(words, len(WORDS)).float().sum(1)


def regression(image: Tensor, words: Tensor, other: Tensor) -> Tensor:
    """The bags of words of other images by ridge regression."""
    x, y, mean = image.flatten(1), bags(words), bags(words).mean(0)
    weights: Tensor = torch.linalg.solve(x.T @ x + torch.eye(64), x.T @ (y - mean))
    return other.flatten(1) @ weights + mean


def measure(run: Run) -> Result:
    """Train on 1347 pairs; find the captions of 450 images."""
    train, test = run.digits.train, run.digits.test
    words, ten = captions(train.label)["words"], captions(torch.arange(10))["words"]
    objective, curve = run.train(
        diagram(), {"pairs": {"image": train.image, "words": words}}, steps=500, placement=PLACEMENT, batch_size=64
    )
    seen = objective.evaluate("seen", {"pairs": {"image": test.image}})
    found = closest(seen, objective.evaluate("read", {"pairs": {"words": ten}}))
    linear = closest(regression(train.image, words, test.image), bags(ten))
    contrastive, regressed = ((places == test.label).double().mean().item() for places in (found, linear))
    return Result(contrastive, regressed, curve)


if __name__ == "__main__":
    main("contrastive")
