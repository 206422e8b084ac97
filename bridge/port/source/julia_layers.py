"""Portable layers in plain Flux: members of a struct, and functions of Flux's or NNlib's.

Arrays have their axes reversed and the batch last, so the torch axis −d is Julia's axis d.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from bridge.diagram.ir import Layer, Node
from bridge.errors import UnsupportedError
from bridge.layers.definition import Shape, integer, integers, real
from bridge.port.calls import Call
from bridge.port.source.expressions import ATOM, POWER, PRODUCT, SUM, Expression, call, infix, method, within
from bridge.port.source.julia_tensors import is_scaled_apart
from bridge.port.source.outline import Leaf
from bridge.port.source.sharing import Symbol

__all__ = ["JuliaCall", "apply_function", "apply_member", "flux_call", "literal", "repeats_arguments"]


def literal(value: Any, wide: bool = True) -> str:
    """A value in Julia; a number with a point is a Float32 unless it is `wide`.

    >>> literal((2, 3)), literal((2,)), literal(True), literal(0.5), literal(1e-05, wide=False), literal(2.0, wide=False)
    ('(2, 3)', '(2,)', 'true', '0.5', '1f-05', '2.0f0')
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return f"({', '.join(literal(item, wide) for item in value)}{',' * (len(value) == 1)})"
    if isinstance(value, float) and not wide:
        text = repr(value)
        return text.replace("e", "f") if "e" in text else f"{text}f0"
    return f'"{value}"' if isinstance(value, str) else repr(value)


@dataclass(frozen=True)
class JuliaCall(Call):
    """A constructor by a pattern of its arguments, such as "Dense({0} => {1}{more})" with keywords where `more` is."""

    def __str__(self) -> str:
        given = {k: v for k, v in self.keywords.items() if k not in self.defaults or v != self.defaults[k]}
        more = ", ".join(f"{name}={literal(value)}" for name, value in given.items())
        return self.name.format(*map(literal, self.arguments), more=f"; {more}" if more else "")


def flux_call(wide: bool, again: Collection[str] = ()) -> Callable[[Node, tuple[Shape, ...]], Call | None]:
    """What makes a node's module in Flux, None for a function; `wide` says that the numbers are Float64.

    Nodes of the names in `again` are at work more than once.
    """

    def made(node: Node, inputs: tuple[Shape, ...]) -> Call | None:
        maker = MEMBERS.get(node.layer.operation)
        if maker is None:
            return None
        if node.name not in again or not is_scaled_apart(node.layer):
            return maker(dict(node.layer.attributes), wide)
        plain = maker({**dict(node.layer.attributes), "affine": False}, wide)
        size = "1, " * (len(inputs[0]) - 1) + ("{1}" if node.layer.operation == "group_norm" else "{0}")
        return replace(plain, name=f"Chain({plain.name}, Flux.Scale({size}))")

    return made


Maker = Callable[[Mapping[str, Any], bool], Call]


def reversed_short(numbers: tuple[int, ...]) -> int | tuple[int, ...]:
    """Sizes by axis in Julia's order, one where all are the same."""
    return numbers[0] if len(set(numbers)) == 1 else tuple(reversed(numbers))


def _convolution(name: str, transposed: bool) -> Maker:
    keys = {"stride": "stride", "padding": "pad", "dilation": "dilation"}
    if transposed:
        keys["output_padding"] = "outpad"
    defaults = {"stride": 1, "pad": 0, "outpad": 0, "dilation": 1, "groups": 1, "bias": True}

    pattern, names = f"{name}({{2}}, {{0}} => {{1}}{{more}})", ("inputs", "outputs", "kernel")

    def made(a: Mapping[str, Any], wide: bool) -> Call:
        keywords = {key: reversed_short(a[own]) for own, key in keys.items()} | {"groups": a["groups"], "bias": a["bias"]}
        return JuliaCall(pattern, (a["in"], a["out"], tuple(reversed(a["kernel"]))), keywords, names, defaults)

    return made


def _numbers(eps: Any, momentum: Any, wide: bool) -> dict[str, float]:
    """Those of a norm that need not be written: it has both of one type, which is Float32 where neither is."""
    return {"eps": 1e-5, "momentum": 0.1} if not wide and (eps, momentum) == (1e-5, 0.1) else {}


def _over_batches(name: str, tracks: bool) -> Maker:
    def made(a: Mapping[str, Any], wide: bool) -> Call:
        keywords = {"eps": a["eps"], "momentum": a["momentum"], "affine": a["affine"], "track_stats": a["track"]}
        defaults = {"affine": tracks, "track_stats": tracks, **_numbers(a["eps"], a["momentum"], wide)}
        return JuliaCall(f"{name}({{0}}{{more}})", (a["features"],), keywords, ("features",), defaults)

    return made


def _layer_norm(a: Mapping[str, Any], wide: bool) -> Call:
    keywords, defaults = {"eps": a["eps"], "affine": a["affine"]}, {"eps": 1e-5, "affine": True}
    sizes = tuple(reversed(a["shape"]))
    return JuliaCall("Normalisation({0}{more})", (sizes[0] if len(sizes) == 1 else sizes,), keywords, ("width",), defaults)


def _group_norm(a: Mapping[str, Any], wide: bool) -> Call:
    keywords = {"eps": a["eps"], "momentum": 0.1, "affine": a["affine"]}
    defaults = {"affine": True, **_numbers(a["eps"], 0.1, wide)}
    return JuliaCall("GroupNorm({1}, {0}{more})", (a["groups"], a["features"]), keywords, ("groups", "features"), defaults)


def _recurrent(name: str) -> Maker:
    def made(a: Mapping[str, Any], wide: bool) -> Call:
        keywords = {"biases": a["biases"], "reverse": a["reverse"]}
        if "nonlinearity" in a:
            name_of = Symbol("relu" if a["nonlinearity"] == "relu" else "tanh")
            keywords["activation"] = name_of
        defaults = {"biases": 2, "reverse": False, "activation": Symbol("tanh")}
        return JuliaCall(f"{name}({{0}} => {{1}}{{more}})", (a["in"], a["hidden"]), keywords, ("inputs", "hidden"), defaults)

    return made


def _attention_heads(a: Mapping[str, Any], wide: bool) -> Call:
    widths = (a["width"], a["key_width"], a["value_width"])
    names, keywords = ("width", "key_width", "value_width"), {"nheads": a["heads"], "bias": a["bias"]}
    same = len(set(widths)) == 1
    pattern = "MultiHeadAttention({0}{more})" if same else "MultiHeadAttention(({0}, {1}, {2}) => {0} => {0}{more})"
    return JuliaCall(pattern, widths, keywords, names, {"bias": False})


def _simple(pattern: str, **names: str) -> Maker:
    return lambda a, wide: JuliaCall(pattern, tuple(a[own] for own in names.values()), {}, tuple(names))


MEMBERS: Mapping[str, Maker] = {
    "linear": lambda a, wide: JuliaCall(
        "Dense({0} => {1}{more})", (a["in"], a["out"]), {"bias": a["bias"]}, ("inputs", "outputs"), {"bias": True}
    ),
    **{f"conv{n}d": _convolution("Conv", False) for n in (1, 2)},
    **{f"conv_transpose{n}d": _convolution("ConvTranspose", True) for n in (1, 2)},
    "batch_norm": _over_batches("BatchNorm", True),
    "instance_norm": _over_batches("InstanceNorm", False),
    "layer_norm": _layer_norm,
    "group_norm": _group_norm,
    "embedding": _simple("Embedding({0} => {1})", entries="entries", width="width"),
    "dropout": _simple("Dropout({0})", p="p"),
    "lstm": _recurrent("LongShortTerm"),
    "gru": _recurrent("Gated"),
    "rnn": _recurrent("Elman"),
    "multi_head_attention": _attention_heads,
    **dict.fromkeys(
        ("parameter", "constant"),
        lambda a, wide: JuliaCall(
            "zeros(Float32, {0})", (tuple(reversed(a["shape"])),), {}, ("shape" if a["by"] == "add" else "sizes",)
        ),
    ),
}

def repeats_arguments(leaf: Leaf) -> bool:
    """Whether an argument is written more than once, and so has to be a name."""
    layer = leaf.node.layer
    masked = layer.operation == "multi_head_attention" and bool(layer["causal"] or layer["key_mask"] or layer["mask"])
    padded = layer.operation == "embedding" and layer["padding"] != -1
    return masked or padded or layer.operation in ("split", "mean_pool1d", "mean_pool2d")


def apply_member(leaf: Leaf, member: str, arguments: Sequence[Expression]) -> Expression:
    """A module at work."""
    layer = leaf.node.layer
    if layer.operation == "embedding":
        places = infix(" .+ ", SUM, arguments[0], 1)
        if layer["padding"] == -1:
            return call(member, places)
        return call("without_gradient", call(member, places), infix(" .== ", SUM + 1, arguments[0], layer["padding"]))
    if layer.operation in ("lstm", "gru", "rnn"):
        x, *rest = arguments
        lengths = f"; lengths={rest.pop(0)}" if layer["lengths"] else ""
        made = call(member, x, *rest)
        return Expression(f"{made.text[:-1]}{lengths})", ATOM, made.depth)
    if layer.operation == "multi_head_attention":
        return _apply_heads(layer, member, arguments)
    if layer.operation in ("parameter", "constant"):
        sign, binds = (" .+ ", SUM) if layer["by"] == "add" else (" .* ", PRODUCT)
        return infix(sign, binds, arguments[0], member)
    return call(member, *arguments)


def _apply_heads(layer: Layer, member: str, arguments: Sequence[Expression]) -> Expression:
    masks, kept = list(arguments[3:]), []
    q, k = arguments[:2]
    if layer["causal"]:
        kept.append(f"causal_mask({k}, {q})")
    if layer["key_mask"]:
        kept.append(f"reshape({masks.pop(0)}, size({k}, 2), 1, 1, :)")
    if layer["mask"]:
        kept.append(f"reshape({masks.pop(0)}, size({k}, 2), size({q}, 2), 1, :)")
    given = ", ".join(map(str, arguments[:3])) + (f"; mask={' .& '.join(kept)}" if kept else "")
    return Expression(f"first({member}({given}))", ATOM, 2 + max(x.depth for x in arguments))


def apply_function(leaf: Leaf, arguments: Sequence[Expression], wide: bool) -> Expression:
    """A function at work."""
    operation = leaf.node.layer.operation
    if operation not in FUNCTIONS:
        raise UnsupportedError(f"node '{leaf.node.name}' ({operation})", "a function of Flux's", "none")
    return FUNCTIONS[operation](dict(leaf.node.layer.attributes), list(arguments), leaf, wide)


Apply = Callable[[Mapping[str, Any], list[Expression], Leaf, bool], Expression]


def _each(name: str, *attributes: str) -> Apply:
    return lambda a, x, leaf, wide: call(f"{name}.", x[0], *(literal(a[own], wide) for own in attributes))


def _along(name: str) -> Apply:
    return lambda a, x, leaf, wide: Expression(f"{name}({x[0]}; dims={-integer(a, 'axis')})", ATOM, 1 + x[0].depth)


def _reshape(a: Mapping[str, Any], x: list[Expression], leaf: Leaf, wide: bool) -> Expression:
    return call("reshape", x[0], *reversed(integers(a, "shape")), ":")


def _flatten(a: Mapping[str, Any], x: list[Expression], leaf: Leaf, wide: bool) -> Expression:
    return call("Flux.flatten", x[0]) if leaf.inputs[0] else call("reshape", x[0], 1, ":")


def _permute(a: Mapping[str, Any], x: list[Expression], leaf: Leaf, wide: bool) -> Expression:
    axes = integers(a, "axes")
    order = tuple(len(axes) - axis for axis in reversed(axes))
    return call("permutedims", x[0], literal((*order, len(axes) + 1)))


def _range(start: int, stop: int, step: int, size: int | str) -> str:
    last = "end" if stop == size else str(stop)
    return f"{start + 1}:{last}" if step == 1 else f"{start + 1}:{step}:{last}"


def _indices(rank: int, axis: int, chosen: str) -> str:
    parts = [":"] * (rank + 1)
    parts[-axis - 1] = chosen
    return f"[{', '.join(parts)}]"


def _slice(a: Mapping[str, Any], x: list[Expression], leaf: Leaf, wide: bool) -> Expression:
    axis, shape = integer(a, "axis"), leaf.inputs[0]
    chosen = _range(integer(a, "start"), integer(a, "stop"), integer(a, "step"), shape[axis])
    return method(x[0], _indices(len(shape), axis, chosen))


def _split(a: Mapping[str, Any], x: list[Expression], leaf: Leaf, wide: bool) -> Expression:
    axis, shape, at, parts = integer(a, "axis"), leaf.inputs[0], 0, []
    for size in integers(a, "sizes"):
        parts.append(f"{x[0]}{_indices(len(shape), axis, _range(at, at + size, 1, shape[axis]))}")
        at += size
    return Expression(", ".join(parts), ATOM, 1)


def _reduce(name: str) -> Apply:
    def made(a: Mapping[str, Any], x: list[Expression], leaf: Leaf, wide: bool) -> Expression:
        axes = tuple(-axis for axis in integers(a, "axes"))
        dims = literal(axes[0] if len(axes) == 1 else axes)
        text = f"{name}({x[0]}; dims={dims})"
        return Expression(text if a["keep"] else f"dropdims({text}; dims={dims})", ATOM, 1 + x[0].depth)

    return made


def _scale(a: Mapping[str, Any], x: list[Expression], leaf: Leaf, wide: bool) -> Expression:
    factor, shift = real(a, "factor"), real(a, "shift")
    made = x[0]
    if factor == -1 and shift == 0:
        return Expression(f".-{within(x[0], ATOM)}", PRODUCT, x[0].depth)
    if factor != 1:
        made = infix(" .* ", PRODUCT, made, literal(factor, wide))
    if shift < 0:
        made = infix(" .- ", SUM, made, literal(-shift, wide))
    elif shift > 0 or factor == 1:
        made = infix(" .+ ", SUM, made, literal(shift, wide))
    return made


def _power(a: Mapping[str, Any], x: list[Expression], leaf: Leaf, wide: bool) -> Expression:
    exponent = real(a, "exponent")
    text = str(int(exponent)) if exponent.is_integer() else literal(exponent, wide)
    return Expression(f"{within(x[0], ATOM)} .^ {text if exponent >= 0 else f'({text})'}", POWER, x[0].depth)


def _pad(a: Mapping[str, Any], x: list[Expression], leaf: Leaf, wide: bool) -> Expression:
    pairs = zip(reversed(integers(a, "before")), reversed(integers(a, "after")), strict=True)
    amounts = tuple(amount for pair in pairs for amount in pair)
    dims = literal(tuple(range(1, len(amounts) // 2 + 1)))
    given = f"{x[0]}, {literal(amounts)}, {literal(real(a, 'value'), wide)}"
    return Expression(f"pad_constant({given}; dims={dims})", ATOM, 1 + x[0].depth)


def _attend(a: Mapping[str, Any], x: list[Expression], leaf: Leaf, wide: bool) -> Expression:
    given = ["causal=true"] if a["causal"] else []
    given += [f"mask={x[3]}"] if a["mask"] == "boolean" else []
    given += [f"scale={literal(a['scale'], wide)}"] if a["scale"] != 0 else []
    more = f"; {', '.join(given)}" if given else ""
    return Expression(f"attention({', '.join(map(str, x[:3]))}{more})", ATOM, 1 + max(part.depth for part in x))


def _window(a: Mapping[str, Any]) -> str:
    keywords = [] if a["stride"] == a["kernel"] else [f"stride={literal(tuple(reversed(a['stride'])))}"]
    keywords += [f"pad={literal(tuple(reversed(a['padding'])))}"] if any(a["padding"]) else []
    return f"{literal(tuple(reversed(a['kernel'])))}" + (f"; {', '.join(keywords)}" if keywords else "")


def _max_pool(a: Mapping[str, Any], x: list[Expression], leaf: Leaf, wide: bool) -> Expression:
    return Expression(f"maxpool({x[0]}, {_window(a)})", ATOM, 1 + x[0].depth)


def _mean_pool(a: Mapping[str, Any], x: list[Expression], leaf: Leaf, wide: bool) -> Expression:
    made = Expression(f"meanpool({x[0]}, {_window(a)})", ATOM, 1 + x[0].depth)
    if a["count_padding"] or not any(a["padding"]):
        return made
    return infix(" ./ ", PRODUCT, made, Expression(f"meanpool(one.({x[0]}), {_window(a)})"))


def _adaptive(name: str, reduction: str) -> Apply:
    def made(a: Mapping[str, Any], x: list[Expression], leaf: Leaf, wide: bool) -> Expression:
        sizes = integers(a, "size")
        own = leaf.inputs[0][1:]
        even = all(isinstance(n, int) and n % m == 0 for n, m in zip(own, sizes, strict=True))
        if even:
            return call(f"{name}({literal(tuple(reversed(sizes)))})", x[0])
        return call("adaptive_pool", reduction, x[0], literal(tuple(reversed(sizes))))

    return made


def _upsample(a: Mapping[str, Any], x: list[Expression], leaf: Leaf, wide: bool) -> Expression:
    factor = literal(tuple(reversed(integers(a, "factor"))))
    if a["mode"] == "nearest":
        return call("upsample_nearest", x[0], factor)
    aligned = literal(bool(a["align_corners"]))
    return Expression(f"upsample_bilinear({x[0]}, {factor}; align_corners={aligned})", ATOM, 1 + x[0].depth)


def _gelu(a: Mapping[str, Any], x: list[Expression], leaf: Leaf, wide: bool) -> Expression:
    return call("gelu_erf." if a["approximate"] == "none" else "gelu_tanh.", x[0])


def _concat(a: Mapping[str, Any], x: list[Expression], leaf: Leaf, wide: bool) -> Expression:
    given = ", ".join(map(str, x))
    return Expression(f"cat({given}; dims={-integer(a, 'axis')})", ATOM, 1 + max(part.depth for part in x))


def _operator(sign: str, binds: int) -> Apply:
    return lambda a, x, leaf, wide: infix(sign, binds, *x)


FUNCTIONS: Mapping[str, Apply] = {
    **{name: _each(name) for name in ("relu", "relu6", "tanh", "mish", "softplus", "exp", "log", "sqrt", "abs")},
    "sigmoid": _each("sigmoid"),
    "silu": _each("swish"),
    "hardsigmoid": _each("hardsigmoid"),
    "leaky_relu": _each("leakyrelu", "slope"),
    "elu": _each("elu", "alpha"),
    "celu": _each("celu", "alpha"),
    "gelu": _gelu,
    "softmax": _along("softmax"),
    "log_softmax": _along("logsoftmax"),
    "power": _power,
    "add": _operator(" .+ ", SUM),
    "subtract": _operator(" .- ", SUM),
    "multiply": _operator(" .* ", PRODUCT),
    "divide": _operator(" ./ ", PRODUCT),
    "matmul": lambda a, x, leaf, wide: call("matmul", *x),
    "scale": _scale,
    "identity": lambda a, x, leaf, wide: x[0],
    "flatten": _flatten,
    "reshape": _reshape,
    "permute": _permute,
    "concat": _concat,
    "split": _split,
    "slice": _slice,
    "mean": _reduce("mean"),
    "sum": _reduce("sum"),
    "pad": _pad,
    "attention": _attend,
    **{f"max_pool{n}d": _max_pool for n in (1, 2)},
    **{f"mean_pool{n}d": _mean_pool for n in (1, 2)},
    **{f"adaptive_mean_pool{n}d": _adaptive("AdaptiveMeanPool", "mean") for n in (1, 2)},
    **{f"adaptive_max_pool{n}d": _adaptive("AdaptiveMaxPool", "maximum") for n in (1, 2)},
    "upsample2d": _upsample,
}
