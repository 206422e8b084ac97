"""A diagram's components in another runtime, with their weights."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from torch import Tensor, nn

from bridge.diagram.builder import Builder
from bridge.diagram.canonical import canonical
from bridge.diagram.ir import Body, Diagram, JuliaReference, LayerGraph, Space, TorchReference
from bridge.diagram.messages import element
from bridge.errors import BindingError, PortError
from bridge.julia.component import JuliaModel
from bridge.julia.session import Session, session
from bridge.julia.start import julia_literal
from bridge.layers.definition import Shape
from bridge.port.from_torch import from_torch
from bridge.port.to_torch import to_torch
from bridge.schema.files import load, save
from bridge.torch.objective import Objective, compile
from bridge.torch.seeds import seeded
from bridge.train.tensor_file import read_tensors, write_tensors

__all__ = ["RUNTIMES", "to"]

RUNTIMES = ("torch", "flux", "portable")
"""What components can become: PyTorch modules, Flux models, portable layers."""

Weights = Mapping[str, Tensor]


def to(
    diagram: Diagram | Builder | Objective,
    runtime: str,
    *,
    modules: Mapping[str, nn.Module] | None = None,
    trust: Sequence[str] = (),
    julia: Any = None,
    seed: int = 0,
    verify: bool = True,
) -> Objective:
    """The same diagram with every component in another runtime, weights included.

    "torch" makes each a PyTorch module (a `TorchReference` of its name), "flux" a Flux model that is registered in Julia
    under its name (a `JuliaReference`; with a number behind it where that is taken), "portable" a layer graph. The
    result is an objective, whose `diagram` is the new diagram. What is ported is copied; a module or model of that
    runtime is kept, and both objectives have it. A diagram without weights is compiled first: `modules` and `trust` are
    those of `bridge.compile`, initial values are those of `seed`. What can't be ported is refused by name, as is "flux"
    where Julia has no Flux. `verify` is that of `from_torch` and `from_flux`.

    >>> import bridge
    >>> d = bridge.Builder("fit")
    >>> x = d.space("x", width=2)
    >>> data = d.source("data", x=x)
    >>> f = d.arrow("f", x, x, nn.Sequential(nn.Linear(2, 2), nn.Tanh()))
    >>> d.agree(f(data.x), data.x, by=bridge.mse())
    >>> [node.layer.operation for node in to(d, "portable").diagram.component("f").body.nodes]
    ['linear', 'tanh']
    """
    if runtime not in RUNTIMES:
        raise BindingError("runtime", f"one of {', '.join(RUNTIMES)}", repr(runtime))
    if not isinstance(diagram, Objective):
        with seeded(seed):
            return to(compile(diagram, modules, trust=trust, julia=julia), runtime, julia=julia, verify=verify)
    julia = julia or diagram.julia
    before = diagram.diagram
    kept = {c.name: diagram.components[c.name] for c in before.components if isinstance(c.body, BODIES[runtime])}
    graphs, weights = _portable(diagram, set() if runtime == "portable" else set(kept), julia, verify)
    if runtime == "portable":
        made = compile(with_bodies(before, graphs), julia=julia)
        for name, own in weights.items():
            made.components[name].load_state_dict(dict(own))
        return made
    if runtime == "flux":
        references = _register(with_bodies(before, graphs), graphs, weights, julia)
        return compile(with_bodies(before, references), julia=julia)
    built = {name: to_torch(graph, weights[name], _shapes(before, name)) for name, graph in graphs.items()}
    return compile(with_bodies(before, {name: TorchReference(name) for name in built}), {**kept, **built}, julia=julia)


BODIES: Mapping[str, type] = {"torch": TorchReference, "flux": JuliaReference, "portable": LayerGraph}


def with_bodies(diagram: Diagram, bodies: Mapping[str, Body]) -> Diagram:
    """The diagram with other bodies for the components named."""
    changed = [replace(c, body=bodies.get(c.name, c.body)) for c in diagram.components]
    return canonical(replace(diagram, components=tuple(changed)))


def _shapes(diagram: Diagram, component: str) -> tuple[Shape, ...]:
    return tuple(space.shape for space in _spaces(diagram, component))


def _spaces(diagram: Diagram, component: str) -> list[Space]:
    """The source spaces of the first arrow that names a component."""
    arrow = next(arrow for arrow in diagram.arrows if arrow.component == component)
    return [diagram.space(name) for name in arrow.sources]


def _portable(
    objective: Objective, kept: Collection[str], julia: Any, verify: bool
) -> tuple[dict[str, LayerGraph], dict[str, Weights]]:
    """The layer graphs of all components but those that are kept, and their weights by path."""
    diagram, graphs, weights = objective.diagram, dict[str, LayerGraph](), dict[str, Weights]()
    models: dict[str, JuliaModel] = {}
    for component in diagram.components:
        module, name = objective.components[component.name], component.name
        if name in kept:
            continue
        if isinstance(component.body, LayerGraph):
            graphs[name] = component.body
            weights[name] = {path: tensor.detach() for path, tensor in module.state_dict().items()}
        elif isinstance(component.body, JuliaReference):
            assert isinstance(module, JuliaModel)
            models[name] = module
        else:
            try:
                ported = from_torch(module, *_spaces(diagram, name), verify=verify)
            except PortError as error:
                raise PortError(f"{element('component', name)}, {error.element}", error.expected, error.found) from None
            graphs[name], weights[name] = ported.graph, ported.weights
    if models:
        found, tensors = _from_julia(diagram, models, julia, verify)
        for name in models:
            body = found.component(name).body
            assert isinstance(body, LayerGraph)
            graphs[name], start = body, f"{name}/"
            weights[name] = {path.removeprefix(start): x for path, x in tensors.items() if path.startswith(start)}
    return graphs, weights


def _from_julia(
    diagram: Diagram, models: Mapping[str, JuliaModel], julia: Any, verify: bool
) -> tuple[Diagram, dict[str, Tensor]]:
    """The diagram with layer graphs for Julia's models, and their tensors by "component/path"."""
    for model in models.values():
        model.arguments()  # its arrays take over values that torch holds elsewhere
    instances = "\n".join(f"{name}\t{model.instance}" for name, model in models.items())
    with TemporaryDirectory() as folder:
        given, made, tensors = (Path(folder) / name for name in ("given.pb", "made.pb", "made.safetensors"))
        save(diagram, given)
        texts = ", ".join(julia_literal(str(text)) for text in (given, made, tensors, instances))
        _asked(julia or session(), f"write_ported({texts}, {'true' if verify else 'false'})")
        return load(made), read_tensors(tensors)[0]


def _register(
    diagram: Diagram, graphs: Collection[str], weights: Mapping[str, Weights], julia: Any
) -> dict[str, JuliaReference]:
    """Have Julia make and register a Flux model for each of these components; their references."""
    if not graphs:
        return {}
    with TemporaryDirectory() as folder:
        given, tensors = Path(folder) / "given.pb", Path(folder) / "given.safetensors"
        save(diagram, given)
        write_tensors(tensors, {f"{c}/{path}": x for c, own in weights.items() for path, x in own.items()}, {})
        texts = ", ".join(julia_literal(str(text)) for text in (given, tensors))
        lines = _asked(julia or session(), f"register_flux({texts})").splitlines()
    return {name: JuliaReference(reference) for name, reference in (line.split("\t") for line in lines)}


def _asked(julia: Session, call: str) -> str:
    """What a function of DiagramBridge's answers; what it refuses is raised."""
    answer = julia.runtime.eval_string(f"DiagramBridge.{call}")
    if answer.startswith("refused\t"):
        _, *refused = answer.split("\t")
        raise PortError(*refused)
    return answer
