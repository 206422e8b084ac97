"""Loops of Julia's on torch's threads: who runs them, and that results don't depend on how many there are."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from benchmarks.layer_rows import ROWS, Row
from benchmarks.layers import sides
from bridge.errors import BridgeError
from bridge.julia.session import session
from bridge.julia.shared import shared_functions

NAMES = (
    "gelu", "softmax", "layer_norm", "add", "add_repeated", "conv2d_depthwise", "conv2d_grouped", "max_pool2d",
    "upsample2d_bilinear", "adaptive_mean_pool2d_global", "pad", "permute", "split", "sum", "group_norm", "lstm_lengths",
    "gru", "attention_causal",
)  # fmt: skip

OWNERS = """
module Owners
using DiagramBridge

"How many threads share a loop whose body is a function of its own for each `kind`."
function number(::Val{kind}, loops) where {kind}
    owners = zeros(UInt, 8)
    GC.@preserve owners for _ in 1:loops
        at = pointer(owners)
        DiagramBridge.share(8) do i
            kind === :allocates && (KEPT[] = [i])
            unsafe_store!(at, ccall(:pthread_self, UInt, ()), i)
        end
    end
    return length(unique(owners))
end

const KEPT = Ref{Any}()
end
"""


@pytest.fixture
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def owners() -> None:
    session().eval(OWNERS)


def number(kind: str, loops: int) -> int:
    return session().runtime.eval_pointer(f"Owners.number(Val(:{kind}), {loops})")


@pytest.mark.usefixtures("threads", "owners")
def test_a_loop_runs_on_as_many_threads_as_torch_has() -> None:
    assert "GOMP_parallel" in shared_functions()
    for wanted in (3, 2, 1, 4):
        torch.set_num_threads(wanted)
        number("plain", 3)
        assert number("plain", 1) == wanted
    # Once more compiled, or at least looked at, in a world with another method.
    session().eval("one_more_method(x) = x")
    number("plain", 3)
    assert number("plain", 1) == 4


@pytest.mark.usefixtures("threads", "owners")
def test_a_body_that_allocates_stays_on_its_thread_where_others_could_not() -> None:
    torch.set_num_threads(3)
    number("allocates", 3)
    meets = session().runtime.eval_pointer("Int(DiagramBridge.MEETS_THREADS)") == 1
    assert number("allocates", 1) == (3 if meets else 1)
    session().eval("GC.gc()")


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("row", [row for row in ROWS if row.name in NAMES], ids=lambda row: row.name)
def test_results_do_not_depend_on_the_number_of_threads(row: Row) -> None:
    island = sides(row).island
    torch.set_num_threads(1)
    expected = island()
    for wanted in (2, 3):
        torch.set_num_threads(wanted)
        for _ in range(3):  # the third time round it is done by a team
            found = island()
        for x, y in zip(found, expected, strict=True):
            torch.testing.assert_close(x, y, rtol=1e-5, atol=1e-5 * scale(y))


def scale(x: Tensor) -> float:
    """What sums in another order differ by, relative to the largest of them."""
    return max(1.0, float(x.abs().max()))


def test_the_threads_can_be_kept_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIAGRAM_BRIDGE_THREADS", "julia")
    assert set(shared_functions()) <= {"sgemm_64_", "dgemm_64_"}
    monkeypatch.setenv("DIAGRAM_BRIDGE_THREADS", "many")
    with pytest.raises(BridgeError, match=r"DIAGRAM_BRIDGE_THREADS.*'torch' or 'julia'.*'many'"):
        shared_functions()
