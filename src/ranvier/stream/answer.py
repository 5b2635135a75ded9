"""Feed a network chunk by chunk, with carried memory."""

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from ranvier.carry import Carry


@dataclass(frozen=True)
class StreamStep:
    """What the network says after one chunk.

    `t_us` is the right edge of the chunk on the recording's clock, `x` its input `[T, B, C, H, W]`, `output` its
    outputs `[T, B, ...]`, `answer` what is read out of all outputs so far `[B, ...]`, `latency_s` the seconds that the
    network took.
    """

    t_us: int
    x: Tensor
    output: Tensor
    answer: Tensor
    latency_s: float


def stream(
    net: nn.Module,
    chunks: Iterable[tuple[int, Tensor]],
    *,
    carry: Carry | None = None,
    readout: Literal["mean", "last"] = "mean",
) -> Iterator[StreamStep]:
    """Feed `(t_us, frames [T, B, C, H, W])` chunk by chunk through `net`, remembering in `carry` between them.

    The network is run as it is: put it into evaluation mode first. Chunks are pulled one at a time, so a generator
    over a file or a camera keeps memory constant.

    Args:
        net: a network with an output per time step.
        chunks: what `windows` or `stacked` gives.
        carry: what it remembers already; `None` starts from rest.
        readout: the answer is the mean over all time steps so far, or the last one. The mean of large outputs costs
            time: 60 ms a chunk for 11 classes of 1280x720 pixels.

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
            if readout == "mean":
                total = total.to(output) + output.sum(0)
                steps += len(output)
            answer = total / steps if readout == "mean" else output[-1]
        yield StreamStep(t_us, x, output, answer, latency_s)
