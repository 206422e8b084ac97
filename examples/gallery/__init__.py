"""The gallery: training setups of the literature as learning diagrams, each against a named baseline.

`python -m examples.gallery` runs all of them and writes a page; `python -m examples.gallery.distillation` one of them.
Beside each is a Julia version of the same name, whose diagram is the same.
"""

#: The examples, in the order of the page.
NAMES = (
    "supervised",
    "autoencoder",
    "distillation",
    "multitask",
    "captioning",
    "contrastive",
    "cycle",
    "mutual",
    "selfdistillation",
    "stacking",
    "graph",
    "assembled",
)

__all__ = ["NAMES"]
