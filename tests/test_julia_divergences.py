"""Julia's divergences against torch's functions and autograd, in one process over the same memory."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import bridge
from bridge.diagram.divergences import DIVERGENCES
from bridge.diagram.ir import Axis, DataType, Divergence, Space
from bridge.errors import BatchError, BridgeError
from bridge.torch.divergences import measure
from tests.julia_arrays import evaluate, julia, julia_array

CODE = """
module DivergenceTests
using DiagramBridge: divergence_gradients, divergence_value, mask_gradient, measure
function run(name, attributes, place, left, right, mask, scale, dleft, dright, dmask)
    d = measure(name, attributes, place, "agreement 'a'")
    value = divergence_value(d, left, right, mask, element = "agreement 'a'")
    needs = dleft !== nothing, dright !== nothing
    computed = divergence_gradients(d, left, right, mask, needs..., scale = scale, element = "agreement 'a'")
    together, found = computed[1], computed[2:3]
    needs == map(!isnothing, found) || error("gradients $(map(!isnothing, found)) where $needs are needed")
    needs[1] && copyto!(dleft, found[1])
    needs[2] && copyto!(dright, found[2])
    together === value || error("$together with gradients, not $value")
    dmask === nothing || copyto!(dmask, mask_gradient(d, left, right, mask, scale = scale))
    return repr(Float64(value)) * " " * string(typeof(value))
end
end
"""

ATTRIBUTES = {
    "huber": {"delta": st.sampled_from([0.5, 1.0, 2.0])},
    "cross_entropy": {"label_smoothing": st.sampled_from([0.0, 0.1, 1.0])},
    "kl": {"temperature": st.sampled_from([1.0, 4.0])},
    "info_nce": {"temperature": st.sampled_from([0.07, 0.5]), "symmetric": st.booleans()},
}
SCALE = -1.5  # the weight, say


class Case:
    """Two sides, a mask and what of it needs a gradient."""

    def __init__(self, draw: Any, dtype: torch.dtype) -> None:
        name = draw(st.sampled_from(sorted(DIVERGENCES)))
        self.has_axis = DIVERGENCES[name].has_class_axis
        sizes = draw(st.lists(st.integers(1, 4), min_size=1 if self.has_axis else 0, max_size=3))
        klass = draw(st.integers(0, len(sizes) - 1)) if self.has_axis else None
        axes = tuple(Axis(f"a{k}", size) for k, size in enumerate(sizes))
        given = {key: draw(value) for key, value in ATTRIBUTES.get(name, {}).items()}
        self.divergence: Divergence = getattr(bridge, name)(**given, **({"axis": f"a{klass}"} if self.has_axis else {}))
        self.attributes, self.place = given, 0 if klass is None else len(sizes) - klass
        self.samples = draw(st.integers(0, 5))
        others = [size for k, size in enumerate(sizes) if k != klass]
        generator = torch.Generator().manual_seed(draw(st.integers(0, 2**32 - 1)))
        factor = draw(st.sampled_from([1.0, 20.0]))

        def numbers() -> torch.Tensor:
            made = factor * torch.randn(self.samples, *sizes, generator=generator, dtype=torch.float64)
            kind = draw(st.sampled_from(["random", "random", "rounded", "zeros"]))
            return {"random": made, "rounded": made.round(), "zeros": made * 0}[kind].to(dtype)

        self.left = numbers()
        data_type = DataType(str(dtype).removeprefix("torch."))
        self.spaces = [Space("s", data_type, axes)] * 2
        if name == "cross_entropy" and draw(st.booleans()):
            kind = draw(st.sampled_from([torch.int64, torch.int32]))
            classes = sizes[klass or 0]
            self.right = torch.randint(0, classes, (self.samples, *others), generator=generator).to(kind)
            left_axes = tuple(axis for axis in axes if axis is not axes[klass or 0])
            self.spaces[1] = Space("r", DataType(str(kind).removeprefix("torch.")), left_axes, classes)
        else:
            self.right = numbers()
        self.needs_left, self.needs_right = draw(st.booleans()), self.right.is_floating_point() and draw(st.booleans())
        self.mask = None
        if draw(st.booleans()):
            shape = (self.samples, *(others if draw(st.booleans()) else []))
            kind = draw(st.sampled_from([torch.bool, torch.int64, torch.float32, torch.float64]))
            drawn = 3 * torch.rand(shape, generator=generator) * torch.randint(0, 2, shape, generator=generator)
            self.mask = drawn.to(kind)

    def __repr__(self) -> str:
        sides = (self.left, self.right, self.mask)
        shown = [None if x is None else (tuple(x.shape), str(x.dtype)) for x in sides]
        return f"{self.divergence} {shown} needs {self.needs_left} {self.needs_right}: {sides}"


@st.composite
def cases(draw: Any, dtype: torch.dtype) -> Case:
    return Case(draw, dtype)


def julia_code(name: str, attributes: dict[str, Any], place: int, *arrays: torch.Tensor | None) -> str:
    pairs = "".join(f'"{key}" => {str(value).lower()}, ' for key, value in attributes.items())
    left, right, mask, *gradients = map(julia_array, arrays)
    inputs = f'"{name}", Dict{{String,Any}}({pairs}), {place}, {left}, {right}, {mask}'
    return f"DivergenceTests.run({inputs}, {SCALE}, {', '.join(gradients)})"


@pytest.fixture(scope="module", autouse=True)
def loaded() -> None:
    julia().eval(CODE)


def check(case: Case, tolerance: float) -> None:
    left, right = case.left.clone().requires_grad_(case.needs_left), case.right.clone()
    if case.needs_right:
        right.requires_grad_()
    masks, mask_space = [], None
    if case.mask is not None:
        mask = case.mask.clone()
        masks = [mask.requires_grad_() if mask.is_floating_point() else mask]
        per_sample = mask.dim() == 1
        kept = [a for a in case.spaces[0].axes if a.name != dict(case.divergence.attributes).get("axis")]
        mask_space = Space("m", DataType(str(mask.dtype).removeprefix("torch.")), () if per_sample else tuple(kept))
    value = measure(case.divergence, *case.spaces, mask_space, "agreement 'a'")(left, right, *masks)
    wanted = [x for x in (left, right, *masks) if x.requires_grad]
    expected = iter(torch.autograd.grad(SCALE * value, wanted)) if wanted else iter(())

    found = [torch.full_like(x, float("nan")) if x.requires_grad else None for x in (left, right, *masks)]
    arrays = [case.left, case.right, case.mask, *found, *([] if masks else [None])]
    number, kind = evaluate(julia_code(case.divergence.name, case.attributes, case.place, *arrays)).split(" ")
    assert kind.lower() == str(value.dtype).removeprefix("torch.")
    assert float(number) == pytest.approx(value.item(), rel=tolerance, abs=tolerance)
    if not case.samples:
        assert float(number) == 0
    for gradient in found:
        if gradient is not None:
            torch.testing.assert_close(gradient, next(expected), rtol=tolerance, atol=max(tolerance, left_by_rounding(case)))


def left_by_rounding(case: Case) -> float:
    """What is left of a gradient that is 0 where columns without a direction are divided by 1e-8."""
    if case.divergence.name not in ("cosine", "info_nce"):
        return 0.0
    norms = [side.norm(dim=side.dim() - case.place) for side in (case.left, case.right)]
    return 1e9 * torch.finfo(case.left.dtype).eps if any(bool((norm < 1e-8).any()) for norm in norms) else 0.0


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(cases(torch.float64))
def test_values_and_gradients(case: Case) -> None:
    check(case, 1e-12)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(cases(torch.float32))
def test_in_single_precision(case: Case) -> None:
    check(case, 2e-5)


def run(name: str, attributes: dict[str, Any], place: int, *arrays: torch.Tensor | None) -> float:
    return float(evaluate(julia_code(name, attributes, place, *arrays)).split(" ")[0])


def test_many_elements_add_up_exactly() -> None:
    left = torch.rand(70_000, 3, generator=torch.Generator().manual_seed(0))
    right = torch.zeros_like(left)
    value = run("mse", {}, 0, left, right, None, None, None, None)
    assert value == pytest.approx((left.double() ** 2).mean().item(), rel=1e-7)


def test_infinite_logits() -> None:
    """0 · log 0 = 0 in kl, and a class of probability 0 that no index names costs nothing."""
    left = torch.tensor([[0.0, 1.0, -torch.inf]], dtype=torch.float64)
    gradient = torch.full_like(left, float("nan"))
    assert run("kl", {"temperature": 1.0}, 1, left, left.clone(), None, None, gradient, None) == 0
    assert gradient.tolist() == [[0, 0, 0]]
    index = torch.tensor([1])
    value = run("cross_entropy", {"label_smoothing": 0.0}, 1, left, index, None, gradient, None, None)
    expected = torch.nn.functional.cross_entropy(left, index)
    assert value == pytest.approx(expected.item(), rel=1e-15)
    assert gradient.isfinite().all()


F64 = DataType.FLOAT64


@pytest.mark.parametrize("mask", [[1.0, -0.5], [-0.5, 1.0]])
def test_negative_masks_are_refused_in_both_languages(mask: list[float]) -> None:
    left, weights = torch.ones(2, 3, dtype=torch.float64), torch.tensor(mask, dtype=torch.float64)
    with pytest.raises(BridgeError) as julias:
        run("mse", {}, 0, left, left, weights, None, None, None)
    space = Space("s", F64, (Axis("k", 3),))
    with pytest.raises(BatchError) as pythons:
        measure(bridge.mse(), space, space, Space("m", F64), "agreement 'a'")(left, left, weights)
    for error in (julias.value, pythons.value):
        assert (error.element, error.found) == ("agreement 'a', mask", "-0.5")


@pytest.mark.parametrize(
    ("name", "attributes", "left", "right", "mask", "element"),
    [
        ("mse", {}, (2, 3), (2, 4), None, "agreement 'a', right"),
        ("mse", {}, (2, 3), (2, 3), (3,), "agreement 'a', mask"),
        ("cosine", {}, (2,), (2,), None, "agreement 'a', left"),
        ("mse", {"delta": 1.0}, (2, 3), (2, 3), None, "agreement 'a', divergence 'mse'"),
        ("huber", {}, (2, 3), (2, 3), None, "agreement 'a', divergence 'huber'"),
        ("wasserstein", {}, (2, 3), (2, 3), None, "agreement 'a'"),
    ],
)
def test_refusals(name, attributes, left, right, mask, element) -> None:
    place = 1 if name == "cosine" else 0
    arrays = [None if shape is None else torch.ones(shape, dtype=torch.float64) for shape in (left, right, mask)]
    with pytest.raises(BridgeError) as refused:
        run(name, attributes, place, *arrays, None, None, None)
    assert refused.value.element == element


@pytest.mark.parametrize("index", [-1, 3])
def test_unknown_classes_are_refused(index: int) -> None:
    left = torch.ones(1, 3, dtype=torch.float64)
    with pytest.raises(BridgeError, match=f"numbers from 0 to 2, found {index}"):
        run("cross_entropy", {"label_smoothing": 0.0}, 1, left, torch.tensor([index]), None, None, None, None)
