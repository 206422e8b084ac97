"""Divergences in plain PyTorch: the mean over a batch, or with a mask the mean of what it keeps."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from bridge.diagram.divergences import class_axis
from bridge.diagram.ir import Agreement, Space

__all__ = ["HELPERS", "loss_text"]


@dataclass(frozen=True)
class Sides:
    """What an agreement compares: texts, the class axis of a batch (0 for none), and what right is."""

    left: str
    right: str
    axis: int
    is_only_axis: bool
    is_index: bool
    casts: bool


def loss_text(
    agreement: Agreement, left: str, right: str, mask: str | None, spaces: tuple[Space, Space, Space | None]
) -> str:
    """An agreement's own loss, as an expression of its sides."""
    divergence, (one, two, over) = agreement.divergence, spaces
    klass = class_axis(divergence, one, f"agreement '{agreement.name}'")
    axis = 0 if klass is None else 1 + one.axes.index(klass)
    casts = two.is_index and two.data_type.value != "int64"
    sides = Sides(left, right, axis, len(one.axes) == 1, two.is_index, casts)
    text = LOSSES[divergence.name](dict(divergence.attributes), sides, mask is not None)
    if mask is None:
        return text
    axes = len(one.axes) - (klass is not None)
    flat = ".flatten(1).mean(1)" if over is not None and not over.axes and axes > 0 else ""
    return f"masked_mean({text}{flat}, {mask})"


def each(masked: bool) -> list[str]:
    """The keyword that keeps the elements apart where a mask is to weigh them."""
    return ['reduction="none"'] if masked else []


Loss = Callable[[Mapping[str, Any], Sides, bool], str]


def fused(name: str, **attributes: str) -> Loss:
    """One of torch's own."""

    def text(a: Mapping[str, Any], s: Sides, masked: bool) -> str:
        given = [s.left, s.right, *(f"{key}={a[value]!r}" for key, value in attributes.items())]
        return f"{name}({', '.join([*given, *each(masked)])})"

    return text


def _cross_entropy(a: Mapping[str, Any], s: Sides, masked: bool) -> str:
    moved = "" if s.axis == 1 else f".movedim({s.axis}, 1)"
    right = s.right + (".long()" if s.casts else "") + ("" if s.is_index else moved)
    given = [s.left + moved, right]
    if a["label_smoothing"]:
        given.append(f"label_smoothing={a['label_smoothing']!r}")
    return f"F.cross_entropy({', '.join([*given, *each(masked)])})"


def _kl(a: Mapping[str, Any], s: Sides, masked: bool) -> str:
    axis, temperature = s.axis, a["temperature"]
    left, right = (s.left, s.right) if temperature == 1 else (f"{s.left} / {temperature!r}", f"{s.right} / {temperature!r}")
    given = f"F.log_softmax({left}, dim={axis}), F.log_softmax({right}, dim={axis}), log_target=True"
    factor = "" if temperature == 1 else f" * {temperature!r} ** 2"
    if s.is_only_axis and not masked:
        return f'F.kl_div({given}, reduction="batchmean"){factor}'
    apart = f'F.kl_div({given}, reduction="none").sum({axis})'
    return f"({apart}{factor})" if masked else f"{apart}.mean(){factor}"


def _cosine(a: Mapping[str, Any], s: Sides, masked: bool) -> str:
    apart = f"1 - F.cosine_similarity({s.left}, {s.right}, dim={s.axis})"
    return f"({apart})" if masked else f"({apart}).mean()"


def _info_nce(a: Mapping[str, Any], s: Sides, masked: bool) -> str:
    given = [s.left, s.right, f"temperature={a['temperature']!r}"]
    given += ["symmetric=True"] if a["symmetric"] else []
    given += [] if s.is_only_axis else [f"dim={s.axis}"]
    return f"info_nce({', '.join(given)})" + ("" if masked else ".mean()")


LOSSES: Mapping[str, Loss] = {
    "mse": fused("F.mse_loss"),
    "mae": fused("F.l1_loss"),
    "huber": fused("F.huber_loss", delta="delta"),
    "cross_entropy": _cross_entropy,
    "binary_cross_entropy": fused("F.binary_cross_entropy_with_logits"),
    "kl": _kl,
    "cosine": _cosine,
    "info_nce": _info_nce,
}

HELPERS: Mapping[str, str] = {
    "masked_mean": '''def masked_mean(each: Tensor, mask: Tensor) -> Tensor:
    """The mean of what a mask of weights keeps, 0 where it keeps nothing."""
    mask = mask.to(each.dtype)
    return (mask * each).sum() / mask.sum() if mask.sum() > 0 else (mask * each).sum()
''',
    "info_nce": '''def info_nce(
    left: Tensor, right: Tensor, temperature: float, symmetric: bool = False, dim: int = 1
) -> Tensor:
    """Cross entropy of each sample's similarities to the batch against itself (van den Oord et al. 2018)."""
    left, right = (F.normalize(x, dim=dim, eps=1e-8).movedim(dim, -1).movedim(0, -2) for x in (left, right))
    similarity = left @ right.mT / temperature
    own = similarity.diagonal(dim1=-2, dim2=-1)
    loss = similarity.logsumexp(-1) - own
    if symmetric:
        loss = (loss + similarity.logsumexp(-2) - own) / 2
    return loss.movedim(-1, 0)
''',
    "run_padded": '''def run_padded(
    cell: nn.RNNBase, x: Tensor, lengths: Tensor, *states: Tensor, reverse: bool = False
) -> tuple[Tensor, ...]:
    """A recurrent layer over sequences of different lengths; steps behind the end are zeros."""
    steps = torch.arange(x.shape[1], device=x.device)
    if reverse:
        turned = torch.where(steps < lengths[:, None], lengths[:, None] - 1 - steps, steps)
        x = x.gather(1, turned[:, :, None].expand_as(x))
    packed = nn.utils.rnn.pack_padded_sequence(x, lengths.cpu(), batch_first=True, enforce_sorted=False)
    initial = tuple(state.unsqueeze(0) for state in states)
    out, last = cell(packed, *([initial if len(initial) == 2 else initial[0]] if states else []))
    out, _ = nn.utils.rnn.pad_packed_sequence(out, batch_first=True, total_length=x.shape[1])
    if reverse:
        out = out.gather(1, turned[:, :, None].expand_as(out))
    return out, *(state[0] for state in (last if isinstance(last, tuple) else (last,)))
''',
}
"""Functions that a script has where it uses them, by name."""
