"""Julia's half of the structure against Python's: the same bytes, identities, plans and refusals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
from diagrams import diagrams
from hypothesis import event, given, settings
from hypothesis import strategies as st
from julia_structure import Answer, Case, load, operated, operated_all, planned, planned_outputs, read
from operation_cases import generated, glued, of_every_feature, related, renamed, restricted, substituted
from small_diagrams import seeds, small_diagram
from spoiled import spoil
from test_schema import fields_of

from bridge import schema
from bridge.diagram.ir import Diagram
from bridge.plan import Runtime
from bridge.schema.generated import diagram_pb2

BAD = sorted(Path(__file__).with_name("files").joinpath("bad").glob("*.pb"))


def check_same(answers: tuple[Answer, Answer]) -> Answer:
    """Julia's answer, which is Python's; a refusal's words about what was found may differ."""
    theirs, ours = answers
    if ours[0] == "refused":
        assert theirs[:4] == ours[:4]
    else:
        assert theirs == ours
    return theirs


@settings(max_examples=100, deadline=None)
@given(diagrams())
def test_bytes_and_identity(diagram: Diagram) -> None:
    data = schema.to_bytes(diagram)
    assert check_same(read(data)) == ["read", data.hex(), schema.identity(diagram)]


@settings(max_examples=50, deadline=None)
@given(diagrams(), st.randoms(use_true_random=False))
def test_tables_in_another_order(diagram: Diagram, random) -> None:
    fields = fields_of(schema.to_bytes(diagram))
    terms = [field for field in fields if field[0] == 8 << 3 | 2]
    rest = [field for field in fields if field[0] != 8 << 3 | 2]
    random.shuffle(rest)
    assert check_same(read(b"".join([*rest, *terms])))[0] == "read"


@settings(max_examples=400, deadline=None)
@given(st.data(), diagrams(), st.integers(1, 3))
def test_spoiled_diagrams(data: st.DataObject, diagram: Diagram, changes: int) -> None:
    message = diagram_pb2.Diagram.FromString(schema.to_bytes(diagram))
    data.draw(spoil(message, changes))
    answer = check_same(read(message.SerializeToString(deterministic=True)))
    event(" ".join(answer[: 2 if answer[0] == "refused" else 1]))


@settings(max_examples=300, deadline=None)
@given(st.data(), diagrams(max_arrows=2, max_terms=3, max_agreements=2))
def test_damaged_bytes(data: st.DataObject, diagram: Diagram) -> None:
    good = bytearray(schema.to_bytes(diagram))
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(good) - 1))
        match data.draw(st.sampled_from(["flip", "cut", "add"])):
            case "flip":
                good[place] ^= data.draw(st.integers(1, 255))
            case "cut":
                del good[place : place + data.draw(st.integers(1, 20))]
            case _:
                good[place:place] = data.draw(st.binary(min_size=1, max_size=8))
    check_same(read(bytes(good)))


@st.composite
def placements(draw: st.DrawFn, diagram: Diagram) -> dict[str, Runtime]:
    """Runtimes for some components, and now and then for one that there isn't."""
    names = [component.name for component in diagram.components]
    placement = draw(st.dictionaries(st.sampled_from(names), st.sampled_from(Runtime)))
    return {**placement, "nobody": Runtime.JULIA} if draw(st.integers(0, 20)) == 20 else placement


@settings(max_examples=150, deadline=None)
@given(st.data(), diagrams(), st.sampled_from(Runtime))
def test_plans(data: st.DataObject, diagram: Diagram, driver: Runtime) -> None:
    answer = check_same(planned(schema.to_bytes(diagram), data.draw(placements(diagram)), driver))
    event(f"islands: {len(answer) - 2}")


@settings(max_examples=60, deadline=None)
@given(st.data(), diagrams(max_agreements=2), st.sampled_from(Runtime))
def test_plans_of_outputs(data: st.DataObject, diagram: Diagram, driver: Runtime) -> None:
    names = [output.name for output in diagram.outputs]
    wanted = data.draw(st.lists(st.sampled_from([*names, "nothing"]), unique=True, max_size=2))
    check_same(planned_outputs(schema.to_bytes(diagram), wanted, data.draw(placements(diagram)), driver))


@settings(max_examples=60, deadline=None)
@given(seeds)
def test_freezing_and_tying(seed: int) -> None:
    random, diagram = Random(seed), small_diagram(seed)
    components = [component.name for component in diagram.components]
    data = schema.to_bytes(diagram)
    chosen = random.sample([*components, "nobody"], random.randint(0, len(components)))
    mode = random.choice(["test", "train", "both"])
    frozen = check_same(operated(data, "freeze", chosen, mode=mode))
    event(f"freeze {frozen[0]}")
    check_same(operated(data, "unfreeze", chosen))
    shared = [a.name for a in diagram.arrows if [b.component for b in diagram.arrows].count(a.component) > 1]
    arrow = random.choice(shared or [*(a.name for a in diagram.arrows), "nothing"])
    untied = check_same(operated(data, "untie", [arrow, *random.sample(["own", components[0]], random.randint(0, 1))]))
    event(f"untie {untied[0]}")
    again = bytes.fromhex(untied[1]) if untied[0] == "read" else data
    names = [component.name for component in schema.from_bytes(again).components]
    owner = diagram.arrow(arrow).component if arrow != "nothing" else names[0]
    tied = check_same(operated(again, "tie", [owner, random.choice(names)]))
    event(f"tie {tied[0]}")


@pytest.mark.parametrize(
    ("operation", "kinds"),
    [
        (glued, "duplicate shared unknown diagram paths"),
        (renamed, "unknown duplicate name paths"),
        (restricted, "unknown trainable limit"),
        (substituted, "unknown component type duplicate source layer"),
    ],
)
def test_operations(operation: Callable[[int], Case], kinds: str, tmp_path: Path) -> None:
    counts = count_answers(generated(operation), tmp_path)
    assert {*kinds.split()} <= counts.keys() and counts["read"] >= 100, counts


def test_morphisms(tmp_path: Path) -> None:
    counts = count_answers(generated(related), tmp_path)
    assert counts["found"] >= 300 and {"limit", "diagram"} <= counts.keys(), counts


def test_operations_on_diagrams_with_every_feature(tmp_path: Path) -> None:
    counts = count_answers(of_every_feature(), tmp_path)
    assert counts["read"] >= 100, counts


def count_answers(cases: list[Case], folder: Path) -> Counter[str]:
    """How often each answer comes, of those that both languages give word for word."""
    counts: Counter[str] = Counter()
    for case, (theirs, ours) in zip(cases, operated_all(cases, folder), strict=True):
        assert theirs == ours, case
        counts[ours[1] if ours[0] == "refused" else ours[0]] += 1
    return counts


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.name)
def test_bad_files(path: Path) -> None:
    assert check_same(load(path))[0] == "refused"


def test_other_files(tmp_path: Path) -> None:
    for name in ("missing.pb", "diagram.txt", "diagram"):
        theirs, ours = load(tmp_path / name)
        assert theirs[:3] == ours[:3]
