"""Currents without a meaning, on which a network learns what a neuron does with them."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from ranvier.recipes.checked import Checked


@dataclass(frozen=True)
class Currents(Checked):
    """Independent normal currents, and the membrane that each leaves in a leaky integrate-and-fire neuron."""

    target: ClassVar[str] = "membrane"
    # They are generated.
    root: ClassVar[None] = None
    name: Literal["currents"] = "currents"
    """the data set in `ranvier.data.datasets`"""
    tau: float = 0.125
    """share of the membrane that is left after one step of the neuron; published networks have 0.125"""
    sigma: float = 1.0
    """standard deviation of the currents, in thresholds"""
    steps: int = 1024
    """time steps of a sequence"""
    count: int = 90_000
    """training sequences"""
    held_out: int = 10_000
    """sequences of `val`, and as many of `test`"""
    seed: int = 0
    """of the currents"""
