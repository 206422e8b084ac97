"""Write tests/files/golden: diagrams with their identities and plans, which every language has to reach byte for byte.

    python scripts/golden.py           # write them
    python scripts/golden.py --check   # exit 1, naming the files, where they are not current

A diagram is a `.pb` file. In `manifest.txt` a line is a diagram's name and identity, and the lines under it are its plans:
the driver, the components that are placed on Julia (`-`: none) and the plan's bytes in hexadecimal.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import bridge
from bridge import Builder, layers, schema
from bridge.diagram.ir import Diagram, Layer, LayerGraph
from bridge.layers.build import GraphBuilder, as_graph
from bridge.layers.graph import infer_shapes
from bridge.plan import Runtime, plan

FOLDER = Path(__file__).resolve().parent.parent / "tests" / "files" / "golden"

LAYERS: dict[str, Layer | LayerGraph] = {
    "linear": layers.linear(3, 3),
    "linear_plain": layers.linear(3, 3, bias=False, init="glorot_uniform"),
    "linear_zeros": layers.linear(3, 3, init="zeros"),
    "relu": layers.relu(),
    "sigmoid": layers.sigmoid(),
    "tanh": layers.tanh(),
    "leaky_relu": layers.leaky_relu(-0.5),
    "elu": layers.elu(0.3),
    "celu": layers.celu(2),
    "relu6": layers.relu6(),
    "silu": layers.silu(),
    "hardsigmoid": layers.hardsigmoid(),
    "mish": layers.mish(),
    "softplus": layers.softplus(),
    "gelu": layers.gelu(),
    "gelu_tanh": layers.gelu("tanh"),
    "softmax": layers.softmax(),
    "log_softmax": layers.log_softmax(-1),
    "layer_norm": layers.layer_norm(3),
    "layer_norm_plain": layers.layer_norm([3], eps=1e-12, affine=False),
    "batch_norm": layers.batch_norm(3),
    "batch_norm_plain": layers.batch_norm(3, eps=0.1, momentum=1, affine=False, track=False),
    "instance_norm": layers.chain(layers.reshape(1, 3), layers.instance_norm(1, affine=True, track=True), layers.reshape(3)),
    "instance_norm_plain": layers.chain(layers.reshape(1, 3), layers.instance_norm(1), layers.reshape(3)),
    "group_norm": layers.group_norm(1, 3),
    "group_norm_plain": layers.group_norm(3, 3, affine=False),
    "dropout": layers.dropout(),
    "flatten": layers.flatten(),
    "reshape": layers.chain(layers.reshape(1, 3), layers.reshape(3)),
    "identity": layers.identity(),
    "parameter": layers.parameter(3, by="multiply", init="ones"),
    "constant": layers.constant(3, by="multiply"),
    "scale": layers.scale(-0.5, 3),
    "power": layers.power(1.5),
    "exp": layers.exp(),
    "log": layers.log(),
    "sqrt": layers.sqrt(),
    "abs": layers.abs(),
    "permute": layers.permute(0),
}

# Layers of samples with channels and spatial axes, each with a sample's shape.
SPATIAL: dict[str, tuple[Layer, tuple[int | str, ...]]] = {
    "conv1d": (layers.conv1d(4, 6, 3, stride=2, padding=1, dilation=2, groups=2), (4, 9)),
    "conv2d": (layers.conv2d(2, 3, (3, 1), padding=(1, 0), init="glorot_uniform"), (2, "height", 5)),
    "conv_transpose1d": (layers.conv_transpose1d(2, 3, 4, stride=3, padding=2, output_padding=1, bias=False), (2, 4)),
    "conv_transpose2d": (layers.conv_transpose2d(4, 2, 3, groups=2, dilation=(2, 1), init="zeros"), (4, 3, 5)),
    "max_pool1d": (layers.max_pool1d(3, stride=2, padding=1), (2, 7)),
    "max_pool2d": (layers.max_pool2d((2, 3)), (2, 4, 6)),
    "mean_pool1d": (layers.mean_pool1d(2), (2, 6)),
    "mean_pool2d": (layers.mean_pool2d(3, stride=1, padding=1, count_padding=False), (2, "height", 4)),
    "adaptive_max_pool1d": (layers.adaptive_max_pool1d(3), (2, "length")),
    "adaptive_max_pool2d": (layers.adaptive_max_pool2d((3, 2)), (2, 7, 5)),
    "adaptive_mean_pool1d": (layers.adaptive_mean_pool1d(4), (2, 3)),
    "adaptive_mean_pool2d": (layers.adaptive_mean_pool2d(1), (2, "height", "width")),
    "upsample2d": (layers.upsample2d((1, 3)), (2, "height", 4)),
    "upsample2d_bilinear": (layers.upsample2d(2, "bilinear", align_corners=True), (2, 3, 4)),
    "pad": (layers.pad((0, 1), (0, 2), value=-1.5), (2, "length", 4)),
}

DIVERGENCES = {
    "mse": bridge.mse(),
    "mae": bridge.mae(),
    "huber": bridge.huber(0.1),
    "cross_entropy": bridge.cross_entropy(),
    "cross_entropy_smooth": bridge.cross_entropy(0.25, "k"),
    "binary_cross_entropy": bridge.binary_cross_entropy(),
    "kl": bridge.kl(4),
    "cosine": bridge.cosine(),
    "info_nce": bridge.info_nce(),
    "info_nce_symmetric": bridge.info_nce(1e-3, True, "k"),
}


def tied() -> LayerGraph:
    """Two maps with one matrix, and two norms with the same running statistics."""
    g = GraphBuilder()
    x = g(layers.batch_norm(3), g(layers.linear(3, 3), *g.inputs))
    x = g(layers.batch_norm(3), g(layers.linear(3, 3), x), name="norm")
    ties = {f"norm.running_{name}": f"1.running_{name}" for name in ("mean", "var")}
    return g.build(x, ties={**ties, "2.weight": "0.weight"})


def of_layer(body: Layer | LayerGraph) -> Callable[[Builder], None]:
    """A component of one layer before a trainable one."""

    def write(d: Builder) -> None:
        x = d.space("x", k=3)
        data = d.source("data", x=x)
        layer, last = d.arrow("layer", x, x, body), d.arrow("last", x, x, layers.linear(3, 3))
        d.agree(last(layer(data.x)), data.x, by=bridge.mse())

    return write


def of_spatial(layer: Layer, shape: tuple[int | str, ...]) -> Callable[[Builder], None]:
    """A component of one layer before a trainable one, along the last axis of what it makes."""

    def write(d: Builder) -> None:
        (made,) = infer_shapes(as_graph(layer), (shape,), "layer")
        x, y = (d.space(n, axes=[(f"axis_{k}", size) for k, size in enumerate(s)]) for n, s in (("x", shape), ("y", made)))
        data = d.source("data", x=x, y=y)
        assert isinstance(made[-1], int)
        last = d.arrow("last", y, y, layers.linear(made[-1], made[-1]))
        d.agree(last(d.arrow("layer", x, y, layer)(data.x)), data.y, by=bridge.mse())

    return write


def of_divergence(name: str) -> Callable[[Builder], None]:
    """Two predictions that agree by one divergence."""

    def write(d: Builder) -> None:
        x = d.space("x", "float64", k=3)
        data = d.source("data", x=x)
        f, g = d.arrow("f", x, x, layers.linear(3, 3)), d.arrow("g", x, x, layers.tanh())
        d.agree(g(f(data.x)), g(data.x), by=DIVERGENCES[name], weight=-0.5)

    return write


def indices(d: Builder) -> None:
    """Index spaces of both integer types, an axis variable, and masks of every type, per sample and per element."""
    steps = d.space("steps", "float32", step="length", k=4)
    data = d.source(
        "data",
        steps=steps,
        long=d.index("long", classes=4, step="length"),
        short=d.index("short", classes=4, dtype="int32", step="length"),
        keep=d.space("keep", "bool"),
        count=d.space("count", "int64", step="length"),
        times=d.space("times", "int32"),
        share=d.space("share", "float64", step="length"),
    )
    f = d.arrow("f", steps, steps, layers.linear(4, 4))
    by = bridge.cross_entropy(axis="k")
    d.agree(f(data.steps), data.long, by=by, where=data.keep)
    d.agree(f(data.steps), data.long, by=by, where=data.count)
    d.agree(f(data.steps), data.short, by=by, where=data.times, name="by name")
    d.agree(f(data.steps), data.short, by=by, where=data.share, weight=0.0)


def embeddings(d: Builder) -> None:
    """Indices, float values and lookups in one graph; one input for two tables, of which the smaller one counts."""
    x = d.space("x", step="length", k=4)
    graph = GraphBuilder(2)
    word, scale = graph.inputs
    first = graph(layers.embedding(7, 4, padding=0), word)
    second = graph(layers.embedding(5, 4), word, name="small")
    body = graph.build(graph(layers.multiply(), graph(layers.add(), first, second), scale), scale)
    word_space = d.index("word", classes=5, dtype="int32", step="length")
    data = d.source("data", word=word_space, x=x)
    f = d.arrow("f", (word_space, x), (x, x), body)
    made, same = f(data.word, data.x)
    d.agree(made, same, by=bridge.mse())


def statistics(d: Builder) -> None:
    """One batch norm applied to terms of both runtimes, in three states: its applications keep their order."""
    x = d.space("x", k=2)
    data = d.source("data", x=x, y=x)
    norm = layers.chain(layers.batch_norm(2), layers.dropout(0.25))
    f, g = d.arrow("f", x, x, layers.linear(2, 2)), d.arrow("g", x, x, norm)
    tested, trained = d.arrow("tested", x, x, norm, frozen=True), d.arrow("trained", x, x, norm, frozen="train")
    d.agree(g(f(data.x)), g(data.y), by=bridge.mse())
    d.agree(tested(g(f(data.y))), trained(f(data.y)), by=bridge.mse())
    d.agree(trained(data.x), g(data.x), by=bridge.mse())


def references(d: Builder) -> None:
    """Modules of both languages, frozen in both ways, with and without parameters, and an arrow without sources."""
    x, y = d.space("x", k=2), d.space("y", k=2)
    data = d.source("data", x=x)
    teacher = d.arrow("teacher", x, (y, x), bridge.TorchReference("package.module:Teacher"), frozen=True)
    tool = d.arrow("tool", (x, y), y, bridge.JuliaReference("tool"), has_parameters=False)
    model = d.arrow("model", x, y, bridge.JuliaReference("a model"), frozen="train")
    start = d.arrow("start", (), y, bridge.TorchReference("start"))
    first, second = teacher(data.x)
    d.agree(tool(second, start()), bridge.detach(first), by=bridge.mse())
    d.agree(model(bridge.detach(bridge.detach(second))), tool(data.x, start()), by=bridge.mse())


def shared(d: Builder) -> None:
    """One component under two arrows, terms that several agreements share, equal agreements, names that collide."""
    x = d.space("x", k=2)
    one, two = d.source("one", x=x, y=x), d.source("two", x=x)
    f = d.arrow("f", x, x, layers.linear(2, 2))
    g = d.arrow("g", x, x, f.component)
    add = d.arrow("add", (x, x), x, layers.add())
    twice = add(f(one.x), f(one.x))
    for _ in range(2):
        d.agree(twice, one.y, by=bridge.mse(), weight=2.5)
    d.agree(g(f(two.x)), two.x, by=bridge.mae())
    d.output("prediction of one", twice)
    d.output("unused", add(g(one.y), one.x))


def residual(d: Builder) -> None:
    """A layer graph that branches, with two inputs and two outputs and nodes that are named."""
    x, y = d.space("x", row=2, k=3), d.space("y", k=6)
    graph = GraphBuilder(2)
    a, b = graph.inputs
    hidden = graph(layers.relu(), graph(layers.linear(3, 3), a, name="first"))
    total = graph(layers.add(), hidden, b, a)
    product = graph(layers.multiply(), graph(layers.softmax(-2), total), hidden, name="product")
    body = graph.build(product, graph(layers.flatten(), total))
    data = d.source("data", x=x, y=y)
    f = d.arrow("f", (x, x), (x, y), body)
    left, right = f(data.x, data.x)
    d.agree(right, data.y, by=bridge.mse())
    d.agree(left, f(left, left)[0], by=bridge.kl(axis="row"))


def arithmetic(d: Builder) -> None:
    """Layers of several inputs, with axes of size 1 that are repeated and with an axis of variable size."""
    x, row = d.space("x", step="n", k=3), d.space("row", one=1, k=3)
    data = d.source("data", x=x, row=row)
    graph = GraphBuilder(2)
    a, b = graph.inputs
    shifted = graph(layers.add(), graph(layers.subtract(), a, b), b, a)
    scaled = graph(layers.divide(), graph(layers.multiply(), b, shifted), graph(layers.exp(), b))
    products = graph(layers.matmul(), scaled, graph(layers.matmul(), graph(layers.permute(1, 0), scaled), a))
    f, last = d.arrow("f", (x, row), x, graph.build(products)), d.arrow("last", x, x, layers.linear(3, 3))
    d.agree(last(f(data.x, data.row)), data.x, by=bridge.mse())


def parts(d: Builder) -> None:
    """Values taken apart, put together and reduced, with a layer of several outputs."""
    x, y = d.space("x", row=4, k=5), d.space("y", k=7)
    data = d.source("data", x=x, y=y)
    graph = GraphBuilder(1)
    (value,) = graph.inputs
    left, right = graph(layers.split(2, 3), value, name="split")
    turned = graph(layers.concat(-2), graph(layers.permute(1, 0), right), graph(layers.permute(1, 0), left))
    every_other = graph(layers.slice(-1, 0, 4, 2), turned)
    first = graph(layers.mean(-1), every_other)
    kept = graph(layers.sum(-2, -1, keep=True), turned)
    outputs = graph(layers.concat(), first, graph(layers.reshape(1), kept), graph(layers.slice(-1, 1, 2), first))
    f, last = d.arrow("f", x, y, graph.build(outputs)), d.arrow("last", y, y, layers.linear(7, 7))
    d.agree(last(f(data.x)), data.y, by=bridge.mse())


def recurrent(d: Builder) -> None:
    """Recurrent layers in both directions, with lengths and initial states, over an axis of variable size."""
    x, length, y = d.space("x", time="n", k=3), d.space("length", "int32"), d.space("y", k=8)
    data = d.source("data", x=x, length=length, y=y)
    graph = GraphBuilder(2)
    value, lengths = graph.inputs
    forth, state = graph(layers.gru(3, 2, lengths=True, biases=1), value, lengths)
    back, _ = graph(layers.rnn(3, 2, nonlinearity="relu", reverse=True, lengths=True), value, lengths)
    both = graph(layers.concat(), forth, back)
    _, hidden, cell = graph(layers.lstm(4, 2, lengths=True, initial=True), both, lengths, state, state, name="top")
    _, whole = graph(layers.rnn(4, 2, biases=0), both)
    _, last, _ = graph(layers.lstm(4, 2), both)
    f = d.arrow("f", (x, length), y, graph.build(graph(layers.concat(), hidden, cell, whole, last)))
    d.agree(f(data.x, data.length), data.y, by=bridge.mse())


def attention(d: Builder) -> None:
    """Attention with masks and without, over axes of variable size."""
    x, z = d.space("x", time="n", k=4), d.space("z", place="m", k=3)
    keep, pairs = d.space("keep", "bool", place="m"), d.space("pairs", "bool", time="n", place="m")
    data = d.source("data", x=x, z=z, keep=keep, pairs=pairs)
    graph = GraphBuilder(4)
    query, key, key_mask, mask = graph.inputs
    options = {"key_width": 3, "value_width": 3, "key_mask": True, "mask": True}
    looked = graph(layers.multi_head_attention(4, 2, **options), query, key, key, key_mask, mask)
    own = graph(layers.multi_head_attention(4, 4, bias=False, causal=True, init="zeros"), looked, looked, looked)
    again = graph(layers.attention(causal=True, scale=0.5), own, own, own)
    turned = graph(layers.linear(3, 4), key)
    made = graph(layers.attention(mask="boolean"), again, turned, turned, mask)
    f = d.arrow("f", (x, z, keep, pairs), x, graph.build(made))
    d.agree(f(data.x, data.z, data.keep, data.pairs), data.x, by=bridge.mse())


def commutes(d: Builder) -> None:
    """Paths from a source and from a term, in both pairings, with and without a cycle, over terms that are there already."""
    x, y = d.space("x", k=2), d.space("y", k=2)
    data = d.source("data", b=x, a=x)
    f, g = d.arrow("f", x, y, layers.linear(2, 2)), d.arrow("g", x, y, layers.tanh())
    h, back = d.arrow("h", y, y, layers.linear(2, 2)), d.arrow("back", y, x, layers.relu())
    d.commute(data, y, by=bridge.mse(), arrows=[g, f])
    d.commute(data.a, y, by=bridge.cosine(), arrows=[f, h, g], pairing="all", max_length=2, weight=0.1, name="all")
    d.commute(f(data.a), x, by=bridge.huber(), arrows=[back, h], max_length=3, max_paths=10)
    d.agree(h(f(data.a)), g(data.a), by=bridge.mse())


def ladder(d: Builder) -> None:
    """Terms that are shared again and again, where placements make many islands."""
    x = d.space("x", k=2)
    data = d.source("data", x=x)
    f, g = d.arrow("f", x, x, layers.linear(2, 2)), d.arrow("g", x, x, layers.sigmoid())
    add = d.arrow("add", (x, x), x, layers.add())
    term = data.x
    for _ in range(4):
        term = add(f(term), g(term))
    d.agree(term, data.x, by=bridge.mse())


def splits(d: Builder) -> None:
    """An arrow of which one output is used, then the other; a mask that is computed."""
    x, share = d.space("x", k=2), d.space("share")
    data = d.source("data", x=x)
    graph = GraphBuilder(1)
    split = d.arrow("split", x, (x, x), graph.build(graph(layers.relu(), *graph.inputs), *graph.inputs))
    weigh = d.arrow("weigh", x, share, layers.chain(layers.linear(2, 1), layers.sigmoid(), layers.reshape()))
    f = d.arrow("f", x, x, layers.linear(2, 2))
    first, second = split(data.x)
    d.agree(f(second), data.x, by=bridge.mse(), where=weigh(data.x))
    d.agree(f(first), split(second)[1], by=bridge.mse(), where=bridge.detach(weigh(first)))


def model(d: Builder) -> None:
    """No agreement: a model, all frozen."""
    x = d.space("x", k=2)
    f = d.arrow("f", x, x, layers.linear(2, 2), frozen=True)
    d.output("y", f(d.source("data", x=x).x))


def names(d: Builder) -> None:
    """Names at the edges of what is allowed."""
    größe, point = d.space("größe", "float32", axes=[("行", 2)]), d.space("点" * 66, axes=[("<k>", "n")])
    quelle = d.source("源", {"x=1": größe, "!": point, "𝒙": größe})
    d.space("0", "float64", axes=[(str(k), 1) for k in range(16)])
    f = d.arrow("→", größe, größe, layers.chain(layers.linear(2, 2)))
    d.agree(f(quelle["x=1"]), quelle["𝒙"], by=bridge.mse(), name='it\'s "a" name, with (everything); in~it#1')
    d.agree(f(quelle["𝒙"]), quelle["x=1"], by=bridge.mse(), weight=1e-300)


def distillation(d: Builder) -> None:
    """A student, a teacher and labels."""
    image, logits = d.space("image", row=8, column=8), d.space("logits", klass=10)
    digits = d.source("digits", image=image, label=d.index("label", classes=10))
    body = layers.chain(layers.flatten(), layers.linear(64, 32), layers.relu(), layers.linear(32, 10))
    student, teacher = d.arrow("student", image, logits, body), d.arrow("teacher", image, logits, body, frozen=True)
    d.agree(student(digits.image), digits.label, by=bridge.cross_entropy())
    d.agree(student(digits.image), teacher(digits.image), by=bridge.kl(temperature=4), weight=2)
    d.output("prediction", student(digits.image))


WRITERS: dict[str, Callable[[Builder], object]] = {
    **{f"layer_{name}": of_layer(body) for name, body in LAYERS.items()},
    "ties": of_layer(tied()),
    **{f"layer_{name}": of_spatial(layer, shape) for name, (layer, shape) in SPATIAL.items()},
    **{f"divergence_{name}": of_divergence(name) for name in DIVERGENCES},
    "empty": lambda d: None,
    **{
        writer.__name__: writer
        for writer in (
            *(indices, embeddings, statistics, references, shared, residual),
            *(arithmetic, parts, recurrent, attention),
            *(commutes, ladder, splits, model, names, distillation),
        )
    },
}


def diagrams() -> Iterator[tuple[str, Diagram]]:
    """The diagrams by name."""
    for name, write in WRITERS.items():
        d = Builder(name)
        write(d)
        yield name, d.build()


def placements(diagram: Diagram) -> list[dict[str, Runtime]]:
    """None, every second one, the others, and all of the components that can be placed."""
    portable = [component.name for component in diagram.components if isinstance(component.body, LayerGraph)]
    chosen = [[], portable[::2], portable[1::2], portable]
    unique = {tuple(names): None for names in chosen}
    return [dict.fromkeys(names, Runtime.JULIA) for names in unique]


def files() -> dict[str, bytes]:
    """Every file with its bytes."""
    made = {}
    lines = []
    for name, diagram in diagrams():
        made[f"{name}.pb"] = schema.to_bytes(diagram)
        lines.append(f"{name} {schema.identity(diagram)}")
        for driver in Runtime:
            for placement in placements(diagram):
                data = plan(diagram, placement, driver).to_bytes()
                lines.append(f"  {driver.value} {','.join(placement) or '-'} {data.hex()}")
    made["manifest.txt"] = ("\n".join(lines) + "\n").encode()
    return made


def stale(wanted: dict[str, bytes]) -> list[str]:
    """The names of files that are missing, differ, or are left over."""
    there = {path.name: path.read_bytes() for path in FOLDER.glob("*")}
    return sorted(name for name in {*wanted, *there} if wanted.get(name) != there.get(name))


def main() -> int:
    """Write the files, or check them; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 where a file is not current")
    check = parser.parse_args().check
    wanted = files()
    FOLDER.mkdir(parents=True, exist_ok=True)
    old = stale(wanted)
    for name in old:
        if check:
            print(f"tests/files/golden/{name} is not current; run python scripts/golden.py", file=sys.stderr)
        elif name in wanted:
            (FOLDER / name).write_bytes(wanted[name])
            print(f"wrote {name}")
        else:
            (FOLDER / name).unlink()
            print(f"removed {name}")
    return 1 if check and old else 0


if __name__ == "__main__":
    sys.exit(main())
