"""Does a file say what the network says? Both side by side, step by step."""

import time
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ranvier.carry import Carry, Temporal
from ranvier.export.onnx_step import Step

TOLERANCE = 1e-4
"""Of the largest answer: what the rounding of float32 may add up to (spec of the decoding backbones)."""


class Agreement(NamedTuple):
    """Answers `[T, B, ...]` of a network and of its file to the same steps, and the seconds `[T]` that each took."""

    network: NDArray
    file: NDArray
    network_s: NDArray
    file_s: NDArray

    @property
    def largest(self) -> float:
        """The largest answer of the network."""
        return float(np.abs(self.network).max())

    @property
    def difference(self) -> float:
        """The largest difference between the two."""
        return float(np.abs(self.file - self.network).max())

    @property
    def apart(self) -> float:
        """The share of the steps at which they differ by more than `TOLERANCE`, such as after a spike that flipped."""
        by_step = np.abs(self.file - self.network).reshape(len(self.network), -1).max(1)
        return float((by_step > TOLERANCE * self.largest).mean())


def compare(net: Temporal, step: Step, x: Tensor, *, day: int | None = None) -> Agreement:
    """Run a network in evaluation mode and its file over `[T, B, ...]` from rest, one step at a time.

    Args:
        day: for which the file was made, as in `export_step`.
    """
    carry, memory = Carry(), step.rest()
    answers: tuple[list[NDArray], list[NDArray]] = [], []
    seconds = np.empty((2, len(x)))
    for t, bin in enumerate(x.split(1)):
        start = time.perf_counter()
        with torch.inference_mode():
            y = net(bin, carry) if day is None else net(bin, carry, day=day)
        between = time.perf_counter()
        said, memory = step(bin[0].numpy(), memory)
        seconds[:, t] = between - start, time.perf_counter() - between
        answers[0].append(y[0].numpy())
        answers[1].append(said)
    return Agreement(*(np.stack(each) for each in answers), *seconds)
