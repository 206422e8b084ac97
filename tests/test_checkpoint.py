"""Checkpoints: interrupted trainings end where uninterrupted ones do, both languages read and write the same files."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn

import bridge
from bridge import layers
from bridge.errors import BindingError, BridgeError, FileError, UnsupportedError
from bridge.train import Cursor
from bridge.train.checkpoint import KEY
from bridge.train.tensor_file import read_tensors, write_tensors
from tests.broken_checkpoints import BROKEN, write_broken
from tests.julia_arrays import evaluate, julia

F64 = torch.float64
GENERATOR = torch.Generator().manual_seed(3)
DATA = {
    "big": {
        "x": torch.randn(11, 3, generator=GENERATOR, dtype=F64),
        "y": torch.randn(11, 2, generator=GENERATOR, dtype=F64),
    },
    "small": {"x": torch.randn(6, 3, generator=GENERATOR, dtype=F64)},
}


def objective(seed: int = 0, name: str = "two") -> bridge.Objective:
    """A trained component with a batch norm, and a frozen one."""
    torch.manual_seed(seed)
    d = bridge.Builder(name)
    x, y = d.space("x", "float64", k=3), d.space("y", "float64", k=2)
    big, small = d.source("big", x=x, y=y), d.source("small", x=x)
    module = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2)).double()
    f = d.arrow("f", x, y, module)
    g = d.arrow("g", x, y, layers.chain(layers.linear(3, 4), layers.tanh(), layers.linear(4, 2)), frozen=True)
    h = d.arrow("h", y, y, layers.linear(2, 2))
    d.agree(h(f(big.x)), big.y, by=bridge.mse())
    d.agree(f(small.x), g(small.x), by=bridge.mse())
    return bridge.compile(d)


def state(trained: bridge.Objective) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in trained.state_dict().items()}


def equal(one: bridge.Objective, two: bridge.Objective) -> bool:
    here, there = one.state_dict(), two.state_dict()
    return here.keys() == there.keys() and all(torch.equal(here[name], there[name]) for name in here)


def nadam(parameters: Any) -> torch.optim.Optimizer:
    """One that no name stands for."""
    return torch.optim.NAdam(parameters, lr=0.02)


def title(options: dict[str, Any]) -> str:
    optimizer = options.get("optimizer", "adam")
    return optimizer if isinstance(optimizer, str) else "a function"


OPTIMIZERS: list[dict[str, Any]] = [
    {"optimizer": "sgd", "lr": 0.1},
    {"optimizer": "sgd", "lr": 0.1, "momentum": 0.9, "nesterov": True},
    {"lr": 0.02},
    {"optimizer": "adamw", "lr": 0.02, "amsgrad": True, "betas": (0.8, 0.99)},
    {"optimizer": "rmsprop", "momentum": 0.5, "centered": True},
    {"optimizer": nadam},
]


@pytest.mark.parametrize("options", OPTIMIZERS, ids=title)
@pytest.mark.parametrize("at", [1, 3, 7])
def test_an_interrupted_training_ends_where_an_uninterrupted_one_does(options, at, tmp_path) -> None:
    whole, interrupted = objective(), objective()
    common: dict[str, Any] = {"epochs": 4, "batch_size": 4, "progress": False}
    expected = bridge.fit(whole, DATA, seed=9, **common, **options)
    path = tmp_path / "run.safetensors"

    def save(step: bridge.train.Step) -> bool:
        bridge.save_checkpoint(path, step.objective, step.optimizer, step.cursor)
        return step.number == at

    first = bridge.fit(interrupted, DATA, seed=9, callback=save, **common, **options)
    assert first.cursor == Cursor((at + 1) // 3, (at + 1) % 3, 9)
    again = objective(seed=1)
    assert not equal(again, interrupted)
    start = bridge.load_checkpoint(path, again)
    assert equal(again, interrupted)
    named = options if callable(options.get("optimizer")) else {}
    rest = bridge.fit(again, DATA, start=start, **named, **common)
    assert first.total + rest.total == expected.total
    assert first.epochs + rest.epochs == expected.epochs
    assert rest.cursor == expected.cursor == Cursor(4, 0, 9)
    assert equal(again, whole)


def test_a_start_in_the_same_process() -> None:
    whole, halves = objective(), objective()
    common: dict[str, Any] = {"batch_size": 4, "progress": False}
    bridge.fit(whole, DATA, epochs=4, **common)
    first = bridge.fit(halves, DATA, epochs=2, **common)
    bridge.fit(halves, DATA, epochs=4, optimizer=first.optimizer, start=first.cursor, **common)
    assert equal(halves, whole)


def test_options_that_are_given_win(tmp_path) -> None:
    trained = objective()
    history = bridge.fit(trained, DATA, epochs=1, optimizer="adam", lr=0.5, seed=4, progress=False)
    path = tmp_path / "run.safetensors"
    bridge.save_checkpoint(path, trained, history.optimizer, history.cursor)
    start = bridge.load_checkpoint(path, trained)
    assert (start.optimizer, start.options["lr"], start.options["betas"]) == ("adam", 0.5, (0.9, 0.999))
    seen: list[bridge.train.Step] = []
    bridge.fit(trained, DATA, epochs=2, lr=0.25, start=start, callback=seen.append, progress=False)
    group = seen[0].optimizer.param_groups[0]
    assert (group["lr"], group["betas"], seen[0].cursor.seed, seen[0].epoch) == (0.25, (0.9, 0.999), 4, 1)


def test_a_loop_by_hand(tmp_path) -> None:
    """`load_checkpoint` gives an optimizer its state."""
    one, two = objective(), objective(seed=1)
    first = torch.optim.Adam(one.trainable_parameters())
    second = torch.optim.Adam(two.trainable_parameters())

    def step(trained: bridge.Objective, optimizer: torch.optim.Optimizer) -> None:
        optimizer.zero_grad()
        trained(DATA, seed=0).backward()
        optimizer.step()

    step(one, first)
    bridge.save_checkpoint(tmp_path / "run.safetensors", one, first)
    assert bridge.load_checkpoint(tmp_path / "run.safetensors", two, second).cursor == Cursor()
    step(one, first)
    step(two, second)
    assert equal(one, two)


def test_what_is_in_the_file(tmp_path) -> None:
    trained = objective()
    history = bridge.fit(trained, DATA, epochs=1, optimizer="adamw", seed=-1, progress=False)
    path = tmp_path / "run.safetensors"
    bridge.save_checkpoint(path, trained, history.optimizer, history.cursor)
    with safe_open(path, "pt") as file:
        names, metadata = set(file.keys()), file.metadata()
        assert torch.equal(file.get_tensor("parameters/f/0.weight"), trained.components["f"][0].weight)
        assert file.get_tensor("optimizer/h/0.weight/step").item() == 1
        assert file.get_tensor("buffers/f/1.running_var").dtype is F64
    fields = json.loads(metadata[KEY])
    assert set(metadata) == {KEY}
    assert (fields["epoch"], fields["position"], fields["seed"], fields["version"]) == (1, 0, 2**64 - 1, 1)
    assert fields["optimizer"]["name"] == "adamw"
    assert set(fields["optimizer"]["options"]) == {"lr", "betas", "eps", "weight_decay", "amsgrad", "maximize"}
    assert {name for name in names if name.startswith("optimizer/f/0.bias/")} == {
        f"optimizer/f/0.bias/{slot}" for slot in ("step", "exp_avg", "exp_avg_sq")
    }
    assert "parameters/g/0.weight" in names and not any(name.startswith("optimizer/g") for name in names)
    bridge.save_checkpoint(tmp_path / "again.safetensors", trained, history.optimizer, history.cursor)
    assert (tmp_path / "again.safetensors").read_bytes() == path.read_bytes()


def shared_objective(seed: int, apart: bool = False) -> bridge.Objective:
    torch.manual_seed(seed)
    d = bridge.Builder("shared")
    x = d.space("x", "float32", k=2)
    data = d.source("data", x=x)
    one, two = nn.Linear(2, 2), nn.Linear(2, 2)
    if not apart:
        two.weight = one.weight
    d.agree(d.arrow("two", x, x, two)(d.arrow("one", x, x, one)(data.x)), data.x, by=bridge.mse())
    return bridge.compile(d)


def test_shared_parameters_are_there_once(tmp_path) -> None:
    path, trained, other = tmp_path / "run.safetensors", shared_objective(0), shared_objective(1)
    bridge.save_checkpoint(path, trained)
    with safe_open(path, "pt") as file:
        assert set(file.keys()) == {"parameters/one/weight", "parameters/one/bias", "parameters/two/bias"}
    bridge.load_checkpoint(path, other)
    assert equal(trained, other)
    assert other.components["one"].weight is other.components["two"].weight
    with pytest.raises(BindingError, match="aliases: expected none, found two/weight for one/weight"):
        bridge.load_checkpoint(path, shared_objective(0, apart=True))


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkpoint of a training with Adam."""
    path, trained = tmp_path_factory.mktemp("sound") / "run.safetensors", objective()
    history = bridge.fit(trained, DATA, epochs=2, batch_size=4, progress=False)
    bridge.save_checkpoint(path, trained, history.optimizer, dataclasses.replace(history.cursor, seed=2**64 - 2))
    return path


@pytest.fixture(scope="module")
def broken(sound: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return write_broken(sound, tmp_path_factory.mktemp("broken"))


@pytest.mark.parametrize("name", BROKEN)
def test_broken_files_are_refused_in_both_languages(name: str, broken: dict[str, Path]) -> None:
    path, (_, element) = broken[name], BROKEN[name]
    julia()
    trained = objective(seed=2)
    before = state(trained)
    with pytest.raises(FileError) as pythons:
        bridge.load_checkpoint(path, trained)
    with pytest.raises(BridgeError) as julias:
        evaluate(f'DiagramBridge.read_checkpoint("{path}")')
    assert pythons.value.element == julias.value.element
    if element is None:
        assert pythons.value.element.startswith(f"file '{path}', tensor '")
    else:
        assert pythons.value.element == f"file '{path}'{element}"
    assert all(torch.equal(value, before[key]) for key, value in trained.state_dict().items())


def test_another_diagram_is_refused_in_both_languages(sound: Path) -> None:
    other = objective(name="other")
    with pytest.raises(BindingError) as pythons:
        bridge.load_checkpoint(sound, other)
    julia()
    with pytest.raises(BridgeError) as julias:
        evaluate(f'DiagramBridge.read_checkpoint("{sound}", diagram = "{bridge.schema.identity(other.diagram)}")')
    assert pythons.value.args == julias.value.args
    assert pythons.value.element == f"file '{sound}', diagram"


def test_missing_files_are_refused_in_both_languages(tmp_path) -> None:
    julia()
    path = tmp_path / "none.safetensors"
    with pytest.raises(FileError, match="a file that can be read"):
        bridge.load_checkpoint(path, objective())
    with pytest.raises(BridgeError, match="a file that can be read"):
        evaluate(f'DiagramBridge.read_checkpoint("{path}")')


def changed(sound: Path, path: Path, name: str, tensor: torch.Tensor | None) -> Path:
    """The sound file with one tensor replaced, or left out."""
    tensors, metadata = read_tensors(sound)
    tensors.pop(name, None)
    save_file({**tensors, **({} if tensor is None else {name: tensor})}, path, metadata)
    return path


@pytest.mark.parametrize(
    ("name", "tensor", "expected", "found"),
    [
        ("parameters/f/0.weight", None, r"float64 of shape \(2, 3\)", "none"),
        ("parameters/f/more", torch.zeros(1), "none", r"float32 of shape \(1,\)"),
        ("parameters/f/0.weight", torch.zeros(3, 2, dtype=F64), r"float64 of shape \(2, 3\)", r"float64 of shape \(3, 2\)"),
        ("parameters/f/0.weight", torch.zeros(2, 3), r"float64 of shape \(2, 3\)", r"float32 of shape \(2, 3\)"),
        ("buffers/f/1.running_var", None, r"float64 of shape \(2,\)", "none"),
        ("buffers/g/more", torch.zeros(()), "none", r"float32 of shape \(\)"),
    ],
)
def test_tensors_that_are_not_the_objectives(name, tensor, expected, found, sound, tmp_path) -> None:
    path, trained = changed(sound, tmp_path / "run.safetensors", name, tensor), objective(seed=2)
    before = state(trained)
    with pytest.raises(BindingError, match=f"tensor '{name}': expected {expected}, found {found}"):
        bridge.load_checkpoint(path, trained)
    assert all(torch.equal(value, before[key]) for key, value in trained.state_dict().items())


@pytest.mark.parametrize(
    ("name", "tensor"),
    [
        ("optimizer/f/0.weight/exp_avg", None),
        ("optimizer/f/0.weight/step", None),
        ("optimizer/f/0.weight/momentum_buffer", torch.zeros(2, 3, dtype=F64)),
        ("optimizer/f/0.weight/exp_avg", torch.zeros(3, 2, dtype=F64)),
        ("optimizer/f/0.weight/exp_avg", torch.zeros(2, 3)),
    ],
)
def test_states_that_are_not_the_parameters_in_both_languages(name, tensor, sound, tmp_path) -> None:
    path, trained = changed(sound, tmp_path / "run.safetensors", name, tensor), objective(seed=2)
    before = state(trained)
    optimizer = torch.optim.Adam(trained.trainable_parameters())
    with pytest.raises(BindingError) as pythons:
        bridge.load_checkpoint(path, trained, optimizer)
    julia()
    with pytest.raises(BridgeError) as julias:
        evaluate(f'DiagramBridge.Optimizer(DiagramBridge.read_checkpoint("{path}"))')
    assert pythons.value.args == julias.value.args
    assert pythons.value.element.startswith("the optimizer's state of parameter 'f/0.weight'")
    assert not optimizer.state
    assert all(torch.equal(value, before[key]) for key, value in trained.state_dict().items())


def test_optimizers_that_do_not_fit(sound, tmp_path) -> None:
    trained = objective()
    start = bridge.load_checkpoint(sound, trained)
    with pytest.raises(BindingError, match="expected 'sgd', found 'adam'"):
        bridge.fit(trained, DATA, epochs=3, optimizer="sgd", start=start)
    with pytest.raises(BindingError, match="start, position"):
        bridge.fit(trained, DATA, epochs=3, start=Cursor(0, 1))
    path = tmp_path / "run.safetensors"
    parameters = trained.trainable_parameters()
    with pytest.raises(UnsupportedError, match="one group of parameters, found 2"):
        bridge.save_checkpoint(path, trained, torch.optim.SGD([{"params": [p]} for p in parameters[:2]]))
    with pytest.raises(BindingError, match="parameters of the objective's"):
        bridge.save_checkpoint(path, trained, torch.optim.SGD([*parameters, nn.Parameter(torch.zeros(7))]))
    assert not list(tmp_path.iterdir())


def test_a_file_is_replaced_as_a_whole_or_not_at_all(tmp_path, monkeypatch) -> None:
    path, trained = tmp_path / "run.safetensors", objective()
    bridge.save_checkpoint(path, trained)
    before = path.read_bytes()

    def fails(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", fails)
    with pytest.raises(FileError, match="No space left on device"):
        bridge.save_checkpoint(path, objective(seed=1))
    assert [path] == list(tmp_path.iterdir()) and path.read_bytes() == before
    with pytest.raises(FileError, match=r"no[/\\]run.safetensors"):
        bridge.save_checkpoint(tmp_path / "no" / "run.safetensors", trained)


JULIA_AGAIN = 'DiagramBridge.write_checkpoint("{to}", DiagramBridge.read_checkpoint("{path}"))'


def test_julia_writes_what_it_reads(sound, tmp_path) -> None:
    julia()
    path = tmp_path / "julia.safetensors"
    evaluate(JULIA_AGAIN.format(to=path, path=sound))
    (here, ours), (there, theirs) = read_tensors(sound), read_tensors(path)
    assert here.keys() == there.keys()
    assert all(torch.equal(there[name], here[name]) and there[name].dtype is here[name].dtype for name in here)
    assert json.loads(ours[KEY]) == json.loads(theirs[KEY])
    assert path.read_bytes()[-8:] == sound.read_bytes()[-8:]
    assert path.stat().st_mode == sound.stat().st_mode
    trained = objective(seed=5)
    start = bridge.load_checkpoint(path, trained)
    assert start.cursor == Cursor(2, 0, 2**64 - 2)


def test_every_type_of_element_crosses(tmp_path) -> None:
    """Read by Julia and written again, all bits are there; also of infinities, NaN, −0.0 and empty tensors."""
    julia()
    integers = [torch.int8, torch.int16, torch.int32, torch.int64, torch.uint8]
    tensors = {f"i{k}": torch.tensor([[0, 1, 100], [3, 4, 5]]).to(dtype) for k, dtype in enumerate(integers)}
    tensors |= {f"u{k}": torch.tensor([1, 2]).to(d) for k, d in enumerate((torch.uint16, torch.uint32, torch.uint64))}
    special = torch.tensor([[[0.0, -0.0, 1.5], [torch.inf, -torch.inf, torch.nan]]])
    tensors |= {f"f{k}": special.to(dtype) for k, dtype in enumerate((torch.float16, torch.float32, F64))}
    tensors |= {"b": torch.tensor([True, False, True]), "scalar": torch.tensor(2.5), "größe": torch.zeros(0, 3)}
    one, two = tmp_path / "one.safetensors", tmp_path / "two.safetensors"
    write_tensors(one, tensors, {"of": 'a "quoted" \\ text\n', "é": "日本"})
    evaluate(f'DiagramBridge.write_tensors("{two}", DiagramBridge.read_tensors("{one}")...)')
    read, metadata = read_tensors(two)
    assert metadata == {"of": 'a "quoted" \\ text\n', "é": "日本"}
    assert read.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert (read[name].dtype, read[name].shape) == (tensor.dtype, tensor.shape)
        assert read[name].numpy().tobytes() == tensor.numpy().tobytes()
    assert (
        two.read_bytes()[-sum(t.nbytes for t in tensors.values()) :]
        == one.read_bytes()[-sum(t.nbytes for t in tensors.values()) :]
    )


def test_julia_refuses_what_it_does_not_have(tmp_path) -> None:
    julia()
    path = tmp_path / "run.safetensors"
    write_tensors(path, {"x": torch.zeros(2, dtype=torch.bfloat16)}, {})
    assert read_tensors(path)[0]["x"].dtype is torch.bfloat16
    with pytest.raises(BridgeError, match=r"tensor 'x': expected a dtype of U64, .*, found 'BF16'"):
        evaluate(f'DiagramBridge.read_tensors("{path}")')


CONTINUE = """
module CheckpointTests
using DiagramBridge: Checkpoint, Optimizer, read_checkpoint, rule_options, state_slots, step!, write_checkpoint
"Two steps of every trained parameter against gradients of ones, and the file again."
function go_on(path, to)
    c = read_checkpoint(path)
    optimizer = Optimizer(c)
    trained = sort!([key for key in keys(c.parameters) if key[1] != "g"])
    for k in 1:2
        step!(optimizer, [(key..., c.parameters[key], fill!(similar(c.parameters[key]), 1)) for key in trained])
    end
    write_checkpoint(to, Checkpoint(
        diagram = c.diagram, epoch = c.epoch + 1, position = c.position, seed = c.seed, parameters = c.parameters,
        buffers = c.buffers, optimizer = c.optimizer, options = rule_options(optimizer.rule),
        slots = state_slots(optimizer), aliases = c.aliases,
    ))
end
end
"""


@pytest.mark.parametrize("options", OPTIMIZERS[:5], ids=title)
def test_from_python_to_julia_and_back(options, tmp_path) -> None:
    """Two steps in Python, two in Julia, two in Python: as six in Python."""
    julia().eval(CONTINUE)

    def steps(trained: bridge.Objective, optimizer: torch.optim.Optimizer, count: int) -> None:
        for _ in range(count):
            for parameter in trained.trainable_parameters():
                parameter.grad = torch.ones_like(parameter)
            optimizer.step()

    kinds = bridge.train.OPTIMIZERS
    given = {key: value for key, value in options.items() if key != "optimizer"}
    whole, part, again = objective(), objective(), objective(seed=1)
    first, second, third = (
        kinds[options.get("optimizer", "adam")](trained.trainable_parameters(), **given) for trained in (whole, part, again)
    )
    steps(whole, first, 6)
    steps(part, second, 2)
    there, back = tmp_path / "there.safetensors", tmp_path / "back.safetensors"
    bridge.save_checkpoint(there, part, second, Cursor(5, 0, 2**64 - 1))
    evaluate(f'CheckpointTests.go_on("{there}", "{back}")')
    assert bridge.load_checkpoint(back, again, third).cursor == Cursor(6, 0, 2**64 - 1)
    steps(again, third, 2)
    torch.testing.assert_close(again.state_dict(), whole.state_dict(), rtol=1e-13, atol=1e-13)
