"""Diagrams by the thousand: small ones made from a seed in about a millisecond, for laws that are checked on many.

`diagrams.diagrams` has every feature and shrinks; these have the structure that operations work on: several sources,
arrows with several spaces, shared and frozen components of each kind, detached terms, masks, commutes and outputs.
"""

from __future__ import annotations

from random import Random

from hypothesis import strategies as st

import bridge
from bridge import layers
from bridge.diagram.canonical import canonical
from bridge.diagram.ir import (
    Agreement,
    Arrow,
    Axis,
    Column,
    ColumnTerm,
    Commute,
    Component,
    DataType,
    DetachTerm,
    Diagram,
    JuliaReference,
    LayerGraph,
    Output,
    OutputTerm,
    Pairing,
    Source,
    Space,
    Term,
    TorchReference,
    Training,
)
from bridge.diagram.types import term_sources, term_spaces
from bridge.errors import DiagramError

DIVERGENCES = (bridge.mse(), bridge.mae(), bridge.huber(2.0))


def small_diagram(seed: int, name: str = "small", mark: str = "", plain: bool = False, size: int = 4) -> Diagram:
    """A sound diagram of about `size` arrows; names end in `mark`. A `plain` one has one divergence, and no commutes."""
    random = Random(seed)
    while True:
        try:
            return canonical(sketch(random, name, mark, plain, size))
        except DiagramError as error:
            assert error.kind in ("trainable", "paths", "cycle"), error  # all is frozen, or no commute can be there


def sketch(random: Random, name: str, mark: str, plain: bool, size: int) -> Diagram:
    """A diagram that is sound but for what `small_diagram` lists."""
    spaces = [
        Space(f"x{n}{mark}", DataType.FLOAT32, (Axis("a", random.choice([3, 3, 2, f"length{mark}"])),))
        for n in range(random.randint(1, 3))
    ]
    spaces.append(Space(f"keep{mark}", DataType.BOOL))
    sources = [
        Source(
            f"s{n}{mark}",
            tuple(Column(f"c{m}", random.choice(spaces[:-1]).name) for m in range(random.randint(1, 3)))
            + ((Column("keep", f"keep{mark}"),) if random.random() < 0.5 else ()),
        )
        for n in range(random.randint(1, 2))
    ]
    components: list[Component] = []
    arrows: list[Arrow] = []
    for n in range(random.randint(1, size)):
        joined = [random.choice(spaces[:-1]) for _ in range(random.choice([1, 1, 1, 2]))]
        targets = [random.choice(spaces[:-1]) for _ in range(random.choice([1, 1, 1, 2]))]
        references = [c for c in components if not isinstance(c.body, LayerGraph)]
        if references and random.random() < 0.3:
            component = random.choice(references)
        else:
            component = new_component(random, f"f{n}{mark}", joined, targets)
            components.append(component)
        sides = (tuple(space.name for space in side) for side in (joined, targets))
        arrows.append(Arrow(f"f{n}{mark}", *sides, component.name))
    terms: list[Term] = [ColumnTerm(source.name, column.name) for source in sources for column in source.columns]
    draft = Diagram(name, tuple(spaces), tuple(sources), tuple(components), tuple(arrows))
    for _ in range(random.randint(size, 3 * size)):
        terms.extend(new_terms(random, draft, terms))
    agreements = [
        a
        for n in range(random.randint(random.random() < 0.9, size))
        for a in new_agreement(random, draft, terms, f"a{n}{mark}", plain)
    ]
    commutes: list[Commute] = []
    if not plain and random.random() < 0.3:
        commutes.append(new_commute(random, draft, terms, f"commute{mark}"))
    outputs = [Output(f"o{n}{mark}", random.randrange(len(terms))) for n in range(random.randint(0, 2))]
    tables = (tuple(terms), tuple(agreements), tuple(commutes), tuple(outputs))
    return Diagram(name, draft.spaces, draft.sources, draft.components, draft.arrows, *tables)


def new_component(random: Random, name: str, sources: list[Space], targets: list[Space]) -> Component:
    """A component of some kind that fits these spaces."""
    training = random.choice([Training.TRAINABLE, Training.TRAINABLE, *Training])
    sizes = [space.axes[0].size for space in (*sources, *targets)]
    if len(sizes) == 2 and not any(isinstance(size, str) for size in sizes):
        return Component(name, layers.chain(layers.linear(*map(int, sizes))), True, training)
    reference = random.choice([TorchReference, JuliaReference])(name)
    return Component(name, reference, random.random() < 0.8, training)


def new_terms(random: Random, draft: Diagram, terms: list[Term]) -> list[Term]:
    """The outputs of an arrow applied to terms of one source, or a detach; none where there are no arguments."""
    if random.random() < 0.2:
        return [DetachTerm(random.randrange(len(terms)))]
    arrow = random.choice(draft.arrows)
    spaces, sources = term_spaces(draft, terms), term_sources(draft, terms)
    source = random.choice(sources)
    choices = [[t for t in range(len(terms)) if spaces[t] == x and sources[t] == source] for x in arrow.sources]
    if not all(choices):
        return []
    arguments = tuple(random.choice(places) for places in choices)
    return [OutputTerm(arrow.name, arguments, output) for output in range(len(arrow.targets))]


def new_agreement(random: Random, draft: Diagram, terms: list[Term], name: str, plain: bool) -> list[Agreement]:
    """An agreement between terms of one source and space."""
    spaces, sources = term_spaces(draft, terms), term_sources(draft, terms)
    left = random.choice([place for place in range(len(terms)) if not spaces[place].startswith("keep")])
    parallel = [t for t in range(len(terms)) if spaces[t] == spaces[left] and sources[t] == sources[left]]
    masks = [t for t in range(len(terms)) if spaces[t].startswith("keep") and sources[t] == sources[left]]
    mask = random.choice(masks) if masks and not plain and random.random() < 0.4 else None
    by = DIVERGENCES[0] if plain else random.choice(DIVERGENCES)
    return [Agreement(name, left, random.choice(parallel), by, random.choice([1.0, 0.5]), mask)]


def new_commute(random: Random, draft: Diagram, terms: list[Term], name: str) -> Commute:
    """A commute over the arrows with one source and one target, of paths of at most three of them."""
    straight = [arrow.name for arrow in draft.arrows if len(arrow.sources) == len(arrow.targets) == 1]
    random.shuffle(straight)
    start = random.choice([random.choice(draft.sources).name, random.randrange(len(terms))])
    target = random.choice(draft.spaces[:-1]).name
    return Commute(name, start, target, tuple(straight), bridge.mse(), 1.0, random.choice([*Pairing]), 3, 64)


seeds = st.integers(0, 2**32 - 1)


def small_diagrams(**options: object) -> st.SearchStrategy[Diagram]:
    """Diagrams of `small_diagram`."""
    return seeds.map(lambda seed: small_diagram(seed, **options))  # type: ignore[arg-type]
