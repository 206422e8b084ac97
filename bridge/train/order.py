"""The order of samples: a pure function of (seed, epoch, source name), the same in every language.

Sample i of a source gets word i of a Philox4x64-10 stream (Salmon et al., SC 2011), and an epoch visits the samples in
the stable ascending order of their words. The stream's key is (seed, name), where name is the first 8 bytes of the
SHA-256 of the source's name in UTF-8, read as a little-endian number; word i is element i mod 4 of the block whose
counter is (1 + i div 4, epoch, 0, 0).
"""

from __future__ import annotations

from hashlib import sha256

import numpy as np
from numpy.typing import NDArray

__all__ = ["order", "words"]

WORD = 2**64


def words(seed: int, epoch: int, source: str, count: int) -> NDArray[np.uint64]:
    """The first `count` words of an epoch's stream, uint64 (count,)."""
    name = int.from_bytes(sha256(source.encode()).digest()[:8], "little")
    key = np.array([seed % WORD, name], dtype=np.uint64)
    counter = np.array([0, epoch, 0, 0], dtype=np.uint64)  # NumPy counts up before it makes a block
    return np.random.Philox(key=key, counter=counter).random_raw(count)


def order(seed: int, epoch: int, source: str, count: int) -> NDArray[np.int64]:
    """The places of a source's `count` samples in the order in which an epoch visits them, int64 (count,).

    >>> order(0, 0, "digits", 5).tolist() == order(0, 0, "digits", 5).tolist()
    True
    >>> sorted(order(0, 1, "digits", 5).tolist())
    [0, 1, 2, 3, 4]
    """
    return np.argsort(words(seed, epoch, source, count), kind="stable")
