"""Image captioning.

A convolutional encoder in PyTorch gives a recurrent decoder in Julia its first state; what the decoder says agrees with the
next word of the image's caption, such as "an even digit below five four". Captions are made from the labels, and images
are captioned greedily, word by word.

Baseline: the caption of the class whose mean training image is nearest, which knows all ten captions.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

import bridge
from bridge import layers
from bridge.diagram.ir import LayerGraph
from examples.gallery.running import Result, Run, main
from examples.gallery.samples import LENGTH, WORDS, captions, class_means, nearest

METRIC = "held-out images with every word right"
BASELINE = "the caption of the nearest class mean"
PLACEMENT = {"decoder": "julia"}


def decoder() -> LayerGraph:
    """(words before (T,), state (48,)) to logits of the next words (T, words)."""
    g = layers.GraphBuilder(2)
    before, state = g.inputs
    states, _ = g(layers.gru(16, 48, initial=True), g(layers.embedding(len(WORDS), 16), before), state)
    return g.build(g(layers.linear(48, len(WORDS)), states))


def diagram() -> bridge.Builder:
    """(image → state, words before) → logits ~ words."""
    d = bridge.Builder("captioning")
    image, state = d.space("image", row=8, column=8), d.space("state", unit=48)
    words = d.index("words", classes=len(WORDS), time=LENGTH)
    logits = d.space("logits", time=LENGTH, word=len(WORDS))
    digits = d.source("digits", image=image, before=words, words=words, spoken=d.space("spoken", time=LENGTH))
    convolution = (nn.Unflatten(1, (1, 8)), nn.Conv2d(1, 16, 3), nn.ReLU(), nn.Flatten())
    encode = d.arrow("encoder", image, state, nn.Sequential(*convolution, nn.Linear(576, 48)))
    decode = d.arrow("decoder", (words, state), logits, decoder())
    said = decode(digits.before, encode(digits.image))
    d.agree(said, digits.words, by=bridge.cross_entropy(axis="word"), where=digits.spoken, name="caption")
    d.output("said", said)
    return d


def greedy(objective: bridge.Objective, image: Tensor) -> Tensor:
    """The likeliest next word, again and again: int64 (N, LENGTH)."""
    words = torch.zeros(len(image), LENGTH, dtype=torch.int64)
    for place in range(LENGTH):
        before = torch.cat([torch.ones(len(image), 1, dtype=torch.int64), words[:, :-1]], 1)
        said = objective.evaluate("said", {"digits": {"image": image, "before": before}})
        words[:, place] = said[:, place].argmax(-1)
    return words


def measure(run: Run) -> Result:
    """Train on 1347 captioned images; caption 450 others."""
    train, test = run.digits.train, run.digits.test
    data = {"digits": {"image": train.image, **captions(train.label)}}
    objective, curve = run.train(diagram(), data, steps=500, placement=PLACEMENT, lr=6e-3)
    truth = captions(test.label)
    right = ((greedy(objective, test.image) == truth["words"]) | (truth["spoken"] == 0)).all(1)
    baseline = nearest(test.image, class_means(train)) == test.label
    return Result(right.double().mean().item(), baseline.double().mean().item(), curve)


if __name__ == "__main__":
    main("captioning")
