"""What DiagramBridge costs beside Flux and juliacall by themselves: `python -m benchmarks.flux --json`.

| key | what |
| --- | --- |
| `hand_ratio` | a training step (Adam) of a diagram of one Flux model, against the same step written by hand in Flux |
| `layers_ratio` | the same with portable layers, run by the Flux engine, in place of the model |
| `mixed_ratio` | a training step (SGD) of a torch encoder and a Flux head, against both by hand, each by itself |
| `conversion_speedup` | what crossing adds to an identity autograd function, and how many times that converting adds |
| `large_speedup` | the same at 16 MiB |

All networks are perceptrons at batch 256 in float32: the head 784-512-512-10, the encoder 784-784. Converting is what
one does without this package: tensor to NumPy to juliacall to `Array`, and back, forward and backward, 16 floats.
It needs juliacall, with a Julia project that has Flux; elsewhere it says so, and exits with 2.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bridge.julia.island import Island

BATCH = 256
RATE = 1e-3
MOST_S = 15.0  # of one comparison
TIMES = 4  # steps in a row, so that what is measured by itself finds its own traces in the caches
SMALL, LARGE = 16, 4 * 2**20  # floats: 64 bytes, 16 MiB


def main() -> int:
    """Measure and print; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    try:
        import juliacall  # before torch, as it wants to be
    except Exception as error:  # no Julia that it can start is an exception of any kind
        print(f"benchmarks.flux needs juliacall: {type(error).__name__}: {error}", file=sys.stderr)
        return 2
    from bridge.errors import JuliaUnavailable
    from bridge.julia.session import session

    try:
        julia = session()
    except JuliaUnavailable as error:
        print(f"benchmarks.flux needs Julia: {error}", file=sys.stderr)
        return 2
    if julia.engine != "flux":
        print(f"benchmarks.flux needs Flux: Julia {julia.version} runs the engine {julia.engine!r}", file=sys.stderr)
        return 2
    julia.include(Path(__file__).with_suffix(".jl"))
    figures = measure(juliacall.Main.FluxBenchmark)
    figures["versions"] = {"Julia": julia.version, **julia.packages}
    print(json.dumps(figures) if options.json else "\n".join(f"{key:18} {value}" for key, value in figures.items()))
    return 0


def measure(benchmark: Any) -> dict[str, Any]:
    """All figures by key; times in milliseconds and microseconds."""
    import torch

    from benchmarks.crossing import echo_island
    from benchmarks.paired import compare
    from bridge.julia.session import session

    by_hand = benchmark.by_hand()
    model = compare(benchmark.of_a_model(), by_hand, most_s=MOST_S)
    layers = compare(benchmark.of_layers(), by_hand, most_s=MOST_S)
    mixed = compare(*mixed_steps(benchmark), warm_up=3, most_s=MOST_S)
    island = echo_island(session())
    small, large = crossings(benchmark, island, SMALL), crossings(benchmark, island, LARGE)
    return {
        "threads": torch.get_num_threads(),
        "hand_ratio": round(model.ratio, 3),
        "layers_ratio": round(layers.ratio, 3),
        "mixed_ratio": round(mixed.ratio, 3),
        "conversion_speedup": round(small["speedup"], 1),
        "large_speedup": round(large["speedup"], 1),
        "hand_ms": round(model.second_s * 1e3, 2),
        "model_ms": round(model.first_s * 1e3, 2),
        "layers_ms": round(layers.first_s * 1e3, 2),
        "mixed_ms": round(mixed.first_s / TIMES * 1e3, 2),
        "parts_ms": round(mixed.second_s / TIMES * 1e3, 2),
        **{f"{key}_us": round(small[key] * 1e6, 1) for key in ("identity", "crossing", "converting")},
    }


def mixed_steps(benchmark: Any) -> tuple[Callable[[], None], Callable[[], None]]:
    """Steps of a torch encoder and a Flux head in one diagram; as many of the encoder, then as many of the head."""
    import torch
    from torch import nn

    import bridge

    encoder, image = nn.Linear(784, 784), torch.rand(BATCH, 784)
    label, code_gradient = torch.randint(10, (BATCH,)), torch.randn(BATCH, 784)
    d = bridge.Builder("mixed")
    pixels, code = d.space("image", "float32", pixel=784), d.space("code", "float32", k=784)
    logits = d.space("logits", "float32", klass=10)
    data = d.source("data", image=pixels, label=d.index("label", classes=10))
    encode = d.arrow("encoder", pixels, code, nn.Linear(784, 784))
    benchmark.register_head()
    head = d.arrow("head", code, logits, bridge.JuliaReference("benchmark head"))
    d.agree(head(encode(data.image)), data.label, by=bridge.cross_entropy())
    objective = bridge.compile(d)
    optimizer = torch.optim.SGD(objective.trainable_parameters(), lr=RATE)
    encoder_optimizer = torch.optim.SGD(encoder.parameters(), lr=RATE)
    batch = {"data": {"image": image, "label": label}}
    head_step = benchmark.head_by_hand()

    def mixed_step() -> None:
        optimizer.zero_grad()
        objective(batch).backward()
        optimizer.step()

    def encoder_step() -> None:
        encoder_optimizer.zero_grad()
        encoder(image).backward(code_gradient)
        encoder_optimizer.step()

    return in_a_row(mixed_step), in_a_row(encoder_step, head_step)


def in_a_row(*steps: Callable[[], object]) -> Callable[[], None]:
    """Each of the steps so many times in a row, one step after the other."""

    def run() -> None:
        for step in steps:
            for _ in range(TIMES):
                step()

    return run


def crossings(benchmark: Any, island: Island, floats: int) -> dict[str, float]:
    """Seconds of the identity there and back: in Python, as an island, and with everything converted; and the speedup."""
    import numpy as np
    import torch
    from torch import Tensor

    from benchmarks.crossing import Identity, step
    from benchmarks.paired import compare

    converted = benchmark.converted

    def there_and_back(x: Tensor) -> Tensor:
        return torch.from_numpy(np.asarray(converted(x.numpy().T)).T)

    class Converting(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            return there_and_back(x)

        @staticmethod
        def backward(ctx: Any, gradient: Tensor) -> Tensor:
            return there_and_back(gradient)

    def cross(x: Tensor) -> Tensor:
        return island.call((x,), (), True, 0)[0]

    identity = step(Identity.apply, floats)
    crossing = compare(step(cross, floats), identity, warm_up=20, most_s=MOST_S)
    converting = compare(step(Converting.apply, floats), identity, warm_up=20, most_s=MOST_S)
    speedup = (converting.ratio - 1) / (crossing.ratio - 1)
    return {
        "speedup": speedup,
        "identity": crossing.second_s,
        "crossing": crossing.first_s,
        "converting": converting.first_s,
    }


if __name__ == "__main__":
    sys.exit(main())
