"""Chunked inference: a recording or a camera in, an answer after every chunk, in constant memory.

    for step in stream(net, windows(open_events(path), window_us=10_000)):
        print(step.t_us, step.answer.argmax(-1), step.latency_s)

By the law of the carry, the answer after the last chunk is the answer to the whole recording.

The way of the data has one function for each arrow, so that a camera can be kept up with in between:

    source --cut--> Window --timed or paced--> Window --stacked--> (t_us, x [T, 1, C, H, W]) --stream--> StreamStep

Neural recordings need none of these: a bin is complete when it comes, and `StreamingDecoder.push` answers it.
"""

from ranvier.stream.answer import StreamStep, stream
from ranvier.stream.decoder import StreamingDecoder
from ranvier.stream.detections import detection_rows
from ranvier.stream.generate import generate
from ranvier.stream.pace import Pace, paced, timed
from ranvier.stream.percentiles import Latencies
from ranvier.stream.window import Window, cut, stacked, windows

__all__ = [
    "stream",
    "StreamStep",
    "StreamingDecoder",
    "windows",
    "cut",
    "stacked",
    "Window",
    "timed",
    "paced",
    "Pace",
    "Latencies",
    "detection_rows",
    "generate",
]
