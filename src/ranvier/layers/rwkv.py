"""RWKV-4: an attention without queries that is a recurrence, so that a stream costs the same at every step."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ranvier.carry import Carry, State, Temporal
from ranvier.kernels import WKVState, wkv
from ranvier.kernels.wkv import at_rest
from ranvier.layers.blocks import Residual
from ranvier.layers.stack import Stack


class TimeMix(Temporal):
    """Each channel averages its values over time, weighted by the exponents of its keys and by their age.

        k, v, r = Wk shift(x; mu_k), Wv shift(x; mu_v), sigmoid(Wr shift(x; mu_r))
        y       = Wo (r * wkv(k, v))      see `ranvier.kernels.wkv`, with w = -exp(decay) and u = bonus

        shift(x; mu)[t] = mu x[t] + (1 - mu) x[t-1], and x[-1] = 0

    The averages are computed and remembered in float32 at least, also within autocast.

    Args:
        width: d, the channels.
        layer, layers: which block of how many this is, from 0: deeper ones begin with slower memories and look less
            into the past by their shifts.

    Shapes: `[T, B, d]` to `[T, B, d]`. Parameters: 4 d^2 + 5 d. State of a lane: 4 d numbers.

    Raises:
        ValueError: a width below 2, or no such layer.

    Sources: Peng et al., "RWKV: Reinventing RNNs for the Transformer Era", EMNLP 2023 findings; BlinkDL/RWKV-LM.
    """

    def __init__(self, width: int, *, layer: int = 0, layers: int = 1) -> None:
        super().__init__()
        channel, depth, height = _place(width, layer, layers)
        self.width = width
        self.mu_k = nn.Parameter((channel / width) ** height)
        self.mu_v = nn.Parameter((channel / width) ** height + 0.3 * depth)
        self.mu_r = nn.Parameter((channel / width) ** (0.5 * height))
        self.decay = nn.Parameter(-5 + 8 * (channel / (width - 1)) ** (0.7 + 1.3 * depth))
        self.bonus = nn.Parameter(math.log(0.3) + 0.5 * ((channel + 1) % 3 - 1))
        self.key = _zeros(width, width)
        self.value = _orthogonal(width, width)
        self.receptance = _zeros(width, width)
        self.output = _zeros(width, width)

    @property
    def macs(self) -> int:
        """Multiplications for one value of the output besides those of the linear layers: shifts, averages, gate."""
        return 3 + 7 + 1

    def rest(self, batch: int, like: Tensor) -> State:
        lanes = like.new_zeros(batch, self.width)
        return {"x": lanes, **at_rest(_precise(lanes))._asdict()}

    def forward(self, x: Tensor, carry: Carry | None = None) -> Tensor:
        """Return `[T, B, d]` for `[T, B, d]`.

        Raises:
            ValueError: `x` has other channels.
        """
        _check(x, self.width)
        state = None if carry is None else carry.read(self, x)
        before, last = _shifted(x, state)
        k, v = self.key(torch.lerp(before, x, self.mu_k)), self.value(torch.lerp(before, x, self.mu_v))
        r = torch.sigmoid(self.receptance(torch.lerp(before, x, self.mu_r)))
        with torch.autocast(x.device.type, enabled=False):
            memory = None if state is None else WKVState(state["a"], state["b"], state["p"])
            y, memory = wkv(_precise(k), _precise(v), -torch.exp(_precise(self.decay)), _precise(self.bonus), memory)
        if carry is not None:
            carry.write(self, {"x": last, **memory._asdict()})
        return self.output(r * y.to(r.dtype))

    def extra_repr(self) -> str:
        return f"{self.width} channels"


class ChannelMix(Temporal):
    """A gated layer over the channels of this step and the one before.

        k, r = relu(Wk shift(x; mu_k))^2, sigmoid(Wr shift(x; mu_r))      4 d and d numbers; shift as in `TimeMix`
        y    = r * Wv k

    Args:
        width: d, the channels.
        layer, layers: which block of how many this is, from 0.

    Shapes: `[T, B, d]` to `[T, B, d]`. Parameters: 9 d^2 + 2 d. State of a lane: d numbers.

    Raises:
        ValueError: a width below 2, or no such layer.

    Sources: as `TimeMix`.
    """

    def __init__(self, width: int, *, layer: int = 0, layers: int = 1) -> None:
        super().__init__()
        channel, _, height = _place(width, layer, layers)
        self.width = width
        self.mu_k = nn.Parameter((channel / width) ** height)
        self.mu_r = nn.Parameter((channel / width) ** height)
        self.key = _orthogonal(width, 4 * width)
        self.value = _zeros(4 * width, width)
        self.receptance = _zeros(width, width)

    @property
    def macs(self) -> int:
        """Multiplications for one value of the output besides those of the linear layers: shifts, squares, gate."""
        return 2 + 4 + 1

    def rest(self, batch: int, like: Tensor) -> State:
        return {"x": like.new_zeros(batch, self.width)}

    def forward(self, x: Tensor, carry: Carry | None = None) -> Tensor:
        """Return `[T, B, d]` for `[T, B, d]`.

        Raises:
            ValueError: `x` has other channels.
        """
        _check(x, self.width)
        before, last = _shifted(x, None if carry is None else carry.read(self, x))
        if carry is not None:
            carry.write(self, {"x": last})
        k = F.relu(self.key(torch.lerp(before, x, self.mu_k))).square()
        return torch.sigmoid(self.receptance(torch.lerp(before, x, self.mu_r))) * self.value(k)

    def extra_repr(self) -> str:
        return f"{self.width} channels"


def rwkv_block(width: int, *, layer: int = 0, layers: int = 1, dropout: float = 0.0) -> Stack:
    """Return one block on `[T, B, d]`: x += TimeMix(norm(x)), then x += ChannelMix(norm(x)).

    It starts as the identity. In training, `dropout` is the share of what either half adds that is silenced.
    Parameters: 13 d^2 + 11 d. State of a lane: 5 d numbers.
    """
    return Stack(
        Residual(nn.LayerNorm(width), TimeMix(width, layer=layer, layers=layers), nn.Dropout(dropout)),
        Residual(nn.LayerNorm(width), ChannelMix(width, layer=layer, layers=layers), nn.Dropout(dropout)),
    )


def rwkv(width: int, layers: int, *, dropout: float = 0.0) -> Stack:
    """Return RWKV-4 without its embedding and its head: a norm, the blocks, a norm, on `[T, B, width]`.

    >>> net = rwkv(64, layers=2)
    >>> sum(p.numel() for p in net.parameters())  # layers (13 d^2 + 11 d) + 4 d
    108160
    """
    blocks = (rwkv_block(width, layer=layer, layers=layers, dropout=dropout) for layer in range(layers))
    return Stack(nn.LayerNorm(width), *blocks, nn.LayerNorm(width))


def _place(width: int, layer: int, layers: int) -> tuple[Tensor, float, float]:
    """Return the channels 0, 1, ..., and what the initialisation goes by: l / (L - 1), 0 where L = 1, and 1 - l / L."""
    if width < 2:
        raise ValueError(f"expected a width of 2 or more, got {width}")
    if not 0 <= layer < layers:
        raise ValueError(f"expected a layer from 0 to {layers - 1}, got {layer}")
    return torch.arange(width, dtype=torch.float32), layer / max(1, layers - 1), 1 - layer / layers


def _zeros(inputs: int, outputs: int) -> nn.Linear:
    linear = nn.Linear(inputs, outputs, bias=False)
    nn.init.zeros_(linear.weight)
    return linear


def _orthogonal(inputs: int, outputs: int) -> nn.Linear:
    linear = nn.Linear(inputs, outputs, bias=False)
    nn.init.orthogonal_(linear.weight, gain=max(1.0, outputs / inputs) ** 0.5)
    return linear


def _check(x: Tensor, width: int) -> None:
    if x.ndim != 3 or x.shape[2] != width:
        raise ValueError(f"expected [time, batch, {width} channels], got {tuple(x.shape)}")


def _shifted(x: Tensor, state: State | None) -> tuple[Tensor, Tensor]:
    """Return x one step late, `[T, B, d]`, and its last step `[B, d]`."""
    first = x.new_zeros(x.shape[1:]) if state is None else state["x"]
    late = torch.cat([first.unsqueeze(0), x])
    return late[:-1], late[-1]


def _precise(x: Tensor) -> Tensor:
    return x if x.dtype == torch.float64 else x.float()
