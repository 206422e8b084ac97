"""Torch's generators, seeded for a while."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

__all__ = ["WORD", "seeded"]

WORD = 2**64


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed torch's default generators, and put their states back."""
    devices = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else ()
    with torch.random.fork_rng(devices):
        torch.default_generator.manual_seed(seed % WORD)
        for device in devices:
            torch.cuda.default_generators[device].manual_seed(seed % WORD)
        yield
