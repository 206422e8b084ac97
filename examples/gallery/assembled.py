"""Two trained models taken apart, and a third assembled.

One setup restores damaged images (an encoder in PyTorch, a decoder in Julia), another classifies sound ones (in PyTorch).
Restriction takes the models out of their setups, and substitution puts them in their places in a third: what the frozen
classifier says of the restored image agrees with what it says of the sound one. No label is used for that.

Baseline: the classifier alone, on damaged images.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

import bridge
from bridge import layers
from examples.gallery.running import Result, Run, main

METRIC = "accuracy on damaged held-out images"
BASELINE = "the classifier alone"
PLACEMENT = {"decoder": "julia"}


def restoring() -> bridge.Builder:
    """damaged → code → image ~ image."""
    d = bridge.Builder("restoring")
    image, code = d.space("image", row=8, column=8), d.space("code", number=32)
    pairs = d.source("pairs", damaged=image, image=image)
    encode = d.arrow("encoder", image, code, nn.Sequential(nn.Flatten(), nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 32)))
    body = layers.chain(layers.linear(32, 128), layers.relu(), layers.linear(128, 64), layers.reshape(8, 8))
    restored = d.arrow("decoder", code, image, body)(encode(pairs.damaged))
    d.agree(restored, pairs.image, by=bridge.mse(), name="restoration")
    d.output("restored", restored)
    return d


def classifying() -> bridge.Builder:
    """image → logits ~ label."""
    d = bridge.Builder("classifying")
    image, logits = d.space("image", row=8, column=8), d.space("logits", digit=10)
    digits = d.source("digits", image=image, label=d.index("label", classes=10))
    convolution = (nn.Unflatten(1, (1, 8)), nn.Conv2d(1, 16, 3), nn.ReLU(), nn.Flatten())
    prediction = d.arrow("classifier", image, logits, nn.Sequential(*convolution, nn.Linear(576, 10)))(digits.image)
    d.agree(prediction, digits.label, by=bridge.cross_entropy(), name="labels")
    d.output("prediction", prediction)
    return d


def diagram() -> bridge.Diagram:
    """The third setup: some restorer and some classifier, in whose places the models come."""
    d = bridge.Builder("assembled")
    image, logits = d.space("image", row=8, column=8), d.space("logits", digit=10)
    pairs = d.source("pairs", damaged=image, image=image)
    restore = d.arrow("restore", image, image, bridge.TorchReference("restore"))
    classify = d.arrow("classify", image, logits, bridge.TorchReference("classify"))
    d.agree(classify(restore(pairs.damaged)), classify(pairs.image), by=bridge.kl(), name="same answer")
    d.output("prediction", classify(restore(pairs.damaged)))
    d.output("unrestored", classify(pairs.damaged))
    restorer = restoring().build().restrict(outputs="restored", name="restorer")
    classifier = classifying().build().component("classifier")
    return d.build().substitute("restore", restorer).substitute("classify", classifier).freeze("classifier")


def damaged(image: Tensor, seed: int) -> Tensor:
    """Images with half of their pixels replaced by noise."""
    draws = torch.Generator().manual_seed(seed)
    kept = torch.rand(image.shape, generator=draws) < 0.5
    return torch.where(kept, image, torch.rand(image.shape, generator=draws))


def measure(run: Run) -> Result:
    """Two trainings, and the third of what they left."""
    train, test = run.digits.train, run.digits.test
    twice = [damaged(train.image, run.seed * 100 + view) for view in range(1, 5)]
    pairs = {"pairs": {"damaged": torch.cat(twice), "image": train.image.repeat(4, 1, 1)}}
    first, _ = run.train(restoring(), pairs, steps=500, placement=PLACEMENT, batch_size=64)
    second, _ = run.train(classifying(), {"digits": train.columns()}, steps=400, placement=PLACEMENT)
    models = {**dict(first.components.items()), **dict(second.components.items())}
    third, curve = run.train(diagram(), pairs, steps=300, placement=PLACEMENT, modules=models, batch_size=64, lr=1e-3)
    batch = {"pairs": {"damaged": damaged(test.image, run.seed * 100)}}
    assembled, unrestored = (run.accuracy(third, name, batch, test.label) for name in ("prediction", "unrestored"))
    return Result(assembled, unrestored, curve)


if __name__ == "__main__":
    main("assembled")
