"""The surrogate gradients: what stands in for the derivative of the spike, one table for every kernel.

With z = v - theta and temperature b, the derivative of the spike with respect to v (and minus that for theta) is

| name      | ds/dv                                              | source                                |
|-----------|----------------------------------------------------|---------------------------------------|
| triangle  | b max(0, 1 - b abs(z))                             | Bellec et al. 2018                    |
| rectangle | b where abs(z) < 1/(2b)                            | Wu et al. 2018 (STBP)                 |
| atan      | (b/2) / (1 + (pi b z / 2)^2)                       | Fang et al. 2021                      |
| sigmoid   | b sigma(bz) (1 - sigma(bz))                        | Li et al. 2024 (temporal fusion), b=4 |
| tanh      | (b/2) / tanh(b/2) (1 - tanh(bz)^2) where 0 < v < 1 | Li et al. 2021 (Dspike), b=3          |

All have area 1 (`tanh` at theta = 1/2).
The window of `tanh` is (0, 1) in v and does not move with the threshold.
"""

import math
from typing import Any, Literal, get_args

import torch
from torch import Tensor

Surrogate = Literal["triangle", "rectangle", "atan", "sigmoid", "tanh"]
SURROGATES: tuple[Surrogate, ...] = get_args(Surrogate)
"""In the order of the codes that the C and Triton kernels use."""


def derivative(v: Tensor, theta: Tensor | float, *, surrogate: Surrogate, temperature: float) -> Tensor:
    """Return ds/dv of the surrogate at membrane `v` and threshold `theta` (any shapes that broadcast).

    >>> derivative(torch.tensor([0.05, 0.5, 0.95, 1.5]), 0.5, surrogate="tanh", temperature=3.0)
    tensor([0.3911, 1.6572, 0.3911, 0.0000])
    """
    b, z = temperature, v - theta
    if surrogate == "triangle":
        return b * (1 - b * z.abs()).clamp(min=0)
    if surrogate == "rectangle":
        return torch.where(z.abs() < 0.5 / b, b, 0.0).to(z.dtype)
    if surrogate == "atan":
        return (b / 2) / (1 + (math.pi / 2 * b * z) ** 2)
    if surrogate == "sigmoid":
        sigma = torch.sigmoid(b * z)
        return b * sigma * (1 - sigma)
    if surrogate == "tanh":
        bump = (b / 2) / math.tanh(b / 2) * (1 - torch.tanh(b * z) ** 2)
        return torch.where((v > 0) & (v < 1), bump, 0.0)
    raise ValueError(f"expected a surrogate of {', '.join(SURROGATES)}, got {surrogate!r}")


class _Spike(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, v: Tensor, theta: Tensor, surrogate: Surrogate, temperature: float, strict: bool) -> Tensor:
        ctx.save_for_backward(v, theta)
        ctx.surrogate, ctx.temperature = surrogate, temperature
        return (v > theta if strict else v >= theta).to(v.dtype)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        v, theta = ctx.saved_tensors
        grad = grads[0] * derivative(v, theta, surrogate=ctx.surrogate, temperature=ctx.temperature)
        return grad, (-grad).sum_to_size(theta.shape), None, None, None


def spike(v: Tensor, theta: Tensor, *, surrogate: Surrogate, temperature: float, strict: bool = False) -> Tensor:
    """Return 1 where `v >= theta` (`v > theta` when strict) and 0 elsewhere, with the surrogate as its derivative.

    It can be differentiated any number of times: the backward is made of plain torch operations.
    """
    return _Spike.apply(v, theta, surrogate, temperature, strict)  # type: ignore[return-value]
