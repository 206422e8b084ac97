"""What each command does: it prints, and returns the exit status."""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING

from bridge.cli.progress import bar
from bridge.errors import BridgeError, DiagramError, FileError

if TYPE_CHECKING:
    from torch import Tensor

    from bridge.draw.picture import Picture
    from bridge.torch.objective import Objective

__all__ = ["check", "demo", "described_error", "doctor", "export", "julia_install", "port", "relate", "show"]


def demo(options: argparse.Namespace) -> int:
    """Run the demonstration. The last line is one JSON object; 1 where a figure was not reached."""
    from bridge.julia.find import choose
    from bridge.julia.start import start

    with bar(options.quiet) as progress:
        progress("looking for Julia", 0.0)
        if (julia := choose()).how == "juliacall":  # which should come before PyTorch (bridge.julia.import_order)
            start(julia)
        progress("loading PyTorch", 0.0)
        from bridge.demo.report import text
        from bridge.demo.run import run

        figures, trials = run(progress, options.seed)
    failures = [failure for trial in trials for failure in trial.failures()]
    if not options.json:
        print(text(figures, trials))
    _complain(failures)
    print(json.dumps(figures.to_json()))
    return 1 if failures else 0


def doctor(options: argparse.Namespace) -> int:
    """Report what is found on this machine; 1 where islands can't run."""
    from bridge.julia.doctor import report

    with bar(options.quiet) as progress:
        progress("starting Julia in a process of its own", 0.0)
        found = report()
    print(json.dumps(found.to_json(), indent=2) if options.json else found.text())
    return 0 if found.healthy else 1


def check(options: argparse.Namespace) -> int:
    """Check files; 2 where one is wrong."""
    from bridge.schema import identity
    from bridge.schema.files import load

    answers: list[dict[str, object]] = []
    for file in options.files:
        try:
            diagram = load(file)
        except (FileError, DiagramError) as error:
            answers.append({"file": file, "sound": False, "error": described_error(error)})
            if not options.json:
                print(_naming(file, error), flush=True)
            continue
        answers.append({"file": file, "sound": True, "diagram": diagram.name, "identity": identity(diagram)})
        if not options.json and not options.quiet:
            print(f"file {file!r}: sound, diagram {diagram.name!r}, identity {identity(diagram)}", flush=True)
    if options.json:
        print(json.dumps(answers, indent=2))
    return 0 if all(answer["sound"] for answer in answers) else 2


def _naming(file: str, error: BridgeError) -> str:
    """The error, with the file in front where it is about an element of the diagram."""
    return str(error) if error.element.startswith(f"file {file!r}") else f"file {file!r}, {error}"


def described_error(error: BridgeError) -> dict[str, str]:
    """A refusal as plain data; `kind` is that of a diagram's, or else "file", "batch", "binding", …."""
    described = {"element": error.element, "expected": error.expected, "found": error.found}
    kind = error.kind if isinstance(error, DiagramError) else type(error).__name__.removesuffix("Error").lower()
    return {**described, "kind": kind}


def show(options: argparse.Namespace) -> int:
    """Print a diagram, and the plan it compiles to."""
    from bridge.cli.diagram import as_text, described
    from bridge.cli.placement import parse
    from bridge.cli.plan import described_plan, plan_text
    from bridge.draw.picture import picture
    from bridge.plan.compile import place, plan
    from bridge.plan.program import Runtime
    from bridge.schema.files import load

    diagram = load(options.file)
    placement = parse(options.place)
    placed = place(diagram, placement)
    program = plan(diagram, placement, Runtime(options.driver)) if options.plan else None
    if options.svg or options.html or options.mermaid:
        _draw(options, picture(diagram, placement, Runtime(options.driver), options.plan))
        return 0
    if options.json:
        plain = described(diagram, placed)
        if program is not None:
            plain["plan"] = described_plan(program)
        print(json.dumps(plain, indent=2, ensure_ascii=False))
        return 0
    rows = None if options.all else 40
    print(as_text(diagram, placed, rows))
    if program is not None:
        print(plan_text(program, rows))
    return 0


def _draw(options: argparse.Namespace, made: Picture) -> None:
    """Write the files that were asked for, and say so."""
    from bridge.draw.mermaid import mermaid
    from bridge.draw.page import page
    from bridge.draw.svg import svg

    for path, write in ((options.svg, svg), (options.html, page), (options.mermaid, mermaid)):
        if path:
            _write(path, write(made))
            print(f"wrote {path}")


def _write(path: str, text: str) -> None:
    """Write a file, as a whole or not at all."""
    from bridge.schema.replace import replaced

    with replaced(path, f"file {path!r}") as partial:
        partial.write_text(text, encoding="utf-8")


def relate(options: argparse.Namespace) -> int:
    """Print the morphisms between two diagrams, and their largest common part; with `--svg` also draw them."""
    from bridge.cli.relate import as_text, corresponding, related
    from bridge.schema.files import load

    first, second = load(options.first), load(options.second)
    found = related(first, second)
    print(json.dumps(found, indent=2, ensure_ascii=False) if options.json else as_text(found))
    if options.svg:
        from bridge.draw.relation import relation

        _write(options.svg, relation(first, second, corresponding(found), as_text(found)))
    return 0


def export(options: argparse.Namespace) -> int:
    """Write a diagram as a script, with its weights."""
    from bridge.port.export import export as write
    from bridge.schema.files import load

    weights = options.weights or (options.file if options.file.endswith(".safetensors") else None)
    paths = write(load(options.file), options.output, options.language, weights=weights, seed=options.seed)
    if options.json:
        print(json.dumps([str(path) for path in paths]))
    else:
        for path in paths:
            print(path)
    return 0


def port(options: argparse.Namespace) -> int:
    """Compare a diagram in both languages; 1 where something is beyond its bound."""
    from bridge.port.report import report
    from bridge.schema.files import load
    from bridge.torch.objective import compile
    from bridge.torch.seeds import seeded
    from bridge.train.tensor_file import read_tensors
    from bridge.train.weights import load_weights

    diagram = load(options.file)

    def objective(weights: str | None) -> Objective:
        with seeded(options.seed):
            made = compile(diagram)
        if weights is not None:
            load_weights(weights, made)
        return made

    own = objective(options.file if options.file.endswith(".safetensors") else None)
    other = None if options.against is None else objective(options.against)
    data: dict[str, dict[str, Tensor]] | None = None
    if options.data is not None:
        data = {source.name: {} for source in diagram.sources}
        for name, tensor in read_tensors(options.data)[0].items():
            source, _, column = name.partition(".")
            data.setdefault(source, {})[column] = tensor
    made = report(own, options.to, other=other, data=data, seed=options.seed, as_it_is=options.as_it_is)
    print(json.dumps(made.to_json(), indent=2, ensure_ascii=False, allow_nan=False) if options.json else made.text())
    return 0 if made.first is None else 1


def julia_install(options: argparse.Namespace) -> int:
    """Get a Julia, or find the one that was got before."""
    from bridge.julia.install import install

    with bar(options.quiet) as progress:
        installed = install(options.which, progress)
    if options.json:
        print(json.dumps(installed.to_json()))
    else:
        word = "installed" if installed.new else "already there"
        print(f"{word}: {installed.which}, Julia {installed.version}, engine {installed.engine}, in {installed.where}")
        print(f"why: {installed.why}")
    return 0


def _complain(failures: list[str]) -> None:
    for failure in failures:
        print(f"not reached: {failure}", file=sys.stderr)
