"""The commands of benchmarks/ print what they say, whatever the machine's speed: each program is run twice here."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

import bridge
from benchmarks import crossing, layers, paired, plan, scale

KEYS = {
    crossing: {"small_ratio", "size_ratio", "copies", "crossing_us", "identity_us", "large_us"},
    layers: {"linear", "permute"},
    plan: {"import_s", "ladder_compile_s"}
    | {f"{of}_{what}" for of in ("ladder", "distill", "mixed") for what in ("ratio", "step_s", "by_hand_s")},
}


def twice(first: Callable[[], object], second: Callable[[], object], **_: object) -> paired.Comparison:
    """`paired.compare` in the least time."""
    return paired.compare(first, second, rounds=1, warm_up=1, least_s=0)


@pytest.mark.parametrize("module", KEYS, ids=lambda module: module.__name__)
def test_printed_figures(module: ModuleType, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    """One JSON object with the figures of the docstring, all of them measured."""
    arguments = ["--only", "linear", "permute"] if module is layers else []
    monkeypatch.setattr(sys, "argv", [module.__name__, "--json", *arguments])
    monkeypatch.setattr(module, "compare", twice, raising=False)
    module.main()
    figures = json.loads(capfd.readouterr().out)
    assert set(figures) >= KEYS[module]
    assert all(value is not None for value in figures.values())


def test_large_diagrams(tmp_path: Path) -> None:
    """What scale.py reads is planned whole, and its figures are seconds of the middle size and growth."""
    path = tmp_path / "large.pb"
    path.write_bytes(bridge.schema.to_bytes(scale.large(100)))
    assert scale.measure(path, 1) > 0
    made = bridge.load(path)
    assert (len(made.components), len(made.agreements)) == (100, 300)
    small, middle, large = scale.SIZES
    assert scale.named("python", {small: 1.0, middle: 12.0, large: 150.0}) == {"python_s": 12.0, "python_growth": 1.5}
