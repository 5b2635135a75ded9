"""The fused neuron layer beside copies of the same tensors, our reference loop and the peers.

Ceilings: a forward pass reads and writes `x` once, which is what `clone` does; training needs five passes over memory,
which is `clone` plus `add`.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from benchmarks.gate import agreement, check
from benchmarks.harness import Call, Rounds, Row, Settings, row, take_turns
from benchmarks.peers import PEERS, available
from ranvier import kernels

Function = Callable[[Tensor], Tensor]

OURS, REFERENCE, CEILING = "ranvier", "reference loop", "ceiling"
# Forward reads `x` and writes spikes; backward reads `x` again and their gradient, and writes that of `x`.
PASSES = {"forward": 2, "forward+backward": 5}
# At T=16, N=2^20 in float32: share of the ceiling, and times SpikingJelly.
CPU_TARGETS = {"forward": (0.78, 9.0), "forward+backward": (0.68, 7.5)}
CUDA_TARGETS = {"forward": (0.85, 1.2), "forward+backward": (0.85, 1.2)}
GROWTH_TARGET = 1.25


@dataclass(frozen=True)
class Cell:
    """One size of the input `[T, 1, N]`."""

    steps: int
    neurons: int
    dtype: torch.dtype = torch.float32

    def __str__(self) -> str:
        kind = "" if self.dtype == torch.float32 else f" {str(self.dtype).removeprefix('torch.')}"
        return f"T={self.steps} N=2^{self.neurons.bit_length() - 1}{kind}"

    @property
    def elements(self) -> int:
        return self.steps * self.neurons


def cells(settings: Settings) -> list[Cell]:
    """Return the sizes to measure, the ones with a target among them."""
    if settings.size == "tiny":
        return [Cell(4, 64), Cell(16, 64)]
    if settings.size == "quick":
        return [Cell(4, 2**16), Cell(16, 2**16), Cell(64, 2**16)]
    sizes = [Cell(steps, neurons) for neurons in (2**16, 2**20) for steps in (4, 16, 64)]
    if settings.device == "cuda":
        sizes += [Cell(16, 2**24), Cell(16, 2**24, torch.bfloat16)]
    return sizes


def lif(x: Tensor) -> Tensor:
    return kernels.lif(x, decay=0.5, gain=0.5).s


def lif_reference(x: Tensor) -> Tensor:
    with kernels.reference():
        return lif(x)


def current(shape: tuple[int, ...], dtype: torch.dtype = torch.float32, device: str = "cpu") -> Tensor:
    """Return an input that makes about one neuron in five fire at each step."""
    generator = torch.Generator(device).manual_seed(0)
    return torch.randn(shape, generator=generator, device=device).mul_(1.5).add_(0.6).to(dtype)


def run(settings: Settings) -> list[Row]:
    """Return shares of the ceiling, times per element-step and speed-ups, for each size and direction."""
    peers, missing = available(settings.device) if settings.peers else ({}, {})
    rows = [row(name, None, "ns", note=reason) for name, reason in missing.items()]
    cost: dict[tuple[str, str, str], float] = {}
    for cell in cells(settings):
        x = current((cell.steps, 1, cell.neurons), cell.dtype, settings.device)
        for mode, turns in (("forward", forward_turns), ("forward+backward", training_turns)):
            rounds = turns(x, peers, settings)
            rows += report(rounds, cell, mode, settings)
            for name in (OURS, CEILING):
                cost[name, str(cell), mode] = rounds.median(name) / cell.elements
    return rows + growth(cost)


FEW = 1024
"""Neurons that are checked where the reference must not leave its heap behind."""


def forward_turns(x: Tensor, peers: dict[str, Function], settings: Settings, *, reference: bool = True) -> Rounds:
    """Time inference, after the check that the spikes are the reference's, bit for bit."""
    checked = x if reference else x[..., :FEW]
    with torch.no_grad():
        expected = lif_reference(checked)
        check(f"lif forward {tuple(checked.shape)}", lif(checked), expected)
        rivals: dict[str, Call] = {CEILING: x.clone, OURS: lambda: lif(x)}
        if reference:
            rivals[REFERENCE] = lambda: lif_reference(x)
        for name, neuron in peers.items():
            peer, their_x = PEERS[name], PEERS[name].prepare(x)
            # In half precision the peers' state is as short as their input, and fires differently.
            if x.dtype == torch.float32:
                same(name, peer.restore(neuron(their_x)), expected)
            rivals[name] = lambda neuron=neuron, their_x=their_x: neuron(their_x)
        del expected
        return take_turns(rivals, rounds=settings.rounds, device=settings.device)


def training_turns(x: Tensor, peers: dict[str, Function], settings: Settings, *, reference: bool = True) -> Rounds:
    """Time one forward and the gradient of `x`, after the check against the reference's gradient."""
    inner = torch.randn_like(x)

    def train(neuron: Function, x: Tensor, inner: Tensor) -> Tensor:
        (gradient,) = torch.autograd.grad(neuron(x), x, inner)
        return gradient

    def ceiling() -> object:
        return x.detach().clone(), x.detach() + inner

    x = x.requires_grad_()
    # Storage rounding is all that may differ in half precision; in float32 the order of two additions may.
    checked, inward = (x, inner) if reference else (x.detach()[..., :FEW].clone().requires_grad_(), inner[..., :FEW])
    check(
        f"lif gradient {tuple(checked.shape)}",
        train(lif, checked, inward),
        train(lif_reference, checked, inward),
        rtol=1e-5 if x.dtype == torch.float32 else 1e-2,
    )
    rivals: dict[str, Call] = {CEILING: ceiling, OURS: lambda: train(lif, x, inner)}
    if reference:
        rivals[REFERENCE] = lambda: train(lif_reference, x, inner)
    for name, neuron in peers.items():
        their_x = PEERS[name].prepare(x).detach().requires_grad_()
        their_inner = inner.reshape(their_x.shape)
        rivals[name] = lambda neuron=neuron, x=their_x, inner=their_inner: train(neuron, x, inner)
    rounds = take_turns(rivals, rounds=settings.rounds, device=settings.device)
    x.requires_grad_(False)
    return rounds


def same(name: str, spikes: Tensor, expected: Tensor) -> None:
    """Stop where a peer has been set up as another neuron: its speed would say nothing."""
    if (share := agreement(spikes, expected)) < 0.999:
        raise ValueError(f"{name} fires the reference's spikes at only {share:.2%} of the elements: adapt peers.py")


def report(rounds: Rounds, cell: Cell, mode: str, settings: Settings) -> list[Row]:
    """Return the rows of one size and direction."""
    per_element = 1e9 / cell.elements
    column = str(cell)
    rows = [
        row(
            f"{name} {mode}",
            rounds.median(name) * per_element,
            "ns per element-step",
            column=column,
            better="lower",
            spread=(rounds.spread(name)[0] * per_element, rounds.spread(name)[1] * per_element),
            note=f"{len(rounds.taken(name))} rounds",
        )
        for name in rounds.seconds
    ]
    gigabytes = PASSES[mode] * cell.elements * cell.dtype.itemsize / 1e9
    for name in (CEILING, OURS):
        rows.append(row(f"{name} {mode}", gigabytes / rounds.median(name), "GB/s", column=column))
    targets = CUDA_TARGETS if settings.device == "cuda" else CPU_TARGETS
    judged = cell.steps == 16 and cell.neurons == (2**24 if settings.device == "cuda" else 2**20)
    share, speed_up = targets[mode] if judged else (None, None)
    rows.append(row(f"share of the ceiling {mode}", rounds.ratio(CEILING, OURS), "1", column=column, target=share))
    for name in rounds.seconds:
        if name not in (CEILING, OURS):
            target = speed_up if name == "SpikingJelly" else None
            ratio = rounds.ratio(name, OURS)
            rows.append(row(f"faster than {name} {mode}", ratio, "x", column=column, target=target))
    return rows


def growth(cost: dict[tuple[str, str, str], float]) -> list[Row]:
    """Return how the cost per element-step grows from T=4 to T=64, for us and for the plain copy."""
    rows = []
    for neurons in (2**16, 2**20):
        column = f"N=2^{neurons.bit_length() - 1}"
        for mode in ("forward", "forward+backward"):
            for name in (OURS, CEILING):
                short, long = (cost.get((name, str(Cell(steps, neurons)), mode)) for steps in (4, 64))
                if short and long:
                    target = GROWTH_TARGET if name == OURS and neurons == 2**20 else None
                    what, unit = f"{name} cost per element-step {mode}", "x from T=4 to T=64"
                    rows.append(row(what, long / short, unit, column=column, target=target, better="lower"))
    return rows
