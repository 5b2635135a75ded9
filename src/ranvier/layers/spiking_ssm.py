"""The spiking state-space block: linear modes remember, neurons fire, and only their spikes meet the wide matrix."""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ranvier.carry import Carry, Temporal
from ranvier.layers.ssm import S4D
from ranvier.layers.stack import fold_time

Threshold = Literal["fixed", "shared", "channel"]
Placed = Literal["before", "after", "released"]


class SpikingS4D(Temporal):
    """S4D, neurons with a threshold that may be learned, and a gated mix of the channels (SS4D).

        y   = S4D(x) / v_threshold          v_threshold = exp(ln_threshold)
        s   = neuron(y)                     fires at 1: dividing the current is raising the threshold
        out = (W1 s + b1) sigmoid(W2 s + b2)

    In training whole channels of s are silenced, the same at every step.

    Args:
        s4d: the linear modes.
        neuron: fires at 1, or a non-linearity without spikes.
        threshold: learn one value for each channel, one shared by all, or none.
        dropout: share of the channels that is silenced.

    Shapes: `[T, B, H]` to `[T, B, H]`.

    Source: Shen et al., SpikingSSMs, AAAI 2025.
    """

    def __init__(self, s4d: S4D, neuron: nn.Module, *, threshold: Threshold = "channel", dropout: float = 0.0) -> None:
        super().__init__()
        width = s4d.channels
        self.s4d = s4d
        self.neuron = neuron
        learned = {"fixed": 0, "shared": 1, "channel": width}[threshold]
        self.ln_threshold = nn.Parameter(torch.zeros(learned)) if learned else None
        self.dropout = dropout
        self.mix = nn.Linear(width, 2 * width)

    def optimised(self) -> dict[str, dict[str, float]]:
        """Return that the threshold decays like a matrix: towards 1 (released configurations)."""
        return {} if self.ln_threshold is None else {"ln_threshold": {"decays": 1.0}}

    def freeze(self) -> None:
        """Freeze the modes, thresholds among them, see `S4D.freeze`."""
        self.s4d.freeze(self._gain())
        self.ln_threshold = None

    def _gain(self) -> Tensor | None:
        return None if self.ln_threshold is None else torch.exp(-self.ln_threshold).expand(self.s4d.channels)

    def forward(self, x: Tensor, carry: Carry | None = None, *, lengths: Tensor | None = None) -> Tensor:
        """Return `[T, B, H]` for `[T, B, H]`; `lengths` as in `S4D`."""
        y = self.s4d(x, carry, gain=self._gain(), lengths=lengths)
        s = self.neuron(y, carry) if isinstance(self.neuron, Temporal) else self.neuron(y)
        return F.glu(fold_time(self.mix, tied_dropout(s, self.dropout, training=self.training)), -1)


class NormedResidual(Temporal):
    """A residual block: x + f(norm(x)), norm(x + f(x)), or x + f(x).

    Args:
        body: f.
        norm: a batch or layer norm over the H channels.
        placed: "before" or "after" f as above; "released" computes the latter without using it, as the code does that
            was released with SpikingSSM: the norm's parameters are there and never act.
        dropout: share of the channels of f(.) that training silences, the same at every step.
    """

    def __init__(self, body: SpikingS4D, norm: nn.Module, *, placed: Placed, dropout: float = 0.0) -> None:
        super().__init__()
        self.body = body
        self.norm = norm
        self.placed: Placed = placed
        self.dropout = dropout

    def forward(self, x: Tensor, carry: Carry | None = None, *, lengths: Tensor | None = None) -> Tensor:
        """Return `[T, B, H]` for `[T, B, H]`."""
        z = fold_time(self.norm, x) if self.placed == "before" else x
        z = tied_dropout(self.body(z, carry, lengths=lengths), self.dropout, training=self.training)
        return fold_time(self.norm, x + z) if self.placed == "after" else x + z


def tied_dropout(x: Tensor, share: float, *, training: bool) -> Tensor:
    """Silence channels of each lane of `[T, B, H]` for all steps, and scale those that are left."""
    if not (training and share):
        return x
    return x * F.dropout(torch.ones_like(x[:1]), share)
