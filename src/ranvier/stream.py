"""Chunked inference: a recording or a camera in, an answer after every chunk, in constant memory.

    for step in stream(net, windows(open_events(path), window_us=10_000)):
        print(step.t_us, step.answer.argmax(-1), step.latency_s)

By the law of the carry, the answer after the last chunk is the answer to the whole recording.
"""

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from ranvier.carry import Carry
from ranvier.data.events import Events
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
    total: Tensor | None = None
    steps = 0
    for t_us, x in chunks:
        start = time.perf_counter()
        with torch.inference_mode():
            output = net(x, carry)
            if output.is_cuda:
                torch.cuda.synchronize(output.device)
            latency_s = time.perf_counter() - start
            total = output.sum(0) if total is None else total + output.sum(0)
            steps += len(output)
            answer = total / steps
        yield StreamStep(t_us, output, answer, latency_s)


def windows(
    parts: Iterable[Events],
    *,
    window_us: int,
    chunk: int = 1,
    steps: int | None = None,
    kind: Literal["counts", "binary", "signed"] = "counts",
) -> Iterator[tuple[int, Tensor]]:
    """Turn consecutive parts of a recording, cut anywhere, into the frames of the whole: `(t_us, [T, 1, C, H, W])`.

    The first window starts at the first event. At most one part and one chunk are held at a time.

    Args:
        parts: consecutive events of one sensor.
        window_us: width of a window, microseconds.
        chunk: windows per chunk; the last chunk may be shorter.
        steps: stop after so many windows, with empty ones where the recording ends early; `None` takes all.
        kind: what a pixel holds, see `frames`.

    Raises:
        ValueError: a part starts before the previous one ended, or a number is below 1.
    """
    if min(window_us, chunk, 1 if steps is None else steps) < 1:
        raise ValueError(f"expected numbers from 1 on, got window_us={window_us}, chunk={chunk}, steps={steps}")

    start: int | None = None
    held: Events | None = None
    done = 0

    def cut(events: Events, left_edge: int, count: int) -> tuple[int, Tensor]:
        right_edge = left_edge + count * window_us
        part = events.between(left_edge, right_edge)
        return right_edge, frames(part, window_us=window_us, steps=count, start=left_edge, kind=kind).unsqueeze(1)

    for part in parts:
        if held is not None and len(held) and len(part):
            if part.t[0] < held.t[-1]:
                raise ValueError(f"time runs backwards between two parts: {part.t[0]} us after {held.t[-1]} us")
            part = Events.merge([held, part])
        held = part if held is None or len(part) else held
        if not len(held):
            continue
        start = int(held.t[0]) if start is None else start
        # The window of the newest event may still grow; the ones before it are complete.
        complete = (int(held.t[-1]) - start) // window_us
        wanted = complete if steps is None else min(complete, steps - done)
        while wanted >= chunk:
            yield cut(held, start, chunk)
            start += chunk * window_us
            done, wanted = done + chunk, wanted - chunk
        held = held.between(start, int(held.t[-1]) + 1)
        if steps is not None and done + wanted == steps:
            break
    if held is None:
        return
    start = 0 if start is None else start
    left = (int(held.t[-1]) - start) // window_us + 1 if len(held) else 0
    left = left if steps is None else steps - done
    while left > 0:
        count = min(chunk, left)
        yield cut(held, start, count)
        start, left = start + count * window_us, left - count
