"""Few labels, class means and captions: what the examples make of scikit-learn's digits."""

from __future__ import annotations

import torch
from torch import Tensor

from bridge.demo.digits import Samples

__all__ = ["LENGTH", "WORDS", "caption", "captions", "class_means", "few", "nearest"]


def few(samples: Samples, each: int) -> Samples:
    """The first so many samples of each of the ten digits."""
    chosen = torch.cat([(samples.label == digit).nonzero()[:each, 0] for digit in range(10)])
    return Samples(samples.image[chosen], samples.label[chosen])


def class_means(samples: Samples) -> Tensor:
    """The mean image of each digit (10, 8, 8)."""
    return torch.stack([samples.image[samples.label == digit].mean(0) for digit in range(10)])


def nearest(images: Tensor, others: Tensor) -> Tensor:
    """For each image the place of the nearest other one, int64 (N,)."""
    return torch.cdist(images.flatten(1), others.flatten(1)).argmin(1)


NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
WORDS = ("<end>", "<begin>", "an", "even", "odd", "digit", "below", *NUMBERS)
LENGTH = 7
"""Six words, and an end."""


def caption(digit: int) -> list[str]:
    """The caption of an image of a digit.

    >>> " ".join(caption(4)), " ".join(caption(7))
    ('an even digit below five four', 'an odd digit seven')
    """
    return ["an", ("even", "odd")[digit % 2], "digit", *(["below", "five"] if digit < 5 else []), NUMBERS[digit]]


def captions(label: Tensor) -> dict[str, Tensor]:
    """The captions of labels (N,), each (N, LENGTH).

    `before` is the words one place earlier, `words` those to be said, and `spoken` 1 where one is, up to the first end.
    """
    rows = [[WORDS.index(word) for word in caption(digit)] for digit in range(10)]
    words = torch.tensor([row + [0] * (LENGTH - len(row)) for row in rows])
    before = torch.cat([torch.ones(10, 1, dtype=torch.int64), words[:, :-1]], 1)
    spoken = torch.tensor([[1.0] * (len(row) + 1) + [0.0] * (LENGTH - len(row) - 1) for row in rows])
    return {"before": before[label], "words": words[label], "spoken": spoken[label]}
