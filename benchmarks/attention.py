"""Two Transformer blocks step by step, one stream, and their attention over whole sequences.

A step reads a window that the carry holds; without one, all its steps would be computed again for every new one. Whole
sequences are computed in blocks of a window, a plain attention as one square of their length under a mask.
"""

import time
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.gate import check
from benchmarks.harness import Row, Settings, row, take_turns
from ranvier import Carry
from ranvier.layers import Stack
from ranvier.layers.attention import Attention, TransformerBlock
from ranvier.stream import Latencies

WIDTHS = {"full": (64, 128, 256, 512), "quick": (128, 256), "tiny": (32,)}
STEPS = {"full": 10_000, "quick": 2000, "tiny": 20}
LENGTHS = {"full": (200, 1000, 4000), "quick": (200, 1000), "tiny": (12,)}
WARM_UP = 100
# At 256 channels, of a step's 99th percentile on one core (issue 5).
TARGET = {256: 0.5}
BLOCKS, SQUARE = "in blocks", "as one square"


def run(settings: Settings) -> list[Row]:
    """Return percentiles of the time of a step by width, then the time of a training step by length."""
    window = 5 if settings.size == "tiny" else 100
    rows = []
    for channels in WIDTHS[settings.size]:
        rows += _steps(channels, window, settings)
    for steps in LENGTHS[settings.size]:
        rows += _whole(steps, window, settings)
    return rows


def _steps(channels: int, window: int, settings: Settings) -> list[Row]:
    torch.manual_seed(0)
    net = Stack(*(TransformerBlock(channels, window=window) for _ in range(2))).eval()
    x = torch.randn(STEPS[settings.size], 1, channels)
    carry, latencies = Carry(), Latencies()
    with torch.inference_mode():
        for current in x[:WARM_UP].split(1):
            net(current, carry)
        carry.reset()
        outputs = []
        for current in x.split(1):
            begin = time.perf_counter()
            y = net(current, carry)
            latencies.add(time.perf_counter() - begin)
            outputs.append(y)
        check("a step", torch.cat(outputs), net(x), rtol=1e-4)
        rerun = take_turns({"window": lambda: net(x[:window])}, rounds=settings.rounds)
    column = f"d={channels}, 2 blocks, W={window}"
    measured = partial(row, unit="ms", column=column, better="lower")
    return [
        measured("a step, median", 1e3 * latencies.percentile(50)),
        measured("a step, 99th percentile", 1e3 * latencies.percentile(99), target=TARGET.get(channels)),
        measured("the window again", 1e3 * rerun.median("window")),
    ]


def _whole(steps: int, window: int, settings: Settings) -> list[Row]:
    torch.manual_seed(0)
    layer = Attention(32 if settings.size == "tiny" else 128, window=window).to(settings.device)
    x = torch.randn(steps, 8, layer.channels, device=settings.device)
    rivals = {BLOCKS: layer, SQUARE: partial(_square, layer)}
    check("blocks", layer(x), _square(layer, x), rtol=1e-4)
    rounds = take_turns(
        {name: partial(_train, net, x) for name, net in rivals.items()}, rounds=settings.rounds, device=settings.device
    )
    column = f"T={steps}, B=8, d={layer.channels}, W={window}"
    rows = [
        row(f"training step {name}", 1e3 * rounds.median(name), "ms", column=column, better="lower") for name in rivals
    ]
    return [*rows, row("blocks faster than the square", rounds.ratio(SQUARE, BLOCKS), "x", column=column)]


def _square(layer: Attention, x: Tensor) -> Tensor:
    """Attention of every step with every other, masked, its positions turned from the beginning of the sequence on."""
    size, position = layer.channels // layer.heads, torch.arange(len(x), device=x.device)
    angles = position[:, None] * layer.base ** (-torch.arange(0, size, 2, device=x.device) / size)
    turns = torch.polar(torch.ones_like(angles), angles)
    q, k, v = (z.unflatten(2, (layer.heads, size)).permute(1, 2, 0, 3) for z in layer.qkv(x).chunk(3, 2))
    q, k = (torch.view_as_real(torch.view_as_complex(z.unflatten(3, (-1, 2))) * turns).flatten(3) for z in (q, k))
    distance = position[:, None] - position
    mask = (distance >= 0) & (distance < layer.window)
    return layer.out(F.scaled_dot_product_attention(q, k, v, mask).permute(2, 0, 1, 3).flatten(2))


def _train(net: nn.Module | partial[Tensor], x: Tensor) -> None:
    x = x.detach().requires_grad_()
    net(x).backward(x.detach())
