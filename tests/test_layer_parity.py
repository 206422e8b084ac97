"""Every portable layer in every engine against torch's own functions, over generated attributes, shapes and batches."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, Phase, given, settings
from layer_parity import FAMILIES, Bench, Trial, differences, trials

from bridge.julia.session import Session, session
from bridge.layers import table

CLOSE = {torch.float32: 1e-5, torch.float64: 1e-10}


def test_every_layer_has_cases() -> None:
    assert {family: set(cases) for family, cases in FAMILIES.items()} == {
        family: {row.operation for row in rows} for family, rows in table.FAMILIES.items()
    }


@pytest.fixture(scope="module")
def julia() -> Session:
    started = session()
    started.include(Path(__file__).with_name("objective.jl"))
    return started


@pytest.mark.parametrize("dtype", CLOSE, ids=["float32", "float64"])
@pytest.mark.parametrize("family", FAMILIES)
def test_engines_agree_with_torch(family: str, dtype: torch.dtype, julia: Session, tmp_path: Path) -> None:
    # Cases don't depend on each other and each is reported by itself: there is nothing to shrink.
    @settings(max_examples=3, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    @given(trials(family, dtype))
    def run(trial: Trial) -> None:
        bench = Bench(trial)
        expected = bench.reference()
        answers = {"torch": bench.in_torch()}
        for engine in ["native", "flux"] if "Flux" in julia.packages else ["native"]:
            answers[f"{engine} island"] = bench.in_island(julia, engine)
            answers[f"{engine} alone"] = bench.in_julia(julia, engine, tmp_path)
        wrong = [
            f"{where}, {case!r}, {trial.samples} samples, {dtype}, train={trial.train}: {name} is off by {off}"
            for where, made in answers.items()
            for case, answer, wanted in zip(trial.cases, made, expected, strict=True)
            for name, off in differences(answer, wanted)
            if off > CLOSE[dtype]
        ]
        assert not wrong, "\n".join(wrong)

    try:
        run()
    finally:
        julia.use_engine("auto")
