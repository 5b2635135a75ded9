"""What the sum of weight rows would add to each convolution of the published SpikeFPN, by the density of its input.

A clip of three steps at batch 1, dense rivals in their own best memory order, processor time of one thread. Every call
takes the next of several inputs, see `gather.py`.
"""

import math
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.gate import check
from benchmarks.gather import fresh
from benchmarks.harness import Rounds, Row, Settings, row, take_turns
from benchmarks.published import PUBLISHED, TINY
from ranvier import models
from ranvier.kernels import gather

OURS, DENSE, BFLOAT = "gather", "dense float32", "dense bfloat16"
INPUTS = 8


@dataclass(frozen=True)
class Layer:
    """A convolution that sees spikes, by all that its time depends on."""

    channels: tuple[int, int]
    kernel_size: int
    stride: int
    samples: int
    size: tuple[int, int]

    def __str__(self) -> str:
        (into, out), (height, width), k = self.channels, self.size, self.kernel_size
        return f"{into} to {out}, {k}x{k}{f' stride {self.stride}' if self.stride > 1 else ''}, {height}x{width}"


def run(settings: Settings) -> list[Row]:
    """Return by layer and density how much faster the sum of rows is than the dense layer, and what all gain."""
    config, shape = (TINY if settings.size == "tiny" else PUBLISHED)["SpikeFPN"]
    layers = spike_fed(models.build(config), torch.zeros(shape))
    densities = {f"{d:.0%} firing": d for d in ((0.02, 0.05, 0.1, 0.2) if settings.size == "full" else (0.05,))}
    if settings.run:
        densities |= measured(settings.run)
    rows = []
    for column, density in densities.items():
        taken = {layer: time_layer(layer, density, settings) for layer in layers}
        for layer, rounds in taken.items():
            for rival in (DENSE, BFLOAT):
                rows.append(row(f"{layer}: {OURS} faster than {rival}", rounds.ratio(rival, OURS), "x", column=column))
        for rival in (DENSE, BFLOAT):
            alone = sum(count * taken[layer].median(rival) for layer, count in layers.items())
            best = sum(count * min(map(taken[layer].median, (rival, OURS))) for layer, count in layers.items())
            rows.append(row(f"all layers, each the faster way: faster than {rival}", alone / best, "x", column=column))
    return rows


def measured(path: Path) -> dict[str, float]:
    """Return the least, the mean and the greatest firing rate of a trained network's layers."""
    from ranvier.run import open_run

    rates = open_run(path).result["firing_rate"].values()
    found = {"least": min(rates), "mean": mean(rates), "most": max(rates)}
    return {f"{name} of {path.name}, {rate:.1%}": rate for name, rate in found.items()}


def spike_fed(net: nn.Module, x: Tensor) -> Counter[Layer]:
    """Return how many convolutions of each kind there are behind the first one, in the order of their names."""
    seen: dict[str, Layer] = {}

    def listen(name: str):
        def hook(conv: nn.Conv2d, inputs: tuple[Tensor], y: Tensor) -> None:
            samples, _, height, width = inputs[0].shape
            channels = conv.in_channels, conv.out_channels
            seen[name] = Layer(channels, conv.kernel_size[0], conv.stride[0], samples, (height, width))

        return hook

    for name, module in net.named_modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(listen(name))
    with torch.inference_mode():
        net.eval()(x)
    return Counter(list(seen.values())[1:])


def time_layer(layer: Layer, density: float, settings: Settings) -> Rounds:
    """Time one layer's three ways in turns, after our way has been checked."""
    (into, out), k, stride, padding = layer.channels, layer.kernel_size, layer.stride, layer.kernel_size // 2
    generator = torch.Generator().manual_seed(0)
    weight, bias = torch.randn(out, into, k, k, generator=generator), torch.randn(out, generator=generator)
    inputs = [
        (torch.rand(layer.samples, into, *layer.size, generator=generator) < density).float() for _ in range(INPUTS)
    ]
    short = [s.bfloat16().contiguous(memory_format=torch.channels_last) for s in inputs]
    rows = gather.prepare(weight)
    weight16 = weight.bfloat16().contiguous(memory_format=torch.channels_last)
    ours, dense, bfloat = fresh(inputs), fresh(inputs), fresh(short)
    calls = {
        OURS: lambda: gather.conv2d(next(ours), rows, bias, stride=stride, padding=padding, path="gather"),
        DENSE: lambda: F.conv2d(next(dense), weight, bias, stride, padding),
        BFLOAT: lambda: F.conv2d(next(bfloat), weight16, bias.bfloat16(), stride, padding),
    }
    with torch.inference_mode():
        check(str(layer), calls[OURS](), calls[DENSE](), rtol=1e-5)
        return take_turns(calls, rounds=settings.rounds, slow_s=math.inf, clock=time.process_time)
