"""Distil a PyTorch teacher into a student that runs in Julia: `python examples/distillation.py`."""

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

# A teacher, which PyTorch trains by itself: one arrow, one agreement.
network = nn.Sequential(nn.Unflatten(1, (1, 8)), nn.Conv2d(1, 32, 3), nn.ReLU(), nn.Flatten(), nn.Linear(1152, 10))
d = bridge.Builder("teacher")
pixels, logits = d.space("image", "float32", row=8, column=8), d.space("logits", "float32", digit=10)
digits = d.source("digits", image=pixels, label=d.index("label", classes=10))
d.agree(d.arrow("teacher", pixels, logits, network)(digits.image), digits.label, by=bridge.cross_entropy())
data = {"digits": {"image": image[train], "label": label[train]}}
bridge.fit(bridge.compile(d), data, epochs=8, optimizer="adam", lr=2e-3)

# The student agrees with the labels, and with the teacher, which is frozen now.
d = bridge.Builder("distillation")
pixels, logits = d.space("image", "float32", row=8, column=8), d.space("logits", "float32", digit=10)
digits = d.source("digits", image=pixels, label=d.index("label", classes=10))
body = layers.chain(layers.flatten(), layers.linear(64, 64), layers.relu(), layers.linear(64, 10))
prediction = d.arrow("student", pixels, logits, body)(digits.image)
taught = d.arrow("teacher", pixels, logits, network, frozen=True)(digits.image)
d.agree(prediction, digits.label, by=bridge.cross_entropy(), weight=0.5)
d.agree(prediction, taught, by=bridge.kl(temperature=4), weight=0.5)

objective = bridge.compile(d, placement={"student": "julia"})
history = bridge.fit(objective, data, epochs=16, batch_size=64, optimizer="sgd", lr=0.05, momentum=0.9)

held_out = {"digits": {"image": image[test]}}
for name, term in (("student", prediction), ("teacher", taught)):
    accuracy = (objective.evaluate(term, held_out).argmax(1) == label[test]).float().mean().item()
    print(f"{name}: held-out accuracy {accuracy:.3f}")
print(f"loss {history.total[0]:.3f} → {history.total[-1]:.3f}; {bridge.stats().forwards} island calls")
