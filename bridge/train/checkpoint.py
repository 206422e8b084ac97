"""Checkpoints: a training between two steps in one safetensors file, which Python and Julia both read and write.

Its tensors are named `parameters/<component>/<path>`, `buffers/<component>/<path>` and
`optimizer/<component>/<path>/<slot>`, with torch's names for slots; `step`, one int64, counts a parameter's steps. A
parameter that several components share is there once, under the first of them; the others are among the `aliases`.
The metadata are one JSON object: the version, the diagram's identity, the optimizer's name and options, and where in
the data the training is. Reading a checkpoint runs no code.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from os import PathLike
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from bridge.errors import BindingError, FileError
from bridge.schema import identity
from bridge.torch.objective import Objective
from bridge.train.file_fields import read_fields
from bridge.train.optimizer_state import Slots, read_state, set_state
from bridge.train.optimizers import optimizer_name, optimizer_options
from bridge.train.tensor_file import read_tensors, write_tensors
from bridge.train.variables import Key, buffers, owners, pairs, parameters, read_aliases, require_aliases

__all__ = ["Checkpoint", "Cursor", "load_checkpoint", "save_checkpoint"]

VERSION = 1
KEY = "diagram_bridge.checkpoint"
FIELDS = ["aliases", "diagram", "epoch", "optimizer", "position", "seed", "version"]
WORD = 2**64


@dataclass(frozen=True)
class Cursor:
    """Where a training is in its data: its epoch, the steps made in it, both from 0, and the seed of the order."""

    epoch: int = 0
    position: int = 0
    seed: int = 0


@dataclass(frozen=True)
class Checkpoint:
    """What `load_checkpoint` found besides parameters and buffers: the cursor, and the optimizer with its state.

    `optimizer` is its name ("" for none). `slots` are what it keeps by (component, path, slot).
    """

    path: str
    cursor: Cursor = field(default_factory=Cursor)
    optimizer: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    slots: Slots = field(default_factory=dict)

    def restore(self, optimizer: Optimizer, objective: Objective) -> None:
        """Give an optimizer of the objective's parameters the state that was saved; its options stay as they are.

        Raises BindingError for another kind of optimizer, and for a state that is not one of its parameters.
        """
        where, name = f"file '{self.path}', optimizer", optimizer_name(optimizer)
        if name != self.optimizer:
            raise BindingError(where, f"'{name}'", f"'{self.optimizer}'" if self.optimizer else "none")
        set_state(optimizer, dict(parameters(objective)), self.slots, where)


def save_checkpoint(
    path: str | PathLike[str], objective: Objective, optimizer: Optimizer | None = None, cursor: Cursor | None = None
) -> None:
    """Save parameters and buffers of every component, the optimizer's state, and where in the data the training is.

    `bridge.fit` returns optimizer and cursor, and its callback sees them after each step:

        history = bridge.fit(objective, data, epochs=3, optimizer="adam")
        bridge.save_checkpoint("run.safetensors", objective, history.optimizer, history.cursor)

    The file is replaced as a whole or not at all. Raises FileError for a path that can't be written, BindingError and
    UnsupportedError for an optimizer that can't be saved.
    """
    cursor = cursor or Cursor()
    owned, aliases = owners(objective)
    tensors: dict[str, Tensor] = {f"parameters/{'/'.join(key)}": parameter for key, parameter in owned.items()}
    tensors.update((f"buffers/{'/'.join(key)}", buffer) for key, buffer in buffers(objective))
    described = None
    if optimizer is not None:
        described = {"name": optimizer_name(optimizer), "options": optimizer_options(optimizer)}
        slots = read_state(optimizer, dict(parameters(objective)))
        tensors.update((f"optimizer/{'/'.join(key)}", slot) for key, slot in slots.items())
    fields = {
        "version": VERSION,
        "diagram": identity(objective.diagram),
        "epoch": cursor.epoch,
        "position": cursor.position,
        "seed": cursor.seed % WORD,
        "optimizer": described,
        "aliases": {"/".join(alias): "/".join(owner) for alias, owner in aliases.items()},
    }
    write_tensors(path, tensors, {KEY: json.dumps(fields, sort_keys=True, ensure_ascii=False, allow_nan=False)})


def load_checkpoint(path: str | PathLike[str], objective: Objective, optimizer: Optimizer | None = None) -> Checkpoint:
    """Put a checkpoint's parameters and buffers into an objective, and its optimizer's state into an optimizer.

    What is returned is where to go on:

        start = bridge.load_checkpoint("run.safetensors", objective)
        bridge.fit(objective, data, epochs=10, start=start)

    Nothing is changed unless all of it fits. Raises FileError for a file that is damaged or no checkpoint, and
    BindingError for one of another diagram, or whose tensors are not the objective's.
    """
    where = f"file '{path}'"
    tensors, metadata = read_tensors(path)
    fields = _fields(metadata, where)
    name, options = _optimizer(fields["optimizer"], f"{where}, optimizer")
    sections = _sections(tensors, name, where)
    aliases = read_aliases(fields["aliases"], sections["parameters"], where)
    wanted = identity(objective.diagram)
    if fields["diagram"] != wanted:
        raise BindingError(f"{where}, diagram", f"the identity {wanted}", fields["diagram"])
    owned, shared = owners(objective)
    require_aliases(shared, aliases, where)
    changes = [*pairs(owned, sections["parameters"], "parameters/", where)]
    changes += pairs(dict(buffers(objective)), sections["buffers"], "buffers/", where)
    slots = {(c, *p.rpartition("/")[::2]): tensor for (c, p), tensor in sections["optimizer"].items()}
    cursor = Cursor(fields["epoch"], fields["position"], fields["seed"])
    checkpoint = Checkpoint(str(path), cursor, name, options, slots)
    if optimizer is not None:
        checkpoint.restore(optimizer, objective)
    with torch.no_grad():
        for target, value in changes:
            target.copy_(value)
    return checkpoint


def _fields(metadata: Mapping[str, str], where: str) -> dict[str, Any]:
    element = f"{where}, metadata"
    fields = read_fields(metadata, KEY, VERSION, FIELDS, element)
    diagram = fields["diagram"]
    fits = {
        "diagram": (isinstance(diagram, str) and bool(re.fullmatch("[0-9a-f]{64}", diagram)), "64 hexadecimal digits"),
        "epoch": (_is_count(fields["epoch"], 2**63), "a number from 0"),
        "position": (_is_count(fields["position"], 2**63), "a number from 0"),
        "seed": (_is_count(fields["seed"], WORD), "a number from 0 to 2^64 - 1"),
    }
    for name, (fit, expected) in fits.items():
        if not fit:
            raise FileError(f"{element}, {name}", expected, "something else")
    return fields


def _is_count(value: object, bound: int) -> bool:
    return type(value) is int and 0 <= value < bound


def _optimizer(found: Any, where: str) -> tuple[str, dict[str, Any]]:
    if found is None:
        return "", {}
    fits = isinstance(found, dict) and set(found) == {"name", "options"} and isinstance(found["options"], dict)
    if not fits or not isinstance(found["name"], str) or not found["name"]:
        raise FileError(where, "a name and options", "something else")
    return found["name"], {k: tuple(v) if isinstance(v, list) else v for k, v in found["options"].items()}


def _sections(tensors: Mapping[str, Tensor], optimizer: str, where: str) -> dict[str, dict[Key, Tensor]]:
    sections: dict[str, dict[Key, Tensor]] = {"parameters": {}, "buffers": {}, "optimizer": {}}
    for name, tensor in tensors.items():
        element = f"{where}, tensor '{name}'"
        section, component, path = ([*name.split("/", 2), "", ""])[:3]
        of_parameter, _, slot = path.rpartition("/")
        is_slot = section == "optimizer"
        if section not in sections or not component or not path or (is_slot and not (of_parameter and slot)):
            raise FileError(element, "a name such as parameters/<component>/<path>", "none of a checkpoint's")
        if is_slot and not optimizer:
            raise FileError(element, "an optimizer that it belongs to", "none")
        if is_slot and slot == "step" and (tensor.dtype is not torch.int64 or tensor.dim() or tensor.item() < 0):
            raise FileError(element, "one I64 from 0", "something else")
        sections[section][component, path] = tensor
    return sections
