"""What goes wrong inside islands: errors in Julia, wrong results, threads, forks and Ctrl-C; training goes on afterwards."""

from __future__ import annotations

import gc
import os
import re
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from crossings import batch_for, gradients, julia, one_arrow, register

import bridge
from bridge import layers
from bridge.diagram.builder import Builder
from bridge.errors import BridgeError, JuliaError, JuliaUnavailable
from bridge.julia.session import collect, session, stats
from bridge.torch import Objective

ROOT = Path(__file__).resolve().parents[1]

FAULTY = """
module Faulty
import DiagramBridge
import DiagramBridge: forward, pullback, parameters, buffers

"w x, until it is told to fail; `fault` says where and how."
mutable struct Scale
    w::Vector{Float64}
    runs::Vector{Int64}
    fault::Symbol
end
const SCALE = Scale([1.0, 2.0, 3.0], [0], :none)
parameters(s::Scale) = ("w" => s.w,)
buffers(s::Scale) = ("runs" => s.runs,)

blame(what) = throw(DomainError(what, "on purpose"))

function forward(s::Scale, (x,)::Tuple, train::Bool)
    f = s.fault
    f === :forward && blame("forward")
    f === :overflow && return overflow(0)
    train && (s.runs[1] += 1)
    y = s.w .* x
    f === :no_residual && return (y,)
    f === :array && return y, x
    f === :no_outputs && return (), x
    f === :two_outputs && return (y, y), x
    f === :shape && return (y[1:2, :],), x
    f === :rank && return (vec(y),), x
    f === :batch && return (y[:, 1:1],), x
    f === :eltype && return (Float32.(y),), x
    f === :strings && return (["a"],), x
    f === :nothing && return (nothing,), x
    f === :number && return (1.0,), x
    f === :missing && return nothing
    f === :printing && throw(Unprintable())
    return (y,), x
end

function pullback(s::Scale, x, (dy,)::Tuple)
    f = s.fault
    f === :pullback && blame("pullback")
    dx, dw = s.w .* dy, vec(sum(dy .* x, dims = 2))
    f === :flat_pullback && return dx, dw
    f === :input_count && return (), (dw,)
    f === :parameter_count && return (dx,), (dw, dw)
    f === :input_shape && return (dx[:, 1:1],), (dw,)
    f === :parameter_shape && return (dx,), (dw[1:2],)
    f === :input_eltype && return (Float32.(dx),), (dw,)
    f === :parameter_eltype && return (dx,), (Float32.(dw),)
    f === :text && return ("dx",), (dw,)
    return (dx,), (dw,)
end

overflow(n) = 1 + overflow(n + 1)

struct Unprintable <: Exception end
Base.showerror(::IO, ::Unprintable) = error("not even that")

DiagramBridge.register("faulty", SCALE)
end
"""


@pytest.fixture(autouse=True, scope="module")
def components() -> None:
    julia().eval(FAULTY)


def set_fault(fault: str) -> None:
    julia().eval(f"Faulty.SCALE.fault = :{fault}")


def faulty_objective() -> Objective:
    """A portable Julia layer, the faulty component, and a torch layer, trained together."""
    d = Builder("faulty")
    x = d.space("x", "float64", k=3)
    data = d.source("data", x=x, y=x)
    before = d.arrow("before", x, x, layers.chain(layers.linear(3, 3), layers.tanh()))
    scale = d.arrow("scale", x, x, d.component("scaling", bridge.JuliaReference("faulty")))
    after = d.arrow("after", x, x, layers.chain(layers.linear(3, 3)))
    d.agree(after(scale(before(data.x))), data.y, by=bridge.mse())
    d.output("scaled", scale(data.x))
    return bridge.compile(d, placement={"before": "julia"})


@pytest.fixture
def trained() -> Iterator[Callable[[str, type[Exception]], Exception]]:
    """Trains with a fault in the middle: the parameters have to be those of training without it, and nothing is left."""
    gc.collect()
    collect()
    before = stats()
    yield lambda fault, kind: _trained(fault, kind)
    gc.collect()
    collect()
    after = stats()
    assert (after.tapes, after.islands) == (before.tapes, before.islands)
    assert after.owners == before.owners


def _trained(fault: str, kind: type[Exception]) -> Exception:
    julia().eval("Faulty.SCALE.w .= [1.0, 2.0, 3.0]; Faulty.SCALE.runs .= 0; Faulty.SCALE.fault = :none")
    results, caught = [], None
    for spoiled in (False, True):
        julia().eval("Faulty.SCALE.w .= [1.0, 2.0, 3.0]; Faulty.SCALE.runs .= 0")
        torch.manual_seed(0)
        objective = faulty_objective()
        optimiser = torch.optim.Adam(objective.parameters(), 0.05)
        batch = batch_for(objective.diagram, 5)
        for step in range(4):
            if spoiled and step == 2:
                set_fault(fault)
                runs = objective.get_buffer("components.scaling.runs").item()
                for _ in range(2):
                    optimiser.zero_grad()
                    with pytest.raises(kind) as raised:
                        objective(batch).backward()
                    caught = raised.value
                with pytest.raises(kind) if not backward_only(fault) else torch.no_grad():  # type: ignore[attr-defined]
                    objective.evaluate("scaled", batch)
                set_fault("none")
                with torch.no_grad():
                    objective.get_buffer("components.scaling.runs").fill_(runs)
            optimiser.zero_grad()
            objective(batch).backward()
            optimiser.step()
        results.append([p.detach().clone() for p in objective.state_dict().values()])
    torch.testing.assert_close(results[0], results[1], rtol=0, atol=0)
    assert caught is not None
    raised_at, caught.__traceback__ = caught.__traceback__, None
    del raised_at
    return caught


BACKWARD = [
    "pullback",
    "flat_pullback",
    "input_count",
    "parameter_count",
    "input_shape",
    "parameter_shape",
    "input_eltype",
    "parameter_eltype",
    "text",
]


def backward_only(fault: str) -> bool:
    return fault in BACKWARD


@pytest.mark.parametrize("fault", ["forward", "pullback"])
def test_an_exception_in_julia(trained: Any, fault: str) -> None:
    error = trained(fault, JuliaError)
    assert error.kind == "DomainError" and error.element == "arrow 'scale'"
    assert f"DomainError with {fault}:\non purpose" in error.message
    assert "blame" in error.stacktrace and fault in error.stacktrace  # the user's own functions, by name
    text = str(error)
    assert text.startswith("arrow 'scale': DomainError in Julia: ") and "Julia stack trace:" in text
    if fault == "forward":
        assert error.stacktrace.index("blame") < error.stacktrace.index("forward")


def test_an_exception_that_cannot_be_printed(trained: Any) -> None:
    error = trained("printing", JuliaError)
    assert error.kind == "Unprintable" and "could not be printed" in error.message and error.element == "arrow 'scale'"


# What a component returns, with words that have to be in what was expected and in what was found.
WRONG = {
    "no_residual": ("(outputs::Tuple, residual)", "Tuple"),
    "array": ("(outputs::Tuple, residual)", "Array"),
    "missing": ("(outputs::Tuple, residual)", "Nothing|nothing"),
    "no_outputs": ("1 outputs", "0"),
    "two_outputs": ("1 outputs", "2"),
    "shape": ("Float64 of size (3, batch)", "2×5"),
    "rank": ("Float64 of size (3, batch)", "15-element"),
    "batch": ("batch 5", "3×1"),
    "eltype": ("Float64 of size (3, batch)", "Float32"),
    "strings": ("Float64 of size (3, batch)", "String"),
    "nothing": ("Float64 of size (3, batch)", "Nothing|nothing"),
    "number": ("Float64 of size (3, batch)", "Float64"),
    "flat_pullback": ("(dinputs::Tuple, dparameters::Tuple)", "Array"),
    "input_count": ("1 gradients from pullback, one for each input", "0"),
    "parameter_count": ("1 gradients from pullback, one for each parameter", "2"),
    "input_shape": ("3×5", "3×1"),
    "parameter_shape": ("3-element", "2-element"),
    "input_eltype": ("Float64", "Float32"),
    "parameter_eltype": ("Float64", "Float32"),
    "text": ("3×5", "String"),
}


@pytest.mark.parametrize("fault", WRONG)
def test_wrong_results_of_a_component(trained: Any, fault: str) -> None:
    expected, found = WRONG[fault]
    error = trained(fault, BridgeError)
    assert not isinstance(error, JuliaError)
    assert "arrow 'scale'" in error.element
    assert expected in error.expected, str(error)
    assert re.search(found, error.found), str(error)


def test_a_component_of_another_signature() -> None:
    register("unfit", "struct Unfit end; forward(::Unfit, x::String) = x; Unfit()")
    objective = bridge.compile(one_arrow(bridge.JuliaReference("unfit"), [(3,)], [(3,)], agree=False))
    batch = batch_for(objective.diagram, 2)
    with pytest.raises(JuliaError, match="MethodError") as raised:
        objective.evaluate("f to y0", batch)
    assert raised.value.element == "arrow 'f'"


@pytest.mark.parametrize(
    ("variables", "found"),
    [
        ('parameters(::Odd) = ("w" => 1.0,)', "Float64"),
        ('parameters(::Odd) = ("w" => [1, 2],)', "Int64"),
        ('parameters(::Odd) = ("w" => view([1.0, 2.0], 1:1),)', "SubArray"),
        ('parameters(::Odd) = ("w" => [1.0], "w" => [2.0])', "w"),
        ('buffers(::Odd) = ("b" => ["text"],)', "String"),
        ('parameters(::Odd) = ("w" => ones(ntuple(i -> 1, 17)),)', "17"),
    ],
)
def test_variables_that_cannot_be_shared(variables: str, found: str) -> None:
    julia().eval(f"""
        module Odds; import DiagramBridge: forward, pullback, parameters, buffers, register
        struct Odd end
        {variables}
        register("odd", Odd())
        end""")
    with pytest.raises(BridgeError, match="Julia component 'odd'") as raised:
        bridge.compile(one_arrow_of("odd"))
    assert found in raised.value.found


def one_arrow_of(name: str, has_parameters: bool = True) -> Builder:
    d = Builder("one")
    x = d.space("x", "float64", k=3)
    data = d.source("data", x=x)
    d.output("f", d.arrow("f", x, x, bridge.JuliaReference(name), has_parameters=has_parameters)(data.x))
    return d


def test_an_unknown_component_is_refused_with_the_known_ones() -> None:
    with pytest.raises(BridgeError, match=r"Julia component 'nobody'.*faulty"):
        bridge.compile(one_arrow_of("nobody"))


def test_code_that_does_not_run() -> None:
    with pytest.raises(JuliaError, match="UndefVarError"):
        session().eval("this_is_not_defined()")
    with pytest.raises(JuliaError, match=r"(?i)syntax|parse|incomplete|premature"):
        session().eval("1 +")
    session().eval("1 + 1")


# Threads.


def in_a_thread(action: Callable[[], Any]) -> BaseException | None:
    raised: list[BaseException] = []

    def run() -> None:
        try:
            action()
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=run, name="another")
    thread.start()
    thread.join()
    return raised[0] if raised else None


def test_a_call_from_another_thread() -> None:
    objective = faulty_objective()
    batch = batch_for(objective.diagram, 4)
    wanted = gradients(objective, batch)
    losses = objective(batch)
    calls: list[Callable[[], Any]] = [
        lambda: objective(batch),
        lambda: objective.evaluate("scaled", batch),
        lambda: losses.total.backward(retain_graph=True),
        stats,
        collect,
        lambda: session().eval("1"),
    ]
    for call in calls:
        error = in_a_thread(call)
        assert isinstance(error, JuliaUnavailable), error
        assert "thread" in str(error)
    objective.zero_grad()
    losses.backward()
    found = gradients(objective, batch)
    torch.testing.assert_close(found, wanted, rtol=0, atol=0)


def test_what_is_dropped_in_another_thread_is_released_here() -> None:
    objective = faulty_objective()
    batch = batch_for(objective.diagram, 4)
    gc.collect()
    before = stats()
    box = [objective(batch), objective(batch)]
    assert stats().tapes == before.tapes + 2

    def drop() -> None:
        box.clear()
        gc.collect()

    assert in_a_thread(drop) is None
    assert stats().tapes == before.tapes


# Forks.


def test_a_call_in_a_forked_child() -> None:
    """The child is refused and ends cleanly, dropping graphs of its parent's; the parent goes on."""
    objective = faulty_objective()
    batch = batch_for(objective.diagram, 4)
    wanted = gradients(objective, batch)
    losses = objective(batch)
    read, write = os.pipe()
    child = os.fork()
    if child == 0:  # only what needs no thread pool
        report = "nothing was raised"
        try:
            names = []
            for call in (
                stats,
                collect,
                lambda: session().eval("1"),
                lambda: losses.total.backward(retain_graph=True),
                lambda: objective.evaluate("scaled", batch),
            ):
                try:
                    call()
                    names.append("nothing")
                except BridgeError as error:
                    names.append(f"{type(error).__name__}: {'fork' in str(error) or 'process' in str(error)}")
            del losses
            gc.collect()
            report = ",".join(names)
        finally:
            os.write(write, report.encode())
            os._exit(0)
    os.close(write)
    with os.fdopen(read) as pipe:
        report = pipe.read()
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert report.split(",") == ["JuliaUnavailable: True"] * 5
    objective.zero_grad()
    losses.backward()
    torch.testing.assert_close(gradients(objective, batch), wanted, rtol=0, atol=0)


def python(code: str, timeout: float = 600) -> subprocess.CompletedProcess[str]:
    """A fresh Python that runs code with a small mixed objective; nothing may be said on its standard error."""
    variables = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}"}
    run = subprocess.run(
        [sys.executable, "-c", PREAMBLE + textwrap.dedent(code)],
        capture_output=True,
        text=True,
        timeout=timeout,
        env=variables,
        check=False,
    )
    assert run.returncode == 0 and run.stderr == "", f"exit status {run.returncode}\n{run.stdout}\n{run.stderr}"
    return run


PREAMBLE = """
import gc, os, signal, subprocess, sys, time
import torch, bridge
from bridge import layers
from bridge.julia.session import session, stats, collect

session().eval('''
module Slow
import DiagramBridge: forward, pullback, parameters, buffers, register, checkpoint
mutable struct Spin
    w::Vector{Float64}
    at::Symbol
    catches::Bool
    ended::Bool # by itself
end
const SPIN = Spin(ones(3), :never, false, false)
parameters(s::Spin) = ("w" => s.w,)
function spin(s)
    start = time()
    s.ended = false
    while time() - start < 30
        if s.catches
            try checkpoint() catch end
            time() - start > 1 && return
        else
            checkpoint()
        end
        sum(abs2, rand(1000))
    end
    s.ended = true
end
function forward(s::Spin, (x,)::Tuple, train::Bool)
    s.at === :forward && spin(s)
    return (s.w .* x,), x
end
function pullback(s::Spin, x, (dy,)::Tuple)
    s.at === :backward && spin(s)
    return (s.w .* dy,), (vec(sum(dy .* x, dims = 2)),)
end
register("spin", SPIN)
end
''')

d = bridge.Builder("slow")
x = d.space("x", "float64", k=3)
data = d.source("data", x=x, y=x)
f = d.arrow("f", x, x, layers.chain(layers.linear(3, 3), layers.tanh()))
g = d.arrow("g", x, x, bridge.JuliaReference("spin"))
d.agree(g(f(data.x)), data.y, by=bridge.mse())
d.output("f", g(data.x))
torch.manual_seed(0)
objective = bridge.compile(d, placement={"f": "julia"})
generator = torch.Generator().manual_seed(1)
batch = {"data": {n: torch.randn(4, 3, dtype=torch.float64, generator=generator) for n in "xy"}}
optimiser = torch.optim.SGD(objective.parameters(), 0.1)

def step():
    optimiser.zero_grad()
    losses = objective(batch)
    losses.backward()
    optimiser.step()
    return losses.total.item()

start = {n: p.detach().clone() for n, p in objective.named_parameters()}

def restart():
    with torch.no_grad():
        for n, p in objective.named_parameters():
            p.copy_(start[n])

wanted = [step() for _ in range(3)]
restart()
objective.evaluate("f", batch)
"""


def test_ctrl_c_in_a_long_call() -> None:
    """A real SIGINT in a long call of eval's, forward's and backward's: KeyboardInterrupt at once, and nothing is lost."""
    python("""
        def interrupted(call, by=signal.SIGINT, kind=KeyboardInterrupt):
            gc.collect(); before = stats()
            # From outside, like a terminal: a thread of this process would wait for the call to end.
            sender = subprocess.Popen(["sh", "-c", f"sleep 0.5; kill -{int(by)} {os.getpid()}"])
            try:
                call()
            except kind:
                session().eval("@assert !Slow.SPIN.ended")  # it was not the call's end that let the signal through
            else:
                raise SystemExit("nothing was raised")
            sender.wait()
            optimiser.zero_grad()
            gc.collect(); collect(); after = stats()
            assert (after.tapes, after.owners) == (before.tapes, before.owners), (before, after)

        def at(where, catches="false"):
            session().eval(f"Slow.SPIN.at = :{where}; Slow.SPIN.catches = {catches}")

        optimiser.zero_grad()
        interrupted(lambda: session().eval("Slow.spin(Slow.SPIN)"))
        for where in ("forward", "backward"):
            at(where)
            interrupted(step)
        at("forward")
        interrupted(lambda: objective.evaluate("f", batch))
        for where in ("forward", "backward"):  # a component that catches the interrupt
            at(where, "true")
            interrupted(step)

        class Alarm(RuntimeError):
            pass

        def ring(*_):
            raise Alarm
        signal.signal(signal.SIGTERM, ring)
        for where in ("forward", "backward"):  # another signal, whose handler raises what it likes
            at(where)
            interrupted(step, signal.SIGTERM, Alarm)
        at("never")
        assert [step() for _ in range(3)] == wanted
    """)


def test_ctrl_c_at_any_moment() -> None:
    """Every interrupt of many ends the loop that it meets: none is lost in a finaliser, and hardly a tape is."""
    python("""
        raised = caught = 0
        armed = False

        def handler(*_):
            global raised, armed
            if armed:
                armed = False
                raised += 1
                raise KeyboardInterrupt
        signal.signal(signal.SIGINT, handler)
        gc.collect(); collect(); before = stats()
        sender = subprocess.Popen(["sh", "-c", f"while kill -INT {os.getpid()} 2> /dev/null; do sleep 0.013; done"])
        while raised < 100:
            try:
                armed = True
                while True:
                    objective(batch).backward()
            except KeyboardInterrupt:
                caught += 1
        armed = False
        sender.kill()
        sender.wait()
        assert caught == raised == 100
        optimiser.zero_grad()
        gc.collect(); collect(); after = stats()
        assert after.tapes == before.tapes and after.owners <= before.owners, (before, after)
        restart()
        assert [step() for _ in range(3)] == wanted
    """)


@pytest.mark.parametrize("how", ["", "sys.exit(0)", "gc.disable(); import atexit; atexit.register(lambda: step())"])
def test_exit_with_live_graphs(how: str) -> None:
    python(f"""
        losses = [objective(batch) for _ in range(3)]
        losses[0].backward()
        values = objective.evaluate("f", batch)
        module = objective.components["g"]
        cycle = []; cycle.append((cycle, losses, values))
        {how}
    """)


def test_a_forked_child_may_end_like_any_program() -> None:
    python("""
        losses = objective(batch)
        child = os.fork()
        if child == 0:
            try:
                objective(batch)
            except bridge.JuliaUnavailable:
                sys.exit(7)
            sys.exit(8)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
        losses.backward()
        optimiser.zero_grad()
        assert [step() for _ in range(3)] == wanted
    """)


def test_a_stack_overflow_in_julia_is_an_exception(trained: Any) -> None:
    error = trained("overflow", JuliaError)
    assert error.kind == "StackOverflowError"
