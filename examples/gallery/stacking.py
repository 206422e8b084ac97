"""Model stacking, out of fold.

A network in PyTorch sees the upper half of an image, one in Julia the lower half; a third, the judge, learns from what the
two say (Wolpert, 1992; the learning networks of MLJ). There are three copies of each, none of which learns from one of the
three folds, and the judge only hears the copy that has not seen the image: all of it is one diagram, trained at once.

Baseline: the better of the two networks alone, which is what choosing a model would give. (Averaging them does as well as
the judge here.)
"""

from __future__ import annotations

import torch
from torch import nn

import bridge
from bridge import layers
from bridge.diagram.ir import LayerGraph
from examples.gallery.running import Result, Run, main
from examples.gallery.samples import few

METRIC = "held-out accuracy"
BASELINE = "the better of the two networks"
FOLDS = 3
PLACEMENT = {**{f"lower_{fold}": "julia" for fold in range(FOLDS)}, "judge": "julia"}


def chosen() -> LayerGraph:
    """(logits of each fold's copy, how much each counts (FOLDS, 1)) to logits."""
    g = layers.GraphBuilder(FOLDS + 1)
    *said, weight = g.inputs
    rows = g(layers.concat(-2), *(g(layers.reshape(1, 10), one) for one in said))
    return g.build(g(layers.sum(-2), g(layers.multiply(), rows, weight)))


def judged() -> LayerGraph:
    """(upper's logits, lower's logits) to logits."""
    g = layers.GraphBuilder(2)
    return g.build(g(layers.linear(20, 10), g(layers.concat(), *g.inputs)))


def diagram() -> bridge.Builder:
    """Copies of two networks for each fold, and a judge of what they say out of fold."""
    d = bridge.Builder("stacking")
    image, half = d.space("image", row=8, column=8), d.space("half", row=4, column=8)
    logits, weight = d.space("logits", digit=10), d.space("weight", fold=FOLDS, one=1)
    inside = d.space("inside")
    columns = {f"inside_{fold}": inside for fold in range(FOLDS)}
    digits = d.source("digits", {"image": image, "outside": weight, **columns}, label=d.index("label", classes=10))
    halves = {
        name: d.arrow(name, image, half, layers.slice(-2, start, start + 4)) for name, start in (("top", 0), ("bottom", 4))
    }
    choose, said = d.component("choose", chosen()), {}
    for name, part in (("upper", "top"), ("lower", "bottom")):
        copies = []
        for fold in range(FOLDS):
            body = layers.chain(layers.flatten(), layers.linear(32, 32), layers.relu(), layers.linear(32, 10))
            network = nn.Sequential(nn.Flatten(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 10))
            arrow = d.arrow(f"{name}_{fold}", half, logits, network if name == "upper" else body)
            copies.append(arrow(halves[part](digits.image)))
            learns = digits[f"inside_{fold}"]
            d.agree(copies[-1], digits.label, by=bridge.cross_entropy(), where=learns, name=f"{name}_{fold}")
        arrow = d.arrow(f"{name}_outside", (logits,) * FOLDS + (weight,), logits, choose)
        said[name] = arrow(*(bridge.detach(copy) for copy in copies), digits.outside)
    judge = d.arrow("judge", (logits, logits), logits, judged())
    d.agree(judge(said["upper"], said["lower"]), digits.label, by=bridge.cross_entropy(), name="judge")
    for name, term in (*said.items(), ("judge", judge(said["upper"], said["lower"]))):
        d.output(name, term)
    return d


def measure(run: Run) -> Result:
    """Train on 400 images; on others, all copies count alike."""
    train, test = few(run.digits.train, 40), run.digits.test
    folds = torch.randint(0, FOLDS, (len(train),), generator=torch.Generator().manual_seed(run.seed))
    outside = nn.functional.one_hot(folds, FOLDS).float()
    inside = {f"inside_{fold}": 1 - outside[:, fold] for fold in range(FOLDS)}
    data = {"digits": {**train.columns(), "outside": outside[:, :, None], **inside}}
    objective, curve = run.train(diagram(), data, steps=600, placement=PLACEMENT, batch_size=64)
    alike = torch.full((len(test), FOLDS, 1), 1 / FOLDS)
    batch = {"digits": {"image": test.image, "outside": alike}}
    accuracy = {name: run.accuracy(objective, name, batch, test.label) for name in ("upper", "lower", "judge")}
    return Result(accuracy["judge"], max(accuracy["upper"], accuracy["lower"]), curve)


if __name__ == "__main__":
    main("stacking")
