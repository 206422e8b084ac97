"""Which `nn.Module` interprets each component: the caller's, one of a trusted module's, or a portable one."""

from __future__ import annotations

import importlib
from collections.abc import Collection, Iterable, Iterator, Mapping

from torch import nn

from bridge.diagram.ir import Component, DataType, Diagram, LayerGraph, TorchReference
from bridge.diagram.types import component_data_type
from bridge.errors import BindingError
from bridge.torch.portable import PortableModule

__all__ = ["Components", "bind", "check_binding"]


class Components(nn.Module):
    """A diagram's components by name. Unlike `nn.ModuleDict` it takes any name, such as `keys` or `train`."""

    def __init__(self, modules: Mapping[str, nn.Module]) -> None:
        super().__init__()
        self._modules.update(modules)

    def __getitem__(self, name: str) -> nn.Module:
        module = self._modules[name]
        assert module is not None
        return module

    def __contains__(self, name: str) -> bool:
        return name in self._modules

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __len__(self) -> int:
        return len(self._modules)

    def items(self) -> Iterable[tuple[str, nn.Module]]:
        """Pairs of name and module, sorted by name."""
        return [(name, module) for name, module in self._modules.items() if module is not None]


def bind(
    diagram: Diagram, modules: Mapping[str, nn.Module], trust: Collection[str], julia: Mapping[str, nn.Module]
) -> dict[str, nn.Module]:
    """The module of every component, sorted by component.

    `modules` are keyed by a component's name, or by the name in its reference. `julia` holds those of components that
    only Julia can make. Raises `BindingError` for a component without a module, a module without a component, and one
    that contradicts its component.
    """
    used: set[str] = set()
    bound: dict[str, nn.Module] = {}
    for component in diagram.components:
        names = [component.name]
        if isinstance(component.body, TorchReference):
            names.append(component.body.name)
        given = [name for name in names if name in modules]
        used.update(given)
        if component.name in julia:
            bound[component.name] = julia[component.name]
        elif given:
            bound[component.name] = _given(component, modules[given[0]])
        elif isinstance(component.body, LayerGraph):
            bound[component.name] = PortableModule(component.body, DataType(component_data_type(diagram, component)))
        else:
            bound[component.name] = _trusted(component, component.body.name, trust)
    for name in modules:
        if name not in used:
            found = "a component of Julia's" if name in julia else "no such component"
            raise BindingError(f"module {name!r}", f"the name of one of the components {sorted(bound)}", found)
    return bound


def check_binding(diagram: Diagram, bound: Mapping[str, nn.Module]) -> None:
    """Refuse modules that contradict `has_parameters`, and parameters that a frozen and a trainable component share."""
    owners: dict[int, Component] = {}
    for component in diagram.components:
        element = f"component {component.name!r}"
        parameters = list(bound[component.name].named_parameters())
        if bool(parameters) is not component.has_parameters:
            expected = "a module with parameters" if component.has_parameters else "a module without parameters"
            found = "none" if not parameters else f"{len(parameters)}, such as {parameters[0][0]!r}"
            raise BindingError(element, expected, found)
        for path, parameter in parameters:
            other = owners.setdefault(id(parameter), component)
            if other.training.is_frozen is not component.training.is_frozen:
                frozen, trainable = (component, other) if component.training.is_frozen else (other, component)
                raise BindingError(
                    f"component {frozen.name!r}",
                    "frozen parameters that no trainable component has",
                    f"parameter {path!r} shared with component {trainable.name!r}",
                )


def _given(component: Component, module: object) -> nn.Module:
    if not isinstance(module, nn.Module):
        raise BindingError(f"component {component.name!r}", "a torch.nn.Module", f"a {type(module).__name__}")
    if isinstance(component.body, LayerGraph) and (
        not isinstance(module, PortableModule) or module.graph != component.body
    ):
        found = f"a {type(module).__name__}" + (" of other layers" if isinstance(module, PortableModule) else "")
        raise BindingError(f"component {component.name!r}", "a PortableModule of its layers", found)
    return module


def _trusted(component: Component, reference: str, trust: Collection[str]) -> nn.Module:
    element = f"component {component.name!r}"
    home, separator, path = reference.partition(":")
    if not separator:
        raise BindingError(element, f"a module given as modules={{{component.name!r}: …}}", "none")
    if home not in trust:
        expected = f"a module given as modules={{{component.name!r}: …}}, or trust=[{home!r}]"
        raise BindingError(element, expected, f"the reference {reference!r} to a module that is not trusted")
    try:
        made = importlib.import_module(home)
        for name in path.split("."):
            made = getattr(made, name)
    except (ImportError, AttributeError) as error:
        raise BindingError(element, f"{reference!r} to exist", str(error)) from error
    return _given(component, made() if callable(made) and not isinstance(made, nn.Module) else made)
