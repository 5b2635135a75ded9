"""How long one step of a stream takes, with dense and with event-driven layers."""

import statistics
import time
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ranvier.audit.count import evaluation
from ranvier.carry import Carry, Temporal


@dataclass(frozen=True)
class Latency:
    """Median seconds of one step at batch 1; `paths` counts which path each event-driven layer took."""

    dense: float
    event_driven: float
    paths: dict[str, dict[str, int]]


def latency(net: nn.Module, x: Tensor, *, repeats: int = 5) -> Latency:
    """Stream the first lane of `x` `[T, B, ...]` one step at a time, `repeats` times each way, interleaved.

    Every step is a fresh spike vector and the memory is carried, as on a live camera.
    """
    from ranvier.kernels import gather
    from ranvier.layers.event_driven import event_driven

    lane = x[:, :1]
    dense: list[float] = []
    sparse: list[float] = []
    with evaluation(net):
        fast = event_driven(net)
        with evaluation(fast), torch.inference_mode():
            _steps(net, lane)
            with gather.trace() as calls:
                _steps(fast, lane)
            for _ in range(repeats):
                dense += _steps(net, lane)
                sparse += _steps(fast, lane)
    return Latency(statistics.median(dense), statistics.median(sparse), {})


def _steps(net: nn.Module, x: Tensor) -> list[float]:
    carry = Carry()
    seconds = []
    for step in x.split(1):
        start = time.perf_counter()
        net(step, carry) if isinstance(net, Temporal) else net(step)
        seconds.append(time.perf_counter() - start)
    return seconds
