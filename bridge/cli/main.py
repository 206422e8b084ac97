"""The command line: what it takes, and what its exit status says."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from bridge import __version__
from bridge.cli import commands
from bridge.errors import BatchError, BindingError, BridgeError, DiagramError, FileError

__all__ = ["FAILED", "INTERRUPTED", "OK", "WRONG_INPUT", "main", "parser"]

OK, FAILED, WRONG_INPUT, INTERRUPTED = 0, 1, 2, 130

STATUSES = """\
exit status:
  0    it worked
  1    it failed here: Julia is not available, a figure of the demo was not reached, doctor found no way to run islands,
       port found a difference beyond the bounds
  2    the input is wrong: a file that is no sound diagram, an unknown component, a wrong argument
  130  it was interrupted (Ctrl-C)
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status. Refusals are one line on stderr, never a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a terminal without Unicode gets escapes, not an error
            stream.reconfigure(errors="backslashreplace")
    options: argparse.Namespace | None = None
    try:
        options = parser().parse_args(arguments)
        status: int = options.run(options)
        sys.stdout.flush()
        return status
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # whoever read the output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except BridgeError as error:
        if options is not None and options.json:
            print(json.dumps({"error": commands.described_error(error)}, indent=2))
        print(error, file=sys.stderr)
        return WRONG_INPUT if isinstance(error, (FileError, DiagramError, BindingError, BatchError)) else FAILED


class _Parser(argparse.ArgumentParser):
    """Says what is wrong with the arguments in one line, where argparse prints the usage as well."""

    def error(self, message: str) -> NoReturn:
        self.exit(WRONG_INPUT, f"{self.prog}: {message} (see {self.prog} --help)\n")


def parser() -> argparse.ArgumentParser:
    """What the command line takes."""
    root = _Parser(
        prog="diagram-bridge",
        description="Training setups as data, in PyTorch and Julia together.",
        epilog=STATUSES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    root.add_argument("--version", action="version", version=f"diagram-bridge {__version__}")
    chosen = root.add_subparsers(metavar="COMMAND", required=True)

    demo = _command(chosen, "demo", commands.demo, "train on real data in both languages, beside PyTorch alone")
    demo.epilog = "The last line of the output is one JSON object. Needs scikit-learn."
    demo.add_argument("--seed", type=int, default=0, help="of starting weights and batches (default 0)")
    _add_machine_options(demo, "only the JSON object")

    doctor = _command(chosen, "doctor", commands.doctor, "say which Julia would be used, why, and what is wrong")
    _add_machine_options(doctor, "the report as a JSON object")

    check = _command(chosen, "check", commands.check, "check diagram files, and say what is wrong with them")
    check.add_argument("files", metavar="FILE", nargs="+", help="a diagram: .pb, .txtpb or .json")
    check.add_argument("--quiet", action="store_true", help="say nothing of sound files")
    check.add_argument("--json", action="store_true", help="a JSON array with an object for each file")

    show = _command(chosen, "show", commands.show, "print a diagram, its agreements as formulas")
    show.add_argument("file", metavar="FILE", help="a diagram: .pb, .txtpb or .json")
    show.add_argument("--plan", action="store_true", help="also the instructions and islands it compiles to")
    show.add_argument(
        "--place",
        metavar="COMPONENT=RUNTIME",
        action="append",
        default=[],
        help="run a portable component on torch or julia; may be repeated",
    )
    show.add_argument("--driver", choices=["torch", "julia"], default="torch", help="who runs the loop (default torch)")
    show.add_argument("--all", action="store_true", help="every element, however many there are")
    show.add_argument("--json", action="store_true", help="a JSON object, with every element")
    show.add_argument("--svg", metavar="OUT", help="write a picture, with the plan's steps and islands if --plan is given")
    show.add_argument("--html", metavar="OUT", help="write a page for a browser: zoom, and the two sides of an agreement")
    show.add_argument("--mermaid", metavar="OUT", help="write Mermaid text, which forges and notebooks draw")

    export = _command(chosen, "export", commands.export, "write a diagram as a training script in plain PyTorch or Flux")
    export.epilog = "The script needs no diagram-bridge; its weights are in a .safetensors file beside it."
    export.add_argument("file", metavar="FILE", help="a diagram: .pb, .txtpb, .json, or .safetensors with weights")
    export.add_argument("--language", choices=["python", "julia"], required=True, help="PyTorch, or Flux")
    export.add_argument("-o", "--output", metavar="DIR", required=True, help="the folder that the files go to")
    export.add_argument("--weights", metavar="FILE", help="weights (default: those in FILE, or initial ones)")
    export.add_argument("--seed", type=int, default=0, help="of initial weights (default 0)")
    export.add_argument("--json", action="store_true", help="the paths as a JSON array")

    port = _command(chosen, "port", commands.port, "compare a diagram in PyTorch and in Julia, layer by layer")
    port.epilog = "Exit status 1 where something is further apart than its bound. Julia's engine is Flux where it is there."
    port.add_argument("file", metavar="FILE", help="a diagram: .pb, .txtpb, .json, or .safetensors with weights")
    port.add_argument("--to", choices=["flux", "torch"], required=True, help="the runtime that is compared with the other")
    port.add_argument("--report", action="store_true", required=True, help="print what was measured")
    port.add_argument("--against", metavar="FILE", help="weights of Julia's side (default: the same)")
    port.add_argument(
        "--data", metavar="FILE", help=".safetensors with an array <source>.<column> for each (default: random)"
    )
    port.add_argument("--as-it-is", action="store_true", help="in the diagram's own dtypes (default: all in float64)")
    port.add_argument("--seed", type=int, default=0, help="of initial weights and random numbers (default 0)")
    port.add_argument("--json", action="store_true", help="a JSON object, with every figure")

    relate = _command(chosen, "relate", commands.relate, "say how two diagrams relate: their morphisms and what is common")
    relate.epilog = "Names, weights, frozenness, attributes and detach are ignored."
    relate.add_argument("first", metavar="A", help="a diagram: .pb, .txtpb or .json")
    relate.add_argument("second", metavar="B", help="another one")
    relate.add_argument("--json", action="store_true", help="a JSON object, with every mapping")
    relate.add_argument("--svg", metavar="OUT", help="also draw both, with what corresponds in one colour")

    julia = _command(chosen, "julia", None, "get a Julia").add_subparsers(metavar="COMMAND", required=True)
    install = _command(julia, "install", commands.julia_install, "get a Julia that works here; needs no root")
    install.epilog = "Running it again continues what was interrupted, and repairs what was damaged."
    install.add_argument(
        "--which",
        choices=["auto", "official", "prefix"],
        default="auto",
        help="official: the newest with Flux, through juliacall; prefix: Debian's 1.5.3 in a folder of its own; "
        "auto (default): official where Julia's servers answer",
    )
    _add_machine_options(install, "what was installed as a JSON object")
    return root


def _command(group: argparse._SubParsersAction[_Parser], name: str, run: object, text: str) -> _Parser:
    made = group.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
    made.set_defaults(run=run)
    return made


def _add_machine_options(command: argparse.ArgumentParser, what: str) -> None:
    command.add_argument("--json", action="store_true", help=what)
    command.add_argument("--quiet", action="store_true", help="no progress bar (there is none where stderr is a file)")
