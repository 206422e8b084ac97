"""Operations on generated diagrams, sound and not, that both languages have to answer alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from random import Random
from typing import Any

from diagrams import diagrams
from hypothesis import given, settings
from hypothesis import strategies as st
from julia_structure import Case
from small_diagrams import seeds, small_diagram
from test_operations import common, model_of, part, random_names

import bridge
from bridge import layers
from bridge.diagram.canonical import canonical
from bridge.diagram.ir import Diagram
from bridge.diagram.operations.elements import KINDS, all_elements
from bridge.diagram.operations.structure import ASPECTS


def generated(make: Callable[[int], Case], examples: int = 500) -> list[Case]:
    """Cases for seeds of hypothesis'."""
    cases: list[Case] = []

    @settings(max_examples=examples, deadline=None, database=None)
    @given(seeds)
    def collect(seed: int) -> None:
        cases.append(make(seed))

    collect()
    return cases


def some(random: Random, names: Mapping[str, set[str]], share: float) -> dict[str, list[str]]:
    """Some of the names of each kind, now and then one that there isn't."""
    chosen = {kind: [name for name in sorted(of) if random.random() < share] for kind, of in names.items()}
    if random.random() < 0.05:
        chosen[random.choice([*chosen])].append("nothing")
    return chosen


def glued(seed: int) -> Case:
    """Two parts of a diagram along what they have in common, or along some of it; or two diagrams."""
    random, diagram = Random(seed), small_diagram(seed)
    left, right = part(diagram, random), part(diagram, random)
    if any(isinstance(commute.start, str) for commute in left.commutes):
        right = with_other_columns(diagram)  # which a source then gets more of, if it is shared
    elif random.random() < 0.3:
        right = small_diagram(seed + 1)
    elif random.random() < 0.3:
        right = differing(right, random)
    along: dict[str, Any] = some(random, common(left, right), random.choice([1.0, 1.0, 0.6, 0.2]))
    if random.random() < 0.02:
        along["space"] = ["x0"]
    options = {name: "r" for name in ("prefix", "name") if random.random() < 0.6}
    return Case("glue", [left, right], [listed(along)], options)


def differing(diagram: Diagram, random: Random) -> Diagram:
    """The diagram with something else in some element."""
    kind = random.choice(["weights", "training", "divergence", "names"])
    if kind == "training" and diagram.components:
        return bridge.unfreeze(diagram, *(component.name for component in diagram.components))
    if kind == "names":  # of spaces, exchanged, and of elements that then are named as others of the other diagram
        names = sorted(all_elements(diagram)["spaces"])
        return bridge.rename(diagram, spaces=dict(zip(names, names[1:] + names[:1], strict=True)))
    changed = {"weight": 2.0} if kind == "weights" else {"divergence": bridge.huber(3.0)}
    return canonical(replace(diagram, agreements=tuple(replace(item, **changed) for item in diagram.agreements)))


def with_other_columns(diagram: Diagram) -> Diagram:
    """The diagram's arrows and sources, with other names for all columns."""
    columns = {name: f"{name.rpartition('.')[2]}z" for name in all_elements(diagram)["columns"]}
    arrows = [arrow.name for arrow in diagram.arrows]
    bare = bridge.restrict(diagram, columns=[*columns], arrows=arrows, agreements=(), commutes=(), outputs=())
    return bridge.rename(bare, columns=columns)


def renamed(seed: int) -> Case:
    """Other names, now and then in conflict, of wrong form, or for what there isn't."""
    random, diagram = Random(seed), small_diagram(seed)
    names = random_names(diagram, random)
    for of in names.values():
        if of and random.random() < 0.08:
            wrong = random.choice([*of.values(), "", "a b", "x\u00ad", "é" * 120])
            of[random.choice(["nothing", *of])] = wrong.rpartition(".")[2]
    if random.random() < 0.3:
        columns = sorted(all_elements(diagram)["columns"])
        own = [name.rpartition(".")[2] for name in columns]
        names["columns"] = dict(zip(columns, random.sample(own, len(own)), strict=True))
    return Case("rename", [diagram], [], {**names, **({"name": "other"} if random.random() < 0.5 else {})})


def restricted(seed: int) -> Case:
    """Some elements of some kinds."""
    random, diagram = Random(seed), small_diagram(seed)
    known = all_elements(diagram)
    kinds = random.sample([kind for kind in KINDS if kind != "variables"], random.randint(0, 3))
    named: dict[str, Any] = some(random, {kind: known[kind] for kind in kinds}, 0.6) if kinds else {}
    named = {kind: names[0] if len(names) == 1 and random.random() < 0.5 else names for kind, names in named.items()}
    return Case("restrict", [diagram], [], {**named, **({"name": "other"} if random.random() < 0.2 else {})})


def substituted(seed: int) -> Case:
    """A component, a body, or a model with its inputs and outputs, that fit an arrow or don't."""
    random, diagram = Random(seed), small_diagram(seed)
    arrow = random.choice(diagram.arrows)
    wanted = "nothing" if random.random() < 0.03 else arrow.component
    other = diagram if random.random() < 0.5 else small_diagram(seed + 1, mark=random.choice(["", "m"]))
    what = random.choice(["component", "body", "diagram", "diagram", "diagram"])
    if what != "diagram":
        if random.random() < 0.4:
            other = substitutes()
        return Case("substitute", [diagram, other], [wanted, what, random.choice(other.components).name], {})
    like = arrow if other is diagram or random.random() < 0.3 else random.choice(other.arrows)
    model = model_of(diagram if like is arrow else other, like.name)
    options: dict[str, Any] = {
        "inputs": [column.name for column in model.sources[0].columns],
        "outputs": [output.name for output in model.outputs],
    }
    match random.randrange(12):
        case 0:
            model = bridge.restrict(other, outputs=[output.name for output in other.outputs], agreements=(), commutes=())
        case 1:
            del options[random.choice([*options])]
        case 2:
            options[random.choice([*options])] = random.choice(["in0", "out0", "nothing", []])
        case 3:
            options["inputs"] = random.choices(options["inputs"], k=len(options["inputs"]))
        case 4:
            model = bridge.rename(model, arrows={"inner": random.choice(diagram.arrows).name})
    if random.random() < 0.5:
        options["prefix"] = random.choice(["m", "f"])
    return Case("substitute", [diagram, model], [wanted, "diagram", ""], options)


def substitutes() -> Diagram:
    """A diagram with components that have some shapes of those of small diagrams."""
    d = bridge.Builder("substitutes")
    for inputs in (2, 3):
        for outputs in (2, 3):
            x, y = d.space(f"x{inputs}_{outputs}", width=inputs), d.space(f"y{inputs}_{outputs}", width=outputs)
            data = d.source(f"data{inputs}_{outputs}", x=x, y=y)
            body = layers.chain(layers.linear(inputs, 5), layers.tanh(), layers.linear(5, outputs))
            d.agree(d.arrow(f"f{inputs}_{outputs}", x, y, body)(data.x), data.y, by=bridge.mse())
    return d.build()


def related(seed: int) -> Case:
    """Morphisms between a diagram and a part or another form of it, or two diagrams; some aspects count."""
    random = Random(seed)
    diagram = small_diagram(seed, plain=random.random() < 0.5, size=random.choice([2, 4]))
    match random.randrange(4):
        case 0:
            first, second = part(diagram, random), diagram
        case 1:
            first, second = diagram, bridge.glue(diagram, diagram, prefix="z")
        case 2:
            first, second = diagram, bridge.rename(diagram, **random_names(diagram, random))
        case _:
            first, second = diagram, small_diagram(seed + 1, plain=True, size=3)
    operation = random.choice(["morphisms", "embeds", "isomorphic"])
    strict = random.choice([False, False, True, "detach", random.sample(ASPECTS, 2), ["names", "colour"]])
    more: dict[str, Any] = {"limit": 30, "injective": random.random() < 0.3} if operation == "morphisms" else {}
    return Case(operation, [first, second], [], {"strict": strict, **more})


def listed(along: Mapping[str, Any]) -> dict[str, list[str]]:
    """The names of each kind as a list, which JSON has."""
    return {kind: sorted(names) for kind, names in along.items()}


def of_every_feature(examples: int = 50) -> list[Case]:
    """Each operation on diagrams of the generator that has every feature."""
    cases: list[Case] = []

    @settings(max_examples=examples, deadline=None, database=None)
    @given(diagrams(), st.randoms(use_true_random=False))
    def collect(diagram: Diagram, random: Random) -> None:
        left, right, known = part(diagram, random), part(diagram, random), all_elements(diagram)
        kinds = random.sample([kind for kind in KINDS if kind != "variables"], 2)
        cases.append(Case("glue", [left, right], [listed(common(left, right))], {}))
        cases.append(Case("glue", [diagram] * 2, [{}], {"prefix": "p"}))
        cases.append(Case("rename", [diagram], [], random_names(diagram, random)))
        cases.append(Case("restrict", [diagram], [], some(random, {kind: known[kind] for kind in kinds}, 0.6)))

    collect()
    return cases
