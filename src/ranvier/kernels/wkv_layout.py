"""What the versions of the `wkv` op agree on."""

from torch import Tensor

CHUNK = 64
"""Steps between two checkpoints, from which the backward recomputes the state."""

REST = -1e38
"""The exponent p of a memory that holds nothing: whatever comes next outweighs it, in float32 too."""


def checkpoint_shape(k: Tensor, keep: bool) -> tuple[int, ...]:
    """Return [checkpoints, 3, B C]: a, b and p before steps CHUNK, 2 CHUNK, ..."""
    return max(0, -(-k.shape[0] // CHUNK) - 1) if keep else 0, 3, k.shape[1] * k.shape[2]
