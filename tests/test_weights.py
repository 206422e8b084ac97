"""Weights in files: both languages read and write the same ones, large ones are mapped, broken ones are refused by name."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from torch import nn

import bridge
from bridge import layers
from bridge.errors import BindingError, BridgeError, FileError
from bridge.train.tensor_file import write_tensors
from bridge.train.weights import KEY
from tests.broken_checkpoints import joined, with_header, write_broken
from tests.broken_weights import BROKEN
from tests.julia_arrays import evaluate, julia


def builder() -> bridge.Builder:
    d = bridge.Builder("weights")
    x, y = d.space("x", "float64", k=3), d.space("y", "float64", k=2)
    data = d.source("data", x=x, y=y)
    f = d.arrow("f", x, y, layers.chain(layers.linear(3, 2)))
    g = d.arrow("g", x, y, layers.chain(layers.linear(3, 4), layers.tanh(), layers.linear(4, 2)), frozen=True)
    d.agree(f(data.x), data.y, by=bridge.mse())
    d.agree(f(data.x), g(data.x), by=bridge.mse())
    return d


def objective(seed: int = 0) -> bridge.Objective:
    torch.manual_seed(seed)
    return bridge.compile(builder())


def equal(one: nn.Module, two: nn.Module) -> bool:
    here, there = one.state_dict(), two.state_dict()
    return here.keys() == there.keys() and all(torch.equal(here[name], there[name]) for name in here)


def test_diagram_and_weights_in_one_file(tmp_path) -> None:
    path, trained = tmp_path / "weights.safetensors", objective()
    bridge.save_weights(path, trained)
    diagram = bridge.load(path)
    assert diagram == trained.diagram
    again = bridge.compile(diagram)
    assert not equal(again, trained)
    bridge.load_weights(path, again)
    assert equal(again, trained)
    read = bridge.read_weights(path)
    assert {f"components.{component}.{inner}" for component, inner in read} == set(trained.state_dict())
    with safe_open(path, "pt") as file:  # the package that owns the format reads it too
        assert {tuple(key.split("/")) for key in list(file.keys())} == set(read)
        assert all(torch.equal(file.get_tensor("/".join(key)), read[key]) for key in read)


def test_what_is_mapped_is_copied_on_writing(tmp_path) -> None:
    path, trained = tmp_path / "weights.safetensors", objective()
    bridge.save_weights(path, trained)
    before = path.read_bytes()
    found = bridge.read_weights(path)
    found["f", "0.weight"].zero_()
    assert path.read_bytes() == before


def test_shared_weights_have_an_owner(tmp_path) -> None:
    def shared(seed: int, apart: bool = False) -> bridge.Objective:
        torch.manual_seed(seed)
        d = bridge.Builder("shared")
        x = d.space("x", k=2)
        data, one, two = d.source("data", x=x), nn.Linear(2, 2), nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
        if not apart:
            two[0].weight = one.weight
        d.agree(d.arrow("two", x, x, two)(d.arrow("one", x, x, one)(data.x)), data.x, by=bridge.mse())
        return bridge.compile(d)

    path, trained, other = tmp_path / "weights.safetensors", shared(0), shared(1)
    bridge.save_weights(path, trained)
    read = bridge.read_weights(path)
    assert read["two", "0.weight"].data_ptr() == read["one", "weight"].data_ptr()
    with safe_open(path, "pt") as file:
        names = list(file.keys())
        assert "two/0.weight" not in names and "two/1.running_mean" in names
    bridge.load_weights(path, other)
    assert equal(trained, other) and other.components["two"][0].weight is other.components["one"].weight
    with pytest.raises(BindingError, match=r"aliases: expected none, found two/0\.weight for one/weight"):
        bridge.load_weights(path, shared(0, apart=True))


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sound") / "weights.safetensors"
    bridge.save_weights(path, objective())
    return path


JULIA = """
module WeightTests
using DiagramBridge
target(path) = compile(DiagramBridge.load(path); seed = 9)
"What a refusal of this file is about, and whether the objective stayed as it was."
function refused(path, objective)
    before = [copy(v.array) for v in objective.parameters]
    element = try
        load_weights!(objective, path)
        "nothing"
    catch e
        e isa BridgeError || rethrow()
        e.element
    end
    return element, all(((v, b),) -> v.array == b, zip(objective.parameters, before))
end
end
"""


def test_broken_files_are_refused_in_both_languages(sound: Path, tmp_path) -> None:
    """By name, and nothing is changed."""
    assert len(BROKEN) > 30
    broken, trained = write_broken(sound, tmp_path, BROKEN), objective(seed=2)
    before = {name: value.clone() for name, value in trained.state_dict().items()}
    pythons = {}
    for name, path in broken.items():
        with pytest.raises((FileError, BindingError)) as caught:
            bridge.load_weights(path, trained)
        pythons[name] = caught.value.element
    assert all(torch.equal(value, before[key]) for key, value in trained.state_dict().items())
    julia().eval(JULIA)
    listed = ", ".join(f'raw"{path}"' for path in broken.values())
    answers = evaluate(
        f'let o = WeightTests.target(raw"{sound}")\n'
        f'join((join(string.(WeightTests.refused(path, o)), "\\x1e") for path in [{listed}]), "\\x1d") end'
    )
    for (name, path), answer in zip(broken.items(), answers.split("\x1d"), strict=True):
        element, unchanged = answer.split("\x1e")
        assert unchanged == "true", name
        expected = BROKEN[name][1]
        assert pythons[name] == element, name
        if expected is None:
            assert element.startswith(f"file '{path}', tensor '"), name
        else:
            assert element == f"file '{path}'{expected}", name


@pytest.mark.parametrize("change", ["other", "missing", "more"])
def test_tensors_that_are_not_the_objectives(change: str, sound: Path, tmp_path) -> None:
    d = bridge.Builder("other")
    x, y = d.space("x", "float64", k=3), d.space("y", "float64", k=2)
    data = d.source("data", x=x, y=y)
    sizes = {"other": 5, "missing": 2, "more": 2}[change]
    body = (
        layers.chain(layers.linear(3, sizes), layers.linear(sizes, 2))
        if change != "more"
        else layers.linear(3, 2, bias=False)
    )
    d.agree(d.arrow("f", x, y, body)(data.x), data.y, by=bridge.mse())
    trained = bridge.compile(d)
    before = {name: value.clone() for name, value in trained.state_dict().items()}
    with pytest.raises(BindingError, match="tensor 'f/") as caught:
        bridge.load_weights(sound, trained)
    assert str(sound) in caught.value.element
    assert all(torch.equal(value, before[key]) for key, value in trained.state_dict().items())


def with_mask(value: float) -> bridge.Objective:
    """A module with a buffer that says what to leave out, and a portable layer with buffers."""
    d = bridge.Builder("masked")
    x = d.space("x", k=2)
    data, module = d.source("data", x=x), nn.Linear(2, 2)
    module.register_buffer("mask", torch.full((2, 2), value))
    made = d.arrow("own", x, x, module)(d.arrow("norm", x, x, layers.batch_norm(2))(data.x))
    d.agree(made, data.x, by=bridge.mse())
    return bridge.compile(d)


def test_what_would_not_be_read_is_not_written(tmp_path) -> None:
    path = tmp_path / "weights.safetensors"
    bridge.save_weights(path, with_mask(-torch.inf))
    before, trained = path.read_bytes(), with_mask(0.0)
    bridge.load_weights(path, trained)
    assert bool(trained.components["own"].mask.isinf().all())
    for spoilt in (next(trained.components["norm"].buffers()), trained.components["own"].weight):
        kept = spoilt.detach().clone()
        with torch.no_grad():
            spoilt.fill_(torch.nan)
        with pytest.raises(FileError, match="expected finite numbers, found nan"):
            bridge.save_weights(path, trained)
        with torch.no_grad():
            spoilt.copy_(kept)
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]
    julia().eval(JULIA)
    bridge.save_weights(path, objective())
    with pytest.raises(BridgeError, match=r"tensor 'f/0\.bias': expected finite numbers, found NaN"):
        evaluate(
            f'let o = WeightTests.target(raw"{path}")\n'
            'only(v for v in o.parameters if v.path == "0.bias" && v.component == "f").array[1] = NaN\n'
            f'DiagramBridge.save_weights(raw"{path}", o) end'
        )
    assert list(tmp_path.iterdir()) == [path]


def test_a_diagram_that_is_not_there(sound: Path, tmp_path) -> None:
    path = tmp_path / "none.safetensors"
    write_tensors(path, {"f/weight": torch.zeros(2)}, {})
    julia()
    for key, text in [*(("diagram_bridge.diagram", text) for text in ("0g", "abc", "0a 0b")), ("other", "")]:
        write_tensors(path, {"f/weight": torch.zeros(2)}, {key: text})
        with pytest.raises(FileError) as pythons:
            bridge.load(path)
        with pytest.raises(BridgeError) as julias:
            evaluate(f'DiagramBridge.load(raw"{path}")')
        assert pythons.value.args == julias.value.args
        assert pythons.value.element == f"file '{path}', metadata"
    path.write_bytes(
        with_header(lambda header: header["__metadata__"].update({"diagram_bridge.diagram": "00"}))(sound.read_bytes())
    )
    with pytest.raises(FileError, match="diagram"):
        bridge.load(path)
    with pytest.raises(BridgeError, match="diagram"):
        evaluate(f'DiagramBridge.load(raw"{path}")')


def test_julia_reads_python_and_writes_what_python_reads(sound: Path, tmp_path) -> None:
    julia().eval(JULIA)
    path, trained = tmp_path / "julia.safetensors", objective(seed=4)
    evaluate(
        f'let o = WeightTests.target(raw"{sound}")\n'
        f'DiagramBridge.load_weights!(o, raw"{sound}"); DiagramBridge.save_weights(raw"{path}", o) end'
    )
    assert bridge.load(path) == trained.diagram
    bridge.load_weights(path, trained)
    assert equal(trained, objective())


def sparse(path: Path, count: int) -> None:
    """A file of one float32 tensor of zeros, most of which is a hole, with a one at its end."""
    header = {
        "__metadata__": {KEY: json.dumps({"version": 1, "diagram": "0" * 64, "aliases": {}})},
        "f/0.weight": {"dtype": "F32", "shape": [count], "data_offsets": [0, 4 * count]},
    }
    start = joined(header, b"")
    pad = -len(start) % 8
    start = struct.pack("<Q", len(start) - 8 + pad) + start[8:] + b" " * pad
    with path.open("wb") as file:
        file.write(start)
        file.seek(len(start) + 4 * (count - 1))
        file.write(struct.pack("<f", 1.0))


def test_files_over_two_gibibytes(tmp_path) -> None:
    path, count = tmp_path / "large.safetensors", 2**29 + 3
    sparse(path, count)
    assert path.stat().st_size > 2**31
    weight = bridge.read_weights(path)["f", "0.weight"]
    assert weight.shape == (count,) and (weight[0], weight[-2], weight[-1]) == (0, 0, 1)
    julia()
    code = f'let w = DiagramBridge.read_weights(raw"{path}")["f", "0.weight"]\n(length(w), w[1], w[end-1], w[end]) end'
    assert evaluate(code) == f"({count}, 0.0f0, 0.0f0, 1.0f0)"
