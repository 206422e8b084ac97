"""A diagram as a training script that needs no diagram-bridge, with its weights beside it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from os import PathLike
from pathlib import Path

from torch import Tensor

from bridge.diagram.builder import Builder
from bridge.diagram.ir import Diagram
from bridge.errors import FileError, UnsupportedError
from bridge.port.source.julia_script import julia_script
from bridge.port.source.python_script import python_script
from bridge.schema.replace import replaced
from bridge.torch.objective import Objective, compile
from bridge.torch.seeds import seeded
from bridge.train.tensor_file import write_tensors
from bridge.train.weights import load_weights

__all__ = ["LANGUAGES", "export"]

Script = Callable[[Diagram, Mapping[str, Mapping[str, Tensor]]], tuple[str, dict[str, Tensor]]]

LANGUAGES: Mapping[str, tuple[str, Script]] = {"python": ("train.py", python_script), "julia": ("train.jl", julia_script)}
"""The file's name and what makes its text, by language."""


def export(
    diagram: Diagram | Builder | Objective,
    folder: str | PathLike[str],
    language: str = "python",
    *,
    weights: str | PathLike[str] | None = None,
    seed: int = 0,
) -> list[Path]:
    """Write a training script in plain PyTorch or plain Flux, and its weights, into a folder; the paths of both.

    The weights are the objective's, or those of a file (`bridge.save_weights`), or initial ones of `seed`. Losses are those
    of the diagram, but for dropout, which draws otherwise. Raises UnsupportedError for another language and for a component
    that is not portable, FileError for a folder that can't be written.
    """
    if language not in LANGUAGES:
        raise UnsupportedError("the script", f"a language of {', '.join(LANGUAGES)}", repr(language))
    objective = diagram if isinstance(diagram, Objective) else _compiled(diagram, seed)
    if weights is not None:
        load_weights(weights, objective)
    name, script = LANGUAGES[language]
    states = {name: dict(module.state_dict()) for name, module in objective.components.items()}
    text, tensors = script(objective.diagram, states)
    home = Path(folder)
    try:
        home.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileError(f"folder '{folder}'", "a path that can be written", error.strerror or str(error)) from None
    except ValueError as error:  # a NUL in the name
        raise FileError(f"folder '{folder}'", "a path that can be written", str(error)) from None
    paths = [home / name, home / "weights.safetensors"]
    with replaced(paths[0], f"file '{paths[0]}'") as partial:
        partial.write_text(text, encoding="utf-8")
        write_tensors(paths[1], tensors, {})  # no script without its weights
    return paths


def _compiled(diagram: Diagram | Builder, seed: int) -> Objective:
    with seeded(seed):
        return compile(diagram)
