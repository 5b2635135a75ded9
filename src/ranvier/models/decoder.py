"""Decoders of movement from neural recordings: one shell around several backbones.

Source: Zhou et al., "Benchmarking Neural Decoding Backbones towards Enhanced On-edge iBCI Applications", 2024.
"""

import copy

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ranvier.carry import Carry, Temporal
from ranvier.layers.gru import GRU
from ranvier.layers.mamba import mamba
from ranvier.layers.stack import fold_time
from ranvier.recipes import Decoder

BACKBONES = {
    "gru": lambda config: GRU(config.width, config.width, layers=config.layers, dropout=config.dropout),
    "mamba": lambda config: mamba(config.width, config.layers, dropout=config.dropout),
}
"""The setting `backbone` and what it makes: a temporal module on `[T, B, width]`."""


class NeuralDecoder(Temporal):
    """Adapter, backbone and readout: an answer for every bin, from the bins up to it.

    Shapes: `[T, B, in_channels]` to `[T, B, outputs]`.

    >>> net = NeuralDecoder(Decoder(backbone="mamba", width=64))
    >>> net(torch.zeros(50, 3, 96)).shape
    torch.Size([50, 3, 2])
    >>> sum(p.numel() for p in net.parameters())
    71810
    """

    def __init__(self, config: Decoder) -> None:
        super().__init__()
        self.channel_dropout = config.channel_dropout
        self.adapter = Adapter(config)
        self.backbone = BACKBONES[config.backbone](config)
        self.readout = nn.Linear(config.width, config.outputs)

    def forward(self, x: Tensor, carry: Carry | None = None, *, day: Tensor | int | None = None) -> Tensor:
        """Return `[T, B, outputs]` for counts `[T, B, in_channels]`.

        Args:
            day: recording day of each lane, int64 [B], or of all of them; needed where there are several.

        Raises:
            ValueError: `x` has other channels, or a day that the adapter does not know.
        """
        if self.training and self.channel_dropout:
            x = x * F.dropout(x.new_ones(x.shape[1:]), self.channel_dropout)
        return fold_time(self.readout, self.backbone(self.adapter(x, day), carry))


class Adapter(nn.Module):
    """Brings the channels of a recording day to the width of the backbone.

        y = W x + b        W and b of the lane's day ("per_day"), or of all days
        y = W x + b + e    e of the lane's day ("day_embedding")

    Shapes: `[T, B, in_channels]` to `[T, B, width]`.
    """

    def __init__(self, config: Decoder) -> None:
        super().__init__()
        self.kind, self.in_channels = config.adapter, config.in_channels
        matrices = config.days if config.adapter == "per_day" else 1
        layers = [nn.Linear(config.in_channels, config.width) for _ in range(matrices)]
        self.weight = nn.Parameter(torch.stack([layer.weight.detach() for layer in layers]))
        self.bias = nn.Parameter(torch.stack([layer.bias.detach() for layer in layers]))
        self.embedding = (
            nn.Parameter(torch.zeros(config.days, config.width)) if config.adapter == "day_embedding" else None
        )

    @property
    def days(self) -> int:
        """Recording days that are told apart."""
        return len(self.weight if self.embedding is None else self.embedding)

    def optimised(self) -> dict[str, dict[str, float]]:
        """Return what is special about some parameters: vectors of days do not decay, as other vectors do not."""
        still = {"decays": 0.0}
        return {"bias": still} if self.embedding is None else {"bias": still, "embedding": still}

    def forward(self, x: Tensor, day: Tensor | int | None = None) -> Tensor:
        """Return `[T, B, width]`.

        Raises:
            ValueError: `x` has other channels, or a day is missing or not known.
        """
        if x.ndim != 3 or x.shape[2] != self.in_channels:
            raise ValueError(f"expected [time, batch, {self.in_channels} channels], got {tuple(x.shape)}")
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


def with_new_day(net: NeuralDecoder) -> NeuralDecoder:
    """Return a copy that knows one more day, the last, which begins with the mean of what the others learned.

    A shared adapter reads every day alike: of it there is nothing to add.

    >>> net = NeuralDecoder(Decoder(adapter="per_day", days=3))
    >>> with_new_day(net).adapter.days
    4
    """
    net = copy.deepcopy(net)
    adapter = net.adapter
    names = {"shared": (), "per_day": ("weight", "bias"), "day_embedding": ("embedding",)}[adapter.kind]
    for name in names:
        known = getattr(adapter, name).detach()
        setattr(adapter, name, nn.Parameter(torch.cat([known, known.mean(0, keepdim=True)])))
    return net
