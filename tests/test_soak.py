"""A short run of benchmarks/soak.py."""

from __future__ import annotations

from benchmarks.soak import train


def test_forced_collections_change_nothing() -> None:
    """60 steps with and without: the same parameters and buffers, bit by bit, and nothing left in the other's hands."""
    plain, forced = train(60, False), train(60, True)
    assert forced["digest"] == plain["digest"] != train(59, False)["digest"]
    for counts in (plain, forced):
        assert counts["tapes"] == 0
    assert forced["backwards"] - plain["backwards"] == 60
    assert forced["last_kib"] < 1.05 * plain["last_kib"]
