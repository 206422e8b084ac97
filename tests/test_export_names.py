"""Scripts of diagrams whose names are code, keywords, or names that scripts use themselves."""

from __future__ import annotations

from pathlib import Path

import torch
from julia_structure import julia_literal
from test_export import assert_follows, curve, run, save_data
from torch import Tensor

import bridge
from bridge import layers, port
from bridge.julia.session import session

CODE = [
    *('x"""+PWN+"""', "x'''+PWN+'''", 'x"+PWN+"', "x'+PWN+'", "x$PWN", "x$(PWN)", "x\\", 'x\\"+PWN+"', '\\\\"+PWN+"'),
    *("x;PWN", 'x"""$PWN"""', "x=#PWN#=", "{PWN}", "{name}", "{0}", "x|PWN", "x%(prog)s%d", 'x"', '"', "'"),
    *("\\", "\\\\", "#", "x\u2028PWN", "x\x85PWN", "x\xa0PWN", "ä", "0", "-", "_", "__", "# MODES", ":", "<"),
]
WORDS = [
    *("class", "end", "import", "function", "begin", "true", "none", "self", "T", "T1", "m", "model", "data", "losses"),
    *("batch", "total", "step", "options", "forward", "train", "parameters", "double", "main", "torch", "nn", "F", "f"),
    *("path", "tensor", "types", "Model", "tensor_", "chain", "dense", "array", "dict", "linear", "string", "flux"),
    *("relu", "mean", "masked_mean", "divergence", "classes_first", "onehotbatch", "x", "y", "layers", "member", "count"),
]
LABELS = ("diagram", "agreement", "output")
PLACES = (*LABELS, "space", "axis", "source", "column", "component", "node")


def hostile(name: str, places: tuple[str, ...]) -> bridge.Diagram:
    """A small diagram in which elements of these kinds have this name."""

    def called(kind: str) -> str:
        return name if kind in places else kind

    d = bridge.Builder(called("diagram"))
    x = d.space(called("space"), axes=[(called("axis"), 3)])
    label = d.index("label", classes=3)
    s = d.source(called("source"), {called("column"): x, "label": label})
    body = layers.linear(3, 3)
    graph = layers.GraphBuilder()
    hidden = graph(layers.linear(3, 3), *graph.inputs, name=called("node"))
    both = graph(layers.add(), graph(layers.relu(), hidden, name="last"), graph(layers.softmax(), hidden))
    f = d.arrow(called("component"), x, x, graph.build(both))
    g = d.arrow("other", x, x, body, frozen=True)
    term = s[called("column")]
    d.agree(f(term), s.label, by=bridge.cross_entropy(label_smoothing=0.1), name=called("agreement"))
    d.agree(f(g(term)), bridge.detach(g(term)), by=bridge.kl(temperature=2), weight=0.5, name="soft")
    d.output(called("output"), f(term))
    return d.build()


def accepted() -> list[bridge.Diagram]:
    """For each name a diagram with it at all places that take it."""
    found = []
    for name in [*CODE, *WORDS]:
        possible = []
        for place in PLACES:
            try:
                hostile(name, (place,))
                possible.append(place)
            except bridge.DiagramError as error:
                assert (error.kind, place in LABELS, name in CODE) == ("name", False, True)
        found.append(hostile(name, tuple(possible)))
    return found


def data(diagram: bridge.Diagram) -> dict[str, dict[str, Tensor]]:
    """Six samples."""
    (source,) = diagram.sources
    generator = torch.Generator().manual_seed(3)
    x, label = torch.randn(6, 3, generator=generator), torch.randint(3, (6,), generator=generator)
    return {source.name: {column.name: label if column.name == "label" else x for column in source.columns}}


def test_python_scripts_train(tmp_path: Path) -> None:
    """No name is run (there is no PWN), none takes another's place; losses are the diagram's."""
    scripts, curves = [], []
    for place, diagram in enumerate(accepted()):
        folder = tmp_path / str(place)
        objective = bridge.compile(diagram)
        port.export(objective, folder)
        given, batch = tmp_path / f"{place}.safetensors", data(diagram)
        save_data(batch, given)
        curves.append(curve(objective, batch, 1, 3, 0.01))
        scripts.append((folder, [str(given), "--epochs", "1", "--batch-size", "3", "--lr", "0.01", "--in-order"]))
    for shown, expected in zip(run(*scripts), curves, strict=True):
        assert_follows(shown, expected, 1e-6)


SYMBOLS = """
function symbols(path)
    text, found, place = read(path, String), Set{Symbol}(), 1
    gather(x) = x isa Symbol ? push!(found, x) : x isa Expr && foreach(gather, x.args)
    while place <= ncodeunits(text)
        tree, place = Meta.parse(text, place)
        tree isa Expr && tree.head === :incomplete && error("$path is not whole")
        gather(tree)
    end
    return found
end
"""


def test_julia_scripts_are_read_as_they_were_meant(tmp_path: Path) -> None:
    """Every script is Julia's syntax and none names PWN, in or outside a string."""
    made = session()
    made.eval(SYMBOLS)
    for place, diagram in enumerate(accepted()):
        path = port.export(diagram, tmp_path / str(place), "julia")[0]
        found = made.runtime.eval_string(f'join(symbols({julia_literal(str(path))}), " ")').split(" ")
        assert "losses" in found
        assert "PWN" not in found, diagram.name
