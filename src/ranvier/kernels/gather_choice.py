"""Which way an event-driven layer goes, sum of rows or dense layer, and the report of each decision."""

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Literal

Path = Literal["auto", "gather", "dense"]
Kind = Literal["linear", "conv2d"]


@dataclass(frozen=True)
class Call:
    """One call of an event-driven layer: what came, which way it went, and why."""

    kind: Kind
    input_shape: tuple[int, ...]
    weight_shape: tuple[int, ...]
    density: float | None
    """Fraction of ones; `None` where it was not counted or the input is not binary."""
    path: Literal["gather", "dense"]
    reason: str


_open: ContextVar[tuple[list[Call], ...]] = ContextVar("ranvier_gather_traces", default=())


@contextlib.contextmanager
def trace() -> Iterator[list[Call]]:
    """Collect one `Call` for each event-driven layer that runs in this block, in order.

    >>> import torch
    >>> from ranvier.kernels import gather
    >>> with gather.trace() as calls:
    ...     y = gather.linear(torch.ones(1, 4), torch.eye(4), path="dense")
    >>> calls[0].path, calls[0].reason
    ('dense', 'asked for')
    """
    calls: list[Call] = []
    token = _open.set((*_open.get(), calls))
    try:
        yield calls
    finally:
        _open.reset(token)


def record(call: Call) -> None:
    """Add `call` to every open trace."""
    for calls in _open.get():
        calls.append(call)


# Seconds, measured with one thread on an AMD Zen 5 server core (AVX-512, 1 MB of L2, PyTorch 2.13). What counts is
# their ratio; `make bench` shows what the choice costs on another machine.
_GATHER_CALL = 13e-6
_GATHER_INPUT = 0.2e-9  # pack one value to a bit and unpack it
_GATHER_SUM = 20e-9
_GATHER_ROW = 0.5e-9
_DENSE_MULTIPLY = {"linear": 28e-12, "conv2d": 10e-12}
# Weights up to so many bytes: one addition of a weight, and one reading of a weight by a dense layer.
_WEIGHT_COSTS = ((1.5e6, 27e-12, 5e-12), (8e6, 50e-12, 20e-12), (float("inf"), 130e-12, 145e-12))


def choose(
    kind: Kind, *, sums: int, rows: int, columns: int, density: float, taps: int = 1
) -> Literal["gather", "dense"]:
    """Return the way that the cost model expects to be faster.

        gather: call + inputs + sums + sums * rows * density * (row + columns * addition)
        dense:  rows * columns * (reading + sums * multiplication)

    Args:
        kind: the dense rival, which is far better at convolutions.
        sums: output vectors to compute (batch; or batch, output pixels and groups).
        rows: inputs that each of them sees (`in_features`; or `kernel_h * kernel_w * in_channels / groups`).
        columns: length of an output vector (`out_features`; or `out_channels / groups`).
        density: fraction of inputs that are one.
        taps: how many of the `rows` read the same input at different pixels (`kernel_h * kernel_w`).

    >>> choose("linear", sums=1, rows=4096, columns=4096, density=0.1)
    'gather'
    >>> choose("linear", sums=64, rows=1024, columns=1024, density=0.9)
    'dense'
    """
    weights = rows * columns
    addition, reading = next((add, read) for limit, add, read in _WEIGHT_COSTS if 4 * weights <= limit)
    gather = _GATHER_CALL + sums * (rows / taps * _GATHER_INPUT + _GATHER_SUM)
    gather += sums * rows * density * (_GATHER_ROW + columns * addition)
    dense = weights * (reading + sums * _DENSE_MULTIPLY[kind])
    return "gather" if gather < dense else "dense"
