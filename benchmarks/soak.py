"""Mixed training for many steps, with and without garbage collection forced in both languages at every step.

    python -m benchmarks.soak --json

Both runs, each in a process of its own, have to end with the same parameters, bit by bit, and the one with collection
must not grow: resident memory after the last step against that after step 200. A leak would show in either; memory that
one language frees while the other still uses it would show in the parameters.
"""

from __future__ import annotations

import argparse
import gc
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

STEPS, SETTLED = 2000, 200

COMPONENT = """
module Soak
import DiagramBridge
import DiagramBridge: forward, pullback, parameters, buffers

"x ↦ tanh(w x + b) with fresh arrays at every call, and a running mean of its inputs."
struct Gate
    w::Vector{Float32}
    b::Vector{Float32}
    mean::Vector{Float32}
end
parameters(g::Gate) = ("w" => g.w, "b" => g.b)
buffers(g::Gate) = ("mean" => g.mean,)

function forward(g::Gate, (x,)::Tuple, train::Bool)
    train && (g.mean .= 0.9f0 .* g.mean .+ 0.1f0 .* vec(sum(x, dims = 2)) ./ size(x, 2))
    y = tanh.(g.w .* x .+ g.b)
    return (y,), (x, y)
end

function pullback(g::Gate, (x, y), (dy,)::Tuple)
    dz = dy .* (1 .- y .^ 2)
    return (g.w .* dz,), (vec(sum(dz .* x, dims = 2)), vec(sum(dz, dims = 2)))
end
end
"""
REGISTER = 'DiagramBridge.register("gate", Soak.Gate(ones(Float32, 64), zeros(Float32, 64), zeros(Float32, 64)))'


def objective() -> Any:
    """torch encoder → the user's Julia component → portable Julia head, with a detached and a frozen part in Julia."""
    import torch

    import bridge
    from bridge import layers
    from bridge.julia.session import session

    if session().runtime.eval_string("isdefined(Main, :Soak)") == "false":
        session().eval(COMPONENT)
    session().eval(REGISTER)
    torch.manual_seed(0)
    d = bridge.Builder("soak")
    x, h = d.space("x", "float32", k=32), d.space("h", "float32", k=64)
    y, label = d.space("y", "float32", klass=10), d.index("label", classes=10)
    data = d.source("data", x=x, label=label)
    encoder = d.arrow("encoder", x, h, torch.nn.Sequential(torch.nn.Linear(32, 64), torch.nn.Dropout(0.1)))
    gate = d.arrow("gate", h, h, bridge.JuliaReference("gate"))
    head = d.arrow("head", h, y, layers.chain(layers.layer_norm(64), layers.linear(64, 10)))
    teacher = d.arrow("teacher", x, y, layers.chain(layers.linear(32, 10), layers.tanh()), frozen=True)
    hidden = gate(encoder(data.x))
    d.agree(head(hidden), data.label, by=bridge.cross_entropy(), name="label")
    d.agree(head(hidden), bridge.detach(teacher(data.x)), by=bridge.kl(2.0), weight=0.5, name="teacher")
    d.agree(gate(bridge.detach(hidden)), hidden, by=bridge.mse(), weight=0.1, name="again")
    d.output("prediction", head(hidden))
    return bridge.compile(d, placement={"head": "julia", "teacher": "julia"})


def train(steps: int, forced: bool, settled: int = SETTLED) -> dict[str, Any]:
    """Train for so many steps; the digest of all parameters and buffers, and resident memory in KiB at two steps."""
    import torch

    from bridge.julia.session import collect, stats

    model = objective()
    optimiser = torch.optim.Adam(model.trainable_parameters(), 1e-3)
    torch.manual_seed(1)
    batches = [{"data": {"x": torch.randn(n, 32), "label": torch.randint(10, (n,))}} for n in (64, 64, 17, 1, 64)]
    settled_at = 0
    gc.collect()
    gc.freeze()  # what was there before is not looked through at every step
    for step in range(steps):
        optimiser.zero_grad()
        losses = model(batches[step % len(batches)])
        if forced and step % 2:
            collect()
        losses.backward()
        if forced and not step % 2:
            collect()
        optimiser.step()
        if step % 10 == 0:
            model.evaluate("prediction", batches[0])
            abandoned = model(batches[0])
            del abandoned
        if step + 1 == min(settled, steps):
            settled_at = resident()
    digest = hashlib.sha256()
    for name, value in sorted(model.state_dict().items()):
        digest.update(name.encode() + value.contiguous().numpy().tobytes())
    last = resident()
    gc.unfreeze()
    optimiser.zero_grad()
    del losses
    collect()
    counts = stats()
    return {
        "digest": digest.hexdigest(),
        "settled_kib": settled_at,
        "last_kib": last,
        "tapes": counts.tapes,
        "owners": counts.owners,
        "forwards": counts.forwards,
        "backwards": counts.backwards,
    }


def resident() -> int:
    """The resident memory of this process, in KiB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") // 1024


def in_a_process(steps: int, forced: bool) -> dict[str, Any]:
    """`train` in a fresh Python."""
    command = [sys.executable, "-m", "benchmarks.soak", "--run", "forced" if forced else "plain", "--steps", str(steps)]
    run = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    result: dict[str, Any] = json.loads(run.stdout.splitlines()[-1])
    return result


def main() -> int:
    """Run both, print the figures; 1 where they break a bound."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON line")
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--run", choices=["forced", "plain"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run:
        print(json.dumps(train(options.steps, options.run == "forced")))
        return 0
    forced, plain = in_a_process(options.steps, True), in_a_process(options.steps, False)
    figures = {
        "steps": options.steps,
        "identical": forced["digest"] == plain["digest"],
        "growth": round(forced["last_kib"] / forced["settled_kib"] - 1, 4),
        "growth_plain": round(plain["last_kib"] / plain["settled_kib"] - 1, 4),
        "settled_mib": round(forced["settled_kib"] / 1024, 1),
        "last_mib": round(forced["last_kib"] / 1024, 1),
        "tapes": forced["tapes"],
        "owners": forced["owners"],
        "islands_forward": forced["forwards"],
        "islands_backward": forced["backwards"],
    }
    if options.json:
        print(json.dumps(figures))
    else:
        for name, value in figures.items():
            print(f"{name:>18} {value}")
    return 0 if figures["identical"] and figures["growth"] < 0.05 and not forced["tapes"] and not forced["owners"] else 1


if __name__ == "__main__":
    sys.exit(main())
