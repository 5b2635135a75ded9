"""The averages of RWKV-4 over whole sequences: the kernel, and what is written for it in plain PyTorch.

"loop" takes one step after the other. "matrix" forms all T^2 weights of a channel and takes their maximum first.
"doubling" combines stretches of 1, 2, 4, ... steps, each a triple of two sums and their scale, in log2 T rounds over
the whole sequence: the parallel scan. Every round is a training step, forward and backward, in float32.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from benchmarks.gate import check
from benchmarks.harness import Call, Row, Settings, row, take_turns
from ranvier.kernels import wkv

KERNEL, LOOP, MATRIX, DOUBLING = "ranvier", "plain PyTorch, loop", "plain PyTorch, matrix", "plain PyTorch, doubling"
LANES = {"full": ((8, 256), (1, 128)), "quick": ((2, 64),), "tiny": ((2, 3),)}
LENGTHS = {"full": (100, 200, 1024, 4096), "quick": (100, 200), "tiny": (20,)}
MATRIX_UP_TO = 10**8
"""Weights of the whole matrix, T^2 B C; with its gradient it takes 2.5 GB then."""
TARGET = 10.0

Average = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]


def loop(k: Tensor, v: Tensor, w: Tensor, u: Tensor) -> Tensor:
    a = b = torch.zeros_like(k[0])
    p = torch.full_like(a, -1e38)
    answers = []
    for k_t, v_t in zip(k.unbind(0), v.unbind(0), strict=True):
        q = torch.maximum(p, u + k_t)
        past, present = torch.exp(p - q), torch.exp(u + k_t - q)
        answers.append((past * a + present * v_t) / (past * b + present))
        q = torch.maximum(p + w, k_t)
        past, present = torch.exp(p + w - q), torch.exp(k_t - q)
        a, b, p = past * a + present * v_t, past * b + present, q
    return torch.stack(answers)


def matrix(k: Tensor, v: Tensor, w: Tensor, u: Tensor) -> Tensor:
    t = torch.arange(len(k), device=k.device)
    age = (t[:, None] - 1 - t[None, :])[..., None, None]
    exponent = torch.where(age >= 0, k + age * w, -torch.inf)
    exponent = torch.where(age == -1, k + u, exponent)
    return (torch.softmax(exponent, 1) * v).sum(1)


def doubling(k: Tensor, v: Tensor, w: Tensor, u: Tensor) -> Tensor:
    a, b, p = v, torch.ones_like(v), k
    reach = 1
    while reach < len(k):
        older = p[:-reach] + reach * w
        q = torch.maximum(older, p[reach:]).detach()
        past, present = torch.exp(older - q), torch.exp(p[reach:] - q)
        a = torch.cat([a[:reach], past * a[:-reach] + present * a[reach:]])
        b = torch.cat([b[:reach], past * b[:-reach] + present * b[reach:]])
        p = torch.cat([p[:reach], q])
        reach *= 2
    q = torch.maximum(p[:-1], k[1:] + u).detach()
    past, present = torch.exp(p[:-1] - q), torch.exp(k[1:] + u - q)
    return torch.cat([v[:1], (past * a[:-1] + present * v[1:]) / (past * b[:-1] + present)])


def run(settings: Settings) -> list[Row]:
    """Return the time of a training step of each, by length and lanes, and what the kernel gains."""
    rows = []
    for batch, channels in LANES[settings.size]:
        for steps in LENGTHS[settings.size]:
            column = f"T={steps} B={batch} C={channels}"
            calls = _calls(steps, batch, channels, settings.device)
            rounds = take_turns(calls, rounds=settings.rounds, device=settings.device, slow_s=60.0)
            rows += rounds.per_element(steps * batch * channels, column=column)
            for name in [name for name in calls if name != KERNEL]:
                target = TARGET if name == LOOP and settings.device == "cpu" else None
                rows.append(row(f"faster than {name}", rounds.ratio(name, KERNEL), "x", column=column, target=target))
    return rows


def _calls(steps: int, batch: int, channels: int, device: str) -> dict[str, Call]:
    """Return a training step of each rival after all were compared with the loop, outputs and gradients."""
    generator = torch.Generator().manual_seed(0)
    k, v, grad = (torch.randn(steps, batch, channels, generator=generator).to(device) for _ in range(3))
    w = -torch.exp(torch.linspace(-5, 3, channels)).to(device)
    leaves = [t.requires_grad_() for t in (3 * k, v, w, torch.randn(channels, generator=generator).to(device))]
    rivals: dict[str, Average] = {KERNEL: lambda *tensors: wkv(*tensors).y, LOOP: loop, DOUBLING: doubling}
    if steps**2 * batch * channels <= MATRIX_UP_TO:
        rivals[MATRIX] = matrix

    def step(average: Average) -> tuple[Tensor, ...]:
        y = average(*leaves)
        return y, *torch.autograd.grad(y, leaves, grad)

    expected = step(loop)
    for name, average in rivals.items():
        for what, ours, theirs in zip(("y", "of k", "of v", "of w", "of u"), step(average), expected, strict=True):
            check(f"wkv {name}, {what}", ours, theirs, rtol=1e-3)
    return {name: lambda average=average: step(average) for name, average in rivals.items()}
