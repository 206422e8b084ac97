"""Exported Julia scripts, run by plain Flux, have the diagram's losses; skipped where Julia has no Flux."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import torch
from torch import Tensor

import bridge
from bridge import layers
from bridge.cli.main import main
from bridge.julia.find import choose
from tests.port_diagrams import fitted
from tests.port_models import Tongue, five
from tests.test_export import assert_follows, curve, losses_shown, save_data

Data = dict[str, dict[str, Tensor]]

#: All scripts run in one process, each in a module of its own.
RUN = """
if VERSION < v"1.9" || Base.find_package("Flux") === nothing
    println("no Flux")
    exit()
end
for folder in ARGS
    println("script ", folder)
    script = Module()
    Base.include(script, joinpath(folder, "train.jl"))
    given = [joinpath(folder, "data.safetensors"), "--epochs", "3", "--batch-size", "4", "--lr", "0.01", "--in-order"]
    Base.invokelatest(Base.invokelatest(getproperty, script, :main), given)
end
println("loaded ", any(id -> id.name == "DiagramBridge", keys(Base.loaded_modules)))
"""


def distillation() -> tuple[bridge.Builder, Data]:
    """A frozen teacher with dropout, which is off in test mode; the student's leaves everything."""
    d = bridge.Builder("distillation")
    image = d.space("image", "float64", row=4, column=4)
    logits = d.space("logits", "float64", digit=3)
    source = d.source("digits", image=image, label=d.index("label", classes=3, dtype="int32"))

    def body(p: float) -> bridge.diagram.ir.LayerGraph:
        return layers.chain(layers.flatten(), layers.linear(16, 8), layers.tanh(), layers.dropout(p), layers.linear(8, 3))

    student = d.arrow("student", image, logits, body(0.0))
    teacher = d.arrow("teacher", image, logits, body(0.5), frozen=True)
    d.agree(student(source.image), source.label, by=bridge.cross_entropy(label_smoothing=0.1), weight=0.5, name="hard $1")
    d.agree(student(source.image), teacher(source.image), by=bridge.kl(temperature=4), weight=0.5, name="soft")
    images = torch.randn(10, 4, 4, dtype=torch.float64)
    return d, {"digits": {"image": images, "label": torch.randint(3, (10,), dtype=torch.int32)}}


def siamese() -> tuple[bridge.Builder, Data]:
    """A network with norms that two images go through; two of its layers have one weight, and biases of their own."""
    d = bridge.Builder("siamese")
    image, code = d.space("image", "float64", channel=1, row=4, column=4), d.space("code", "float64", k=3)
    source = d.source("pairs", left=image, right=image)
    g = layers.GraphBuilder()
    h = g(layers.batch_norm(4), g(layers.conv2d(1, 4, 3), *g.inputs))
    h = g(layers.flatten(), g(layers.group_norm(2, 4), g(layers.relu(), h)))
    h = g(layers.tanh(), g(layers.linear(3, 3), g(layers.linear(16, 3), h), name="one"))
    see = d.arrow("see", image, code, g.build(g(layers.linear(3, 3), h, name="two"), ties={"two.weight": "one.weight"}))
    left, right = see(source.left), see(source.right)
    d.agree(left, right, by=bridge.mse(), name="same")
    d.agree(left, right, by=bridge.info_nce(), name="apart")
    images = {name: torch.randn(10, 1, 4, 4, dtype=torch.float64) for name in ("left", "right")}
    return d, {"pairs": images}


def test_scripts_in_plain_flux(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The five architectures, tied weights, a distillation and a network applied twice, in float64: what rounding makes
    of a ResNet of batch norms on four samples grows from 1e-7 to 5e-3 in six steps of float32 (docs/porting.md)."""
    if (layout := choose().layout) is None:
        pytest.skip(f"the Julia in use is started by {choose().how}")
    torch.manual_seed(0)
    cases: dict[str, tuple[bridge.Objective, Data]] = {}
    for name, (module, inputs) in {**five(), "tied": (Tongue(), [torch.randint(7, (4, 5))])}.items():
        d, ported, data = fitted(module.double(), [x.double() if x.is_floating_point() else x for x in inputs])
        cases[name] = bridge.compile(d, {"net": ported.module()}), data
        cases[name][0].load_state_dict({f"components.net.{path}": w for path, w in ported.weights.items()})
    for d, data in (distillation(), siamese()):
        cases[d.name] = bridge.compile(d), data
    curves = []
    for name, (objective, data) in cases.items():
        bridge.save_weights(tmp_path / f"{name}.safetensors", objective)
        given = [str(tmp_path / f"{name}.safetensors"), "--language", "julia", "-o", str(tmp_path / name)]
        assert main(["export", *given]) == 0
        save_data(data, tmp_path / name / "data.safetensors")
        curves.append(curve(objective, data, 3, 4, 0.01))
    capsys.readouterr()
    command = [str(layout.executable), "--startup-file=no", "-O1", "-e", RUN, *(str(tmp_path / name) for name in cases)]
    done = subprocess.run(
        command, env=layout.environment(), capture_output=True, text=True, check=False, cwd="/", timeout=3000
    )
    assert done.returncode == 0, done.stderr
    if done.stdout.startswith("no Flux"):
        pytest.skip("Julia has no Flux in its active project")
    *lines, loaded = done.stdout.splitlines()
    assert loaded == "loaded false"
    found = losses_shown(lines)
    assert len(found) == len(cases) > 0
    for shown, expected in zip(found, curves, strict=True):
        assert_follows(shown, expected, 1e-5)
