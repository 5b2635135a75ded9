"""S4D: a bank of linear modes for each channel, the memory of state-space models."""

import math
from typing import Literal

import torch
from torch import Tensor, nn

from ranvier.carry import Carry, State, Temporal
from ranvier.kernels import scan

Method = Literal["scan", "fft"]


class S4D(Temporal):
    """Each channel drives N / 2 complex modes of its own, which are read out beside the input.

        A       = -exp(log_decay) + i frequency          [H, N/2]
        Abar    = exp(dt A),  Bbar = (Abar - 1) / A B    zero-order hold, dt = exp(log_dt) [H]
        h[t]    = Abar h[t-1] + Bbar x[t]
        y[t]    = 2 Re(sum over modes of C h[t]) + D x[t]

    Bidirectional layers add what a second C reads out of modes that run backwards over x[t+1], x[t+2], ...

    Args:
        channels: H.
        state: N, twice the number of modes.
        dt_range: smallest and largest step; drawn uniformly in the logarithm.
        trainable_b: learn B [H, N/2], which starts at 1 and otherwise stays there.
        bidirectional: also look ahead; such a layer cannot stream.
        method: how a whole sequence is computed: "scan" step by step, for whose gradient N numbers are kept every 64
            steps, or "fft" as a convolution with the impulse response. A chunk with a `carry` is always scanned.
            Default: scan on a CPU, which is faster at every length that was measured; on CUDA, fft from `FFT_FROM`
            steps on.

    Shapes: `[T, B, H]` to `[T, B, H]`.

    Raises:
        ValueError: an odd number of states.

    Sources: Gu et al., "On the Parameterization and Initialization of Diagonal State Space Models", NeurIPS 2022
    (S4D-Lin); Shen et al., SpikingSSMs, AAAI 2025.
    """

    fixed_a: Tensor | None
    fixed_c: Tensor | None

    def __init__(
        self,
        channels: int,
        *,
        state: int = 64,
        dt_range: tuple[float, float] = (1e-3, 0.1),
        trainable_b: bool = False,
        bidirectional: bool = False,
        method: Method | None = None,
    ) -> None:
        super().__init__()
        if state < 2 or state % 2:
            raise ValueError(f"expected an even number of states, 2 or more, got {state}")
        self.channels, self.modes = channels, state // 2
        self.method: Method | None = method
        low, high = map(math.log, dt_range)
        directions = 2 if bidirectional else 1
        frequency = math.pi * torch.arange(self.modes, dtype=torch.float32)
        self.log_dt = nn.Parameter(low + (high - low) * torch.rand(channels))
        self.log_decay = nn.Parameter(torch.full((channels, self.modes), math.log(0.5)))
        self.frequency = nn.Parameter(frequency.repeat(channels, 1))
        self.b = nn.Parameter(torch.view_as_real(torch.ones(channels, self.modes) + 0j)) if trainable_b else None
        self.c = nn.Parameter(torch.randn(directions, channels, self.modes, 2) * 0.5**0.5)
        self.d = nn.Parameter(torch.randn(channels))
        self.bidirectional = bidirectional
        self.register_buffer("fixed_a", None)
        self.register_buffer("fixed_c", None)

    def optimised(self) -> dict[str, dict[str, float]]:
        """Return what is special about some parameters: highest learning rate, share of the recipe's weight decay.

        At the rates of other layers the modes diverge (released configurations of S4 and SpikingSSM).
        """
        modes = {"most_lr": 1e-3, "decays": 0.0}
        special = {"log_dt": modes, "log_decay": modes, "frequency": modes, "d": {"decays": 1.0}}
        return special if self.b is None else special | {"b": modes, "c": {"most_lr": 1e-3}}

    def discrete(self) -> tuple[Tensor, Tensor, Tensor]:
        """Return Abar `[H, N/2]`, how a mode without Bbar is read out by direction, 2 C Bbar `[., H, N/2]`, and D."""
        if self.fixed_a is not None and self.fixed_c is not None:
            return torch.view_as_complex(self.fixed_a), torch.view_as_complex(self.fixed_c), self.d
        a = torch.complex(-self.log_decay.exp(), self.frequency)
        z = a * self.log_dt.exp().unsqueeze(-1)
        bbar = torch.expm1(z) / a
        if self.b is not None:
            bbar = bbar * torch.view_as_complex(self.b)
        return z.exp(), 2 * torch.view_as_complex(self.c) * bbar, self.d

    def freeze(self, gain: Tensor | None = None) -> None:
        """Keep what `discrete` returns in place of the parameters that it comes from, in place: for inference.

        Args:
            gain: scale of each channel's output from now on, [H].
        """
        if self.fixed_a is None:
            a, c, d = (tensor.detach() for tensor in self.discrete())
            if gain is not None:
                c, d = c * gain.unsqueeze(-1), d * gain
            self.fixed_a, self.fixed_c = torch.view_as_real(a).clone(), torch.view_as_real(c).clone()
            self.d = nn.Parameter(d.clone(), requires_grad=False)
            for name in ("log_dt", "log_decay", "frequency", "b", "c"):
                delattr(self, name)

    @property
    def macs(self) -> int:
        """Multiplications of real numbers for one value of the output, step by step: 3 N each direction, and D."""
        return 6 * self.modes * (2 if self.bidirectional else 1) + 1

    def rest(self, batch: int, like: Tensor) -> State:
        return {"h": like.new_zeros(batch, self.channels, self.modes, 2)}

    def forward(
        self, x: Tensor, carry: Carry | None = None, *, gain: Tensor | None = None, lengths: Tensor | None = None
    ) -> Tensor:
        """Return `[T, B, H]` for `[T, B, H]`; computed in float32 at least, also within autocast.

        Args:
            gain: scale of each channel's output, [H]; it goes into C and D, not over the sequence.
            lengths: steps of each lane, [B]; the modes that run backwards do not see what is padded.

        Raises:
            ValueError: `x` has other channels, or a carry is given to a layer that looks ahead.
        """
        if x.ndim != 3 or x.shape[2] != self.channels:
            raise ValueError(f"expected [time, batch, {self.channels} channels], got {tuple(x.shape)}")
        if carry is not None and self.bidirectional:
            raise ValueError("a bidirectional S4D looks ahead and cannot stream: use bidirectional=False")
        with torch.autocast(x.device.type, enabled=False):
            u = x if x.dtype == torch.float64 else x.float()
            a, c, d = self.discrete()
            if gain is not None:
                c, d = c * gain.unsqueeze(-1), d * gain
            if carry is not None:
                # There is one direction; that an index would say so is more than ONNX can do with complex numbers.
                y = self._chunk(u, a, c.view_as(a), carry)
            else:
                run = _convolve if self.picks(u) == "fft" else _scan
                y = run(u, a, c[0])
                if self.bidirectional:
                    inside = u if lengths is None else u * _mask(u, lengths)
                    # What runs backwards is read out one step late: it excludes the present.
                    y = y + torch.cat([run(inside.flip(0), a, c[1])[:-1].flip(0), torch.zeros_like(u[:1])])
            return (y + d * u).to(x.dtype)

    def picks(self, x: Tensor) -> Method:
        """Return how a whole sequence `[T, B, H]` is computed."""
        if self.method is None:
            return "fft" if x.is_cuda and len(x) >= FFT_FROM else "scan"
        return self.method

    def _chunk(self, u: Tensor, a: Tensor, c: Tensor, carry: Carry) -> Tensor:
        state = carry.read(self, u)
        out = scan(u, a, c, None if state is None else torch.view_as_complex(state["h"]))
        carry.write(self, {"h": torch.view_as_real(out.h)})
        return out.y

    def extra_repr(self) -> str:
        ways = ", bidirectional" if self.bidirectional else ""
        return f"{self.channels} channels, {self.modes} complex modes each{ways}"


FFT_FROM = 1024
"""Steps from which a convolution is taken on CUDA; a guess until it is measured there."""


def _mask(u: Tensor, lengths: Tensor) -> Tensor:
    return (torch.arange(len(u), device=u.device).unsqueeze(1) < lengths.to(u.device)).unsqueeze(2)


def _scan(u: Tensor, a: Tensor, c: Tensor) -> Tensor:
    return scan(u, a, c).y


def _convolve(u: Tensor, a: Tensor, c: Tensor) -> Tensor:
    """The same by the impulse response, which is the scan of one impulse."""
    steps = len(u)
    impulse = torch.zeros(steps, 1, u.shape[2], dtype=u.dtype, device=u.device)
    impulse[:1] = 1
    response = torch.fft.rfft(_scan(impulse, a, c), 2 * steps, dim=0)
    return torch.fft.irfft(torch.fft.rfft(u, 2 * steps, dim=0) * response, 2 * steps, dim=0)[:steps]
