"""The neurons of SpikingSSM over long sequences: our exact kernel, the surrogate network, and the loop over time.

Every round is a training step of one layer of neurons, forward and backward, over `[L, B, H]`. The surrogate network is
timed twice: as one convolution over its signals in plain PyTorch, a few signals at a time so that its eight channels
stay in the cache, and in our form with time first. Peak memory is that of the live tensors of a step, beside the
currents and the gradient that comes in.
"""

from collections.abc import Callable
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.gate import agreement, check
from benchmarks.harness import Call, Row, Settings, row, take_turns
from ranvier import models
from ranvier.audit.memory import live_memory
from ranvier.kernels.surrogate import spike
from ranvier.layers.sdn import Reparameterised, reparameterised
from ranvier.layers.sdn_neuron import SDNNeuron, load_sdn
from ranvier.neurons import LIF
from ranvier.recipes import load

EXACT, OURS, CONV, LOOP = "exact", "sdn, ours", "sdn, one convolution", "loop over time"
LANES = {"full": ((64, 256), (16, 1024)), "quick": ((8, 64),), "tiny": ((2, 3),)}
LENGTHS = {"full": (1024, 2048, 4096, 8192, 16384), "quick": (256, 1024), "tiny": (20,)}
# The loop keeps some ten tensors a step; at 16K they are more than half of the machine's memory.
LOOP_UP_TO = 8192
# Issue: of the time of a surrogate network written as one convolution; over the loop at 8K; of a straight line.
MOST_OF_CONV, OVER_LOOP, MOST_BEND = 0.1, 8.0, 1.2
DECAY = 0.125
NEURONS = ("exact", "full", "sltt", "sdn", "no-reset", "gelu", "loop")
# Values of a block of signals, whose eight channels are to stay in the cache of a core.
BLOCK = 1 << 15
Neuron = Callable[[Tensor], Tensor]


def run(settings: Settings) -> list[Row]:
    """Return times an element by length, their ratios, and the memory of each."""
    rows = []
    for batch, channels in LANES[settings.size]:
        exact_ns = {}
        for steps in LENGTHS[settings.size]:
            column = f"{batch}x{channels} L={steps}"
            calls = _calls(steps, batch, channels, settings.device)
            rounds = take_turns(calls, rounds=3, device=settings.device)
            elements = steps * batch * channels
            rows += rounds.per_element(elements, column=column)
            exact_ns[steps] = 1e9 * rounds.median(EXACT) / elements
            for rival, target in ((CONV, MOST_OF_CONV), (OURS, None)):
                share = rounds.ratio(EXACT, rival)
                rows.append(row(f"{EXACT} of {rival}", share, "x", column=column, better="lower", target=target))
            if LOOP in calls:
                target = OVER_LOOP if steps == LOOP_UP_TO else None
                rows.append(row(f"{EXACT} over {LOOP}", rounds.ratio(LOOP, EXACT), "x", column=column, target=target))
        bend = max(exact_ns.values()) / min(exact_ns.values())
        column = f"{batch}x{channels}"
        rows.append(
            row(f"{EXACT}: dearest element of the cheapest", bend, "x", column=column, better="lower", target=MOST_BEND)
        )
        rows += _memory(batch, channels, LENGTHS[settings.size][0], settings.device)
    return rows + _whole(settings)


def _whole(settings: Settings) -> list[Row]:
    """Return the time of a training step of the network of `psmnist-small` with each of its neurons."""
    recipe = load("psmnist-small")
    steps, batch = {"full": (784, 50), "quick": (784, 10), "tiny": (20, 2)}[settings.size]
    x = torch.rand(steps, batch, 1, generator=torch.Generator().manual_seed(0)).to(settings.device)
    calls: dict[str, Call] = {}
    for neuron in NEURONS:
        torch.manual_seed(0)
        net = models.build(replace(recipe.model, neuron=neuron)).to(settings.device)  # type: ignore[arg-type]
        calls[neuron] = lambda net=net: net(x).mean(0).square().sum().backward()
    rounds = take_turns(calls, rounds=settings.rounds, device=settings.device)
    column = f"{recipe.name}, a step of {batch} sequences"
    return [
        row(name, 1e3 * rounds.median(name), "ms", column=column, better="lower", note=f"exact {ratio:.2f}x as fast")
        for name, ratio in ((name, rounds.ratio(name, "exact")) for name in NEURONS)
    ]


def _calls(steps: int, batch: int, channels: int, device: str) -> dict[str, Call]:
    """Return a training step of each, after its spikes were compared with those of the loop."""
    x = torch.randn(steps, batch, channels, generator=torch.Generator().manual_seed(0)).to(device)
    gradient = torch.ones_like(x)
    neurons = _neurons(device)
    if steps > LOOP_UP_TO:
        del neurons[LOOP]
    with torch.no_grad():
        expected = loop(x[:256])
        check(EXACT, neurons[EXACT](x[:256]), expected)
        for name in (OURS, CONV):
            assert agreement(neurons[name](x[:256]), expected) > 0.999, name
    return {name: lambda neuron=neuron: _step(neuron, x, gradient) for name, neuron in neurons.items()}


def _neurons(device: str) -> dict[str, Neuron]:
    published = {"surrogate": "triangle", "temperature": 1.0}
    sdn = SDNNeuron(load_sdn(), **published).to(device)  # type: ignore[arg-type]
    exact = LIF(decay=DECAY, gradient="detached", **published).to(device)  # type: ignore[arg-type]
    return {EXACT: exact, OURS: sdn, CONV: Convolved(reparameterised(load_sdn())).to(device), LOOP: loop}


def _memory(batch: int, channels: int, steps: int, device: str) -> list[Row]:
    x = torch.randn(steps, batch, channels, device=device)
    gradient = torch.ones_like(x)
    return [
        row(
            f"{name}: peak memory",
            live_memory(lambda neuron=neuron: _step(neuron, x, gradient)) / (x.numel() * x.itemsize),
            "x its input",
            column=f"{batch}x{channels} L={steps}",
            better="lower",
        )
        for name, neuron in _neurons(device).items()
    ]


def _step(neuron: Neuron, x: Tensor, gradient: Tensor) -> None:
    x = x.detach().requires_grad_()
    torch.autograd.backward(neuron(x), gradient)


def loop(x: Tensor) -> Tensor:
    """LIF as a loop over `x.unbind()`, the way it is commonly written; the reset is cut off from the gradient."""
    v, theta, spikes = torch.zeros_like(x[0]), x.new_ones(()), []
    for current in x.unbind():
        v = DECAY * v + current
        s = spike(v, theta, surrogate="triangle", temperature=1.0)
        v = v * (1 - s.detach())
        spikes.append(s)
    return torch.stack(spikes)


class Convolved(nn.Module):
    """The surrogate network as the convolution that it is: a dense filter of eight channels, then two mixes."""

    def __init__(self, sdn: Reparameterised) -> None:
        super().__init__()
        self.register_buffer("taps", sdn.get_buffer("taps0")[0, :, None])
        self.register_buffer("mix", sdn.get_buffer("mix0")[:, :, None])
        self.register_buffer("decode", sdn.decode[:, :, None])
        for name, bias in (("bias", "bias0"), ("mix_bias", "mix_bias0"), ("decode_bias", "decode_bias")):
            self.register_buffer(name, sdn.get_buffer(bias)[:, 0])

    def forward(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            signals = x.detach().flatten(1).t().unsqueeze(1)
            parts = signals.split(max(1, BLOCK // len(x)))
            m = torch.cat([self.predict(part) for part in parts]).squeeze(1).t().view_as(x)
        return spike(m + x, x.new_ones(()), surrogate="triangle", temperature=1.0)

    def predict(self, x: Tensor) -> Tensor:
        z = F.conv1d(F.pad(x, (self.taps.shape[2], -1)), self.taps, self.bias).relu_()  # type: ignore[arg-type]
        z = F.conv1d(z, self.mix, self.mix_bias).relu_()  # type: ignore[arg-type]
        return F.conv1d(z, self.decode, self.decode_bias)  # type: ignore[arg-type]
