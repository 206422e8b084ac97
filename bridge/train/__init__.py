"""Training: the loop, the order of samples, optimisers by name."""

from __future__ import annotations

from bridge.train.data import Data
from bridge.train.fit import History, Step, fit
from bridge.train.optimizers import OPTIMIZERS, make_optimizer
from bridge.train.order import order

__all__ = ["OPTIMIZERS", "Data", "History", "Step", "fit", "make_optimizer", "order"]
