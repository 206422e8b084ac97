"""Training: the loop, the order of samples, optimizers by name, checkpoints."""

from __future__ import annotations

from bridge.train.change import change
from bridge.train.checkpoint import Checkpoint, Cursor, load_checkpoint, save_checkpoint
from bridge.train.data import Data
from bridge.train.fit import History, Step, fit
from bridge.train.optimizers import OPTIMIZERS, make_optimizer
from bridge.train.order import order
from bridge.train.weights import load_weights, read_weights, save_weights

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
    "load_weights",
    "make_optimizer",
    "order",
    "read_weights",
    "save_checkpoint",
    "save_weights",
]
