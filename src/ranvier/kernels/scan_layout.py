"""What the versions of the `scan` op agree on."""

from torch import Tensor

CHUNK = 64
"""Steps between two checkpoints, from which the backward recomputes the state."""


def checkpoint_shape(x: Tensor, a: Tensor, keep: bool) -> tuple[int, ...]:
    """Return [checkpoints, N, parts of a mode, B C]: the state before steps CHUNK, 2 CHUNK, ..."""
    count = max(0, -(-x.shape[0] // CHUNK) - 1) if keep else 0
    return count, a.shape[1], 2 if a.is_complex() else 1, x.shape[1] * x.shape[2]


def rows(x: Tensor) -> Tensor:
    """Return x `[T, B, C]` with the lanes of one step side by side; steps may lie apart."""
    return x if x.numel() == 0 or x[0].is_contiguous() else x.contiguous()
