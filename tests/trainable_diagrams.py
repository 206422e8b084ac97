"""Random diagrams that can be trained, in float64: components are PyTorch modules of `Mixer`, portable graphs, or both."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from hypothesis import assume
from hypothesis import strategies as st
from torch import Tensor, nn

import bridge
from bridge import layers
from bridge.diagram.builder import Builder
from bridge.diagram.ir import Diagram, LayerGraph
from bridge.errors import DiagramError
from tests.diagrams import with_ties

# Two spaces of one type, to see that spaces compose by name and not by type.
SHAPES: dict[str, tuple[int, ...]] = {"u": (3,), "v": (3,), "m": (2, 3), "s": ()}
AXES = {"u": {"k": 3}, "v": {"k": 3}, "m": {"row": 2, "k": 3}, "s": {}}
PLAIN = [bridge.mse, bridge.mae, bridge.huber, bridge.binary_cross_entropy]
WITH_CLASSES = [bridge.kl, bridge.cosine, bridge.info_nce, bridge.cross_entropy]


class Mixer(nn.Module):
    """tanh of an affine map of everything it is given, to each target. It counts its calls in train mode."""

    def __init__(self, sources: list[tuple[int, ...]], targets: list[tuple[int, ...]], learns: bool = True) -> None:
        super().__init__()
        self.targets = targets
        inputs = sum(math.prod(shape) for shape in sources)
        generator = torch.Generator().manual_seed(inputs + 31 * len(targets))
        for k, shape in enumerate(targets):
            values = torch.randn(1 + inputs, math.prod(shape), generator=generator, dtype=torch.float64)
            if learns:
                self.register_parameter(f"map{k}", nn.Parameter(values))
            else:
                self.register_buffer(f"map{k}", values)
        self.register_buffer("calls", torch.zeros((), dtype=torch.int64))

    def forward(self, *inputs: Tensor) -> Any:
        if self.training:
            self.calls += 1
        samples = inputs[0].shape[0] if inputs else 1
        flat = torch.cat([torch.ones(samples, 1, dtype=torch.float64), *(x.reshape(samples, -1) for x in inputs)], 1)
        outputs = [
            torch.tanh(flat @ getattr(self, f"map{k}")).reshape(samples, *shape) for k, shape in enumerate(self.targets)
        ]
        if not inputs:
            outputs = [output[0] for output in outputs]
        return outputs[0] if len(outputs) == 1 else tuple(outputs)


def portable_mixer(sources: list[tuple[int, ...]], targets: list[tuple[int, ...]]) -> LayerGraph:
    """The like of a `Mixer` as a portable graph: tanh of a sum of linear maps, one of each input."""
    g = layers.GraphBuilder(len(sources))
    flat = [g(layers.reshape(math.prod(shape)), x) for shape, x in zip(sources, g.inputs, strict=True)]
    outputs = []
    for target in targets:
        size = math.prod(target)
        parts = [g(layers.linear(math.prod(shape), size), x) for shape, x in zip(sources, flat, strict=True)]
        total = parts[0] if len(parts) == 1 else g(layers.add(), *parts)
        outputs.append(g(layers.reshape(*target), g(layers.tanh(), total)))
    return g.build(*outputs)


@dataclass
class Trainable:
    """A diagram, its modules and a batch for it."""

    diagram: Diagram
    modules: dict[str, nn.Module]
    batch: dict[str, dict[str, Tensor]]


@st.composite
def trainable_diagrams(draw: Any, *, portable: bool | None = False) -> Trainable:
    """Diagrams of modules, of portable components, or (`portable=None`) of both."""
    d = Builder("random")
    spaces = {name: d.space(name, "float64", **axes) for name, axes in AXES.items()}
    label = d.index("label", classes=3)
    share = d.space("share", "float64")
    space_names = st.sampled_from(sorted(SHAPES))

    terms: list[tuple[Any, str, str | None]] = []  # (term, space, source)
    shares: dict[str, Any] = {}
    batch: dict[str, dict[str, Tensor]] = {}
    sizes: dict[str, int] = {}
    for number in range(draw(st.integers(1, 2))):
        name = f"data{number}"
        columns = draw(st.lists(space_names, min_size=1, max_size=3))
        source = d.source(name, label=label, share=share, **{f"c{k}": spaces[space] for k, space in enumerate(columns)})
        samples = sizes[name] = draw(st.sampled_from([1, 2, 5]))
        generator = torch.Generator().manual_seed(number)
        batch[name] = {
            f"c{k}": torch.randn(samples, *SHAPES[space], generator=generator, dtype=torch.float64)
            for k, space in enumerate(columns)
        }
        batch[name]["share"] = torch.rand(samples, generator=generator, dtype=torch.float64)
        batch[name]["label"] = torch.randint(3, (samples,), generator=generator)
        terms += [(source[f"c{k}"], space, name) for k, space in enumerate(columns)]
        terms.append((source["label"], "label", name))
        shares[name] = source["share"]

    arrows = []
    for number in range(draw(st.integers(1, 4))):
        first = [space for _, space, source in terms if source == "data0" and space != "label"]
        choices = space_names if number else st.sampled_from(first)
        is_graph = draw(st.booleans()) if portable is None else portable
        sources = draw(st.lists(choices, min_size=0 if number and not is_graph else 1, max_size=2))
        targets = draw(st.lists(space_names, min_size=1, max_size=2))
        # The first one trains, so that most draws have something to train.
        learns = number == 0 or draw(st.booleans())
        frozen = number > 0 and draw(st.sampled_from([False, False, True, "train"]))
        shapes = [SHAPES[s] for s in sources], [SHAPES[t] for t in targets]
        twins = [component for _, *types, component in arrows if types == [sources, targets]]
        if portable is not False and twins and draw(st.booleans()):  # another arrow of the same component
            component, frozen = twins[0], None
        elif is_graph:
            component, frozen = d.component(f"c{number}", draw(with_ties(portable_mixer(*shapes))), frozen=frozen), None
        elif portable is None:
            component, frozen = d.component(f"c{number}", Mixer(*shapes, learns), frozen=frozen), None
        else:
            component = Mixer(*shapes, learns)
        between = tuple(spaces[s] for s in sources), tuple(spaces[t] for t in targets)
        handle = d.arrow(f"f{number}", *between, component, **({} if frozen is None else {"frozen": frozen}))
        arrows.append((handle, sources, targets, component))

    for number in range(draw(st.integers(1, 8))):
        handle, sources, targets, _ = draw(st.sampled_from(arrows)) if number else arrows[0]
        home = draw(st.sampled_from(sorted(sizes))) if number else "data0"
        chosen = []
        for space in sources:
            fitting = [t for t in terms if t[1] == space and t[2] in (home, None)]
            if not fitting:
                break
            chosen.append(draw(st.sampled_from(fitting)))
        if len(chosen) < len(sources):
            continue
        outputs = handle(*[term for term, _, _ in chosen])
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        below = next((source for _, _, source in chosen if source is not None), None)
        for output, space in zip(outputs, targets, strict=True):
            detached = draw(st.integers(0, 5)) == 0
            terms.append((bridge.detach(output) if detached else output, space, below))

    for number in range(draw(st.integers(1, 5))):
        measurable = [t for t in terms if t[2] is not None and t[1] != "label"]
        left, space, home = draw(st.sampled_from(measurable)) if number else measurable[-1]
        kinds = [*PLAIN, *(WITH_CLASSES if SHAPES[space] else [])]
        divergence = draw(st.sampled_from(kinds))
        fitting = [t for t in terms if t[2] == home and t[1] == space]
        if divergence is bridge.cross_entropy and space in ("u", "v") and draw(st.booleans()):
            fitting = [t for t in terms if t[2] == home and t[1] == "label"]
        right = draw(st.sampled_from(fitting))[0]
        by = divergence(axis="k") if divergence in WITH_CLASSES else divergence()
        weight = draw(st.sampled_from([1.0, 0.5, 0.0, -0.25]))
        mask = shares[home] if draw(st.integers(0, 3)) == 0 else None
        d.agree(left, right, by=by, weight=weight, name=f"agreement{number}", where=mask)
    try:
        diagram = d.build()
    except DiagramError as error:
        assume(error.kind != "trainable")
        raise
    return Trainable(diagram, dict(d.modules), batch)


__all__ = ["Mixer", "Trainable", "portable_mixer", "trainable_diagrams"]
