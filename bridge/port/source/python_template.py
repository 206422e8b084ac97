"""The parts of a script that are the same for every diagram."""

from __future__ import annotations

__all__ = ["DATA", "HEAD", "LOADING", "MAIN"]

HEAD = '''"""Training of {name}, in plain PyTorch. (Written by diagram-bridge {version}, which it does not need.)

    python train.py data.safetensors --epochs 10 --lr 0.001

The data are one .safetensors or .npz file with an array of all samples for each of

{data}
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Batch = dict[str, dict[str, Tensor]]  # {{source: {{column: samples}}}}
'''

LOADING = '''TYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "I64": torch.int64,
    "I32": torch.int32,
    "BOOL": torch.bool,
}


def load_tensors(path: Path) -> dict[str, Tensor]:
    """The arrays of a .safetensors or .npz file by name."""
    if path.suffix == ".npz":
        import numpy

        with numpy.load(path) as arrays:
            return {name: torch.from_numpy(arrays[name]) for name in arrays}
    data = path.read_bytes()
    begin = 8 + int.from_bytes(data[:8], "little")  # the length of the header comes first
    header = json.loads(data[8:begin])
    header.pop("__metadata__", None)
    tensors = {}
    for name, info in header.items():
        start, stop = (begin + offset for offset in info["data_offsets"])
        numbers = torch.frombuffer(bytearray(data[start:stop]), dtype=TYPES[info["dtype"]])
        tensors[name] = numbers.reshape(info["shape"])
    return tensors
'''

DATA = '''def by_source(tensors: dict[str, Tensor]) -> Batch:
    """Arrays named "source.column" as {source: {column: array}}."""
    found: Batch = {}
    for name, tensor in tensors.items():
        source, column = name.split(".", 1)
        found.setdefault(source, {})[column] = tensor
    return found


def batches(data: Batch, size: int, shuffle: bool, seed: int) -> Iterator[Batch]:
    """Batches without end; each source goes through its samples again and again."""
    generator = torch.Generator().manual_seed(seed)

    def places(count: int) -> Iterator[Tensor]:
        while True:
            order = torch.randperm(count, generator=generator) if shuffle else torch.arange(count)
            yield from order.split(size)

    orders = {source: places(len(next(iter(columns.values())))) for source, columns in data.items()}
    while True:
        batch: Batch = {}
        for source, columns in data.items():
            chosen = next(orders[source])
            batch[source] = {name: column[chosen] for name, column in columns.items()}
        yield batch
'''

MAIN = '''OPTIMIZERS = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "rmsprop": torch.optim.RMSprop,
    "sgd": torch.optim.SGD,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--weights", type=Path, default=Path(__file__).with_name("weights.safetensors"))
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--optimizer", choices=sorted(OPTIMIZERS), default="adam")
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--in-order", action="store_true", help="take the samples as they come")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--save", type=Path, help="where the trained state_dict goes (torch.save)")
    options = parser.parse_args()

    torch.manual_seed(options.seed)
    data = by_source(load_tensors(options.data))
    model = Model()
    model.load_state_dict(load_tensors(options.weights))
    model.train()
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = OPTIMIZERS[options.optimizer](trained, lr=options.lr)

    longest = max(len(next(iter(columns.values()))) for columns in data.values())
    steps = options.epochs * -(-longest // options.batch_size)
    feed = batches(data, options.batch_size, not options.in_order, options.seed)
    for step, batch in zip(range(steps), feed):
        total, losses = model(batch)
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        shown = ", ".join(f"{name} {loss.item():.9g}" for name, loss in losses.items())
        print(f"step {step}: total {total.item():.9g} ({shown})")

    if options.save is not None:
        torch.save(model.state_dict(), options.save)


if __name__ == "__main__":
    main()
'''
