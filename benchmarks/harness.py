"""Times rivals in turns, so that what slows the machine for a moment slows all of them."""

import gc
import math
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch

Call = Callable[[], object]
Row = dict[str, Any]


@dataclass(frozen=True)
class Settings:
    """What a workload is told: tiny sizes are for its test, quick ones for a look, full ones for the record."""

    size: Literal["tiny", "quick", "full"] = "full"
    device: Literal["cpu", "cuda"] = "cpu"
    peers: bool = True
    run: Path | None = None
    """the folder of a trained network, for what random weights cannot say"""

    @property
    def rounds(self) -> int:
        return 9 if self.size == "full" else 3


def row(
    name: str,
    value: float | None,
    unit: str,
    *,
    column: str = "",
    target: float | None = None,
    better: Literal["higher", "lower"] = "higher",
    spread: tuple[float, float] | None = None,
    note: str = "",
) -> Row:
    """Return one measured figure; `value` None means that it was not measured, and `note` says why."""
    return locals()


class Rounds:
    """The seconds per call of each rival in each round; `None` where a slow rival sat a round out."""

    def __init__(self, seconds: dict[str, list[float | None]]) -> None:
        self.seconds = seconds

    def taken(self, name: str) -> list[float]:
        return [second for second in self.seconds[name] if second is not None]

    def median(self, name: str) -> float:
        return statistics.median(self.taken(name))

    def spread(self, name: str) -> tuple[float, float]:
        return min(self.taken(name)), max(self.taken(name))

    def ratio(self, numerator: str, denominator: str) -> float:
        """Return the median over the rounds of one rival's time over the other's."""
        pairs = zip(self.seconds[numerator], self.seconds[denominator], strict=True)
        return statistics.median(a / b for a, b in pairs if a is not None and b is not None)

    def per_element(self, elements: int, *, column: str) -> list[Row]:
        """Return a row for each rival: nanoseconds for each element of its input."""
        scale, rows = 1e9 / elements, []
        for name in self.seconds:
            low, high = (scale * second for second in self.spread(name))
            ns = scale * self.median(name)
            rows.append(row(name, ns, "ns an element", column=column, better="lower", spread=(low, high)))
        return rows


def take_turns(
    rivals: Mapping[str, Call],
    *,
    rounds: int = 9,
    device: str = "cpu",
    sample_s: float = 0.004,
    slow_s: float = 8.0,
    clock: Callable[[], float] = time.perf_counter,
) -> Rounds:
    """Call every rival once a round, each round beginning with another one.

    Args:
        rivals: calls without arguments; what they return is dropped inside the timing.
        rounds: the least number of rounds; quick rivals get up to five times as many, within a second.
        sample_s: a call shorter than this is repeated within its turn.
        slow_s: a rival that would need longer than this for all rounds takes part in a third of them.
        clock: what is read; `time.process_time` where one thread does all and others may be busy.
    """
    synchronize = torch.cuda.synchronize if device == "cuda" else lambda: None
    repeats, strides = {}, {}
    for name, call in rivals.items():
        taken = _time(call, 1, synchronize, clock)
        if taken < 0.5:
            taken = _time(call, 1, synchronize, clock)
        repeats[name] = max(1, math.ceil(sample_s / taken))
        strides[name] = 3 if taken * rounds > slow_s else 1
    seconds: dict[str, list[float | None]] = {name: [] for name in rivals}
    order = list(rivals)
    collects = gc.isenabled()
    gc.collect()
    gc.disable()
    begin = time.perf_counter()
    done = 0
    while done < rounds or (done < 5 * rounds and time.perf_counter() - begin < 1.0):
        for name in order[done % len(order) :] + order[: done % len(order)]:
            plays = done % strides[name] == 0
            seconds[name].append(_time(rivals[name], repeats[name], synchronize, clock) if plays else None)
        done += 1
    if collects:
        gc.enable()
    return Rounds(seconds)


def _time(call: Call, repeat: int, synchronize: Callable[[], object], clock: Callable[[], float]) -> float:
    synchronize()
    begin = clock()
    for _ in range(repeat):
        call()
    synchronize()
    return (clock() - begin) / repeat
