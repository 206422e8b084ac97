"""Training: the loop, the order of samples, optimizers by name, checkpoints."""

from __future__ import annotations

from bridge.train.change import change
from bridge.train.checkpoint import Checkpoint, Cursor, load_checkpoint, save_checkpoint
from bridge.train.data import Data
from bridge.train.fit import History, Step, fit
from bridge.train.optimizers import OPTIMIZERS, make_optimizer
from bridge.train.order import order

__all__ = [
    "OPTIMIZERS",
    "Checkpoint",
    "Cursor",
    "Data",
    "History",
    "Step",
    "change",
    "fit",
    "load_checkpoint",
    "make_optimizer",
    "order",
    "save_checkpoint",
]
