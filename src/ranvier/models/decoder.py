"""Decoders of movement from neural recordings: one shell around several backbones.

Source: Zhou et al., "Benchmarking Neural Decoding Backbones towards Enhanced On-edge iBCI Applications", 2024.
"""

import copy

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ranvier.carry import Carry, Temporal
from ranvier.layers.attention import transformer
from ranvier.layers.gru import GRU
from ranvier.layers.mamba import mamba
from ranvier.layers.rwkv import rwkv
from ranvier.layers.spiking_block import spiking
from ranvier.layers.stack import fold_time
from ranvier.recipes import Decoder

LEAST_STD = 1e-3
"""A channel that varies less is silent."""

BACKBONES = {
    "gru": lambda c: GRU(c.width, c.width, layers=c.layers, dropout=c.dropout),
    "rwkv": lambda c: rwkv(c.width, c.layers, dropout=c.dropout),
    "mamba": lambda c: mamba(c.width, c.layers, dropout=c.dropout),
    "transformer": lambda c: transformer(c.width, c.layers, window=c.window, dropout=c.dropout),
    "spiking": lambda c: spiking(c.width, c.layers, dropout=c.dropout),
}
"""The setting `backbone` and what it makes: a temporal module on `[T, B, width]`."""


DAILY = {"shared": (), "per_day": ("weight", "bias"), "day_embedding": ("embedding",)}
"""Parameters of an adapter that are one for each day."""


class NeuralDecoder(Temporal):
    """Scale, adapter, backbone and readout: an answer for every bin, from the bins up to it.

        z = (x - mean) / std of each channel; 0 where x is not a number, or the channel never fired in training
        y = std (W backbone(adapter(z)) + b) + mean       std and mean of each axis of the movement

    A count that is missing is not a number (NaN): it is taken for the mean, as are channels that `channel_dropout`
    silences.

    Shapes: `[T, B, in_channels]` to `[T, B, outputs]`, in the unit of the movement.

    >>> net = NeuralDecoder(Decoder(backbone="mamba", width=64))
    >>> net(torch.zeros(50, 3, 96)).shape
    torch.Size([50, 3, 2])
    >>> sum(p.numel() for p in net.parameters())
    71810
    """

    x_mean: Tensor
    x_gain: Tensor
    y_mean: Tensor
    y_std: Tensor

    def __init__(self, config: Decoder) -> None:
        super().__init__()
        if config.in_channels is None or config.days is None:
            raise ValueError("expected numbers of channels and days: type Decoder(in_channels=96, days=1)")
        self.channel_dropout, self.count_jitter = config.channel_dropout, config.count_jitter
        self.register_buffer("x_mean", torch.zeros(config.in_channels))
        self.register_buffer("x_gain", torch.ones(config.in_channels))
        self.adapter = Adapter(config.in_channels, config.days, config)
        self.backbone = BACKBONES[config.backbone](config)
        self.readout = nn.Linear(config.width, config.outputs)
        self.register_buffer("y_mean", torch.zeros(config.outputs))
        self.register_buffer("y_std", torch.ones(config.outputs))

    def set_scale(self, x_mean: Tensor, x_std: Tensor, y_mean: Tensor, y_std: Tensor) -> None:
        """Take mean and standard deviation of every channel and axis from the training data.

        A channel that never fired there has learned nothing: what it says later is left out.
        """
        self.x_mean.copy_(x_mean)
        self.x_gain.copy_(torch.where(x_std > LEAST_STD, 1 / x_std, 0))
        self.y_mean.copy_(y_mean)
        self.y_std.copy_(y_std)

    def forward(self, x: Tensor, carry: Carry | None = None, *, day: Tensor | int | None = None) -> Tensor:
        """Return `[T, B, outputs]` for counts `[T, B, in_channels]`.

        Args:
            day: recording day of each lane, int64 [B], or of all of them; needed where there are several.

        Raises:
            ValueError: `x` has other channels, or a day that the adapter does not know.
        """
        if x.ndim != 3 or x.shape[2] != len(self.x_mean):
            raise ValueError(f"expected [time, batch, {len(self.x_mean)} channels], got {tuple(x.shape)}")
        if self.training and self.count_jitter:
            x = x * (1 + self.count_jitter * (2 * torch.rand_like(x[:1]) - 1))
        z = (x - self.x_mean) * self.x_gain
        z = torch.where(z.isnan(), 0, z)
        if self.training and self.channel_dropout:
            z = z * F.dropout(z.new_ones(z.shape[1:]), self.channel_dropout)
        y = fold_time(self.readout, self.backbone(self.adapter(z, day), carry))
        return y * self.y_std + self.y_mean


class Adapter(nn.Module):
    """Brings the channels of a recording day to the width of the backbone.

        y = W x + b        W and b of the lane's day ("per_day"), or of all days
        y = W x + b + e    e of the lane's day ("day_embedding")

    Shapes: `[T, B, in_channels]` to `[T, B, width]`.
    """

    def __init__(self, channels: int, days: int, config: Decoder) -> None:
        super().__init__()
        self.kind, self.in_channels = config.adapter, channels
        layers = [nn.Linear(channels, config.width) for _ in range(days if config.adapter == "per_day" else 1)]
        self.weight = nn.Parameter(torch.stack([layer.weight.detach() for layer in layers]))
        self.bias = nn.Parameter(torch.stack([layer.bias.detach() for layer in layers]))
        self.embedding = nn.Parameter(torch.zeros(days, config.width)) if config.adapter == "day_embedding" else None

    @property
    def days(self) -> int:
        """Recording days that are told apart."""
        return len(self.weight if self.embedding is None else self.embedding)

    @property
    def macs(self) -> int:
        """Multiplications for one value of the output."""
        return self.in_channels

    def optimised(self) -> dict[str, dict[str, float]]:
        """Return what is special about some parameters: vectors of days do not decay, as other vectors do not."""
        still = {"decays": 0.0}
        return {"bias": still} if self.embedding is None else {"bias": still, "embedding": still}

    def forward(self, x: Tensor, day: Tensor | int | None = None) -> Tensor:
        """Return `[T, B, width]`.

        Raises:
            ValueError: a day is missing or not known.
        """
        day = self._known(day, x.shape[1])
        matrix = day if self.kind == "per_day" else 0
        if isinstance(matrix, int):
            y = F.linear(x, self.weight[matrix], self.bias[matrix])
        else:
            by_lane = self.bias[matrix].unsqueeze(1), x.transpose(0, 1), self.weight[matrix].transpose(1, 2)
            y = torch.baddbmm(*by_lane).transpose(0, 1)
        return y if self.embedding is None else y + self.embedding[day]

    def _known(self, day: Tensor | int | None, lanes: int) -> Tensor | int:
        if self.kind == "shared" or (day is None and self.days == 1):
            return 0
        last = self.days - 1
        if day is None:
            raise ValueError(f"expected the recording day of the lanes, 0 to {last}: type net(x, carry, day={last})")
        if isinstance(day, Tensor) and day.shape != (lanes,):
            raise ValueError(f"expected a day for each of {lanes} lanes, got {tuple(day.shape)}")
        if not torch.compiler.is_compiling():
            low, high = (day, day) if isinstance(day, int) else (int(day.min()), int(day.max()))
            if low < 0 or high > last:
                raise ValueError(
                    f"expected days 0 to {last}, got {low} to {high}: with_new_day(net) returns a decoder that knows "
                    "one more"
                )
        return day

    def extra_repr(self) -> str:
        return f"{self.in_channels} channels, {self.kind}, {self.days} days"


def of_day(net: NeuralDecoder, day: int) -> NeuralDecoder:
    """Return a copy that reads one day alone and need not be told which; -1 is the last.

    Raises:
        ValueError: the adapter does not know this day.
    """
    days = net.adapter.days
    if not -days <= day < days:
        raise ValueError(f"expected a day from 0 to {days - 1}, or -1 for the last, got {day}")
    net = copy.deepcopy(net)
    for name in DAILY[net.adapter.kind]:
        known = getattr(net.adapter, name).detach()
        setattr(net.adapter, name, nn.Parameter(known[day].unsqueeze(0).clone()))
    return net


def with_new_day(net: NeuralDecoder) -> NeuralDecoder:
    """Return a copy that knows one more day, the last, which begins with the mean of what the others learned.

    A shared adapter reads every day alike: of it there is nothing to add.

    >>> net = NeuralDecoder(Decoder(adapter="per_day", days=3))
    >>> with_new_day(net).adapter.days
    4
    """
    net = copy.deepcopy(net)
    adapter = net.adapter
    for name in DAILY[adapter.kind]:
        known = getattr(adapter, name).detach()
        setattr(adapter, name, nn.Parameter(torch.cat([known, known.mean(0, keepdim=True)])))
    return net
