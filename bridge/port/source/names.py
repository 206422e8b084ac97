"""Names of a diagram as names in a script."""

from __future__ import annotations

import keyword
import re
from collections.abc import Collection, Iterable

__all__ = ["CALLED", "CLASSES", "Names", "class_name", "identifier"]

JULIA_WORDS = frozenset(
    {
        *("baremodule", "begin", "break", "catch", "const", "continue", "do", "else", "elseif", "end", "export"),
        *("false", "finally", "for", "function", "global", "if", "import", "in", "isa", "let", "local", "macro"),
        *("module", "nothing", "quote", "return", "struct", "true", "try", "using", "where", "while"),
    }
)
TAKEN = frozenset({*keyword.kwlist, *keyword.softkwlist, *JULIA_WORDS, "self", "torch", "nn", "F", "Flux"})

CALLED = frozenset(
    {
        *("abs", "adaptive_pool", "any", "attention", "axes", "batched_mul", "batched_transpose", "cat"),
        *("causal_mask", "celu", "classes_first", "cld", "cosine", "divergence", "dropdims", "each", "eltype", "elu"),
        *("exp", "f64", "filter", "first", "gelu", "gelu_erf", "gelu_tanh", "hardsigmoid", "identity", "ifelse", "info_nce"),
        *("leakyrelu", "length", "log", "logsoftmax", "logsumexp", "m", "map", "masked_mean", "matmul", "max"),
        *("maximum", "maxpool", "mean", "meanpool", "mish", "ndims", "ntuple", "onehotbatch", "ones", "pad_constant"),
        *("permutedims", "reduce", "relu", "reshape", "reverse", "run_padded", "selectdim", "sigmoid"),
        *("similar", "size", "softmax", "softplus", "split", "sqrt", "stack", "steps", "sum", "swish", "tanh"),
        *("typemin", "unit", "upsample_bilinear", "upsample_nearest", "vcat", "vec", "without_gradient", "zeros"),
    }
)
"""What the functions of scripts call by bare names, so that no variable of theirs may be called so."""

CLASSES = frozenset(
    {
        *("ARGS", "Adam", "AdamW", "AdaptiveMaxPool", "AdaptiveMeanPool", "Any", "Array", "Base", "Batch"),
        *("BatchNorm", "Bilinear", "Bool", "Chain", "Conv", "ConvTranspose", "Core", "CrossCor", "Dense", "Descent"),
        *("Dict", "Dropout", "ENTRY", "Embedding", "F", "False", "Float32", "Float64", "Flux", "GRU", "GroupNorm"),
        *("IdDict", "InstanceNorm", "Int", "Int32", "Int64", "Iterator", "LSTM", "LayerNorm", "Main", "MaxPool", "MeanPool"),
        *("MersenneTwister", "Model", "MultiHeadAttention", "NNlib", "None", "OPTIMISERS", "OPTIMIZERS"),
        *("PROGRAM_FILE", "Pair", "Parallel", "Path", "RMSProp", "RNN", "Random", "Recurrence", "Scale"),
        *("SkipConnection", "Statistics", "String", "Symbol", "TYPES", "Tensor", "True", "UInt64", "Upsample"),
        *("Vector",),
    }
)
"""What the scripts themselves call classes, types and constants."""


def identifier(name: str, prefix: str = "layer") -> str:
    """A name that both languages take.

    >>> identifier("student-2"), identifier("0"), identifier("class"), identifier("größe")
    ('student_2', 'layer0', 'class_', 'gr_e')
    """
    made = re.sub(r"[^A-Za-z0-9_]+", "_", name).strip("_") or prefix
    if made[0].isdigit():
        made = prefix + made
    return f"{made}_" if made in TAKEN else made


def class_name(branch: Iterable[str], component: str) -> str:
    """The name of the class for a branch of a component's names.

    >>> class_name([], "student-net"), class_name(["encoder", "blocks", "0"], "net"), class_name(["d", "0"], "net")
    ('StudentNet', 'Block', 'DBlock')
    """
    parts = list(branch) or [component]
    numbered = parts[-1].isdigit()
    words = [part for part in parts if not part.isdigit()] or [component]
    base = "".join(word[:1].upper() + word[1:] for word in re.split(r"[^A-Za-z0-9]+", identifier(words[-1])) if word)
    if numbered and len(base) > 3 and base.endswith("s"):
        return base[:-1]
    return f"{base}Block" if numbered else base


class Names:
    """Names that are given out once each."""

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self.taken = set(taken)

    def new(self, wanted: str, other: Collection[str] = ()) -> str:
        """The name wanted, with a number behind it where it is taken, or one of those that it has to differ from."""
        made, number = wanted, 1
        while made in self.taken or made in other:
            number += 1
            made = f"{wanted}{number}"
        self.taken.add(made)
        return made
