"""scikit-learn's digits: 1797 real images of 8×8 pixels, which ship in the package."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from bridge.errors import BridgeError
from bridge.train.order import order

__all__ = ["Digits", "Samples", "load"]

HELD_OUT = 450
LARGEST = 16.0
"""The images are counts of ink from 0 to 16."""


@dataclass(frozen=True)
class Samples:
    """Images (N, 8, 8) from 0 to 1 and their labels, int64 (N,)."""

    image: Tensor
    label: Tensor

    def __len__(self) -> int:
        return len(self.label)

    def columns(self) -> dict[str, Tensor]:
        """The columns of the source `digits`."""
        return {"image": self.image, "label": self.label}


@dataclass(frozen=True)
class Digits:
    """What is trained on, and what is held out to measure accuracy."""

    train: Samples
    test: Samples


def load(dtype: torch.dtype = torch.float32, seed: int = 0) -> Digits:
    """The digits in a shuffled split; BridgeError where scikit-learn is not installed."""
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        remedy = "to be installed (pip install 'diagram-bridge[demo]')"
        raise BridgeError("scikit-learn, whose digits the demo uses", remedy, "no such package") from None
    images, labels = load_digits(return_X_y=True)
    shuffled = torch.from_numpy(order(seed, 0, "split", len(labels)))
    image = (torch.from_numpy(images) / LARGEST).to(dtype).reshape(-1, 8, 8)[shuffled]
    label = torch.from_numpy(labels).long()[shuffled]
    train = Samples(image[HELD_OUT:], label[HELD_OUT:])
    return Digits(train, Samples(image[:HELD_OUT], label[:HELD_OUT]))
