"""Training steps of decoders against the length of their sequences: at equal width, and at equal parameters."""

import bisect
from collections.abc import Callable
from functools import partial
from typing import get_args

import torch
from torch import Tensor

from benchmarks.gate import check
from benchmarks.harness import Row, Settings, row, take_turns
from ranvier import Carry, models
from ranvier.models.decoder import NeuralDecoder
from ranvier.recipes import Decoder
from ranvier.recipes.decoder import Backbone

BACKBONES: tuple[Backbone, ...] = get_args(Backbone)
LENGTHS = {"full": (128, 256, 512, 1024, 2048, 4096), "quick": (128, 1024), "tiny": (12,)}
WIDTH = {"full": 128, "quick": 128, "tiny": 32}
PARAMETERS = {"full": 400_000, "quick": 400_000, "tiny": 20_000}
LAYERS = 2
LANES = {"cpu": 4, "cuda": 32}
# Heads of a Transformer have 32 channels; other widths are multiples of 8, as vectors like them.
UNIT = {"transformer": 32}
WIDEST = 1024
# A rounding error makes a spike of its own here and there.
RTOL = {"spiking": 0.1}


def run(settings: Settings) -> list[Row]:
    """Return bins that are learned from in a second, by backbone and length."""
    width, parameters = WIDTH[settings.size], PARAMETERS[settings.size]
    alike = partial(_width, parameters=parameters)
    return [
        *_rows(f"d={width}", lambda _: width, settings),
        *_rows(f"{parameters // 1000} k parameters", alike, settings),
    ]


def _rows(what: str, width: Callable[[Backbone], int], settings: Settings) -> list[Row]:
    torch.manual_seed(0)
    device, lanes = settings.device, LANES[settings.device]
    nets = {backbone: _net(backbone, width(backbone)).to(device) for backbone in BACKBONES}
    rows = []
    for steps in LENGTHS[settings.size]:
        x = torch.poisson(torch.full((steps, lanes, 96), 0.5)).to(device)
        for backbone in BACKBONES:
            _check(backbone, nets[backbone].eval(), x)
            nets[backbone].train()
        rounds = take_turns(
            {backbone: partial(_train, net, x) for backbone, net in nets.items()},
            rounds=settings.rounds,
            device=device,
            slow_s=60.0,
        )
        column = f"T={steps}, B={lanes}, {LAYERS} layers, {what}"
        for backbone in BACKBONES:
            net = nets[backbone]
            note = f"d={width(backbone)}, {sum(p.numel() for p in net.parameters()):,} parameters"
            learned = steps * lanes / rounds.median(backbone)
            low, high = (steps * lanes / seconds for seconds in reversed(rounds.spread(backbone)))
            rows.append(row(backbone, learned, "bins/s", column=column, spread=(low, high), note=note))
    return rows


def _net(backbone: Backbone, width: int) -> NeuralDecoder:
    net = models.build(Decoder(backbone=backbone, width=width, layers=LAYERS))
    assert isinstance(net, NeuralDecoder)
    return net


def _width(backbone: Backbone, *, parameters: int) -> int:
    """Return the width with which a decoder comes nearest to a number of parameters."""

    def size(width: int) -> int:
        with torch.device("meta"):
            return sum(p.numel() for p in _net(backbone, width).parameters())

    unit = UNIT.get(backbone, 8)
    widths = range(unit, WIDEST, unit)
    above = max(1, bisect.bisect_left(widths, parameters, key=size))
    return min(widths[above - 1 : above + 1], key=lambda width: abs(size(width) - parameters))


def _check(backbone: Backbone, net: NeuralDecoder, x: Tensor) -> None:
    """Compare the sequence as a whole with its two halves, one after the other."""
    carry, half = Carry(), len(x) // 2
    with torch.inference_mode():
        halves = torch.cat([net(x[:half], carry), net(x[half:], carry)])
        check(f"{backbone} in two parts", halves, net(x), rtol=RTOL.get(backbone, 1e-4))


def _train(net: NeuralDecoder, x: Tensor) -> None:
    net.zero_grad()
    net(x).square().mean().backward()
