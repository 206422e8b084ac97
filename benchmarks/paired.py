"""Comparing two programs on a noisy machine: measured in turns, A B A B …, in one process."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Comparison", "compare"]


@dataclass(frozen=True)
class Comparison:
    """Median times in seconds of one call of each program, and the median of the ratios first/second of neighbours."""

    first_s: float
    second_s: float
    ratio: float


def compare(
    first: Callable[[], object],
    second: Callable[[], object],
    *,
    rounds: int = 100,
    warm_up: int = 10,
    least_s: float = 0.01,
    most_s: float = 60.0,
) -> Comparison:
    """Time two programs in turns.

    Each is called as often in a row as takes `least_s` seconds, so that the clock and a moment's noise count for
    little. Which goes first alternates, so that neither always finds the other's traces in the caches. After `most_s`
    seconds, on a machine that is busy with other things, fewer rounds have to do, but at least a fifth of them. A
    program may return seconds that are to be left out of its time.
    """
    for _ in range(warm_up):
        first()
        second()
    calls = max(1, round(least_s / max(once(first), once(second), 1e-9)))
    times: tuple[list[float], list[float]] = ([], [])
    gc.collect()
    gc.disable()
    end = time.perf_counter() + most_s
    try:
        for turn in range(rounds):
            if turn >= rounds / 5 and time.perf_counter() > end:
                break
            pair = [0.0, 0.0]
            for which in (0, 1) if turn % 2 == 0 else (1, 0):
                program = (first, second)[which]
                pair[which] = sum(once(program) for _ in range(calls)) / calls
            for kept, seconds in zip(times, pair, strict=True):
                kept.append(seconds)
            gc.collect()
    finally:
        gc.enable()
    ratio = statistics.median(one / two for one, two in zip(*times, strict=True))
    return Comparison(statistics.median(times[0]), statistics.median(times[1]), ratio)


def once(program: Callable[[], object]) -> float:
    """The seconds that one call takes."""
    started = time.perf_counter()
    program()
    return time.perf_counter() - started
