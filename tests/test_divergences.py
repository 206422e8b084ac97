"""Each divergence against its formula in docs/semantics.md, in NumPy with loops, and against torch's own."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch.autograd import gradcheck

import bridge
from bridge.diagram.divergences import DIVERGENCES
from bridge.diagram.ir import Axis, DataType, Space
from bridge.errors import BatchError, UnsupportedError
from bridge.torch.divergences import ROWS, measure

F64 = DataType.FLOAT64
VECTOR = Space("vector", F64, (Axis("k", 4),))
# The class axis first, in the middle and last, with other axes around it.
FIRST = Space("first", F64, (Axis("k", 4), Axis("row", 3)))
MIDDLE = Space("middle", F64, (Axis("row", 2), Axis("k", 4), Axis("time", 3)))
LAST = Space("last", F64, (Axis("row", 3), Axis("k", 4)))
SCALAR = Space("scalar", F64)
SPACES = [VECTOR, FIRST, MIDDLE, LAST]
FLOATS = {"float32": torch.float32, "float64": torch.float64, "bool": torch.bool, "int64": torch.int64}


def others(space: Space) -> tuple[Axis, ...]:
    return tuple(axis for axis in space.axes if axis.name != "k")


def shape(axes: tuple[Axis, ...], samples: int) -> tuple[int, ...]:
    return (samples, *(int(axis.size) for axis in axes))


def normal(space: Space, samples: int, seed: int, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape(space.axes, samples), generator=generator, dtype=torch.float64).to(dtype)


def log_softmax(x: np.ndarray) -> np.ndarray:
    return x - x.max() - math.log(sum(math.exp(v - x.max()) for v in x))


def vector_formula(name: str, l: np.ndarray, r: np.ndarray, a: dict) -> float:  # noqa: E741
    """d of one class vector."""
    if name == "cross_entropy":
        q = (1 - a["label_smoothing"]) * r + a["label_smoothing"] / len(l)
        return -sum(q * log_softmax(l))
    if name == "kl":
        t = a["temperature"]
        log_p, log_q = log_softmax(r / t), log_softmax(l / t)
        return t**2 * sum(math.exp(p) * (p - q) for p, q in zip(log_p, log_q, strict=True))
    assert name == "cosine"
    norms = [max(math.sqrt(sum(x * x)), 1e-8) for x in (l, r)]
    return 1 - sum(l * r) / (norms[0] * norms[1])


def element_formula(name: str, l: float, r: float, a: dict) -> float:  # noqa: E741
    """d of one element, for rows without a class axis."""
    u = l - r
    if name == "mse":
        return u * u
    if name == "mae":
        return abs(u)
    if name == "huber":
        return u * u / 2 if abs(u) <= a["delta"] else a["delta"] * (abs(u) - a["delta"] / 2)
    assert name == "binary_cross_entropy"
    return max(l, 0) - l * r + math.log1p(math.exp(-abs(l)))


def reference(by: bridge.diagram.ir.Divergence, left: torch.Tensor, right: torch.Tensor, space: Space) -> np.ndarray:
    """d for every sample and every place of the other axes."""
    a = dict(by.attributes)
    l, r = left.double().numpy(), right.numpy()  # noqa: E741
    if "axis" not in a:
        values = [element_formula(by.name, float(x), float(y), a) for x, y in zip(l.ravel(), r.ravel(), strict=True)]
        return np.array(values).reshape(l.shape)
    axis = 1 + [x.name for x in space.axes].index(a["axis"])
    l = np.moveaxis(l, axis, -1)  # noqa: E741
    r = np.moveaxis(r.astype(np.float64), axis, -1) if r.shape == left.shape else np.eye(l.shape[-1])[r]
    places = np.ndindex(l.shape[:-1])
    return np.array([vector_formula(by.name, l[p], r[p], a) for p in places]).reshape(l.shape[:-1])


def info_nce_reference(by: bridge.diagram.ir.Divergence, left: torch.Tensor, right: torch.Tensor, space: Space):
    a = dict(by.attributes)
    axis = 1 + [x.name for x in space.axes].index(a["axis"])
    l, r = (np.moveaxis(x.numpy(), axis, -1) for x in (left, right))  # noqa: E741
    n = len(l)
    d = np.zeros(l.shape[:-1])
    for place in np.ndindex(l.shape[1:-1]):
        lhat, rhat = ([x[(s, *place)] / max(np.linalg.norm(x[(s, *place)]), 1e-8) for s in range(n)] for x in (l, r))
        scores = np.array([[lhat[s] @ rhat[k] for k in range(n)] for s in range(n)]) / a["temperature"]
        for s in range(n):
            d[(s, *place)] = -log_softmax(scores[s])[s]
            if a["symmetric"]:
                d[(s, *place)] = (d[(s, *place)] - log_softmax(scores[:, s])[s]) / 2
    return d


PLAIN = [bridge.mse(), bridge.mae(), bridge.huber(), bridge.huber(0.3), bridge.binary_cross_entropy()]
CLASSES = [
    bridge.cross_entropy(axis="k"),
    bridge.cross_entropy(0.1, axis="k"),
    bridge.kl(axis="k"),
    bridge.kl(4.0, axis="k"),
    bridge.cosine(axis="k"),
]
BATCHED = [bridge.info_nce(axis="k"), bridge.info_nce(0.5, symmetric=True, axis="k")]


def name(by: object) -> str:
    return f"{by.name}{[v for _, v in by.attributes if v != 'k']}"


def pair(by: object, space: Space, samples: int, dtype: torch.dtype = torch.float64):
    """Two sides on which the row is smooth and, where it wants one, a distribution."""
    left, right = normal(space, samples, 1, dtype), normal(space, samples, 2, dtype)
    if by.name == "cross_entropy":
        right = right.softmax(1 + [axis.name for axis in space.axes].index("k"))
    return left, right.sigmoid() if by.name == "binary_cross_entropy" else right


def test_every_row_of_the_table_is_here():
    assert set(ROWS) == set(DIVERGENCES) == {by.name for by in (*PLAIN, *CLASSES, *BATCHED)}
    with pytest.raises(UnsupportedError, match="agreement 'a'"):
        measure(bridge.diagram.ir.Divergence("euclid"), VECTOR, VECTOR, element="agreement 'a'")


@pytest.mark.parametrize("by", PLAIN, ids=name)
@pytest.mark.parametrize("space", [SCALAR, *SPACES], ids=lambda s: s.name)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_element_rows(by, space, dtype):
    left, right = pair(by, space, 5, dtype)
    found = measure(by, space, space)(left, right)
    assert (found.dtype, found.shape) == (dtype, ())
    np.testing.assert_allclose(found.item(), reference(by, left, right, space).mean(), rtol=1e-5)


@pytest.mark.parametrize("by", CLASSES, ids=name)
@pytest.mark.parametrize("space", SPACES, ids=lambda s: s.name)
def test_class_rows(by, space):
    left, right = pair(by, space, 5)
    found = measure(by, space, space)(left, right)
    np.testing.assert_allclose(found.item(), reference(by, left, right, space).mean(), rtol=1e-12)


@pytest.mark.parametrize("by", CLASSES[:2], ids=name)
@pytest.mark.parametrize("space", SPACES, ids=lambda s: s.name)
@pytest.mark.parametrize("dtype", [DataType.INT32, DataType.INT64])
def test_cross_entropy_against_indices(by, space, dtype):
    index = Space("index", dtype, others(space), 4)
    left = normal(space, 6, 1)
    right = torch.randint(4, shape(index.axes, 6), generator=torch.Generator().manual_seed(3))
    found = measure(by, space, index)(left, right.to(getattr(torch, dtype.value)))
    np.testing.assert_allclose(found.item(), reference(by, left, right, space).mean(), rtol=1e-12)


@pytest.mark.parametrize("by", BATCHED, ids=name)
@pytest.mark.parametrize("space", SPACES, ids=lambda s: s.name)
@pytest.mark.parametrize("samples", [1, 5])
def test_batch_rows(by, space, samples):
    left, right = pair(by, space, samples)
    found = measure(by, space, space)(left, right)
    np.testing.assert_allclose(found.item(), info_nce_reference(by, left, right, space).mean(), rtol=1e-11, atol=1e-15)


@pytest.mark.parametrize("by", [*PLAIN, *CLASSES, *BATCHED], ids=name)
@pytest.mark.parametrize("space", [VECTOR, MIDDLE], ids=lambda s: s.name)
def test_gradients_of_both_sides(by, space):
    left, right = (x.requires_grad_() for x in pair(by, space, 3))
    assert gradcheck(measure(by, space, space), (left, right))


@pytest.mark.parametrize("by", [*PLAIN, *CLASSES, *BATCHED], ids=name)
@pytest.mark.parametrize("space", [VECTOR, MIDDLE], ids=lambda s: s.name)
@pytest.mark.parametrize("kind", ["float32", "float64", "bool", "int64"])
@pytest.mark.parametrize("per_sample", [True, False])
def test_masks(by, space, kind, per_sample):
    left, right = pair(by, space, 5)
    axes = () if per_sample else others(space) if by in (*CLASSES, *BATCHED) else space.axes
    size = shape(axes, 5)
    mask = (torch.arange(math.prod(size)).reshape(size) % 3).to(FLOATS[kind])
    mask = mask * 0.7 if mask.is_floating_point() else mask
    assert mask.any() and not mask.all()
    function = measure(by, space, space, Space("mask", DataType(kind), axes))
    found = function(left, right, mask)
    d = (info_nce_reference if by in BATCHED else reference)(by, left, right, space)
    if per_sample:
        d = d.reshape(5, -1).mean(1)
    m = mask.double().numpy()
    np.testing.assert_allclose(found.item(), (m * d).sum() / m.sum(), rtol=1e-10)


@pytest.mark.parametrize("by", [*PLAIN, *CLASSES, *BATCHED], ids=name)
def test_a_mask_is_a_weight_with_a_gradient(by):
    left, right = (x.requires_grad_() for x in pair(by, VECTOR, 3))
    mask = torch.tensor([0.5, 2.0, 1.0], dtype=torch.float64, requires_grad=True)
    assert gradcheck(measure(by, VECTOR, VECTOR, SCALAR), (left, right, mask))


@pytest.mark.parametrize("by", [*PLAIN, *CLASSES, *BATCHED], ids=name)
def test_all_masked_is_zero(by):
    left, right = (x.requires_grad_() for x in pair(by, VECTOR, 3))
    found = measure(by, VECTOR, VECTOR, SCALAR)(left, right, torch.zeros(3, dtype=torch.float64))
    assert found.item() == 0
    found.backward()
    assert not left.grad.any() and not right.grad.any()


def test_negative_masks_are_refused():
    left, right = pair(bridge.mse(), VECTOR, 2)
    function = measure(bridge.mse(), VECTOR, VECTOR, SCALAR, element="agreement 'a'")
    with pytest.raises(BatchError, match="agreement 'a', mask"):
        function(left, right, torch.tensor([1.0, -1.0]))


@pytest.mark.parametrize("by", [*PLAIN, *CLASSES, *BATCHED], ids=name)
@pytest.mark.parametrize("space", [VECTOR, MIDDLE], ids=lambda s: s.name)
@pytest.mark.parametrize("masked", [False, True])
def test_empty_batches_are_exactly_zero(by, space, masked):
    left, right = (x.requires_grad_() for x in pair(by, space, 0))
    mask = [torch.zeros(0)] if masked else []
    found = measure(by, space, space, SCALAR if masked else None)(left, right, *mask)
    assert found.item() == 0
    found.backward()
    assert left.grad.shape == left.shape and right.grad.shape == right.shape


def test_empty_batches_against_indices():
    left = normal(VECTOR, 0, 1).requires_grad_()
    index = Space("index", DataType.INT64, (), 4)
    found = measure(bridge.cross_entropy(axis="k"), VECTOR, index)(left, torch.zeros(0, dtype=torch.int64))
    assert found.item() == 0 and found.requires_grad


def test_against_torch():
    left, right = normal(VECTOR, 6, 1, torch.float32), normal(VECTOR, 6, 2, torch.float32)
    label = torch.tensor([0, 1, 2, 3, 0, 1])
    index = Space("index", DataType.INT64, (), 4)
    soft = F.kl_div(F.log_softmax(left / 3, 1), F.softmax(right / 3, 1), reduction="batchmean") * 9
    rows = [
        (bridge.mse(), right, F.mse_loss(left, right)),
        (bridge.mae(), right, F.l1_loss(left, right)),
        (bridge.huber(0.5), right, F.huber_loss(left, right, delta=0.5)),
        (bridge.binary_cross_entropy(), right.sigmoid(), F.binary_cross_entropy_with_logits(left, right.sigmoid())),
        (bridge.kl(3.0, axis="k"), right, soft),
        (bridge.cosine(axis="k"), right, 1 - F.cosine_similarity(left, right).mean()),
    ]
    for by, other, expected in rows:
        torch.testing.assert_close(measure(by, VECTOR, VECTOR)(left, other), expected)
    found = measure(bridge.cross_entropy(0.2, axis="k"), VECTOR, index)(left, label)
    torch.testing.assert_close(found, F.cross_entropy(left, label, label_smoothing=0.2))


def test_zero_times_log_zero_is_zero():
    left = torch.tensor([[0.0, 1.0, -math.inf], [0.0, 1.0, 2.0]], dtype=torch.float64, requires_grad=True)
    right = torch.tensor([[0.0, 2.0, -math.inf], [1.0, 1.0, -math.inf]], dtype=torch.float64, requires_grad=True)
    space = Space("three", F64, (Axis("k", 3),))
    found = measure(bridge.kl(axis="k"), space, space)(left, right)
    p, q = right.detach().softmax(1), left.detach().softmax(1)
    terms = [p[s, k] * (p[s, k] / q[s, k]).log() for s in range(2) for k in range(3) if p[s, k] > 0]
    torch.testing.assert_close(found.detach(), sum(terms) / 2)
    found.backward()
    torch.testing.assert_close(left.grad, (q - p) / 2)
    assert right.grad.isfinite().all()


def test_cosine_of_vectors_without_length():
    left = torch.tensor([[0.0, 0, 0, 0], [1e-9, 0, 0, 0], [3.0, 0, 0, 0]], dtype=torch.float64, requires_grad=True)
    right = torch.tensor([[1.0, 0, 0, 0], [2.0, 0, 0, 0], [0, 0, 0, 0]], dtype=torch.float64)
    function = measure(bridge.cosine(axis="k"), VECTOR, VECTOR)
    found = function(left, right)
    np.testing.assert_allclose(found.item(), (1 + 0.9 + 1) / 3)
    (gradient,) = torch.autograd.grad(found, left)
    # Below the least norm the divisor is a constant, so the value is linear there.
    np.testing.assert_allclose(gradient[:2, 0], -1e8 / 3)
    assert gradient[2].abs().sum() == 0


def test_indices_that_torch_would_ignore():
    index = Space("index", DataType.INT64, (), 4)
    left = normal(VECTOR, 2, 1)
    with pytest.raises(IndexError):
        measure(bridge.cross_entropy(axis="k"), VECTOR, index)(left, torch.tensor([0, -100]))
