"""Every portable layer in every engine against torch's own functions, over generated attributes, shapes and batches."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from layer_parity import FAMILIES, Bench, Trial, differences

from bridge.julia.session import Session, session
from bridge.layers import table

CASES_OF_AN_OPERATION = 3
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


@st.composite
def trials(draw: st.DrawFn, family: str) -> Trial:
    samples = draw(st.sampled_from([1, 2, 5]))
    cases = [draw(make(samples)) for make in FAMILIES[family].values() for _ in range(CASES_OF_AN_OPERATION)]
    dtype = draw(st.sampled_from([torch.float32, torch.float64]))
    return Trial(cases, samples, dtype, draw(st.booleans()), draw(st.integers(0, 2**32)))


@pytest.mark.parametrize("family", FAMILIES)
def test_engines_agree_with_torch(family: str, julia: Session, tmp_path: Path) -> None:
    # Cases don't depend on each other and each is reported by itself: there is nothing to shrink.
    @settings(max_examples=4, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    @given(trials(family))
    def run(trial: Trial) -> None:
        bench = Bench(trial)
        expected = bench.reference()
        engines = ["native", "flux"] if "Flux" in julia.packages else ["native"]
        answers = {"torch": bench.in_torch()}
        for engine in engines:
            answers[f"{engine} island"] = bench.in_island(julia, engine)
            answers[f"{engine} alone"] = bench.in_julia(julia, engine, tmp_path)
        wrong = [
            f"{where}, {case!r}, {trial.samples} samples, {trial.dtype}, train={trial.train}: {name} is off by {off}"
            for where, made in answers.items()
            for case, answer, wanted in zip(trial.cases, made, expected, strict=True)
            for name, off in differences(answer, wanted)
            if off > CLOSE[trial.dtype]
        ]
        assert not wrong, "\n".join(wrong)

    try:
        run()
    finally:
        julia.use_engine("auto")
