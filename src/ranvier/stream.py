"""Chunked inference: a recording or a camera in, an answer after every chunk, in constant memory.

    for step in stream(net, windows(open_events(path), window_us=10_000)):
        print(step.t_us, step.answer.argmax(-1), step.latency_s)

By the law of the carry, the answer after the last chunk is the answer to the whole recording.
"""

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice, repeat
from typing import Literal

import torch
from torch import Tensor, nn

from ranvier.carry import Carry
from ranvier.data.events import Events
from ranvier.data.formats import Recording
from ranvier.data.representations import frames


@dataclass(frozen=True)
class StreamStep:
    """What the network says after one chunk.

    `t_us` is the right edge of the chunk on the recording's clock, `output` the chunk's outputs `[T, B, ...]`,
    `answer` the mean over all time steps so far `[B, ...]`, `latency_s` the seconds that the network took.
    """

    t_us: int
    output: Tensor
    answer: Tensor
    latency_s: float


def stream(net: nn.Module, chunks: Iterable[tuple[int, Tensor]], *, carry: Carry | None = None) -> Iterator[StreamStep]:
    """Feed `(t_us, frames [T, B, C, H, W])` chunk by chunk through `net`, remembering in `carry` between them.

    The network is run as it is: put it into evaluation mode first. Chunks are pulled one at a time, so a generator
    over a file or a camera keeps memory constant.

    Raises:
        ValueError: the network is in training mode, where a chunk's own statistics would leak into the answer.
    """
    if net.training:
        raise ValueError("expected a network in evaluation mode to stream: call net.eval() first")
    carry = Carry() if carry is None else carry
    total = torch.zeros(())
    steps = 0
    for t_us, x in chunks:
        start = time.perf_counter()
        with torch.inference_mode():
            output = net(x, carry)
            if output.is_cuda:
                torch.cuda.synchronize(output.device)
            latency_s = time.perf_counter() - start
            total = total.to(output) + output.sum(0)
            steps += len(output)
            answer = total / steps
        yield StreamStep(t_us, output, answer, latency_s)


def windows(
    recording: Recording,
    *,
    window_us: int,
    chunk: int = 1,
    steps: int | None = None,
    start_us: int | None = None,
    kind: Literal["counts", "binary", "signed"] = "counts",
) -> Iterator[tuple[int, Tensor]]:
    """Read a recording piece by piece as the frames of the whole: `(t_us, [T, 1, C, H, W])`.

    Args:
        recording: an opened event file.
        window_us: width of a window, microseconds.
        chunk: windows per chunk; the last chunk may be shorter.
        steps: stop after so many windows, with empty ones where the recording ends early; `None` takes all.
        start_us: left edge of the first window; `None` is the first event.
        kind: what a pixel holds, see `frames`.

    Raises:
        ValueError: the file is damaged, see `Recording.chunks`, or a number is below 1.
    """
    if min(window_us, chunk, 1 if steps is None else steps) < 1:
        raise ValueError(f"expected numbers from 1 on, got window_us={window_us}, chunk={chunk}, steps={steps}")
    edge = start_us
    held: list[Tensor] = []
    done = 0
    parts = recording.chunks(duration_us=window_us, start_us=start_us)
    for part in _padded(parts, Events.empty(recording.sensor), steps):
        edge = int(part.t[0]) if edge is None else edge
        held.append(frames(part, window_us=window_us, steps=1, start=edge, kind=kind))
        edge, done = edge + window_us, done + 1
        if len(held) == chunk or done == steps:
            yield edge, torch.stack(held)
            held = []
    if held and edge is not None:
        yield edge, torch.stack(held)


def _padded(parts: Iterable[Events], empty: Events, steps: int | None) -> Iterator[Events]:
    """Exactly `steps` parts, read no further than needed; all of them for `None`."""
    return iter(parts) if steps is None else islice(chain(parts, repeat(empty)), steps)
