"""A causal SpikingSSM step by step, one stream: constant memory and speed, and what the gather of spikes gains.

The wide network is the size of the published language model without its vocabulary. Its thresholds are set so that
every block fires as often as a trained network does (`--run`).
"""

import math
import resource
import time
from collections.abc import Iterator
from itertools import cycle
from statistics import mean

import torch
from torch import Tensor, nn

from benchmarks.gate import check
from benchmarks.harness import Row, Settings, row, take_turns
from ranvier import Carry, models
from ranvier.layers import event_driven, folded
from ranvier.layers.spiking_ssm import SpikingS4D
from ranvier.neurons import Neuron
from ranvier.recipes import SpikingSSM
from ranvier.run import open_run

WIDE = {
    "full": SpikingSSM(layers=16, width=1024),
    "quick": SpikingSSM(layers=2, width=256),
    "tiny": SpikingSSM(layers=1, width=8, state=4),
}
SMALL = SpikingSSM(layers=2, width=64, state=16)
RATES = (0.05, 0.1, 0.2)
# Of psmnist-small, seed 0.
TRAINED = 0.13
STEPS = {"full": 1_000_000, "quick": 20_000, "tiny": 200}
CHUNK = 1000
TARGET = 2.0
INPUTS = 64


def run(settings: Settings) -> list[Row]:
    """Return the time of a step of the wide network by firing rate, then what a long stream does to a small one."""
    rates = {f"{rate:.0%} firing": rate for rate in RATES} if settings.size == "full" else {}
    if settings.run:
        trained = mean(open_run(settings.run).result["firing_rate"].values())
        rates[f"{trained:.1%} firing, as {settings.run.name}"] = trained
    else:
        rates[f"{TRAINED:.0%} firing"] = TRAINED
    rows = []
    for column, rate in rates.items():
        rows += _wide(WIDE[settings.size], rate, column, settings)
    return rows + _long(STEPS[settings.size])


def _wide(config: SpikingSSM, rate: float, column: str, settings: Settings) -> list[Row]:
    torch.manual_seed(0)
    net = models.build(config).eval()
    x = torch.randn(INPUTS, 1, 1)
    with torch.inference_mode():
        found = _calibrate(net, x, rate)
        dense, gathered = folded(net), event_driven(net)
        # A rounding error flips a spike here and there, and sixteen blocks make much of it: block by block.
        s = (torch.rand(INPUTS, 1, config.width) < rate).float()
        for i, (ours, theirs) in enumerate(zip(_mixes(gathered), _mixes(dense), strict=True)):
            check(f"gather of block {i}", torch.cat([ours(one) for one in s.split(1)]), theirs(s), rtol=1e-5)
        calls = {"dense": _steps(dense, x), "gather": _steps(gathered, x)}
        rounds = take_turns(
            {name: lambda steps=steps: next(steps) for name, steps in calls.items()},
            rounds=settings.rounds,
            slow_s=math.inf,
            clock=time.process_time,
        )
    rows = [row(f"{name}: a step", 1e3 * rounds.median(name), "ms", column=column, better="lower") for name in calls]
    target = TARGET if rate == TRAINED or "as " in column else None
    note = f"blocks fire {found:.1%}"
    return [
        *rows,
        row("gather faster than dense", rounds.ratio("dense", "gather"), "x", column=column, target=target, note=note),
    ]


def _mixes(net: nn.Module) -> list[nn.Module]:
    return [module.mix for module in net.modules() if isinstance(module, SpikingS4D)]


def _steps(net: nn.Module, x: Tensor) -> Iterator[Tensor]:
    carry = Carry()
    for current in cycle(x.unbind()):
        yield net(current[None], carry)


def _calibrate(net: nn.Module, x: Tensor, rate: float) -> float:
    """Set the thresholds, block after block, to fire at this rate on `x`; return how often they then do."""
    found = []

    def settle(block: SpikingS4D, inputs: tuple[Tensor, ...]) -> None:
        block.ln_threshold.zero_()  # type: ignore[union-attr]
        y = block.s4d(inputs[0])
        block.ln_threshold.copy_(y.quantile(1 - rate).clamp(min=1e-6).log().expand_as(block.ln_threshold))  # type: ignore[union-attr, arg-type]

    def count(neuron: Neuron, inputs: tuple[Tensor, ...], s: Tensor) -> None:
        found.append(float(s.mean()))

    handles = [module.register_forward_pre_hook(settle) for module in net.modules() if isinstance(module, SpikingS4D)]
    handles += [module.register_forward_hook(count) for module in net.modules() if isinstance(module, Neuron)]
    net(x)
    for handle in handles:
        handle.remove()
    return mean(found)


def _long(steps: int) -> list[Row]:
    """Time single steps of a stream at its beginning and behind `steps` more."""
    torch.manual_seed(0)
    net, carry = event_driven(models.build(SMALL)), Carry()
    rows = []
    with torch.inference_mode():
        first = _rate(net, carry)
        memory = _bytes(carry)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for _ in range(steps // CHUNK):
            y = net(torch.randn(CHUNK, 1, 1), carry)
            assert y.isfinite().all()
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        last = _rate(net, carry)
        assert _bytes(carry) == memory
    column = f"{SMALL.layers} blocks of {SMALL.width}, {steps:,} steps"
    rows.append(row("steps a second at the beginning", first, "1/s", column=column))
    rows.append(row("steps a second at the end", last, "1/s", column=column))
    rows.append(row("memory of the stream, first and last", memory / 1024, "KiB", column=column, better="lower"))
    rows.append(row("the process has grown by", grown / 1024, "MiB", column=column, better="lower"))
    return rows


def _rate(net: nn.Module, carry: Carry) -> float:
    x = torch.randn(500, 1, 1)
    begin = time.process_time()
    for current in x.split(1):
        net(current, carry)
    return len(x) / (time.process_time() - begin)


def _bytes(carry: Carry) -> int:
    return sum(tensor.nbytes for state in carry.values() for tensor in state.values())
