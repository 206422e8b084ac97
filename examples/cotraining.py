"""Train a PyTorch encoder and a Julia head together: `python examples/cotraining.py`."""

from __future__ import annotations

import torch
from sklearn.datasets import load_digits
from torch import nn

import bridge
from bridge import layers

torch.manual_seed(0)
images, labels = load_digits(return_X_y=True)
image = torch.tensor(images, dtype=torch.float32).reshape(-1, 8, 8) / 16
label = torch.tensor(labels)
train, test = slice(450, None), slice(450)

encoder = nn.Sequential(nn.Unflatten(1, (1, 8)), nn.Conv2d(1, 8, 3), nn.Tanh(), nn.MaxPool2d(2), nn.Flatten())
head = layers.chain(layers.linear(72, 64), layers.gelu(), layers.layer_norm(64), layers.linear(64, 10))

d = bridge.Builder("cotraining")
pixels = d.space("image", "float32", row=8, column=8)
features = d.space("features", "float32", feature=72)
logits = d.space("logits", "float32", digit=10)
digits = d.source("digits", image=pixels, label=d.index("label", classes=10))
encode = d.arrow("encoder", pixels, features, encoder)
classify = d.arrow("head", features, logits, head)
prediction = classify(encode(digits.image))
d.agree(prediction, digits.label, by=bridge.cross_entropy())

objective = bridge.compile(d, placement={"head": "julia"})
data = {"digits": {"image": image[train], "label": label[train]}}
history = bridge.fit(objective, data, epochs=8, batch_size=64, optimizer="sgd", lr=0.05, momentum=0.9)

accuracy = (objective.evaluate(prediction, {"digits": {"image": image[test]}}).argmax(1) == label[test]).float().mean()
print(f"held-out accuracy {accuracy.item():.3f}")
print(f"loss {history.total[0]:.3f} → {history.total[-1]:.3f}; {bridge.stats().forwards} island calls")
