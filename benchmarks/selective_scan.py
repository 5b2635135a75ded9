"""The recurrence of Mamba over whole sequences: the kernel, and what is written for it in plain PyTorch.

"loop" is the specification, one step after the other. "doubling" combines stretches of 1, 2, 4, ... steps, each a pair
of a decay and a state, in log2 T rounds over the whole sequence: the parallel scan. mambapy, a peer, has a parallel
scan of its own, of fewer products and with its gradient written out. All but the kernel keep the state of every step.
Every round is a training step, forward and backward, in float32.
"""

from collections.abc import Callable
from importlib import util

import torch
from torch import Tensor

from benchmarks.gate import check
from benchmarks.harness import Call, Row, Settings, row, take_turns
from ranvier.kernels import selective_scan
from ranvier.kernels.selective_scan import selective_scan_reference

KERNEL, LOOP, DOUBLING, PEER = "ranvier", "plain PyTorch, loop", "plain PyTorch, doubling", "mambapy, parallel scan"
LANES = {"full": ((8, 256), (1, 256)), "quick": ((2, 64),), "tiny": ((2, 3),)}
LENGTHS = {"full": (128, 512, 1024, 4096), "quick": (128, 512), "tiny": (20,)}
MODES = 16
DOUBLING_UP_TO = 2 * 10**7
"""Numbers in the states of all steps; autograd keeps some of that size for each of the log2 T rounds."""
TARGET = 5.0
"""Over every rival on one core: what it gained when this was written, with a margin."""

Recurrence = Callable[[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor], Tensor]


def run(settings: Settings) -> list[Row]:
    """Return the time of a training step of each, by length and lanes, and what the kernel gains."""
    rows = []
    for batch, channels in LANES[settings.size]:
        for steps in LENGTHS[settings.size]:
            column = f"T={steps} B={batch} C={channels} N={MODES}"
            calls = _calls(steps, batch, channels, settings)
            rounds = take_turns(calls, rounds=settings.rounds, device=settings.device, slow_s=20.0)
            rows += rounds.per_element(steps * batch * channels, column=column)
            for name in [name for name in calls if name != KERNEL]:
                target = TARGET if settings.device == "cpu" else None
                rows.append(row(f"faster than {name}", rounds.ratio(name, KERNEL), "x", column=column, target=target))
    return rows


def doubling(decay: Tensor, drive: Tensor) -> Tensor:
    """Return the state `[T, B, C, N]` of every step."""
    reach = 1
    while reach < len(drive):
        drive = torch.cat([drive[:reach], drive[reach:] + decay[reach:] * drive[:-reach]])
        decay = torch.cat([decay[:reach], decay[reach:] * decay[:-reach]])
        reach *= 2
    return drive


def _through(states: Callable[[Tensor, Tensor], Tensor]) -> Recurrence:
    """Return the recurrence that forms all states at once from decays and drives."""

    def recurrence(x: Tensor, dt: Tensor, a: Tensor, b: Tensor, c: Tensor, d: Tensor) -> Tensor:
        h = states(torch.exp(dt.unsqueeze(-1) * a), (dt * x).unsqueeze(-1) * b.unsqueeze(2))
        return torch.einsum("tbcn,tbn->tbc", h, c) + d * x

    return recurrence


def _mambapy(decay: Tensor, drive: Tensor) -> Tensor:
    from mambapy.pscan import pscan  # type: ignore[import-not-found]

    return pscan(decay.transpose(0, 1), drive.transpose(0, 1)).transpose(0, 1)


def _calls(steps: int, batch: int, channels: int, settings: Settings) -> dict[str, Call]:
    """Return a training step of each rival after all were compared with the loop, outputs and gradients."""
    generator, device = torch.Generator().manual_seed(0), settings.device
    x, raw, grad = (torch.randn(steps, batch, channels, generator=generator).to(device) for _ in range(3))
    b, c = (torch.randn(steps, batch, MODES, generator=generator).to(device) for _ in range(2))
    dt = torch.nn.functional.softplus(raw - 4)
    a = -torch.arange(1.0, MODES + 1, device=device).repeat(channels, 1)
    leaves = [tensor.requires_grad_() for tensor in (x, dt, a, b, c, torch.ones(channels, device=device))]
    rivals: dict[str, Recurrence] = {
        KERNEL: lambda *tensors: selective_scan(*tensors).y,
        LOOP: lambda *tensors: selective_scan_reference(*tensors)[0],
    }
    if steps * batch * channels * MODES <= DOUBLING_UP_TO:
        rivals[DOUBLING] = _through(doubling)
    if settings.peers and util.find_spec("mambapy"):
        rivals[PEER] = _through(_mambapy)

    def step(recurrence: Recurrence) -> tuple[Tensor, ...]:
        y = recurrence(*leaves)
        return y, *torch.autograd.grad(y, leaves, grad)

    expected = step(rivals[LOOP])
    for name, recurrence in rivals.items():
        for what, ours, theirs in zip("yxtabcd", step(recurrence), expected, strict=True):
            check(f"selective_scan {name}, {what}", ours, theirs, rtol=1e-3)
    return {name: lambda recurrence=recurrence: step(recurrence) for name, recurrence in rivals.items()}
