"""The laws of the operations on diagrams, over generated diagrams; what each refuses, and that losses are kept."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest
import torch
from diagrams import diagrams
from hypothesis import given, settings
from hypothesis import strategies as st
from small_diagrams import seeds, small_diagram, small_diagrams

import bridge
from bridge import layers
from bridge.diagram.canonical import canonical
from bridge.diagram.ir import Column, ColumnTerm, Diagram, Output, OutputTerm, Source, Training
from bridge.diagram.operations.elements import KINDS, all_elements
from bridge.errors import DiagramError

CASES = settings(max_examples=500, deadline=None)
FEWER = settings(max_examples=60, deadline=None)  # of the slower generator, which has every feature
RESTRICTED = [kind for kind in KINDS if kind != "variables"]
EXACT = ("weights", "frozenness", "attributes", "detach")


def sound(diagram: Diagram) -> Diagram:
    """The diagram, which is canonical and checked also when nobody says that it is."""
    assert diagram.memo["checked"] and diagram.memo["canonical"]
    assert canonical(replace(diagram)) == diagram
    return diagram


def part(diagram: Diagram, random: Random) -> Diagram:
    """A restriction to some elements of some kinds."""
    known = all_elements(diagram)
    while True:
        kinds = random.sample(RESTRICTED, random.randint(1, 3))
        named = {kind: [name for name in sorted(known[kind]) if random.random() < 0.6] for kind in kinds}
        try:
            return bridge.restrict(diagram, **named)
        except DiagramError as error:  # a source is there without columns, or nothing is left to train
            assert error.kind in ("trainable", "limit")


def common(left: Diagram, right: Diagram) -> dict[str, set[str]]:
    """What both diagrams have names for."""
    ours, theirs = all_elements(left), all_elements(right)
    return {kind: ours[kind] & theirs[kind] for kind in KINDS}


def restricted_to(diagram: Diagram, other: Diagram) -> Diagram:
    """The restriction to all that another diagram has."""
    names = all_elements(other)
    return bridge.restrict(diagram, **{kind: names[kind] for kind in RESTRICTED}, name=other.name)


# Gluing


@CASES
@given(small_diagrams())
def test_the_empty_diagram_is_the_unit_of_gluing(diagram: Diagram) -> None:
    empty = Diagram("empty")
    assert bridge.glue(diagram, empty) == diagram
    assert bridge.glue(empty, diagram, name=diagram.name) == diagram


@CASES
@given(seeds)
def test_gluing_is_commutative(seed: int) -> None:
    random, diagram = Random(seed), small_diagram(seed)
    left, right = part(diagram, random), part(diagram, random)
    shared = common(left, right)
    assert sound(bridge.glue(left, right, shared)) == bridge.glue(right, left, shared)


@CASES
@given(seeds)
def test_gluing_without_sharing_is_commutative_up_to_isomorphism(seed: int) -> None:
    left, right = small_diagram(seed), small_diagram(seed + 1)
    one, other = bridge.glue(left, right, prefix="r"), bridge.glue(right, left, prefix="r")
    assert bridge.isomorphic(sound(one), sound(other), strict=EXACT)


@CASES
@given(seeds)
def test_gluing_is_associative(seed: int) -> None:
    random, diagram = Random(seed), small_diagram(seed)
    a, b, c = (part(diagram, random) for _ in range(3))
    ab, bc = bridge.glue(a, b, common(a, b)), bridge.glue(b, c, common(b, c))
    assert bridge.glue(ab, c, common(ab, c)) == bridge.glue(a, bc, common(a, bc))


@CASES
@given(seeds)
def test_restriction_of_a_glue_gives_the_parts_back(seed: int) -> None:
    random, diagram = Random(seed), small_diagram(seed)
    left, right = part(diagram, random), part(diagram, random)
    both = bridge.glue(left, right, common(left, right))
    assert restricted_to(both, left) == left
    assert restricted_to(both, right) == right


@FEWER
@given(diagrams(), st.randoms(use_true_random=False))
def test_gluing_the_parts_of_a_diagram_with_every_feature(diagram: Diagram, random: Random) -> None:
    left, right = part(diagram, random), part(diagram, random)
    both = sound(bridge.glue(left, right, common(left, right)))
    assert restricted_to(both, left) == left
    assert restricted_to(both, right) == right
    twice = sound(bridge.glue(diagram, diagram, prefix="p"))
    assert len(twice.agreements) == 2 * len(diagram.agreements)
    assert len(twice.terms) == 2 * len(diagram.terms)


# Restriction


@CASES
@given(seeds)
def test_restriction_is_sound_idempotent_and_embeds(seed: int) -> None:
    random, diagram = Random(seed), small_diagram(seed)
    known = all_elements(diagram)
    kinds = random.sample(RESTRICTED, random.randint(1, 3))
    named = {kind: [name for name in sorted(known[kind]) if random.random() < 0.6] for kind in kinds}
    try:
        found = sound(bridge.restrict(diagram, **named))
    except DiagramError as error:
        assert error.kind in ("trainable", "limit")
        return
    assert bridge.restrict(found, **named) == found
    inclusion = bridge.embeds(found, diagram, strict=True)
    assert inclusion is not None
    assert all(old == new for names in inclusion.kinds().values() for old, new in names.items())
    for kind, names in named.items():
        assert all_elements(found)[kind].issuperset(names)


def test_restriction_takes_what_is_needed_and_what_fits() -> None:
    d = two_tasks()
    student = bridge.restrict(d, arrows="f")
    assert [arrow.name for arrow in student.arrows] == ["f"]
    assert [agreement.name for agreement in student.agreements] == ["f~data.y"]
    assert [output.name for output in student.outputs] == ["prediction"]
    assert bridge.restrict(d, arrows="f", agreements=()).agreements == ()
    model = bridge.restrict(d, outputs="prediction")
    assert [column.name for column in model.sources[0].columns] == ["x"]
    assert {arrow.name for arrow in bridge.restrict(d, spaces=["x", "y"]).arrows} == {"f", "g"}
    assert bridge.restrict(d, sources="other", agreements=()).arrows == ()
    assert bridge.restrict(d) is d


def two_tasks() -> Diagram:
    """Two arrows, agreements of each by itself and of both, an output, and a source that nothing uses."""
    d = bridge.Builder("two")
    x, y, z = d.space("x", width=3), d.space("y", width=2), d.space("z", width=2)
    data = d.source("data", x=x, y=y)
    d.source("other", z=z)
    f, g = (d.arrow(name, x, y, layers.linear(3, 2)) for name in "fg")
    d.agree(f(data.x), data.y, by=bridge.mse())
    d.agree(g(data.x), data.y, by=bridge.mse())
    d.agree(g(data.x), f(data.x), by=bridge.mse())
    d.output("prediction", f(data.x))
    return d.build()


# Renaming


def random_names(diagram: Diagram, random: Random) -> dict[str, dict[str, str]]:
    """New names for some elements: fresh ones, or those of others of the kind. Columns keep their order."""
    chosen: dict[str, dict[str, str]] = {}
    for kind, names in all_elements(diagram).items():
        old = [name for name in sorted(names) if random.random() < 0.7]
        if kind == "columns":
            chosen[kind] = {name: f"{name.rpartition('.')[2]}z" for name in sorted(names)}
            continue
        new = random.sample(old, len(old)) if random.random() < 0.5 else [f"{name}_{random.randrange(10)}" for name in old]
        chosen[kind] = dict(zip(old, new, strict=True))
    return {kind: names for kind, names in chosen.items() if random.random() < 0.8}


def inverse(names: dict[str, dict[str, str]]) -> dict[str, dict[str, str]]:
    """The renaming back."""
    sources = names.get("sources", {})
    back = {kind: {new: old for old, new in of.items()} for kind, of in names.items() if kind != "columns"}
    columns = {}
    for old, new in names.get("columns", {}).items():
        source, _, own = old.partition(".")
        columns[f"{sources.get(source, source)}.{new}"] = own
    return {**back, "columns": columns}


@CASES
@given(seeds)
def test_renaming_is_functorial_and_has_an_inverse(seed: int) -> None:
    random, diagram = Random(seed), small_diagram(seed)
    assert bridge.rename(diagram) == diagram
    first = random_names(diagram, random)
    renamed = sound(bridge.rename(diagram, **first))
    assert bridge.isomorphic(diagram, renamed, strict=[a for a in EXACT if a != "attributes"])
    assert bridge.rename(renamed, **inverse(first)) == diagram
    second = random_names(renamed, random)
    at_once = composed(diagram, first, second)
    assert bridge.rename(renamed, **second) == bridge.rename(diagram, **at_once)


def composed(diagram: Diagram, first: dict, second: dict) -> dict[str, dict[str, str]]:
    """The renaming that is one after the other."""
    both: dict[str, dict[str, str]] = {}
    for kind, names in all_elements(diagram).items():
        one, two = first.get(kind, {}), second.get(kind, {})
        if kind == "columns":
            for old in names:
                source, _, own = old.partition(".")
                new = one.get(old, own)
                moved = f"{first.get('sources', {}).get(source, source)}.{new}"
                both.setdefault(kind, {})[old] = two.get(moved, new)
        else:
            both[kind] = {old: two.get(one.get(old, old), one.get(old, old)) for old in names}
    return both


def test_axes_and_variables_are_renamed_everywhere() -> None:
    d = bridge.Builder("d")
    x = d.space("x", step="length", klass=3)
    data = d.source("data", left=x, right=x)
    f = d.arrow("f", x, x, layers.linear(3, 3))
    d.agree(f(data.left), data.right, by=bridge.kl(axis="klass"))
    renamed = bridge.rename(d.build(), axes={"klass": "step", "step": "time"}, variables={"length": "t"}, name="e")
    assert renamed.space("x").shape == ("t", 3)
    assert renamed.agreements[0].divergence["axis"] == "step"
    assert renamed.name == "e"


# Freezing, tying, substitution


@CASES
@given(seeds)
def test_freezing_and_unfreezing(seed: int) -> None:
    random, diagram = Random(seed), small_diagram(seed)
    chosen = random.sample([c.name for c in diagram.components], random.randint(1, len(diagram.components)))
    mode = random.choice(["test", "train"])
    try:
        frozen = sound(bridge.freeze(diagram, *chosen, mode=mode))
    except DiagramError as error:
        assert error.kind == "trainable"
        return
    wanted = Training.FROZEN if mode == "test" else Training.FROZEN_TRAIN_MODE
    for component in diagram.components:
        now = frozen.component(component.name)
        assert now == (replace(component, training=wanted) if component.name in chosen else component)
    assert bridge.freeze(frozen, *chosen, mode=mode) == frozen
    assert bridge.isomorphic(frozen, diagram)
    assert bridge.unfreeze(frozen, *chosen) == bridge.unfreeze(diagram, *chosen)


@CASES
@given(seeds)
def test_untying_and_tying_are_inverse(seed: int) -> None:
    random, diagram = Random(seed), small_diagram(seed)
    shared = [a for a in diagram.arrows if sum(b.component == a.component for b in diagram.arrows) > 1]
    if not shared:  # tie then: two more copies of an arrow, each with a component like its own
        arrow = random.choice(diagram.arrows)
        copies = (replace(arrow, name="copy", component="copy"), *diagram.arrows)
        twin = replace(diagram.component(arrow.component), name="copy")
        diagram = canonical(replace(diagram, arrows=copies, components=(*diagram.components, twin)))
        tied = sound(bridge.tie(diagram, arrow.component, "copy"))
        assert len(tied.components) == len(diagram.components) - 1
        back = bridge.untie(tied, "copy")
        assert back == diagram
        return
    arrow = random.choice(shared)
    untied = sound(bridge.untie(diagram, arrow.name, "own"))
    assert untied.arrow(arrow.name).component == "own"
    assert untied.component("own") == replace(diagram.component(arrow.component), name="own")
    assert bridge.tie(untied, arrow.component, "own") == diagram
    assert bridge.isomorphic(bridge.tie(untied, "own", arrow.component), diagram) or len(shared) > 2


def model_of(diagram: Diagram, arrow_name: str) -> Diagram:
    """A model that does what one arrow does, with other names."""
    arrow = diagram.arrow(arrow_name)
    columns = tuple(Column(f"in{n}", space) for n, space in enumerate(arrow.sources))
    terms = tuple(ColumnTerm("given", column.name) for column in columns)
    results = tuple(OutputTerm("inner", tuple(range(len(columns))), n) for n in range(len(arrow.targets)))
    outputs = tuple(Output(f"out{n}", len(columns) + n) for n in range(len(arrow.targets)))
    spaces = tuple(space for space in diagram.spaces if space.name in arrow.sources + arrow.targets)
    component = replace(diagram.component(arrow.component), name="inner")
    arrows = (replace(arrow, name="inner", component="inner"),)
    sources = (Source("given", columns),)
    return canonical(Diagram("model", spaces, sources, (component,), arrows, terms + results, (), (), outputs))


@CASES
@given(seeds)
def test_a_model_of_an_arrow_in_its_place_changes_names_only(seed: int) -> None:
    random, diagram = Random(seed), small_diagram(seed)
    arrow = random.choice(diagram.arrows)
    model = model_of(diagram, arrow.name)
    inputs = [f"in{n}" for n in range(len(arrow.sources))]
    outputs = [f"out{n}" for n in range(len(arrow.targets))]

    def put() -> Diagram:
        return bridge.substitute(diagram, arrow.component, model, inputs=inputs, outputs=outputs)

    if any(arrow.name in commute.arrows for commute in diagram.commutes):
        with pytest.raises(DiagramError, match="a component in its place"):
            put()
    elif sum(other.component == arrow.component for other in diagram.arrows) == 1:
        assert bridge.isomorphic(sound(put()), diagram, strict=EXACT)
    named = replace(diagram.component(arrow.component), name="another")
    assert bridge.isomorphic(sound(bridge.substitute(diagram, arrow.component, named)), diagram, strict=EXACT)
    assert bridge.substitute(diagram, arrow.component, named.body, has_parameters=named.has_parameters) == diagram


# Losses


def loss_of(diagram: Diagram, parameters: dict[str, torch.Tensor]) -> torch.Tensor:
    """The total loss on a fixed batch, with given parameters."""
    objective = bridge.compile(diagram)
    named = {name.removeprefix("components."): value for name, value in objective.named_parameters()}
    assert named.keys() == parameters.keys()
    with torch.no_grad():
        for name, parameter in named.items():
            parameter.copy_(parameters[name])
    generator = torch.Generator().manual_seed(1)
    batch = {"x": torch.randn(5, 3, generator=generator), "y": torch.randn(5, 2, generator=generator)}
    return objective({"data": batch}).total


def in_two_steps() -> Diagram:
    """A model of two arrows that is linear(3, 4), tanh, linear(4, 2)."""
    d = bridge.Builder("model")
    x, h, y = d.space("x", width=3), d.space("h", width=4), d.space("y", width=2)
    given = d.source("given", x=x)
    first = d.arrow("first", x, h, layers.chain(layers.linear(3, 4), layers.tanh()))
    second = d.arrow("second", h, y, layers.linear(4, 2))
    d.output("y", second(first(given.x)))
    return d.build()


def in_one_step() -> Diagram:
    """The same as one component, that two arrows share."""
    d = bridge.Builder("fit")
    x, y = d.space("x", width=3), d.space("y", width=2)
    data = d.source("data", x=x, y=y)
    f = d.arrow("f", x, y, layers.chain(layers.linear(3, 4), layers.tanh(), layers.linear(4, 2)))
    again = d.arrow("again", x, y, f.component)
    d.agree(f(data.x), data.y, by=bridge.mse())
    d.agree(bridge.detach(again(data.x)), f(data.x), by=bridge.huber(0.1), weight=0.5)
    d.agree(f(data.x), bridge.detach(data.y), by=bridge.mae())
    return d.build()


def test_substitution_keeps_the_loss_where_the_substitute_is_equal() -> None:
    one = in_one_step()
    two = bridge.substitute(one, "f", in_two_steps())
    assert [arrow.name for arrow in two.arrows] == ["first", "second"]
    generator = torch.Generator().manual_seed(0)
    weights = [torch.randn(size, generator=generator) for size in ((4, 3), (4,), (2, 4), (2,))]
    keys = {
        one: ["f.0.weight", "f.0.bias", "f.2.weight", "f.2.bias"],
        two: ["first.0.weight", "first.0.bias", "second.0.weight", "second.0.bias"],
    }
    losses = [loss_of(diagram, dict(zip(names, weights, strict=True))) for diagram, names in keys.items()]
    assert torch.equal(*losses)


# Refusals


def refusal(function: object, *arguments: object, **options: object) -> tuple[str, str]:
    """The element and the kind of what an operation refuses."""
    with pytest.raises(DiagramError) as caught:
        function(*arguments, **options)  # type: ignore[operator]
    assert caught.value.expected and caught.value.found
    return caught.value.element, caught.value.kind


def test_what_gluing_refuses() -> None:
    one, two = in_one_step(), two_tasks()
    assert refusal(bridge.glue, one, two) == ("space 'x'", "duplicate")
    assert refusal(bridge.glue, one, two, along={"arrows": "f"}, prefix="p") == ("component 'f'", "shared")
    assert refusal(bridge.glue, one, two, along={"arrows": "again"}) == ("diagram 'two'", "unknown")
    assert refusal(bridge.glue, one, two, along={"arrow": "f"}) == ("diagram 'fit'", "diagram")
    wider = bridge.rename(two, spaces={"x": "y", "y": "x"})
    assert refusal(bridge.glue, one, wider, along={"spaces": "x"}, prefix="p") == ("space 'x'", "shared")
    taken = bridge.rename(two, spaces={"z": "px"})
    assert refusal(bridge.glue, taken, one, prefix="p") == ("space 'px'", "duplicate")
    frozen = bridge.freeze(two, "f")
    assert refusal(bridge.glue, two, frozen, along={"components": "f"}, prefix="p") == ("component 'f'", "shared")


def test_gluing_that_would_change_a_commute_is_refused() -> None:
    def with_column(name: str) -> Diagram:
        d = bridge.Builder(name)
        x = d.space("x", width=3)
        data = d.source("data", {name: x})
        f, g = (d.arrow(arrow, x, x, layers.linear(3, 3)) for arrow in "fg")
        if name == "a":
            d.commute(data, x, by=bridge.mse(), arrows=[f, g], max_length=1, name="c")
        return d.build()

    shared = {"arrows": ["f", "g"], "sources": "data"}
    assert refusal(bridge.glue, with_column("a"), with_column("b"), shared) == ("commute 'c'", "paths")
    assert bridge.glue(with_column("a"), with_column("b"), {"arrows": ["f", "g"]}, prefix="b").commutes


def test_renaming_that_would_change_a_commute_is_refused() -> None:
    d = bridge.Builder("d")
    x = d.space("x", width=3)
    data = d.source("data", a=x, b=x)
    d.commute(data, x, by=bridge.mse(), arrows=[d.arrow("f", x, x, layers.linear(3, 3))], max_length=1)
    swapped = {"data.a": "b", "data.b": "a"}
    assert refusal(bridge.rename, d.build(), columns=swapped) == ("commute 'data->x'", "paths")


def test_what_renaming_refuses() -> None:
    d = two_tasks()
    assert refusal(bridge.rename, d, spaces={"w": "v"}) == ("diagram 'two'", "unknown")
    assert refusal(bridge.rename, d, spaces={"x": "y"}) == ("space 'y'", "duplicate")
    assert refusal(bridge.rename, d, columns={"data.x": "y"}) == ("column 'data.y'", "duplicate")
    assert refusal(bridge.rename, d, columns={"x": "y"}) == ("diagram 'two'", "unknown")
    assert refusal(bridge.rename, d, arrows={"f": "a b"}) == ("arrow 'a b'", "name")
    assert refusal(bridge.rename, d, sources={"data": "other"}) == ("source 'other'", "duplicate")


def test_what_restriction_refuses() -> None:
    d = two_tasks()
    assert refusal(bridge.restrict, d, arrows="h") == ("diagram 'two'", "unknown")
    frozen = bridge.freeze(d, "f")
    assert refusal(bridge.restrict, frozen, arrows="f") == ("diagram 'two'", "trainable")


def test_what_tying_and_freezing_refuse() -> None:
    d = two_tasks()
    assert refusal(bridge.tie, bridge.freeze(d, "g"), "f", "g") == ("component 'g'", "component")
    other = bridge.substitute(d, "g", layers.chain(layers.linear(3, 2), layers.tanh()))
    assert refusal(bridge.tie, other, "f", "g") == ("component 'g'", "component")
    assert refusal(bridge.tie, bridge.substitute(d, "g", bridge.TorchReference("g")), "f", "g")[0] == "component 'g'"
    assert refusal(bridge.tie, d, "f", "f") == ("component 'f'", "component")
    assert refusal(bridge.untie, d, "f") == ("arrow 'f'", "component")
    assert refusal(bridge.untie, bridge.tie(d, "f", "g"), "g", "f") == ("component 'f'", "duplicate")
    assert refusal(bridge.freeze, d, "f", "g") == ("diagram 'two'", "trainable")
    assert refusal(bridge.freeze, d, "f", mode="both") == ("mode", "component")
    assert refusal(bridge.freeze, d) == ("diagram 'two'", "component")
    assert refusal(bridge.unfreeze, d, "h") == ("diagram 'two'", "unknown")


def test_what_substitution_refuses() -> None:
    d, model = two_tasks(), in_two_steps()
    assert refusal(bridge.substitute, d, "f", layers.linear(3, 3))[1] == "type"
    assert refusal(bridge.substitute, d, "f", 3) == ("component 'f'", "component")
    assert refusal(bridge.substitute, d, "f", d) == ("diagram 'two'", "component")
    assert refusal(bridge.substitute, d, "f", model, inputs="z") == ("diagram 'model', inputs", "unknown")
    assert refusal(bridge.substitute, d, "f", model, inputs=[]) == ("diagram 'model', inputs", "component")
    twice = {"inputs": ["x", "x"]}
    assert refusal(bridge.substitute, d, "f", model, **twice) == ("diagram 'model' in the place of arrow 'f'", "type")
    wide = bridge.rename(model, axes={"width": "w"})
    assert refusal(bridge.substitute, d, "f", wide) == ("diagram 'model' in the place of arrow 'f', input 0", "type")
    assert refusal(bridge.substitute, d, "f", bridge.rename(model, arrows={"first": "g"})) == ("arrow 'g'", "duplicate")
    assert bridge.substitute(d, "f", bridge.rename(model, arrows={"first": "g"}), prefix="m").arrow("mg")
    assert refusal(bridge.substitute, d, "f", d.component("g")) == ("component 'g'", "duplicate")


def test_methods_of_diagrams() -> None:
    d = two_tasks()
    assert d.rename(arrows={"f": "h"}) == bridge.rename(d, arrows={"f": "h"})
    assert d.restrict(arrows="f") == bridge.restrict(d, arrows="f")
    assert d.freeze("f").unfreeze("f") == d
    assert d.tie("f", "g").untie("g") == d
    assert d.substitute("f", in_two_steps()) == bridge.substitute(d, "f", in_two_steps())
    assert d.glue(d, {"arrows": ["f", "g"], "sources": ["data", "other"]}, prefix="p").agreements[0].name == "f~data.y"
