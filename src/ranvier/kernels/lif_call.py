"""What every version of the `lif` op agrees on: option bits, state dtype, checkpoint spacing."""

import torch
from torch import Tensor

from ranvier.kernels.surrogate import SURROGATES, Surrogate

CHUNK = 64
"""Steps that the backward recomputes at once; longer sequences keep the state at every multiple of it."""

CONSTANTS = ("decay", "gain", "v_threshold", "beta", "rho", "v_reset", "temperature")


class Flag:
    """The bits of `options`, the same numbers as in lif.c; plain integers, because an enum costs a microsecond each."""

    SOFT = 1
    LEAK_LAST = 2
    STRICT = 4
    ADAPTIVE = 8
    NEGATIVE = 16
    DETACHED = 32
    SPATIAL = 64
    RETURN_V = 128
    CHECKPOINTS = 256
    PARAMETER_GRADIENTS = 512
    STATELESS = 1024


class Options:
    """The option integer, read by name."""

    SURROGATE_SHIFT = 12

    def __init__(self, options: int) -> None:
        self.soft = bool(options & Flag.SOFT)
        self.leak_last = bool(options & Flag.LEAK_LAST)
        self.strict = bool(options & Flag.STRICT)
        self.adaptive = bool(options & Flag.ADAPTIVE)
        self.sign = -1.0 if options & Flag.NEGATIVE else 1.0
        self.full = not options & (Flag.DETACHED | Flag.SPATIAL)
        self.spatial = bool(options & Flag.SPATIAL)
        self.return_v = bool(options & Flag.RETURN_V)
        self.checkpoints = bool(options & Flag.CHECKPOINTS)
        self.parameter_gradients = bool(options & Flag.PARAMETER_GRADIENTS)
        self.stateless = bool(options & Flag.STATELESS)
        self.surrogate: Surrogate = SURROGATES[options >> self.SURROGATE_SHIFT]


def state_dtype(x: Tensor) -> torch.dtype:
    """Return the dtype of membrane and adaptation for an input: float64 for float64, float32 for all shorter ones.

    Raises:
        TypeError: `x` is not floating point.
    """
    if x.dtype == torch.float32 or x.dtype == torch.bfloat16 or x.dtype == torch.float16:
        return torch.float32
    if x.dtype == torch.float64:
        return torch.float64
    raise TypeError(f"expected x as a float16, bfloat16, float32 or float64 tensor, got {x.dtype}: type x.float()")


def checkpoint_count(steps: int, opt: Options) -> int:
    """Return how many states the forward keeps: one before every chunk but the first."""
    return max(0, -(-steps // CHUNK) - 1) if opt.checkpoints else 0
