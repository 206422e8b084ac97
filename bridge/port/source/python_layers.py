"""Portable layers in plain PyTorch, as a person writes them: members of a class, and functions of torch's."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from bridge.diagram.ir import Layer, Node
from bridge.errors import UnsupportedError
from bridge.layers.definition import Shape, integer, integers, real
from bridge.port.calls import Call
from bridge.port.source.expressions import ATOM, POWER, PRODUCT, SUM, Expression, call, infix, method, quoted, within
from bridge.port.source.outline import Leaf
from bridge.port.torch_calls import module_call, short

__all__ = ["RECURRENT", "apply_function", "apply_member", "member_call", "parameter_names", "repeats_arguments"]

RECURRENT = ("rnn", "gru", "lstm")

VALUES = {"parameter": "nn.Parameter", "constant": ""}
"""Operations whose member is a value, and what it is made by; a buffer is a tensor that is registered."""

MEMBERS = frozenset(
    {
        *("linear", "conv1d", "conv2d", "conv_transpose1d", "conv_transpose2d", "embedding", "dropout"),
        *("layer_norm", "batch_norm", "instance_norm", "group_norm", "rnn", "gru", "lstm", "multi_head_attention"),
        *("parameter", "constant"),
    }
)
"""Operations that are members of a class; all others are functions."""


@dataclass(frozen=True)
class ValueCall(Call):
    """What makes a value of a shape; one that is added and one that multiplies don't share a class."""

    def __str__(self) -> str:
        zeros = f"torch.zeros({self.arguments[0]!r})"
        return f"{self.name}({zeros})" if self.name else zeros


def member_call(node: Node, inputs: tuple[Shape, ...]) -> Call | None:
    """What makes a node's module; None for a function."""
    layer = node.layer
    if layer.operation not in MEMBERS:
        return None
    a = dict(layer.attributes)
    if layer.operation in RECURRENT:
        keywords: dict[str, Any] = {"bias": a["biases"] != 0, "batch_first": True}
        if layer.operation == "rnn":
            keywords["nonlinearity"] = a["nonlinearity"]
        name = f"nn.{layer.operation.upper()}"
        return Call(name, (a["in"], a["hidden"]), keywords, ("inputs", "hidden"), {"bias": True, "nonlinearity": "tanh"})
    if layer.operation == "multi_head_attention":
        width = a["width"]
        keywords = {"bias": a["bias"], "kdim": a["key_width"], "vdim": a["value_width"], "batch_first": True}
        defaults = {"bias": True, "kdim": width, "vdim": width}
        return Call("nn.MultiheadAttention", (width, a["heads"]), keywords, ("width", "heads"), defaults)
    if layer.operation in VALUES:
        return ValueCall(VALUES[layer.operation], (a["shape"],), names=("shape" if a["by"] == "add" else "sizes",))
    made = module_call(layer, len(inputs[0]))
    if made is None:
        raise UnsupportedError(f"node '{node.name}' ({layer.operation})", "a module of torch.nn", f"none for {inputs[0]}")
    return made


def parameter_names(layer: Layer) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
    """What a member's tensors are called by torch, of those by the layer's names."""
    if layer.operation in RECURRENT:
        return lambda held: _recurrent(layer, held)
    if layer.operation == "multi_head_attention":
        return lambda held: _attention(layer, held)
    if layer.operation in VALUES:
        return lambda held: {"": held["value"]}
    return dict


def _recurrent(layer: Layer, held: Mapping[str, Any]) -> dict[str, Any]:
    made = {f"{name}_l0": value for name, value in held.items()}
    if layer["biases"] == 1:
        made["bias_hh_l0"] = made["bias_ih_l0"] * 0
    return made


def _attention(layer: Layer, held: Mapping[str, Any]) -> dict[str, Any]:
    a = dict(layer.attributes)
    made = {f"out_proj.{name.removeprefix('out_')}": value for name, value in held.items() if name.startswith("out_")}
    if a["width"] == a["key_width"] == a["value_width"]:
        made["in_proj_weight"] = torch.cat([held[f"{letter}_weight"] for letter in "qkv"])
    else:
        made.update((f"{letter}_proj_weight", held[f"{letter}_weight"]) for letter in "qkv")
    if a["bias"]:
        made["in_proj_bias"] = torch.cat([held[f"{letter}_bias"] for letter in "qkv"])
    return made


def apply_member(leaf: Leaf, member: str, arguments: Sequence[Expression]) -> Expression:
    """A module at work."""
    layer = leaf.node.layer
    if layer.operation in RECURRENT:
        return _apply_recurrent(layer, member, arguments)
    if layer.operation == "multi_head_attention":
        return _apply_attention(layer, member, arguments)
    if layer.operation in VALUES:
        sign, binds = (" + ", SUM) if layer["by"] == "add" else (" * ", PRODUCT)
        return infix(sign, binds, arguments[0], member)
    return call(member, *arguments)


def repeats_arguments(leaf: Leaf) -> bool:
    """Whether an argument is written more than once, and so has to be a name."""
    layer = leaf.node.layer
    return layer.operation == "multi_head_attention" and bool(layer["causal"])


def _apply_recurrent(layer: Layer, member: str, arguments: Sequence[Expression]) -> Expression:
    x, *rest = arguments
    if layer["lengths"]:
        reverse = ", reverse=True" if layer["reverse"] else ""
        given = ", ".join(map(str, (member, x, *rest)))
        return Expression(f"run_padded({given}{reverse})", ATOM, 1)
    states = [f"{within(state, ATOM)}.unsqueeze(0)" for state in rest]
    initial = [states[0] if len(states) == 1 else f"({', '.join(states)})"] if states else []
    return call(member, method(x, ".flip(1)") if layer["reverse"] else x, *initial)


def _apply_attention(layer: Layer, member: str, arguments: Sequence[Expression]) -> Expression:
    a = dict(layer.attributes)
    keywords: dict[str, object] = {}
    masks = list(arguments[3:])
    if a["key_mask"]:
        keywords["key_padding_mask"] = f"~{masks.pop(0)}"
    if a["mask"]:
        keywords["attn_mask"] = f"~{masks.pop(0)}.repeat_interleave({a['heads']}, 0)"
    if a["causal"]:
        steps = f"{arguments[0]}.shape[1]"
        keywords["attn_mask"] = f"nn.Transformer.generate_square_subsequent_mask({steps}, dtype={arguments[0]}.dtype)"
        keywords["is_causal"] = True
    keywords["need_weights"] = False
    made = call(member, *arguments[:3], **keywords)
    return Expression(f"{made}[0]", ATOM, made.depth)


def apply_function(leaf: Leaf, arguments: Sequence[Expression]) -> Expression:
    """A function of torch's at work."""
    operation = leaf.node.layer.operation
    if operation not in FUNCTIONS:
        raise UnsupportedError(f"node '{leaf.node.name}' ({operation})", "a function of torch's", "none")
    return FUNCTIONS[operation](dict(leaf.node.layer.attributes), list(arguments), leaf)


Apply = Callable[[Mapping[str, Any], list[Expression], Leaf], Expression]


def plain(name: str, **attributes: str) -> Apply:
    """A function by name, with attributes as keywords."""
    return lambda a, x, leaf: call(name, *x, **{key: repr(a[given]) for key, given in attributes.items()})


def _reshape(a: Mapping[str, Any], x: list[Expression], leaf: Leaf) -> Expression:
    return method(x[0], f".reshape({', '.join(map(str, (-1, *integers(a, 'shape'))))})")


def _flatten(a: Mapping[str, Any], x: list[Expression], leaf: Leaf) -> Expression:
    return method(x[0], ".flatten(1)" if leaf.inputs[0] else ".unsqueeze(1)")


def _permute(a: Mapping[str, Any], x: list[Expression], leaf: Leaf) -> Expression:
    axes = integers(a, "axes")
    moved = [place for place, axis in enumerate(axes) if place != axis]
    if len(moved) == 2:
        return method(x[0], f".transpose({moved[0] + 1}, {moved[1] + 1})")
    return method(x[0], f".permute({', '.join(str(axis) for axis in (0, *(k + 1 for k in axes)))})")


def _slice(a: Mapping[str, Any], x: list[Expression], leaf: Leaf) -> Expression:
    start, stop, step = (integer(a, name) for name in ("start", "stop", "step"))
    size = leaf.inputs[0][integer(a, "axis")]
    text = f"{start or ''}:{'' if stop == size else stop}" + (f":{step}" if step != 1 else "")
    return method(x[0], f"[..., {text}{', :' * (-integer(a, 'axis') - 1)}]")


def _split(a: Mapping[str, Any], x: list[Expression], leaf: Leaf) -> Expression:
    sizes = integers(a, "sizes")
    if len(set(sizes)) == 1:
        return method(x[0], f".split({sizes[0]}, dim={a['axis']})")
    return method(x[0], f".split({list(sizes)}, dim={a['axis']})")


def _reduce(name: str) -> Apply:
    def made(a: Mapping[str, Any], x: list[Expression], leaf: Leaf) -> Expression:
        axes = integers(a, "axes")
        keep = ", keepdim=True" if a["keep"] else ""
        return method(x[0], f".{name}(dim={axes[0] if len(axes) == 1 else axes}{keep})")

    return made


def _scale(a: Mapping[str, Any], x: list[Expression], leaf: Leaf) -> Expression:
    factor, shift = real(a, "factor"), real(a, "shift")
    made = x[0]
    if factor == -1 and shift == 0:
        return Expression(f"-{x[0] if x[0].binds <= POWER else f'({x[0]})'}", PRODUCT, x[0].depth)
    if factor != 1:
        made = infix(" * ", PRODUCT, made, repr(factor))
    if shift < 0:
        made = infix(" - ", SUM, made, repr(-shift))
    elif shift > 0 or factor == 1:
        made = infix(" + ", SUM, made, repr(shift))
    return made


def _pad(a: Mapping[str, Any], x: list[Expression], leaf: Leaf) -> Expression:
    pairs = zip(reversed(integers(a, "before")), reversed(integers(a, "after")), strict=True)
    amounts = tuple(amount for pair in pairs for amount in pair)
    return call("F.pad", x[0], amounts, **({} if a["value"] == 0 else {"value": repr(a["value"])}))


def _attend(a: Mapping[str, Any], x: list[Expression], leaf: Leaf) -> Expression:
    keywords: dict[str, object] = {}
    if a["mask"] == "boolean":
        missing = len(leaf.inputs[0]) - len(leaf.inputs[3])
        keywords["attn_mask"] = x[3] if not missing else f"{x[3]}[:, {', '.join(['None'] * missing)}]"
    if a["causal"]:
        keywords["is_causal"] = True
    if a["scale"] != 0:
        keywords["scale"] = repr(a["scale"])
    return call("F.scaled_dot_product_attention", *x[:3], **keywords)


def _pool(name: str) -> Apply:
    def made(a: Mapping[str, Any], x: list[Expression], leaf: Leaf) -> Expression:
        keywords: dict[str, object] = {}
        if a["stride"] != a["kernel"]:
            keywords["stride"] = repr(short(a["stride"]))
        if any(a["padding"]):
            keywords["padding"] = repr(short(a["padding"]))
        if not a.get("count_padding", True):
            keywords["count_include_pad"] = False
        return call(name, x[0], repr(short(a["kernel"])), **keywords)

    return made


def _adaptive(name: str) -> Apply:
    return lambda a, x, leaf: call(name, x[0], repr(short(a["size"])))


def _upsample(a: Mapping[str, Any], x: list[Expression], leaf: Leaf) -> Expression:
    factor = repr(a["factor"][0] if len(set(a["factor"])) == 1 else tuple(map(float, a["factor"])))
    keywords: dict[str, object] = {"scale_factor": factor, "mode": quoted(a["mode"])}
    if a["align_corners"]:
        keywords["align_corners"] = True
    return call("F.interpolate", x[0], **keywords)


FUNCTIONS: Mapping[str, Apply] = {
    "relu": plain("F.relu"),
    "relu6": plain("F.relu6"),
    "sigmoid": plain("torch.sigmoid"),
    "tanh": plain("torch.tanh"),
    "silu": plain("F.silu"),
    "hardsigmoid": plain("F.hardsigmoid"),
    "mish": plain("F.mish"),
    "softplus": plain("F.softplus"),
    "leaky_relu": plain("F.leaky_relu", negative_slope="slope"),
    "elu": plain("F.elu", alpha="alpha"),
    "celu": plain("F.celu", alpha="alpha"),
    "gelu": lambda a, x, leaf: (
        call("F.gelu", x[0]) if a["approximate"] == "none" else call("F.gelu", x[0], approximate=quoted("tanh"))
    ),
    "softmax": plain("F.softmax", dim="axis"),
    "log_softmax": plain("F.log_softmax", dim="axis"),
    "exp": plain("torch.exp"),
    "log": plain("torch.log"),
    "sqrt": plain("torch.sqrt"),
    "abs": plain("torch.abs"),
    "power": lambda a, x, leaf: Expression(f"{within(x[0], ATOM)} ** {a['exponent']!r}", POWER, x[0].depth),
    "add": lambda a, x, leaf: infix(" + ", SUM, *x),
    "subtract": lambda a, x, leaf: infix(" - ", SUM, *x),
    "multiply": lambda a, x, leaf: infix(" * ", PRODUCT, *x),
    "divide": lambda a, x, leaf: infix(" / ", PRODUCT, *x),
    "matmul": lambda a, x, leaf: infix(" @ ", PRODUCT, *x),
    "scale": _scale,
    "identity": lambda a, x, leaf: x[0],
    "flatten": _flatten,
    "reshape": _reshape,
    "permute": _permute,
    "concat": lambda a, x, leaf: call("torch.cat", f"[{', '.join(map(str, x))}]", dim=a["axis"]),
    "split": _split,
    "slice": _slice,
    "mean": _reduce("mean"),
    "sum": _reduce("sum"),
    "pad": _pad,
    "attention": _attend,
    **{f"max_pool{n}d": _pool(f"F.max_pool{n}d") for n in (1, 2)},
    **{f"mean_pool{n}d": _pool(f"F.avg_pool{n}d") for n in (1, 2)},
    **{f"adaptive_mean_pool{n}d": _adaptive(f"F.adaptive_avg_pool{n}d") for n in (1, 2)},
    **{f"adaptive_max_pool{n}d": _adaptive(f"F.adaptive_max_pool{n}d") for n in (1, 2)},
    "upsample2d": _upsample,
}
