"""What a compiled objective costs beside the same computation written by hand: `python -m benchmarks.plan --json`.

| key | what |
| --- | --- |
| `ladder_compile_s` | compiling a ladder of 30 diamonds, x ↦ add(f(x), g(x)): 2^30 routes, 90 applications |
| `ladder_ratio` | a training step of it, against a loop over two `nn.Linear`s |
| `distill_ratio` | a step of a distillation with a frozen convolutional teacher, against a loop written by hand |
| `mixed_ratio` | the same with the student placed on Julia; null where there is no Julia |
| `import_s` | `import bridge` in a new process, in which torch must not get loaded |

A step is forward, backward and SGD. In the distillation the teacher's time is left out on both sides: its logits for the
batch are computed once, and its `forward` returns them. What the objective does around a frozen component (its mode, its
buffers, no tape) counts; the convolutions, and what they leave of the caches, don't.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import bridge
from benchmarks.paired import Comparison, compare
from bridge import layers

RUNGS = 30
WIDTH = 64
LADDER_BATCH = 128
BATCH = 256
TEMPERATURE = 4.0
RATE = 0.01

IMPORT = """
import sys, time
started = time.perf_counter()
import bridge
seconds = time.perf_counter() - started
assert "torch" not in sys.modules
print(seconds)
"""


def ladder() -> bridge.Builder:
    """x ↦ add(f(x), g(x)), thirty times over, against a target."""
    d = bridge.Builder("ladder")
    x = d.space("x", "float32", k=WIDTH)
    data = d.source("data", x=x, y=x)
    f = d.arrow("f", x, x, layers.linear(WIDTH, WIDTH))
    g = d.arrow("g", x, x, layers.linear(WIDTH, WIDTH))
    add = d.arrow("add", (x, x), x, layers.add())
    term = data.x
    for _ in range(RUNGS):
        term = add(f(term), g(term))
    d.agree(term, data.y, by=bridge.mse())
    return d


def ladder_compile() -> float:
    """Median seconds from nothing to an objective."""
    times = []
    for _ in range(5):
        started = time.perf_counter()
        bridge.compile(ladder())
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def ladder_steps() -> Comparison:
    """The objective's step against the loop's, from the same weights."""
    objective = bridge.compile(ladder())
    f, g = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH)
    for name, module in (("f", f), ("g", g)):
        with torch.no_grad():
            module.weight.normal_(std=0.5 / WIDTH**0.5)  # keeps thirty sums of two from growing
            for one, other in zip(objective.components[name].parameters(), module.parameters(), strict=True):
                one.copy_(other)
    x, y = torch.randn(LADDER_BATCH, WIDTH), torch.randn(LADDER_BATCH, WIDTH)

    def by_hand() -> Tensor:
        value = x
        for _ in range(RUNGS):
            value = f(value) + g(value)
        return F.mse_loss(value, y)

    batch = {"data": {"x": x, "y": y}}
    ours = training_step(lambda: objective(batch).total, objective.trainable_parameters())
    theirs = training_step(by_hand, [*f.parameters(), *g.parameters()])
    return compare(ours, theirs)


class Teacher(nn.Module):
    """A small convolutional network that knows its answer to one batch of images (N, 784)."""

    def __init__(self, image: Tensor) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Unflatten(1, (1, 28, 28)),
            nn.Conv2d(1, 8, 3, stride=2, padding=1),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.Conv2d(8, 16, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(16 * 7 * 7, 10),
        )
        with torch.no_grad():
            self.logits: Tensor = self.body(image)

    def forward(self, image: Tensor) -> Tensor:
        """The logits (N, 10)."""
        return self.logits


def distillation(teacher: Teacher) -> bridge.Builder:
    """An MLP 784-512-512-10 learns from labels and from a frozen teacher."""
    d = bridge.Builder("distillation")
    image = d.space("image", "float32", pixel=784)
    logits = d.space("logits", "float32", klass=10)
    label = d.index("label", classes=10)
    data = d.source("data", image=image, label=label)
    body = layers.chain(
        layers.linear(784, 512), layers.relu(), layers.linear(512, 512), layers.relu(), layers.linear(512, 10)
    )
    student = d.arrow("student", image, logits, body)(data.image)
    taught = d.arrow("teacher", image, logits, teacher, frozen=True)(data.image)
    d.agree(student, data.label, by=bridge.cross_entropy(), weight=0.5)
    d.agree(student, bridge.detach(taught), by=bridge.kl(temperature=TEMPERATURE), weight=0.5)
    return d


def distill_steps(placement: dict[str, str]) -> Comparison:
    """The objective's step against the loop's."""
    image, label = torch.randn(BATCH, 784), torch.randint(10, (BATCH,))
    teacher = Teacher(image).eval()
    objective = bridge.compile(distillation(teacher), placement=placement)
    student = nn.Sequential(nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 10))
    with torch.no_grad():
        for one, other in zip(objective.trainable_parameters(), student.parameters(), strict=True):
            one.copy_(other)

    def by_hand() -> Tensor:
        with torch.no_grad():
            taught = teacher(image)
        logits = student(image)
        soft = F.kl_div(F.log_softmax(logits / TEMPERATURE, 1), F.softmax(taught / TEMPERATURE, 1), reduction="batchmean")
        return 0.5 * F.cross_entropy(logits, label) + 0.5 * TEMPERATURE**2 * soft

    batch = {"data": {"image": image, "label": label}}
    ours = training_step(lambda: objective(batch).total, objective.trainable_parameters())
    theirs = training_step(by_hand, list(student.parameters()))
    return compare(ours, theirs)


def training_step(loss: Callable[[], Tensor], parameters: list[nn.Parameter]) -> Callable[[], None]:
    """Forward, backward and SGD."""
    optimizer = torch.optim.SGD(parameters, lr=RATE)

    def step() -> None:
        optimizer.zero_grad()
        loss().backward()
        optimizer.step()

    return step


def import_time(runs: int = 7) -> float:
    """Median seconds of `import bridge` in new processes; fails if that loads torch."""
    times = []
    for _ in range(runs):
        result = subprocess.run([sys.executable, "-c", IMPORT], capture_output=True, text=True, check=True)
        times.append(float(result.stdout))
    return statistics.median(times)


def measure() -> dict[str, float | None]:
    """All figures by key; times in seconds."""
    torch.manual_seed(0)
    figures: dict[str, float | None] = {"import_s": import_time(), "ladder_compile_s": ladder_compile()}
    rows: list[tuple[str, Callable[[], Comparison]]] = [
        ("ladder", ladder_steps),
        ("distill", lambda: distill_steps({})),
        ("mixed", lambda: distill_steps({"student": "julia"})),
    ]
    for name, steps in rows:
        try:
            found = steps()
        except bridge.JuliaUnavailable as error:
            print(f"{name}: {error}", file=sys.stderr)
            figures |= {f"{name}_ratio": None, f"{name}_step_s": None, f"{name}_by_hand_s": None}
            continue
        figures |= {f"{name}_ratio": found.ratio, f"{name}_step_s": found.first_s, f"{name}_by_hand_s": found.second_s}
    return figures


def main() -> None:
    """Print the figures, as one JSON line with `--json`."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.plan", description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="one line of JSON")
    arguments = parser.parse_args()
    figures = measure()
    if arguments.json:
        print(json.dumps(figures))
        return
    for name, value in sorted(figures.items()):
        print(f"{name:20} {'–' if value is None else f'{value:.4g}'}")


if __name__ == "__main__":
    main()
