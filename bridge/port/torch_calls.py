"""The torch.nn module of each portable layer that has one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from bridge.diagram.ir import Layer
from bridge.port.calls import Call

__all__ = ["CALLS", "module_call", "short"]

Attributes: TypeAlias = "Mapping[str, Any]"
Maker: TypeAlias = "Callable[[Attributes, int | None], Call | None]"


def module_call(layer: Layer, rank: int | None = None) -> Call | None:
    """The module that does what a layer does for samples of so many axes; None where torch.nn has none.

    A rank that is not known (None) leaves out what comes as several classes, such as BatchNorm1d and BatchNorm2d.

    >>> from bridge.layers import gelu, linear
    >>> print(module_call(linear(4, 3)), module_call(gelu("tanh")))
    nn.Linear(4, 3) nn.GELU(approximate="tanh")
    """
    made = CALLS.get(layer.operation)
    return None if made is None else made(dict(layer.attributes), rank)


def short(numbers: tuple[int, ...]) -> int | tuple[int, ...]:
    """One number where all are the same."""
    return numbers[0] if len(set(numbers)) == 1 else numbers


def fixed(name: str) -> Maker:
    """A module without arguments."""
    return lambda a, rank: Call(name)


def one(name: str, keyword: str, attribute: str, default: Any) -> Maker:
    """A module with one argument."""
    return lambda a, rank: Call(name, keywords={keyword: a[attribute]}, defaults={keyword: default})


def convolution(name: str, transposed: bool = False) -> Maker:
    """nn.Conv1d and its like."""
    keys = ("stride", "padding", *(("output_padding",) if transposed else ()), "dilation")
    defaults = {"stride": 1, "padding": 0, "output_padding": 0, "dilation": 1, "groups": 1, "bias": True}

    def made(a: Attributes, rank: int | None) -> Call:
        keywords = {key: short(a[key]) for key in keys} | {"groups": a["groups"], "bias": a["bias"]}
        return Call(name, (a["in"], a["out"], short(a["kernel"])), keywords, ("inputs", "outputs", "kernel"), defaults)

    return made


def pool(name: str) -> Maker:
    """nn.MaxPool1d and its like."""

    def made(a: Attributes, rank: int | None) -> Call:
        keywords = {"stride": short(a["stride"]), "padding": short(a["padding"])}
        if "count_padding" in a:
            keywords["count_include_pad"] = a["count_padding"]
        defaults = {"stride": short(a["kernel"]), "padding": 0, "count_include_pad": True}
        return Call(name, (short(a["kernel"]),), keywords, ("kernel",), defaults)

    return made


def adaptive(name: str) -> Maker:
    """nn.AdaptiveAvgPool1d and its like."""
    return lambda a, rank: Call(name, (short(a["size"]),), names=("size",))


def upsample(a: Attributes, rank: int | None) -> Call:
    """nn.Upsample."""
    factor = tuple(map(float, a["factor"])) if len(set(a["factor"])) > 1 else a["factor"][0]
    keywords = {"scale_factor": factor, "mode": a["mode"], "align_corners": a["align_corners"] or None}
    return Call("nn.Upsample", keywords=keywords, defaults={"mode": "nearest", "align_corners": None})


def layer_norm(a: Attributes, rank: int | None) -> Call:
    """nn.LayerNorm."""
    shape = a["shape"][0] if len(a["shape"]) == 1 else a["shape"]
    keywords = {"eps": a["eps"], "elementwise_affine": a["affine"]}
    return Call("nn.LayerNorm", (shape,), keywords, ("width",), {"eps": 1e-5, "elementwise_affine": True})


def over_batches(name: str, ranks: Mapping[int, int], affine: bool) -> Maker:
    """nn.BatchNorm1d or nn.InstanceNorm1d, and their like for more axes."""
    defaults = {"eps": 1e-5, "momentum": 0.1, "affine": affine, "track_running_stats": affine}

    def made(a: Attributes, rank: int | None) -> Call | None:
        if rank is None or rank not in ranks:
            return None
        keywords = {"eps": a["eps"], "momentum": a["momentum"], "affine": a["affine"], "track_running_stats": a["track"]}
        return Call(f"nn.{name}{ranks[rank]}d", (a["features"],), keywords, ("features",), defaults)

    return made


def group_norm(a: Attributes, rank: int | None) -> Call:
    """nn.GroupNorm."""
    keywords, defaults = {"eps": a["eps"], "affine": a["affine"]}, {"eps": 1e-5, "affine": True}
    return Call("nn.GroupNorm", (a["groups"], a["features"]), keywords, ("groups", "features"), defaults)


def embedding(a: Attributes, rank: int | None) -> Call:
    """nn.Embedding."""
    keywords = {"padding_idx": None if a["padding"] < 0 else a["padding"]}
    return Call("nn.Embedding", (a["entries"], a["width"]), keywords, ("entries", "width"), {"padding_idx": None})


def linear(a: Attributes, rank: int | None) -> Call:
    """nn.Linear."""
    return Call("nn.Linear", (a["in"], a["out"]), {"bias": a["bias"]}, ("inputs", "outputs"), {"bias": True})


CALLS: Mapping[str, Maker] = {
    "linear": linear,
    **{
        operation: fixed(f"nn.{name}")
        for operation, name in {
            "relu": "ReLU",
            "relu6": "ReLU6",
            "sigmoid": "Sigmoid",
            "tanh": "Tanh",
            "silu": "SiLU",
            "hardsigmoid": "Hardsigmoid",
            "mish": "Mish",
            "softplus": "Softplus",
            "flatten": "Flatten",
            "identity": "Identity",
        }.items()
    },
    "leaky_relu": one("nn.LeakyReLU", "negative_slope", "slope", 0.01),
    "elu": one("nn.ELU", "alpha", "alpha", 1.0),
    "celu": one("nn.CELU", "alpha", "alpha", 1.0),
    "gelu": one("nn.GELU", "approximate", "approximate", "none"),
    "softmax": lambda a, rank: Call("nn.Softmax", keywords={"dim": a["axis"]}),
    "log_softmax": lambda a, rank: Call("nn.LogSoftmax", keywords={"dim": a["axis"]}),
    "layer_norm": layer_norm,
    "batch_norm": over_batches("BatchNorm", {1: 1, 2: 1, 3: 2, 4: 3}, affine=True),
    "instance_norm": over_batches("InstanceNorm", {2: 1, 3: 2, 4: 3}, affine=False),
    "group_norm": group_norm,
    "dropout": lambda a, rank: Call("nn.Dropout", (a["p"],), names=("p",)),
    "embedding": embedding,
    **{f"conv{n}d": convolution(f"nn.Conv{n}d") for n in (1, 2)},
    **{f"conv_transpose{n}d": convolution(f"nn.ConvTranspose{n}d", transposed=True) for n in (1, 2)},
    **{f"max_pool{n}d": pool(f"nn.MaxPool{n}d") for n in (1, 2)},
    **{f"mean_pool{n}d": pool(f"nn.AvgPool{n}d") for n in (1, 2)},
    **{
        f"adaptive_{kind}_pool{n}d": adaptive(f"nn.Adaptive{torchs}Pool{n}d")
        for kind, torchs in (("mean", "Avg"), ("max", "Max"))
        for n in (1, 2)
    },
    "upsample2d": upsample,
}
