"""Mamba-1: a state-space layer whose step, input and read-out depend on what it reads."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ranvier.carry import Carry, State, Temporal
from ranvier.kernels import selective_scan
from ranvier.layers.blocks import Residual
from ranvier.layers.stack import Stack

LEAST_STEP = 1e-4
"""A step drawn for the initial bias is at least so long."""


class Mamba(Temporal):
    """Each inner channel drives N modes, which it keeps, drives and reads as the input of the step says.

        u, z     = W x                                    e inner channels each
        u        = silu(conv(u))                          a window of k steps, each channel alone
        dt, B, C = W' u                                   R, N and N numbers
        dt       = softplus(W'' dt + bias)                e numbers
        h[t]     = exp(dt A) h[t-1] + dt u B              A = -exp(log_a), see `ranvier.kernels.selective_scan`
        y        = W''' ((C h[t] + D u) silu(z))

    The window starts from zeros. Steps, modes and their memory are computed in float32 at least, also within autocast.

    Args:
        width: d, the channels outside.
        state: N.
        kernel_size: k.
        expand: e / d.
        rank: R; default d / 16, rounded up.
        dt_range: smallest and largest step at the start, for dt = bias alone; drawn uniformly in the logarithm.

    Shapes: `[T, B, d]` to `[T, B, d]`. Parameters: 3 d e + e (k + 1) + e (2 R + 2 N) + e + e N + e. State of a lane:
    e N + (k - 1) e numbers, 38 d by default.

    Sources: Gu and Dao, "Mamba: Linear-Time Sequence Modeling with Selective State Spaces", 2023; state-spaces/mamba.

    >>> net = Mamba(64)
    >>> sum(p.numel() for p in net.parameters())
    32640
    >>> net(torch.zeros(50, 3, 64)).shape
    torch.Size([50, 3, 64])
    """

    def __init__(
        self,
        width: int,
        *,
        state: int = 16,
        kernel_size: int = 4,
        expand: int = 2,
        rank: int | None = None,
        dt_range: tuple[float, float] = (1e-3, 0.1),
    ) -> None:
        super().__init__()
        inner, rank = expand * width, rank or -(-width // 16)
        self.width, self.inner, self.state, self.rank, self.kernel_size = width, inner, state, rank, kernel_size
        self.inputs = nn.Linear(width, 2 * inner, bias=False)
        # As nn.Conv1d(inner, inner, kernel_size, groups=inner) starts.
        bound = kernel_size**-0.5
        self.taps = nn.Parameter(torch.empty(inner, kernel_size).uniform_(-bound, bound))
        self.taps_bias = nn.Parameter(torch.empty(inner).uniform_(-bound, bound))
        self.select = nn.Linear(inner, rank + 2 * state, bias=False)
        self.steps = nn.Linear(rank, inner)
        nn.init.uniform_(self.steps.weight, -(rank**-0.5), rank**-0.5)
        low, high = map(math.log, dt_range)
        dt = torch.exp(low + (high - low) * torch.rand(inner)).clamp(min=LEAST_STEP)
        self.steps.bias = nn.Parameter(dt + torch.log(-torch.expm1(-dt)))  # softplus undone
        self.log_a = nn.Parameter(torch.log(torch.arange(1.0, state + 1)).repeat(inner, 1))
        self.d = nn.Parameter(torch.ones(inner))
        self.outputs = nn.Linear(inner, width, bias=False)

    def optimised(self) -> dict[str, dict[str, float]]:
        """Return what is special about some parameters: the rates of the modes do not decay."""
        return {"log_a": {"decays": 0.0}}

    @property
    def macs(self) -> float:
        """Multiplications for one value of the output besides those of the linear layers that are called as such."""
        window, modes, skip_and_gate = self.kernel_size, 4 * self.state + 1, 2
        return self.inner * (window + self.rank + modes + skip_and_gate) / self.width

    def rest(self, batch: int, like: Tensor) -> State:
        return {
            "u": like.new_zeros(batch, self.kernel_size - 1, self.inner),
            "h": _precise(like.new_zeros(batch, self.inner, self.state)),
        }

    def forward(self, x: Tensor, carry: Carry | None = None) -> Tensor:
        """Return `[T, B, d]` for `[T, B, d]`.

        Raises:
            ValueError: `x` has other channels.
        """
        if x.ndim != 3 or x.shape[2] != self.width:
            raise ValueError(f"expected [time, batch, {self.width} channels], got {tuple(x.shape)}")
        u, z = self.inputs(x).chunk(2, -1)
        state = (None if carry is None else carry.read(self, x)) or self.rest(x.shape[1], u[:1].flatten(0, 1))
        window = torch.cat([state["u"].transpose(0, 1).to(u.dtype), u])
        u = F.silu(self._convolve(window, len(x)))
        dt, b, c = self.select(u).split([self.rank, self.state, self.state], -1)
        with torch.autocast(x.device.type, enabled=False):
            dt = F.softplus(F.linear(_precise(dt), _precise(self.steps.weight), _precise(self.steps.bias)))
            a, d = -torch.exp(_precise(self.log_a)), _precise(self.d)
            y, h = selective_scan(_precise(u), dt, a, _precise(b), _precise(c), d, state["h"])
        if carry is not None:
            # A copy: a view would keep the whole chunk.
            carry.write(self, {"u": window[len(x) :].transpose(0, 1).clone(), "h": h})
        return self.outputs(y.to(u.dtype) * F.silu(z))

    def _convolve(self, window: Tensor, steps: int) -> Tensor:
        """Return the convolution `[T, B, e]` of a window `[k - 1 + T, B, e]`; the last tap meets the present."""
        y = self.taps_bias
        for lag, tap in enumerate(self.taps.unbind(1)):
            y = torch.addcmul(y, window[lag : lag + steps], tap)
        return y

    def extra_repr(self) -> str:
        return f"{self.width} channels, {self.inner} inside with {self.state} modes each"


def mamba(width: int, layers: int, *, dropout: float = 0.0) -> Stack:
    """Return the body of a network, on `[T, B, width]`: layers x += Mamba(norm(x)), and a norm.

    Args:
        dropout: share of what a layer adds that training silences.

    >>> net = mamba(64, layers=2)
    >>> sum(p.numel() for p in net.parameters())
    65472
    """
    blocks = (Residual(nn.RMSNorm(width, eps=1e-5), Mamba(width), nn.Dropout(dropout)) for _ in range(layers))
    return Stack(*blocks, nn.RMSNorm(width, eps=1e-5))


def _precise(x: Tensor) -> Tensor:
    return x if x.dtype == torch.float64 else x.float()
