"""One step of a whole network for one lane, in one call of C: a program of operations that share their vectors.

Called module by module, a small network spends its step on calls: some 10 microseconds for each of twenty operations.
Here they are written down once, with the addresses of weights, memory and vectors, and `Program.run` goes through
them. Each method of `Program` adds an operation and returns the vector that it fills, which others read.

The result is that of the network within rounding, 1e-5 of the largest number: sums of products are fused (FMA), and
the exponential is a polynomial. With `weights="int8"` a matrix is rounded to whole numbers from -127 to 127, with a
scale for each of its rows; everything else is float32.
"""

import ctypes
import enum
import functools
import struct
from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor

from ranvier.kernels import native

PANEL = 16
"""Rows of a matrix that lie together, as in step.c."""

Weights = Literal["float32", "int8"]

# The fields of `record` in step.c: op, 3 sizes, a number, 10 pointers.
_RECORD = struct.Struct("4qd10Q")


class Op(enum.IntEnum):
    """The order of step.c."""

    STANDARDISE, AFFINE, ADD, LINEAR, SPIKES, LAYER_NORM, RMS_NORM, GRU, MIX, WKV, SQUARE, GATE, CONVOLVE = range(13)
    SELECT, ATTEND, GELU, LEAK, FIRE = range(13, 18)


class Program:
    """Operations in the order in which they run.

    Vectors and memory are float32 and contiguous, without time and batch; what an operation remembers it is given as
    `memory` and changes in place. The tensors given must not move: whoever keeps them writes into them.

    Args:
        weights: the type in which matrices are read.

    Attributes:
        scratch: the vectors in between, which nothing is remembered in.

    Raises:
        RuntimeError: there is no C library here.
    """

    def __init__(self, weights: Weights = "float32") -> None:
        self._step = _function()
        self._weights = weights
        self._records: list[bytes] = []
        self._kept: list[Tensor] = []
        self._spikes: list[Tensor] = []
        self.scratch: list[Tensor] = []
        self._packed = b""

    def run(self) -> None:
        """Go through the operations once."""
        self._step(self._packed, len(self._records))

    def standardise(self, x: Tensor, mean: Tensor, gain: Tensor) -> Tensor:
        """y = (x - mean) gain, and 0 where that is not a number."""
        return self._add(Op.STANDARDISE, len(x), (len(x),), x, self._constant(mean), self._constant(gain))

    def affine(self, x: Tensor, gain: Tensor, offset: Tensor) -> Tensor:
        """y = gain x + offset."""
        return self._add(Op.AFFINE, len(x), (len(x),), x, self._constant(gain), self._constant(offset))

    def add(self, x: Tensor, other: Tensor) -> Tensor:
        """y = x + other."""
        return self._add(Op.ADD, len(x), (len(x),), x, other)

    def linear(self, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        """y = W x + b; of spikes, a sum over the columns of those neurons that fired."""
        rows, columns = weight.shape
        scale = None
        if self._weights == "int8":
            scale = (weight.detach().abs().amax(1) / 127).clamp(min=torch.finfo(torch.float32).tiny)
            weight = (weight.detach() / scale.unsqueeze(1)).round().to(torch.int8)
        panels = weight.detach().new_zeros(-(-rows // PANEL) * PANEL, columns)
        panels[:rows] = weight
        panels = self._keep(panels.unflatten(0, (-1, PANEL)).transpose(1, 2).contiguous())
        constants = [None if one is None else self._constant(one) for one in (scale, bias)]
        op = Op.SPIKES if any(x is spikes for spikes in self._spikes) else Op.LINEAR
        y, active = self._vector(rows), self._keep(torch.zeros(columns, dtype=torch.int32))
        self._write(op, (rows, columns), 0.0, panels, *constants, x, y, active)
        return y

    def layer_norm(self, x: Tensor, gain: Tensor, offset: Tensor, eps: float) -> Tensor:
        """y = gain (x - mean) / sqrt(variance + eps) + offset."""
        constants = (self._constant(one) for one in (gain, offset, torch.ones(len(x))))
        return self._add(Op.LAYER_NORM, len(x), (len(x),), x, *constants, number=eps)

    def rms_norm(self, x: Tensor, gain: Tensor, eps: float) -> Tensor:
        """y = gain x / sqrt(mean of x^2 + eps)."""
        return self._add(Op.RMS_NORM, len(x), (len(x),), x, self._constant(gain), number=eps)

    def gru(self, x: Tensor, past: Tensor, memory: Tensor) -> Tensor:
        """The gates and the new h of `layers.GRU` from W x + b and U h + c, `[3 d]` each; the answer is the memory."""
        self._write(Op.GRU, (len(memory),), 0.0, x, past, memory)
        return memory

    def mix(self, x: Tensor, memory: Tensor, *mu: Tensor) -> list[Tensor]:
        """y = mu x + (1 - mu) x[t-1], for each of up to four mu."""
        mixed = [self._vector(len(x)) for _ in mu]
        pairs = (one for pair in zip(map(self._constant, mu), mixed, strict=True) for one in pair)
        self._write(Op.MIX, (len(x), len(mu)), 0.0, x, memory, *pairs)
        return mixed

    def wkv(self, k: Tensor, v: Tensor, gate: Tensor, w: Tensor, u: Tensor, *memory: Tensor) -> Tensor:
        """y = sigmoid(gate) wkv(k, v), see `ranvier.kernels.wkv`; the memory is a, b and p."""
        return self._add(Op.WKV, len(k), (len(k),), k, v, gate, self._constant(w), self._constant(u), *memory)

    def square(self, x: Tensor) -> Tensor:
        """y = relu(x)^2."""
        return self._add(Op.SQUARE, len(x), (len(x),), x)

    def gate(self, x: Tensor, gate: Tensor) -> Tensor:
        """y = sigmoid(gate) x."""
        return self._add(Op.GATE, len(x), (len(x),), x, gate)

    def convolve(self, u: Tensor, memory: Tensor, taps: Tensor, bias: Tensor) -> Tensor:
        """y = silu(sum over a window of k steps + bias): taps `[e, k]`, the last k - 1 steps as memory `[k - 1, e]`."""
        constants = self._constant(taps.T), self._constant(bias)
        return self._add(Op.CONVOLVE, len(u), taps.shape, u, memory, *constants)

    def select(
        self, u: Tensor, dt: Tensor, a: Tensor, b: Tensor, c: Tensor, d: Tensor, memory: Tensor, z: Tensor
    ) -> Tensor:
        """y = silu(z) times the scan of `ranvier.kernels.selective_scan` for steps softplus(dt), a `[e, N]`."""
        between = u, dt, self._constant(a), b, c, self._constant(d), memory, z
        return self._add(Op.SELECT, len(u), a.shape, *between)

    def attend(self, qkv: Tensor, memory: Tensor, filled: Tensor, place: Tensor, turns: Tensor, heads: int) -> Tensor:
        """What the query of qkv `[3 d]` reads from the last W keys and values, before the last linear layer.

        Args:
            memory: keys and values, a ring `[W, 2 d]`.
            filled, place: how many there are, and where the next one goes, int64 `[1]`.
            turns: R(-age) of a head as cosine and sine, `[W, D / 2, 2]`.
        """
        (window, d), size = (len(memory), len(qkv) // 3), 2 * turns.shape[1]
        cosine, sine = turns.unbind(-1)
        constants = (
            self._constant(one.flatten(1)) for one in (torch.stack((cosine,) * 2, -1), torch.stack((sine, -sine), -1))
        )
        swapped, scores = self._vector(d), self._vector(heads * window)
        between = qkv, memory, filled, place, *constants, swapped, scores
        return self._add(Op.ATTEND, d, (window, d, heads), *between, number=size**-0.5)

    def gelu(self, x: Tensor) -> Tensor:
        """y = x (1 + erf(x / sqrt(2))) / 2."""
        return self._add(Op.GELU, len(x), (len(x),), x)

    def leak(self, x: Tensor, decay: Tensor, gain: Tensor, memory: Tensor) -> Tensor:
        """v = decay v + gain x; the answer is the memory."""
        self._write(Op.LEAK, (len(x),), 0.0, x, self._constant(decay), self._constant(gain), memory)
        return memory

    def fire(
        self, x: Tensor, decay: Tensor, gain: Tensor, threshold: Tensor, memory: Tensor, *, reset: float, strict: bool
    ) -> Tensor:
        """v = decay v + gain x, and a spike at the threshold, or above it, which puts v to `reset`."""
        constants = (self._constant(one) for one in (decay, gain, threshold))
        spikes = self._add(Op.FIRE, len(x), (len(x), int(strict)), x, *constants, memory, number=reset)
        self._spikes.append(spikes)
        return spikes

    def _add(self, op: Op, length: int, sizes: tuple[int, ...], *tensors: Tensor, number: float = 0.0) -> Tensor:
        y = self._vector(length)
        self._write(op, sizes, number, *tensors, y)
        return y

    def _write(self, op: Op, sizes: tuple[int, ...], number: float, *tensors: Tensor | None) -> None:
        addresses = [0 if one is None else self._keep(one).data_ptr() for one in tensors]
        self._records.append(
            _RECORD.pack(op, *sizes, *[0] * (3 - len(sizes)), number, *addresses, *[0] * (10 - len(addresses)))
        )
        self._packed = b"".join(self._records)

    def _constant(self, value: Tensor) -> Tensor:
        # A copy: training goes on without the program.
        return value.detach().to("cpu", torch.float32).clone(memory_format=torch.contiguous_format)

    def _vector(self, length: int) -> Tensor:
        self.scratch.append(torch.zeros(length))
        return self.scratch[-1]

    def _keep(self, tensor: Tensor) -> Tensor:
        self._kept.append(tensor)
        return tensor


@functools.cache
def _function() -> Callable[..., Any]:
    loaded, state = native.load()
    if loaded is None:
        raise RuntimeError(f'a program of steps needs the C library: {state}; or type engine="torch"')
    loaded.ranvier_step_record_bytes.restype = ctypes.c_int64
    assert loaded.ranvier_step_record_bytes() == _RECORD.size, "step.c and step.py disagree about `record`"
    loaded.ranvier_step.argtypes = [ctypes.c_char_p, ctypes.c_int64]
    loaded.ranvier_step.restype = None
    return loaded.ranvier_step
