"""Layers: how modules that know no time and modules that live in time are put together."""

from ranvier.layers.blocks import Residual, conv_block
from ranvier.layers.event_driven import event_driven
from ranvier.layers.fold import folded
from ranvier.layers.readout import READOUTS, last_step, mean_over_time
from ranvier.layers.stack import PerStep, Stack, fold_time

__all__ = [
    "READOUTS",
    "PerStep",
    "Residual",
    "Stack",
    "conv_block",
    "event_driven",
    "fold_time",
    "folded",
    "last_step",
    "mean_over_time",
]
