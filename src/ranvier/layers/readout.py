"""Reductions over time, for tasks that want one answer for a whole sequence."""

import torch
from torch import Tensor


def mean_over_time(y: Tensor, lengths: Tensor | None = None) -> Tensor:
    """Return the mean of `y` `[T, B, ...]` over the steps before each lane's length: `[B, ...]`.

    Raises:
        ValueError: a length is not in 1..T.
    """
    if lengths is None:
        return y.mean(0)
    _check(lengths, y)
    valid = torch.arange(y.shape[0], device=y.device)[:, None] < lengths
    valid = valid.view(*valid.shape, *[1] * (y.ndim - 2))
    return torch.where(valid, y, 0.0).sum(0) / lengths.view(-1, *[1] * (y.ndim - 2))


def last_step(y: Tensor, lengths: Tensor | None = None) -> Tensor:
    """Return the last step of `y` `[T, B, ...]` before each lane's length: `[B, ...]`.

    Raises:
        ValueError: a length is not in 1..T.
    """
    if lengths is None:
        return y[-1]
    _check(lengths, y)
    return y[lengths - 1, torch.arange(y.shape[1], device=y.device)]


def _check(lengths: Tensor, y: Tensor) -> None:
    if lengths.shape != y.shape[1:2] or bool((lengths < 1).any()) or bool((lengths > y.shape[0]).any()):
        raise ValueError(f"expected lengths [{y.shape[1]}] in 1..{y.shape[0]}, got {lengths.tolist()}")


READOUTS = {"last": last_step, "mean": mean_over_time}
"""The reductions by the name that a recipe gives them."""
