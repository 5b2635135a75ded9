"""How long one step of a stream takes, with dense and with event-driven layers."""

import statistics
import time
from collections import Counter
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ranvier.audit.count import WEIGHTED, evaluation
from ranvier.carry import Carry, Temporal
from ranvier.kernels import gather
from ranvier.layers.event_driven import event_driven


@dataclass(frozen=True)
class Latency:
    """Median seconds of one step at batch 1.

    `paths` says for each layer of the event-driven network how many steps went which way, "gather" or "dense".
    """

    dense: float
    event_driven: float
    paths: dict[str, dict[str, int]]


def latency(net: nn.Module, x: Tensor, *, repeats: int = 5) -> Latency:
    """Stream lanes of `x` `[T, B, ...]` one step at a time, `repeats` of them each way, in turns.

    Every step sees input that it has not seen before, and the memory is carried, as on a live camera.
    """
    lanes = [x[:, lane % x.shape[1]].unsqueeze(1) for lane in range(repeats + 1)]
    dense: list[float] = []
    sparse: list[float] = []
    with evaluation(net), torch.inference_mode():
        fast = event_driven(net)
        paths = _paths(fast, lanes[0])
        _steps(net, lanes[0])
        for lane in lanes[1:]:
            dense += _steps(net, lane)
            sparse += _steps(fast, lane)
    return Latency(statistics.median(dense), statistics.median(sparse), paths)


def _steps(net: nn.Module, x: Tensor) -> list[float]:
    """Seconds of each step of `x` `[T, 1, ...]`."""
    carry = Carry()
    seconds = []
    for step in x.split(1):
        start = time.perf_counter()
        if isinstance(net, Temporal):
            net(step, carry)
        else:
            net(step)
        seconds.append(time.perf_counter() - start)
    return seconds


def _paths(fast: nn.Module, x: Tensor) -> dict[str, dict[str, int]]:
    """Run `x` once and return which way each layer went."""
    found: dict[str, Counter[str]] = {}
    layers = [(name, module) for name, module in fast.named_modules() if isinstance(module, WEIGHTED)]
    with gather.trace() as calls:

        def keep(name: str):
            # The call that this layer has just made is the last one.
            return lambda *_: found.setdefault(name, Counter()).update([calls[-1].path] if calls else [])

        handles = [module.register_forward_hook(keep(name)) for name, module in layers]
        try:
            _steps(fast, x)
        finally:
            for handle in handles:
                handle.remove()
    return {name: dict(ways) for name, ways in found.items()}
