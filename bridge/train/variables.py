"""Parameters and buffers of an objective by component and path, and what a file has for them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from torch import Tensor, nn

from bridge.errors import BindingError, FileError
from bridge.torch.objective import Objective

__all__ = ["Key", "buffers", "owners", "pairs", "parameters", "read_aliases", "require_aliases"]

Key = tuple[str, str]


def parameters(objective: Objective) -> Iterator[tuple[Key, nn.Parameter]]:
    """All parameters; one that several components share comes once for each."""
    for component, module in objective.components.items():
        for path, parameter in module.named_parameters():
            yield (component, path), parameter


def buffers(objective: Objective) -> Iterator[tuple[Key, Tensor]]:
    """Those that a `state_dict` has."""
    for component, module in objective.components.items():
        kept = module.state_dict(keep_vars=True)
        for path, buffer in module.named_buffers():
            if path in kept:
                yield (component, path), buffer


def owners(objective: Objective) -> tuple[dict[Key, nn.Parameter], dict[Key, Key]]:
    """Each parameter once, under the first component that has it; and the other names, each with the first."""
    first: dict[int, Key] = {}
    owned: dict[Key, nn.Parameter] = {}
    aliases: dict[Key, Key] = {}
    for key, parameter in parameters(objective):
        owner = first.setdefault(id(parameter), key)
        if owner == key:
            owned[key] = parameter
        else:
            aliases[key] = owner
    return owned, aliases


def read_aliases(found: Mapping[str, str], held: Mapping[Key, Tensor], where: str) -> dict[Key, Key]:
    """A file's aliases; FileError for one of a tensor that the file does not have, or that it has itself."""
    aliases: dict[Key, Key] = {}
    for alias, owner in sorted(found.items()):
        one, two = alias.partition("/")[::2], owner.partition("/")[::2]
        if not all((*one, *two)) or one in held or two not in held:
            element = f"{where}, alias '{alias}'"
            raise FileError(element, "another name of a parameter of the file", f"'{owner}'")
        aliases[one] = two
    return aliases


def require_aliases(expected: Mapping[Key, Key], found: Mapping[Key, Key], where: str) -> None:
    """Refuse a file whose parameters are shared otherwise than an objective's."""
    if expected != found:
        raise BindingError(f"{where}, aliases", _listing(expected), _listing(found))


def pairs(
    targets: Mapping[Key, Tensor], found: Mapping[Key, Tensor], prefix: str, where: str
) -> Iterator[tuple[Tensor, Tensor]]:
    """Each of an objective's tensors with the file's; BindingError for one that either lacks, or of another type."""
    for key in sorted({*targets, *found}):
        element = f"{where}, tensor '{prefix}{'/'.join(key)}'"
        if key not in found:
            raise BindingError(element, _type(targets[key]), "none")
        if key not in targets:
            raise BindingError(element, "none", _type(found[key]))
        if _type(found[key]) != _type(targets[key]):
            raise BindingError(element, _type(targets[key]), _type(found[key]))
        yield targets[key], found[key]


def _type(tensor: Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} of shape {tuple(tensor.shape)}"


def _listing(aliases: Mapping[Key, Key]) -> str:
    return ", ".join(f"{'/'.join(a)} for {'/'.join(b)}" for a, b in sorted(aliases.items())) or "none"
