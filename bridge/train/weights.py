"""Weights in a safetensors file that has the diagram in it too, which Python and Julia both read and write.

The tensors are the parameters and buffers of every component, named `<component>/<path>`. A parameter that several
components share is there once, under the first of them; the other names are among the `aliases`. The metadata have two
entries: `diagram_bridge.weights`, a JSON object of the version, the diagram's identity and the aliases, and
`diagram_bridge.diagram`, the diagram's bytes in hexadecimal, which `bridge.load` reads.
Reading the file runs no code.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from os import PathLike

import torch
from torch import Tensor

from bridge.diagram.ir import LayerGraph
from bridge.diagram.names import is_name
from bridge.errors import FileError
from bridge.schema import identity, to_bytes
from bridge.schema.tensor_header import DIAGRAM_KEY
from bridge.torch.objective import Objective
from bridge.train.file_fields import read_fields
from bridge.train.tensor_file import read_tensors, write_tensors
from bridge.train.variables import Key, buffers, owners, pairs, read_aliases, require_aliases

__all__ = ["load_weights", "read_weights", "save_weights"]

VERSION = 1
KEY = "diagram_bridge.weights"
FIELDS = ["aliases", "diagram", "version"]
CHUNK = 2**22


def save_weights(path: str | PathLike[str], objective: Objective) -> None:
    """Save the parameters and buffers of every component, and the diagram.

    The file is replaced as a whole or not at all. Raises FileError for a path that can't be written, and for what
    `load_weights` would refuse: numbers that are not finite.

        bridge.save_weights("digits.safetensors", objective)
        again = bridge.compile(bridge.load("digits.safetensors"))
        bridge.load_weights("digits.safetensors", again)
    """
    owned, aliases = owners(objective)
    tensors: dict[str, Tensor] = {"/".join(key): tensor for key, tensor in (*owned.items(), *buffers(objective))}
    where = f"file '{path}'"
    _require_finite(objective, {_key(name, where): tensor for name, tensor in sorted(tensors.items())}, where)
    for alias in sorted(aliases):
        _key("/".join(alias), where, "alias")
    fields = {
        "version": VERSION,
        "diagram": identity(objective.diagram),
        "aliases": {"/".join(alias): "/".join(owner) for alias, owner in aliases.items()},
    }
    text = json.dumps(fields, sort_keys=True, ensure_ascii=False)
    write_tensors(path, tensors, {KEY: text, DIAGRAM_KEY: to_bytes(objective.diagram).hex()})


def load_weights(path: str | PathLike[str], objective: Objective) -> None:
    """Put a file's parameters and buffers into an objective, whose diagram may be another one with the same components.

    Nothing is changed unless all of it fits. Raises FileError for a file that is damaged or holds no weights, or numbers
    that are not finite (but in buffers of PyTorch modules: a mask is one), and BindingError where its tensors are not the
    objective's.
    """
    where = f"file '{path}'"
    found, aliases = _read(path)
    owned, shared = owners(objective)
    require_aliases(shared, aliases, where)
    changes = list(pairs({**owned, **dict(buffers(objective))}, found, "", where))
    _require_finite(objective, found, where)
    with torch.no_grad():
        for target, value in changes:
            target.copy_(value)


def read_weights(path: str | PathLike[str]) -> dict[Key, Tensor]:
    """The tensors of a file of weights by component and path; those that are shared, under each of their names.

    They are mapped into memory, and read where they are looked at. Raises FileError as `load_weights` does, but for
    numbers that are not finite.
    """
    found, aliases = _read(path)
    return {**found, **{alias: found[owner] for alias, owner in aliases.items()}}


def _read(path: str | PathLike[str]) -> tuple[dict[Key, Tensor], dict[Key, Key]]:
    where = f"file '{path}'"
    tensors, metadata = read_tensors(path)
    fields = read_fields(metadata, KEY, VERSION, FIELDS, f"{where}, metadata")
    if not (isinstance(fields["diagram"], str) and re.fullmatch("[0-9a-f]{64}", fields["diagram"])):
        raise FileError(f"{where}, metadata, diagram", "64 hexadecimal digits", "something else")
    found = {_key(name, where): tensor for name, tensor in tensors.items()}
    for alias in sorted(fields["aliases"]):
        _key(alias, where, "alias")
    return found, read_aliases(fields["aliases"], found, where)


def _key(name: str, where: str, kind: str = "tensor") -> Key:
    component, _, path = name.partition("/")
    if not is_name(component) or not all(map(is_name, path.split("."))):
        raise FileError(f"{where}, {kind} '{name}'", "a name such as <component>/<path>", "another one")
    return component, path


def _require_finite(objective: Objective, tensors: Mapping[Key, Tensor], where: str) -> None:
    """Refuse infinities and NaN in parameters, and in the buffers of portable components."""
    portable = {c.name for c in objective.diagram.components if isinstance(c.body, LayerGraph)}
    free = {key for key, _ in buffers(objective) if key[0] not in portable}
    for key in sorted(tensors.keys() - free):
        tensor = tensors[key].detach()
        for piece in tensor.reshape(-1).split(CHUNK) if tensor.is_floating_point() else ():  # isfinite makes as many again
            if not bool(piece.isfinite().all()):
                found = f"{piece[~piece.isfinite()][0].item()}"
                raise FileError(f"{where}, tensor '{'/'.join(key)}'", "finite numbers", found)
