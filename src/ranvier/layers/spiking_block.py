"""A residual block of spiking neurons whose synapses and membranes forget at many rates: memory without a matrix."""

import math

import torch
from torch import Tensor, nn

from ranvier.carry import Carry, Temporal
from ranvier.layers.blocks import Residual
from ranvier.layers.spiking_ssm import tied_dropout
from ranvier.layers.stack import Stack
from ranvier.neurons import PLI, PLIF

SYNAPSE = (1.2, 7.5)
MEMBRANE = (1.2, 20.0)
"""Time constants in steps at the start, from the fastest channel to the slowest."""


class TiedDropout(Temporal):
    """Silences channels of each lane for all steps of a training sample, and scales those that are left.

    Args:
        share: of the channels.

    Shapes: `[T, B, H]` to `[T, B, H]`.
    """

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def forward(self, x: Tensor, carry: Carry | None = None) -> Tensor:
        """Return `[T, B, H]` for `[T, B, H]`."""
        return tied_dropout(x, self.share, training=self.training)

    def extra_repr(self) -> str:
        return f"{self.share:g}"


def spiking_block(width: int, *, dropout: float = 0.0) -> Residual:
    """Return x + W s + b on `[T, B, width]`, where s are the spikes of neurons behind leaky synapses.

        i[t] = i[t-1] + (x[t] - i[t-1]) / tau_i             each channel with a tau_i of its own, learned
        v[t] = v[t-1] + (norm(i[t]) - v[t-1]) / tau_v       likewise; a spike at 1, and a hard reset

    The batch norm is a gain and an offset of each neuron once training is over. The matrix meets nothing but spikes: it
    only adds. Parameters: d^2 + 5 d. State of a lane: 2 d numbers.

    Args:
        width: d, the channels.
        dropout: share of the neurons that training silences, each for a whole sample.
    """
    return Residual(
        PLI(_spread(width, SYNAPSE)),
        nn.BatchNorm1d(width),
        PLIF(_spread(width, MEMBRANE)[torch.randperm(width)]),
        TiedDropout(dropout),
        nn.Linear(width, width),
    )


def spiking(width: int, layers: int, *, dropout: float = 0.0) -> Stack:
    """Return the body of a network, on `[T, B, width]`: spiking blocks, and a leaky integrator that smooths.

    >>> net = spiking(64, layers=2)
    >>> sum(p.numel() for p in net.parameters())  # layers (d^2 + 5 d) + d
    8896
    """
    blocks = (spiking_block(width, dropout=dropout) for _ in range(layers))
    return Stack(*blocks, PLI(_spread(width, SYNAPSE)))


def _spread(count: int, ends: tuple[float, float]) -> Tensor:
    low, high = map(math.log, ends)
    return torch.linspace(low, high, count).exp()
