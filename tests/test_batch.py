"""What a batch and a component's outputs have to be, and how others are refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import bridge
from bridge import layers
from bridge.errors import BatchError


def classifier(body: object = None) -> bridge.Objective:
    d = bridge.Builder("classifier")
    image = d.space("image", "float32", row=2, column=3)
    logits = d.space("logits", "float32", klass=4)
    label = d.index("label", classes=4)
    digits = d.source("digits", image=image, label=label)
    body = body or layers.chain(layers.flatten(), layers.linear(6, 4))
    f = d.arrow("f", image, logits, body)
    d.agree(f(digits.image), digits.label, by=bridge.cross_entropy())
    return bridge.compile(d)


IMAGE, LABEL = torch.zeros(5, 2, 3), torch.zeros(5, dtype=torch.int64)


def digits(**columns: object) -> dict[str, object]:
    return {"digits": {"image": IMAGE, "label": LABEL, **columns}}


@pytest.mark.parametrize(
    ("batch", "element", "expected", "found"),
    [
        (3, "the batch", "mapping", "int"),
        ({}, "source 'digits'", "columns", "only []"),
        ({"digits": IMAGE}, "source 'digits'", "mapping", "Tensor"),
        ({"digits": {"label": LABEL}}, "column 'digits.image'", "an array", "only ['label']"),
        (digits(image=[[0.0]]), "column 'digits.image'", "NumPy array", "list"),
        (digits(image=IMAGE.double()), "column 'digits.image'", "float32 of shape (N, 2, 3)", "float64"),
        (digits(image=IMAGE.numpy().astype(np.float16)), "column 'digits.image'", "float32", "float16"),
        (digits(image=np.zeros((5, 2, 3), dtype="U1")), "column 'digits.image'", "dtype", "<U1"),
        (digits(image=IMAGE[:, :, :2]), "column 'digits.image'", "(N, 2, 3)", "(5, 2, 2)"),
        (digits(image=IMAGE.flatten(1)), "column 'digits.image'", "(N, 2, 3)", "(5, 6)"),
        (digits(image=torch.zeros(())), "column 'digits.image'", "(N, 2, 3)", "()"),
        (digits(label=LABEL.int()), "column 'digits.label'", "int64 of shape (N,)", "int32"),
        (digits(label=LABEL[:4]), "column 'digits.label'", "5 samples", "4"),
        (digits(label=LABEL + 4), "column 'digits.label'", "0 to 3", "4"),
        (digits(label=LABEL - 1), "column 'digits.label'", "0 to 3", "-1"),
        (digits(label=LABEL - 100), "column 'digits.label'", "0 to 3", "-100"),
    ],
)
def test_refusals(batch, element, expected, found):
    with pytest.raises(BatchError) as caught:
        classifier()(batch)
    assert caught.value.element == element
    assert expected in caught.value.expected
    assert found in caught.value.found


def test_nothing_runs_before_the_batch_is_checked():
    module = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(6), nn.Linear(6, 4))
    objective = classifier(module)
    with pytest.raises(BatchError):
        objective(digits(label=LABEL + 4))
    assert int(module[1].num_batches_tracked) == 0


def test_what_is_not_used_is_not_looked_at():
    objective = classifier()
    objective({**digits(extra="anything"), "other": None})


class Returns(nn.Module):
    """Returns what it is told to."""

    def __init__(self, result: object) -> None:
        super().__init__()
        self.result = result
        self.weight = nn.Parameter(torch.zeros(()))

    def forward(self, x: torch.Tensor) -> object:
        return self.result


@pytest.mark.parametrize(
    ("result", "expected", "found"),
    [
        (None, "a tensor", "NoneType"),
        (torch.zeros(5, 3), "(5, 4)", "(5, 3)"),
        (torch.zeros(4, 4), "(5, 4)", "(4, 4)"),
        (torch.zeros(5, 4, 1), "(5, 4)", "(5, 4, 1)"),
        (torch.zeros(()), "(5, 4)", "()"),
        (torch.zeros(5, 4, dtype=torch.float64), "float32", "float64"),
        ((torch.zeros(5, 4),), "a tensor", "tuple"),
    ],
)
def test_outputs_of_modules(result, expected, found):
    with pytest.raises(BatchError, match="arrow 'f'") as caught:
        classifier(Returns(result))(digits())
    assert expected in caught.value.expected
    assert found in caught.value.found


@pytest.mark.parametrize(
    ("result", "element", "found"),
    [
        (torch.zeros(5, 2), "arrow 'f'", "a Tensor"),
        ((torch.zeros(5, 2),), "arrow 'f'", "1 values"),
        ((torch.zeros(5, 2), torch.zeros(5)), "arrow 'f', output 1", "float32 of shape (5,)"),
        ((torch.zeros(5, 2), torch.full((5,), 7)), "arrow 'f', output 1", "7"),
    ],
)
def test_outputs_of_modules_with_several(result, element, found):
    d = bridge.Builder("several")
    x, i = d.space("x", "float32", k=2), d.index("i", classes=3)
    data = d.source("data", x=x)
    f = d.arrow("f", x, (x, i), Returns(result))
    value, index = f(data.x)
    d.agree(value, data.x, by=bridge.mse())
    d.output("index", index)
    with pytest.raises(BatchError) as caught:
        bridge.compile(d).evaluate("index", {"data": {"x": torch.zeros(5, 2)}})
    assert caught.value.element == element
    assert found in caught.value.found


def sequences() -> bridge.Objective:
    d = bridge.Builder("sequences")
    x = d.space("x", "float32", time="t", k=3)
    mask = d.space("mask", "bool", time="t")
    data = d.source("data", x=x, keep=mask)
    other = d.source("other", x=x)
    f = d.arrow("f", x, x, layers.linear(3, 3))
    d.agree(f(data.x), data.x, by=bridge.kl(axis="k"), where=data.keep, name="masked")
    d.agree(f(other.x), other.x, by=bridge.mse(), name="plain")
    return bridge.compile(d)


def test_axis_variables():
    objective = sequences()
    for t in (1, 4):
        batch = {
            "data": {"x": torch.randn(5, t, 3), "keep": torch.ones(5, t, dtype=torch.bool)},
            "other": {"x": torch.randn(2, t, 3)},
        }
        assert objective(batch).total.shape == ()


@pytest.mark.parametrize(
    ("source", "column", "value"),
    [
        ("data", "keep", torch.ones(5, 3, dtype=torch.bool)),
        ("other", "x", torch.zeros(2, 5, 3)),
        ("other", "x", torch.zeros(2, 4, 4)),
        ("other", "x", torch.zeros(2, 12)),
    ],
)
def test_axis_variables_are_bound_once_a_batch(source, column, value):
    batch = {
        "data": {"x": torch.zeros(5, 4, 3), "keep": torch.ones(5, 4, dtype=torch.bool)},
        "other": {"x": torch.zeros(2, 4, 3)},
    }
    batch[source][column] = value
    with pytest.raises(BatchError) as caught:
        sequences()(batch)
    # Sources are read in the plan's order, so either side of a contradiction may be the one that is named.
    assert caught.value.element.startswith("column '")
    assert "(N, t" in caught.value.expected


def test_an_axis_of_no_size_is_refused():
    d = bridge.Builder("empty")
    x = d.space("x", "float32", time="t")
    data = d.source("data", x=x)
    f = d.arrow("f", x, x, nn.PReLU())
    d.agree(f(data.x), data.x, by=bridge.mse())
    with pytest.raises(BatchError, match=r"\(N, t\)"):
        bridge.compile(d)({"data": {"x": torch.zeros(3, 0)}})


def test_outputs_bind_axis_variables():
    class Double(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Parameter(torch.ones(()))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.scale * torch.cat([x, x], 1)

    d = bridge.Builder("lengths")
    x, y = d.space("x", "float32", time="t"), d.space("y", "float32", time="u")
    data = d.source("data", x=x)
    f, g = d.arrow("f", x, y, Double()), d.arrow("g", x, x, Double())
    d.agree(f(data.x), bridge.detach(f(data.x)), by=bridge.mse())
    assert bridge.compile(d)({"data": {"x": torch.zeros(3, 2)}}).total.item() == 0
    d.agree(g(data.x), data.x, by=bridge.mse())
    with pytest.raises(BatchError, match=r"arrow 'g': expected float32 of shape \(3, t=2\), found .*\(3, 4\)"):
        bridge.compile(d)({"data": {"x": torch.zeros(3, 2)}})


@pytest.mark.parametrize("samples", [0, 3])
def test_modules_that_do_not_bear_an_empty_batch(samples):
    class View(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.map = nn.Linear(6, 4)
            self.norm = nn.BatchNorm1d(4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.norm(self.map(x.view(x.size(0), -1)))

    module = View()
    objective = classifier(module)
    image = IMAGE[:samples].clone().requires_grad_()
    losses = objective({"digits": {"image": image, "label": LABEL[:samples]}})
    losses.backward()
    assert (losses.total.item() == 0) is (samples == 0)
    assert module.map.weight.grad is not None
    assert image.grad is not None
    assert bool(module.map.weight.grad.any()) is False or samples
    assert int(module.norm.num_batches_tracked) == (1 if samples else 0)
