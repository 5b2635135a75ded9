"""Inference of the published SpikeFPN and SpikingEDN, beside the same layers with SpikingJelly's neurons.

Everything but the neurons is equal: one graph, one set of weights, time folded into the batch. The stem has plain LIF
neurons in both, because SpikingJelly has none whose threshold adapts. Times are the processor's, of one thread: what a
quiet machine takes.

No weights are published. They are random here, with batch norms that have settled on the input, and a random network is
chaotic: one spike that float32 rounding moves changes most of the answer. So spikes are compared block by block, each
block with the input that it has in our network. What 16 bits change in a whole network, a trained one says (`--run`).
"""

import copy
import importlib
import math
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from benchmarks.gate import WrongResult
from benchmarks.harness import Row, Settings, row, take_turns
from ranvier import models
from ranvier.audit.memory import peak_memory
from ranvier.carry import Carry, Temporal
from ranvier.layers import Stack, folded
from ranvier.layers.cell import Cell
from ranvier.layers.fold import replace_modules
from ranvier.neurons import LIF
from ranvier.neurons.neuron import Neuron
from ranvier.recipes import SpikeFPN, SpikingEDN

OURS, PEER = "ranvier float32", "SpikingJelly float32"
FOLDED, BFLOAT = "ranvier float32, folded", "ranvier bfloat16, folded"
TARGETS = {OURS: 1.03, FOLDED: None, BFLOAT: 1.8}
# Share of spikes that rounding may move within a block, and a membrane just at its threshold, where only SpikingJelly's
# neuron fires; a wrong neuron moves far more.
ROUNDING = 1e-3

FPN, EDN = SpikeFPN(stem="lif"), SpikingEDN(stem="lif")
# Name of the network, its settings and the shape of a clip.
PUBLISHED = {"SpikeFPN": (FPN, (3, 1, 3, 256, 256)), "SpikingEDN": (EDN, (4, 1, 5, 200, 346))}
TINY = {
    "SpikeFPN": (replace(FPN, genotype=replace(FPN.genotype, filters=2, path=(0, 1)), scales=1), (2, 1, 3, 16, 16)),
    "SpikingEDN": (
        replace(EDN, genotype=replace(EDN.genotype, filters=2, path=(0, 1, 0)), depth=4, dilations=(1, 2), size=(8, 8)),
        (2, 1, 5, 8, 8),
    ),
}


class SpikingJelly(Temporal):
    """SpikingJelly's multi-step neuron in the place of one of ours."""

    def __init__(self, ours: LIF) -> None:
        super().__init__()
        neuron = importlib.import_module("spikingjelly.activation_based.neuron")
        surrogate = importlib.import_module("spikingjelly.activation_based.surrogate")
        self.node = neuron.LIFNode(
            tau=1 / (1 - ours.decay),  # type: ignore[operator]
            decay_input=False,
            v_threshold=ours.v_threshold,
            v_reset=ours.v_reset,
            surrogate_function=surrogate.ATan(alpha=2.0),
            step_mode="m",
        )

    def forward(self, x: Tensor, carry: Carry | None = None) -> Tensor:
        self.node.reset()
        return self.node(x)


def run(settings: Settings) -> list[Row]:
    """Return times, peak memory and differing spikes of each network, and what 16 bits change in a trained one."""
    rows = []
    for name, (config, shape) in (TINY if settings.size == "tiny" else PUBLISHED).items():
        net, x = random_network(config, shape)
        rows += compare(name, net, x, settings)
    return rows + (trained(settings.run) if settings.run else [])


def random_network(config: SpikeFPN | SpikingEDN, shape: tuple[int, ...]) -> tuple[nn.Module, Tensor]:
    """Return a network in evaluation mode, in which about a sixth of the neurons fire, and a clip of event counts."""
    torch.manual_seed(0)
    net, x = models.build(config), torch.randint(1, 4, shape) * (torch.rand(shape) < 0.15)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None  # the mean of all batches, here one
            nn.init.constant_(module.bias, -0.5)
    with torch.no_grad():
        net.train()(x.float())
    return net.eval().requires_grad_(False), x.float()


def compare(name: str, net: nn.Module, x: Tensor, settings: Settings) -> list[Row]:
    """Return the rows of one network; the peer's and the folded float32 copy's spikes are the gate."""
    nets = {OURS: net, FOLDED: folded(net), BFLOAT: folded(net, dtype=torch.bfloat16)}
    rows = []
    if settings.peers:
        try:
            nets[PEER] = replace_modules(copy.deepcopy(net), lambda m: SpikingJelly(m) if type(m) is LIF else m)
        except ImportError as error:
            rows.append(row(PEER, None, "ms", column=name, note=str(error)))
    with torch.inference_mode():
        for other in list(nets)[1:]:
            moved = moved_in_blocks(net, nets[other], x)
            if moved > ROUNDING and other != BFLOAT:
                raise WrongResult(f"{name}: {other} moves {moved:.2%} of the spikes of {OURS}")
            rows.append(row(f"{other}: spikes that differ, block by block", 100 * moved, "%", column=name))
        calls = {other: partial(nets[other], x) for other in nets}
        rounds = take_turns(calls, rounds=settings.rounds, slow_s=math.inf, clock=time.process_time)
    for other in nets:
        low, high = rounds.spread(other)
        ms, spread = 1e3 * rounds.median(other), (1e3 * low, 1e3 * high)
        rows.append(row(other, ms, "ms", column=name, better="lower", spread=spread))
        rows.append(row(f"{other}: peak memory", peak_memory(nets[other], x) / 2**20, "MiB", column=name))
        if PEER in nets and other != PEER:
            faster = rounds.ratio(PEER, other)
            rows.append(row(f"{other}: faster than {PEER}", faster, "x", column=name, target=TARGETS[other]))
    return rows


def moved_in_blocks(net: nn.Module, other: nn.Module, x: Tensor) -> float:
    """Return the share of spikes that differ when every block of `other` has the input that it has in `net`."""
    modules, moved, total = dict(other.named_modules()), 0, 0

    def listen(name: str) -> Callable[..., None]:
        def hook(module: nn.Module, inputs: tuple, spikes: Tensor) -> None:
            nonlocal moved, total
            moved += int((modules[name](inputs[0]) != spikes).sum())
            total += spikes.numel()

        return hook

    blocks = [
        (name, module)
        for name, module in net.named_modules()
        if isinstance(module, Cell)
        or (isinstance(module, Stack) and len(module) > 1 and isinstance(module[-1], Neuron))
    ]
    handles = [module.register_forward_hook(listen(name)) for name, module in blocks]
    net(x)
    for handle in handles:
        handle.remove()
    return moved / total


def trained(path: Path) -> list[Row]:
    """Return what folding and 16 bits change in a trained network on the first held-out batch."""
    from ranvier.run import open_run
    from ranvier.tasks.evaluate import held_out

    opened = open_run(path)
    net, batch = opened.net(), next(iter(held_out(opened.config, "test")))
    rows = []
    with torch.inference_mode():
        spikes, y = heard(net, batch.x)
        for name, other in ((FOLDED, folded(net)), (BFLOAT, folded(net, dtype=torch.bfloat16))):
            other_spikes, other_y = heard(other, batch.x)
            moved = torch.cat([(a != b).flatten() for a, b in zip(spikes, other_spikes, strict=True)])
            decided = decisions(y) != decisions(other_y)
            for what, value, unit in (
                ("spikes that differ", 100 * float(moved.float().mean()), "%"),
                ("decisions that differ", 100 * float(decided.float().mean()), "%"),
                ("largest difference of an answer", float((y - other_y).abs().max()), "1"),
            ):
                rows.append(row(f"{name}: {what}", value, unit, column=path.name))
    return rows


def heard(net: nn.Module, x: Tensor) -> tuple[list[Tensor], Tensor]:
    """Return the spikes of every layer, and the answer."""
    spikes: list[Tensor] = []

    def hook(module: nn.Module, inputs: tuple, s: Tensor) -> None:
        spikes.append(s)

    handles = [module.register_forward_hook(hook) for module in net.modules() if isinstance(module, Neuron)]
    y = net(x)
    for handle in handles:
        handle.remove()
    return spikes, y


def decisions(y: Tensor) -> Tensor:
    """Return the likeliest class of every pixel, of every anchor `[T, B, A, .]` (-1: no object), or of the picture."""
    if y.ndim == 4:
        return y[..., 1:-4].argmax(-1).where(y[..., 0] > 0, -1)
    return y.argmax(2)
