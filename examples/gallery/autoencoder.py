"""Autoencoder.

What a decoder in Julia makes of an encoder's four numbers agrees with the image that the encoder in PyTorch saw. No
label is used.

Baseline: principal component analysis with as many components, the best linear autoencoder.
"""

from __future__ import annotations

import torch
from torch import nn

import bridge
from bridge import layers
from examples.gallery.running import Result, Run, main

METRIC = "held-out squared error per pixel"
BASELINE = "principal components, as many"
PLACEMENT = {"decoder": "julia"}
LOWER_IS_BETTER = True
CODE = 4


def diagram() -> bridge.Builder:
    """image → code → image ~ image."""
    d = bridge.Builder("autoencoder")
    image, code = d.space("image", row=8, column=8), d.space("code", number=CODE)
    digits = d.source("digits", image=image)
    network = nn.Sequential(nn.Flatten(), nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, CODE))
    encode = d.arrow("encoder", image, code, network)
    body = layers.chain(layers.linear(CODE, 128), layers.relu(), layers.linear(128, 64), layers.reshape(8, 8))
    decode = d.arrow("decoder", code, image, body)
    again = decode(encode(digits.image))
    d.agree(again, digits.image, by=bridge.mse(), name="reconstruction")
    d.output("again", again)
    return d


def principal_components(train: torch.Tensor, test: torch.Tensor) -> torch.Tensor:
    """The test images (N, 64) from their first components."""
    mean = train.mean(0)
    axes: torch.Tensor = torch.linalg.svd(train - mean, full_matrices=False)[2][:CODE]
    return mean + (test - mean) @ axes.T @ axes


def measure(run: Run) -> Result:
    """Train on 1347 images; the error on 450 others."""
    train, test = run.digits.train.image, run.digits.test.image
    objective, curve = run.train(diagram(), {"digits": {"image": train}}, steps=1200, placement=PLACEMENT)
    error = (objective.evaluate("again", {"digits": {"image": test}}) - test).square().mean().item()
    linear = principal_components(train.flatten(1), test.flatten(1))
    return Result(error, (linear - test.flatten(1)).square().mean().item(), curve)


if __name__ == "__main__":
    main("autoencoder")
