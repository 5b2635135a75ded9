"""Decoding of a movement from neural recordings: squared error and R²."""

from typing import Any

import torch
from torch import Tensor, nn

from ranvier.data.datasets import Batch
from ranvier.models.decoder import NeuralDecoder
from ranvier.recipes import Decode
from ranvier.tasks.r2 import R2


def decoding(config: Decode, net: nn.Module) -> "Decoding":
    """Return the task for a network that maps counts to velocities.

    Raises:
        TypeError: the network is no decoder, whose errors would have no scale.
    """
    if not isinstance(net, NeuralDecoder):
        raise TypeError(f"expected a NeuralDecoder, got {type(net).__name__}")
    return Decoding(config, net)


class Decoding:
    """Mean squared error of velocities `[T, B, axes]`, in standard deviations of each axis."""

    def __init__(self, config: Decode, net: NeuralDecoder) -> None:
        self.config = config
        self.net = net

    def loss(self, output: Tensor, batch: Batch) -> tuple[Tensor, dict[str, float]]:
        """Return the mean over all bins of a batch that were recorded, and no further means."""
        error = ((output - batch.target.to(output.device)) / self.net.y_std).square().mean(2)
        steps = torch.arange(len(output), device=output.device).unsqueeze(1)
        counts = (steps >= self.config.burn_in) & (steps < batch.lengths.to(output.device))
        return error.where(counts, 0).sum() / counts.sum().clamp(min=1), {}

    def evaluation(self) -> "DecodingResult":
        """Return an evaluation that has seen nothing."""
        return DecodingResult(self)


class DecodingResult:
    """R² over all bins of a split, and over those of each day."""

    def __init__(self, task: Decoding) -> None:
        self.task = task
        self.loss = 0.0
        self.all = R2()
        self.by_day: dict[int, R2] = {}

    def add(self, output: Tensor, batch: Batch) -> None:
        """Count one batch of velocities `[T, B, axes]`."""
        bins = int(batch.lengths.sum())
        self.loss += float(self.task.loss(output, batch)[0]) * bins
        days = [0] * output.shape[1] if batch.day is None else batch.day.tolist()
        for lane, (length, day) in enumerate(zip(batch.lengths.tolist(), days, strict=True)):
            found, true = (t[:length, lane].cpu().numpy() for t in (output, batch.target))
            for r2 in (self.all, self.by_day.setdefault(day, R2())):
                r2.add(found, true)

    def result(self) -> dict[str, Any]:
        """Return what `R2.result` returns, `loss`, and with several days `r2_by_day`, in the order of the days."""
        result = self.all.result() | {"loss": self.loss / self.all.bins}
        if len(self.by_day) > 1:
            result["r2_by_day"] = [self.by_day[day].result()["r2"] for day in sorted(self.by_day)]
        return result
