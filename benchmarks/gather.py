"""Event-driven layers beside dense ones, on one fresh input after the other.

A layer that is called again and again with one input finds its weight rows in cache, and looks up to four times as fast
as it is in life. So every call takes the next of many inputs.
"""

import itertools
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.gate import check
from benchmarks.harness import Call, Row, Settings, row, take_turns
from ranvier.kernels import gather

OURS, DENSE, BFLOAT, CHOSEN = "gather", "dense float32", "dense bfloat16", "auto"
# Times dense float32: the linear layer at batch 1, 4096 wide; the convolution of 192 channels, 32 x 32, at batch 1.
LINEAR_TARGETS = {0.1: 8.0}
CONV_TARGETS = {0.05: 4.5, 0.1: 2.2}
# What the choice may cost over the better of its two ways.
CHOICE_TARGET = 1.25


def run(settings: Settings) -> list[Row]:
    """Return the speed-ups over the dense layers by firing rate, and what the automatic choice costs."""
    densities = (0.02, 0.05, 0.1, 0.2, 0.5) if settings.size == "full" else (0.05, 0.1)
    widths = {"tiny": (64,), "quick": (1024,), "full": (1024, 4096)}[settings.size]
    channels, side = (8, 6) if settings.size == "tiny" else (192, 32)
    rows: list[Row] = []
    with torch.inference_mode():
        for width, batch, density in itertools.product(widths, (1, 8), densities):
            target = LINEAR_TARGETS.get(density) if (width, batch) == (4096, 1) else None
            rows += linear(width, batch, density, target, settings)
        for density in densities:
            target = CONV_TARGETS.get(density) if settings.size == "full" else None
            rows += conv2d(channels, side, density, target, settings)
    return rows


def linear(width: int, batch: int, density: float, target: float | None, settings: Settings) -> list[Row]:
    """Compare linear layers of `width` inputs and outputs."""
    weight, bias, inputs = torch.randn(width, width), torch.randn(width), spikes(density, batch, width)
    rows, weight16, bias16 = gather.prepare(weight), weight.bfloat16(), bias.bfloat16()
    check(
        "gather.linear",
        gather.linear(inputs[0], rows, bias, path="gather"),
        F.linear(inputs[0], weight, bias),
        rtol=1e-5,
    )
    ours, chosen, dense = fresh(inputs), fresh(inputs), fresh(inputs)
    bfloat = fresh([s.bfloat16() for s in inputs])
    rivals: dict[str, Call] = {
        OURS: lambda: gather.linear(next(ours), rows, bias, path="gather"),
        CHOSEN: lambda: gather.linear(next(chosen), rows, bias),
        DENSE: lambda: F.linear(next(dense), weight, bias),
        BFLOAT: lambda: F.linear(next(bfloat), weight16, bias16),
    }
    return report(rivals, f"linear {width} wide, batch {batch}", density, target, settings)


def conv2d(channels: int, side: int, density: float, target: float | None, settings: Settings) -> list[Row]:
    """Compare 3 x 3 convolutions of one image."""
    weight, bias, inputs = (
        torch.randn(channels, channels, 3, 3),
        torch.randn(channels),
        spikes(density, 1, channels, side, side),
    )
    rows, s = gather.prepare(weight), inputs[0]
    check(
        "gather.conv2d",
        gather.conv2d(s, rows, bias, padding=1, path="gather"),
        F.conv2d(s, weight, bias, padding=1),
        rtol=1e-5,
    )
    ours, chosen, dense = fresh(inputs), fresh(inputs), fresh(inputs)
    rivals: dict[str, Call] = {
        OURS: lambda: gather.conv2d(next(ours), rows, bias, padding=1, path="gather"),
        CHOSEN: lambda: gather.conv2d(next(chosen), rows, bias, padding=1),
        DENSE: lambda: F.conv2d(next(dense), weight, bias, padding=1),
    }
    return report(rivals, f"conv2d {channels} channels 3x3, {side}x{side}, batch 1", density, target, settings)


def spikes(density: float, *shape: int) -> list[Tensor]:
    """Return 64 inputs of zeros and ones."""
    generator = torch.Generator().manual_seed(0)
    return [(torch.rand(shape, generator=generator) < density).float() for _ in range(64)]


def fresh(inputs: list[Tensor]) -> Iterator[Tensor]:
    """Go round and round the inputs; each rival goes round alone, so that all see the same ones."""
    return itertools.cycle(inputs)


def report(rivals: dict[str, Call], layer: str, density: float, target: float | None, settings: Settings) -> list[Row]:
    """Time the rivals in turns and return their rows."""
    rounds = take_turns(rivals, rounds=settings.rounds)
    column = f"{density:.0%} firing"
    rows = [
        row(
            f"{layer}: {name}",
            rounds.median(name) * 1e6,
            "us",
            column=column,
            better="lower",
            spread=(rounds.spread(name)[0] * 1e6, rounds.spread(name)[1] * 1e6),
            note=f"{len(rounds.taken(name))} rounds",
        )
        for name in rivals
    ]
    for rival in (DENSE, BFLOAT):
        if rival in rivals:
            against = target if rival == DENSE else None
            rows.append(
                row(f"{layer}: faster than {rival}", rounds.ratio(rival, OURS), "x", column=column, target=against)
            )
    best = min((OURS, DENSE), key=rounds.median)
    cost = rounds.ratio(CHOSEN, best)
    rows.append(
        row(
            f"{layer}: auto over the better way",
            cost,
            "x",
            column=column,
            target=CHOICE_TARGET,
            better="lower",
            note=best,
        )
    )
    return rows
