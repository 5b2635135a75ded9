"""A small convolutional network, three times convolution, batch norm and neuron: what a spiking layer adds to it.

Every rival gets the same convolutions with time folded into the batch, also where the peer's own examples loop over
time around the whole network. The neuron's own time is taken inside the training step, by clocks around its forward
and its backward, because the difference of two steps drowns in the convolutions' noise.
"""

import copy
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn

from benchmarks.gate import check
from benchmarks.harness import Call, Rounds, Row, Settings, row, take_turns
from benchmarks.peers import PEERS, available
from ranvier import kernels
from ranvier.neurons import LIF

OURS, REFERENCE = "ranvier", "reference loop"
STEPS = 4
OWN_TIME_TARGET = 1.15


class Clocked(nn.Module):
    """Adds up the seconds that a function spends in its forward and in its backward."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function
        self.seconds = 0.0

    def forward(self, x: Tensor) -> Tensor:
        if x.requires_grad:
            x = _Mark.apply(x, self, 1.0)
        self.seconds -= time.perf_counter()
        y = self.function(x)
        self.seconds += time.perf_counter()
        return _Mark.apply(y, self, -1.0) if x.requires_grad else y


class _Mark(torch.autograd.Function):
    """Passes a tensor on; reads the clock when its gradient comes by."""

    @staticmethod
    def forward(ctx, x: Tensor, clock: Clocked, sign: float) -> Tensor:  # type: ignore[override]
        ctx.clock, ctx.sign = clock, sign
        return x.view_as(x)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None, None]:  # type: ignore[override]
        ctx.clock.seconds += ctx.sign * time.perf_counter()
        return gradient, None, None


class ConvNet(nn.Module):
    """Three blocks of convolution, batch norm and one function over all time steps; input `[T, B, C, H, W]`."""

    def __init__(self, channels: int, functions: list[Callable[[Tensor], Tensor]]) -> None:
        super().__init__()
        self.convs = nn.ModuleList(nn.Conv2d(channels, channels, 3, padding=1, bias=False) for _ in functions)
        self.norms = nn.ModuleList(nn.BatchNorm2d(channels) for _ in functions)
        self.neurons = nn.ModuleList(Clocked(function) for function in functions)

    def forward(self, x: Tensor) -> Tensor:
        steps = x.shape[:2]
        for conv, norm, neuron in zip(self.convs, self.norms, self.neurons, strict=True):
            x = neuron(norm(conv(x.flatten(0, 1))).unflatten(0, steps))
        return x

    def own_seconds(self) -> float:
        """Return what the neurons took since the last call."""
        clocks = [neuron for neuron in self.neurons if isinstance(neuron, Clocked)]
        seconds = sum(clock.seconds for clock in clocks)
        for clock in clocks:
            clock.seconds = 0.0
        return seconds


def rivals(settings: Settings) -> tuple[dict[str, list[Callable[[Tensor], Tensor]]], dict[str, str]]:
    """Return the three functions that each network uses, and the reasons for missing peers."""

    def reference(neuron: LIF) -> Callable[[Tensor], Tensor]:
        def forward(x: Tensor) -> Tensor:
            with kernels.reference():
                return neuron(x)

        return forward

    functions: dict[str, list[Callable[[Tensor], Tensor]]] = {
        "identity": [nn.Identity() for _ in range(3)],
        "ReLU": [nn.ReLU() for _ in range(3)],
        OURS: [LIF(tau=2.0) for _ in range(3)],
        REFERENCE: [reference(LIF(tau=2.0)) for _ in range(3)],
    }
    neurons, missing = available(settings.device) if settings.peers else ({}, {})
    for name in neurons:
        functions[name] = [PEERS[name].make() for _ in range(3)]
    return functions, missing


def run(settings: Settings) -> list[Row]:
    """Return the times of a training step and of inference, and the neurons' own share of the step."""
    channels, size, batch = {"tiny": (2, 4, 2), "quick": (16, 32, 4), "full": (64, 32, 16)}[settings.size]
    generator = torch.Generator().manual_seed(0)
    x = (torch.rand(STEPS, batch, channels, size, size, generator=generator) < 0.2).float().to(settings.device)
    torch.manual_seed(0)
    functions, missing = rivals(settings)
    weights = ConvNet(channels, [nn.Identity()] * 3).state_dict()
    nets, inputs = {}, {}
    for name, chosen in functions.items():
        nets[name] = ConvNet(channels, chosen).to(settings.device)
        nets[name].load_state_dict(copy.deepcopy(weights), strict=False)
        inputs[name] = PEERS[name].prepare(x) if name in PEERS else x
    gate(nets, x)
    rows = [row(name, None, "ms", note=reason) for name, reason in missing.items()]
    return rows + training(nets, inputs, settings) + inference(nets, inputs, settings)


def gate(nets: dict[str, ConvNet], x: Tensor) -> None:
    """Check that our network fires and learns as the one with the reference loop."""
    spikes, gradients = {}, {}
    for name in (OURS, REFERENCE):
        net = copy.deepcopy(nets[name])
        spikes[name] = net(x)
        spikes[name].mean().backward()
        gradients[name] = net.convs[0].weight.grad
    check("conv net spikes", spikes[OURS], spikes[REFERENCE])
    check("conv net gradient of the first weights", gradients[OURS], gradients[REFERENCE], rtol=1e-4)


def training(nets: dict[str, ConvNet], inputs: dict[str, Tensor], settings: Settings) -> list[Row]:
    """Time forward, backward and a step of SGD; the neurons' own time comes from the same calls."""
    own: dict[str, list[float]] = {name: [] for name in nets}
    calls: dict[str, Call] = {}
    for name, net in nets.items():
        optimizer = torch.optim.SGD(net.parameters(), lr=1e-3)

        def step(net=net, optimizer=optimizer, x=inputs[name], own=own[name]) -> None:
            optimizer.zero_grad()
            net.own_seconds()
            net(x).mean().backward()
            optimizer.step()
            own.append(net.own_seconds())

        calls[name] = step
    rounds = take_turns(calls, rounds=settings.rounds, device=settings.device, slow_s=60.0)
    rows = timings(rounds, "train step")
    if settings.device == "cpu":
        # The calls before these warmed up.
        own = {name: seconds[-len(rounds.seconds[name]) :] for name, seconds in own.items()}
        for name, seconds in own.items():
            value = 1e3 * statistics.median(seconds)
            rows.append(row(f"{name} neurons in the train step", value, "ms", better="lower"))
        ratio = statistics.median(a / b for a, b in zip(own[OURS], own["ReLU"], strict=True))
        rows.append(row("neurons over ReLU in the train step", ratio, "x", target=OWN_TIME_TARGET, better="lower"))
    return rows


def inference(nets: dict[str, ConvNet], inputs: dict[str, Tensor], settings: Settings) -> list[Row]:
    """Time the forward pass in evaluation mode without gradients."""

    def forward(net: ConvNet, x: Tensor) -> None:
        with torch.no_grad():
            net(x)

    for net in nets.values():
        net.eval()
    calls: dict[str, Call] = {name: lambda net=net, x=inputs[name]: forward(net, x) for name, net in nets.items()}
    return timings(take_turns(calls, rounds=settings.rounds, device=settings.device, slow_s=60.0), "inference")


def timings(rounds: Rounds, what: str) -> list[Row]:
    """Return the milliseconds of each network and how many times slower than ours each other one is."""
    rows = []
    for name in rounds.seconds:
        low, high = rounds.spread(name)
        value = 1e3 * rounds.median(name)
        rows.append(row(f"{name} {what}", value, "ms", better="lower", spread=(1e3 * low, 1e3 * high)))
    return rows + [
        row(f"faster than {name} {what}", rounds.ratio(name, OURS), "x") for name in rounds.seconds if name != OURS
    ]
