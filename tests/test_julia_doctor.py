"""The doctor's report, on this machine and on one without a usable Julia."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from bridge.errors import JuliaUnavailable
from bridge.julia import doctor
from bridge.julia.find import Candidate, choose
from bridge.julia.shared import shared_functions

USABLE = Candidate("PATH", "libjulia", "/some/julia", "1.10.8", True, "started by its library, libjulia")
LIVE = doctor.Live("1.10.8", "libjulia", 0.5, 1, "Julia's own choice", "flux", 2, False, "julia", {"Flux": "0.16.9"})


def test_this_machine_is_measured() -> None:
    found = doctor.report()
    chosen = choose()
    assert found.healthy and found.live is not None
    assert (found.live.version, found.live.how, found.chosen) == (chosen.version, chosen.how, chosen.name)
    assert found.live.start_seconds > 0 and found.live.threads >= 1 and found.live.torch_threads >= 1
    assert found.engine == ("flux" if "Flux" in found.live.packages else "native")
    assert found.live.blas == ("caller" if found.live.torch_blas else "julia")
    assert found.live.shares_threads == ("GOMP_parallel" in shared_functions())
    plain = json.loads(json.dumps(found.to_json()))
    assert plain["healthy"] and plain["live"]["version"] == chosen.version
    assert f"→ {chosen.name} {chosen.version}" in found.text() and sys.executable in found.text()


def test_a_machine_without_julia_is_told_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "candidates", lambda: ())
    found = doctor.report()
    assert (found.healthy, found.chosen, found.engine, found.live) == (False, None, None, None)
    assert any("diagram-bridge julia install" in problem.remedy for problem in found.problems)
    assert "would use   none" in found.text()


def test_a_julia_that_dies_when_it_starts_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "candidates", lambda: (USABLE,))
    monkeypatch.setattr(doctor, "_MEASURE", "import os; os.kill(os.getpid(), 9)")
    found = doctor.report()
    assert found.chosen == "PATH" and not found.healthy
    assert any(problem.found == "exit status -9" for problem in found.problems)


def test_a_named_julia_that_does_not_work_has_its_own_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIAGRAM_BRIDGE_JULIA", "/nowhere/julia")
    (problem,) = doctor.report().problems
    assert "unset it" in problem.remedy and "/nowhere/julia" in problem.found


def test_what_is_missing_or_slow_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_sources() -> Path:
        raise JuliaUnavailable("the Julia package DiagramBridge", "a Project.toml", "none")

    monkeypatch.setattr(doctor, "candidates", lambda: (USABLE,))
    monkeypatch.setattr(doctor, "_measure", lambda: LIVE)
    monkeypatch.setattr(doctor, "julia_project", no_sources)
    versions = {"torch": "2.9.0"}
    monkeypatch.setattr(doctor, "_version", lambda name: versions.get(name, ""))
    found = doctor.report()
    assert {problem.element for problem in found.problems} == {"protobuf", "the Julia package DiagramBridge", "torch"}
    assert found.engine == "flux" and not found.healthy
    assert "engine      flux (Flux 0.16.9)" in found.text() and "not exported" in found.text()


def test_the_traps_of_juliacall_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    juliacall = Candidate("juliacall", "juliacall", "a project", "1.11.0", True, "ready")
    monkeypatch.setattr(doctor, "candidates", lambda: (juliacall,))
    monkeypatch.setattr(doctor, "_measure", lambda: LIVE)
    monkeypatch.setenv("PYTHONFAULTHANDLER", "1")
    monkeypatch.setenv("PYTHON_JULIACALL_THREADS", "4")
    monkeypatch.delenv("PYTHON_JULIACALL_HANDLE_SIGNALS", raising=False)
    assert {"juliacall", "PYTHONFAULTHANDLER"} <= {problem.element for problem in doctor.report().problems}
