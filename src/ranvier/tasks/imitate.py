"""Imitation of a spiking neuron: a network predicts its membrane, and the spikes that follow are compared."""

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ranvier.data.datasets import Batch
from ranvier.neurons import LIF
from ranvier.recipes import Imitate

LOSSES = {"smooth_l1": F.smooth_l1_loss, "mse": F.mse_loss}
PROBES = (0.88, 0.90, 0.95)
"""Constant currents just below the threshold set up a rhythm, which a small error shifts for good."""
PROBE_STEPS = 1024


def imitation(config: Imitate, net: nn.Module) -> "Imitation":
    """Return the task for a network that maps currents to membranes."""
    return Imitation(config, net)


class Imitation:
    """Distance of the predicted membranes from the true ones, and agreement of the spikes."""

    def __init__(self, config: Imitate, net: nn.Module) -> None:
        self.config = config
        self.net = net

    def loss(self, output: Tensor, batch: Batch) -> tuple[Tensor, dict[str, float]]:
        """Return the mean loss of predictions `[T, B, 1]`, and the share of steps whose spike is right."""
        true = batch.target.m.to(output.device)
        right = fires(output, batch.x.to(output.device)) == fires(true, batch.x.to(output.device))
        return LOSSES[self.config.loss](output, true), {"accuracy": float(right.double().mean())}

    def evaluation(self) -> "ImitationResult":
        """Return an evaluation that has seen nothing."""
        return ImitationResult(self)


class ImitationResult:
    """Agreement over batches, and on constant currents."""

    def __init__(self, task: Imitation) -> None:
        self.task = task
        self.loss = 0.0
        self.agreement = Agreement()
        self.probes: dict[float, Agreement] = {}

    def add(self, output: Tensor, batch: Batch) -> None:
        """Count one batch of predictions `[T, B, 1]`."""
        if not self.probes:
            self.probes = {
                current: probe(self.task.net, output.new_full((PROBE_STEPS, 1, 1), current), tau=batch.target.tau)
                for current in PROBES
            }
        true, x = batch.target.m.to(output.device), batch.x.to(output.device)
        self.loss += float(LOSSES[self.task.config.loss](output, true)) * output.numel()
        self.agreement.add(output, true, x)

    def result(self) -> dict[str, Any]:
        """Return what `Agreement.result` returns, `loss`, and `probes`: the same for each constant current."""
        probes = {f"{current:.2f}": agreement.result() for current, agreement in self.probes.items()}
        return self.agreement.result() | {"loss": self.loss / self.agreement.steps, "probes": probes}


def fires(m: Tensor, x: Tensor) -> Tensor:
    """Return where a neuron with threshold 1 fires at the current `x`, if `m` is left of its membrane."""
    return m + x >= 1


@dataclass
class Agreement:
    """Sums over steps: how near a predicted membrane is to the true one, and how many spikes are the same.

    >>> agreement = Agreement()
    >>> agreement.add(torch.tensor([0.0, 0.5, 0.25]), torch.tensor([0.0, 0.5, 0.5]), torch.tensor([1.0, 0.25, 0.5]))
    >>> agreement.result()["f1"], agreement.result()["max_error"]
    (0.6666666666666666, 0.25)
    """

    steps: int = 0
    spikes: int = 0
    predicted: int = 0
    both: int = 0
    memoryless: int = 0
    squared: float = 0.0
    absolute: float = 0.0
    largest: float = 0.0

    def add(self, m: Tensor, true: Tensor, x: Tensor) -> None:
        """Count predicted and true membranes at their currents, all of one shape."""
        error, s, exact = (m - true).abs().double(), fires(m, x), fires(true, x)
        self.steps += x.numel()
        self.spikes += int(exact.sum())
        self.predicted += int(s.sum())
        self.both += int((s & exact).sum())
        self.memoryless += int(((x >= 1) == exact).sum())
        self.squared += float((error**2).sum())
        self.absolute += float(error.sum())
        self.largest = max(self.largest, float(error.max()))

    def result(self) -> dict[str, float | None]:
        """Return the share of steps whose spike is right (`accuracy`), F1 of the spikes, and errors of the membrane.

        `memoryless` is the accuracy of a neuron that forgets, H(x - 1): what a prediction must beat. `firing` and
        `firing_predicted` are spikes a step. F1 is `None` where neither fires.
        """
        either = self.spikes + self.predicted
        return {
            "accuracy": 1 - (either - 2 * self.both) / self.steps,
            "f1": 2 * self.both / either if either else None,
            "mse": self.squared / self.steps,
            "mae": self.absolute / self.steps,
            "max_error": self.largest,
            "memoryless": self.memoryless / self.steps,
            "firing": self.spikes / self.steps,
            "firing_predicted": self.predicted / self.steps,
        }


def probe(net: nn.Module, x: Tensor, *, tau: float) -> Agreement:
    """Return how `net` agrees with `LIF(decay=tau)` on currents `x` `[T, B, ...]`."""
    spikes, v = LIF(decay=tau)(x, return_v=True)
    left = tau * torch.where(spikes > 0, 0.0, v)
    agreement = Agreement()
    agreement.add(net(x), torch.cat((torch.zeros_like(x[:1]), left[:-1])), x)
    return agreement
