"""`ranvier stream RUN FILE`."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ranvier.cli.options import (
    Device,
    EventFile,
    Number,
    RunFolder,
    Sensor,
    Threads,
    call,
    check_device,
    console,
    print_json,
    use_threads,
)
from ranvier.cli.show import bar, spans
from ranvier.quantity import seconds

if TYPE_CHECKING:
    from ranvier.data.formats import Recording
    from ranvier.recipes import EventFrames
    from ranvier.stream import StreamStep


def stream(
    run: RunFolder,
    file: EventFile,
    *,
    chunk: int = 1,
    steps: Number = None,
    sensor: Sensor = None,
    device: Device = "cpu",
    threads: Threads = 1,
    json: bool = False,
) -> None:
    """Feed a recording to a run chunk by chunk, with carried memory: the label over time, and the latency.

    The last answer is the one that the run gives to the whole recording.

    Args:
        run: the folder of the run.
        file: an event file of any format.
        chunk: time steps in a chunk.
        steps: time steps to read; default: as many as the recipe looks at, 0: all that the file holds.
        sensor: width and height in pixels, where the file does not say or says wrong.
        device: where the network runs.
        threads: torch threads.
        json: one line of JSON for each chunk, and one at the end.
    """
    import torch

    from ranvier.data.formats import open_events
    from ranvier.run import open_run
    from ranvier.stream import stream, windows

    if chunk < 1:
        raise ValueError(f"expected --chunk of 1 or more, got {chunk}")
    use_threads(threads)
    opened = open_run(run)
    config = opened.config
    recording = open_events(file, sensor=sensor)
    height, width = config.model.size
    if recording.sensor != (width, height):
        raise ValueError(
            f"{file} comes from a {recording.sensor[0]}x{recording.sensor[1]} sensor, {run} was trained on "
            f"{width}x{height}: choose a recording of that size, or train on this camera"
        )
    net = opened.net().to(check_device(device))
    wanted = config.data.steps if steps is None else steps or None
    frames = windows(
        recording, window_us=config.data.window_us, chunk=chunk, steps=wanted, start_us=_start(recording, config.data)
    )
    with torch.inference_mode():
        # The first call of a network allocates and chooses its algorithms: no camera would wait for that.
        net(torch.zeros(chunk, 1, config.model.in_channels, height, width, device=device))
    answers = stream(net, ((t, x.to(device)) for t, x in frames))
    summary = _Summary(config.task.classes)
    if json:
        for line in summary.follow(answers):
            print_json(line)
        print_json(summary.end())
        return
    out = console()
    with out.status("streaming") as status:
        for line in summary.follow(answers):
            status.update(f"{line['t_us'] / 1e3:.0f} ms: {line['label']} ({100 * line['probability']:.0f} %)")
    end = summary.end()
    for start, stop, label in spans(summary.labels, summary.edges_ms(chunk * config.data.window_us / 1000)):
        out.print(f"  {start:6.0f} to {stop:.0f} ms  [bold]{label}[/]")
    out.print(f"answer [bold]{end['label']}[/]  [#e8742c]{bar(end['probability'])}[/] {100 * end['probability']:.1f} %")
    out.print(
        f"latency of a chunk of {chunk * config.data.window_us / 1000:g} ms: p50 {seconds(end['latency_p50_s'])}, "
        f"p95 {seconds(end['latency_p95_s'])} over {end['chunks']} chunks"
    )


def _start(recording: "Recording", data: "EventFrames") -> int:
    """Where the first window begins: at time 0 as in training, unless the clock had been running for long by then."""
    first = int(next(recording.chunks(count=1)).t[0])
    return 0 if 0 <= first < data.window_us * data.steps else first


class _Summary:
    """What is kept of a stream: the label and the latency of each chunk, never a tensor."""

    def __init__(self, classes: tuple[str, ...]) -> None:
        self.classes = classes
        self.labels: list[str] = []
        self.times: list[int] = []
        self.latencies: list[float] = []
        self.last: dict[str, Any] = {}

    def follow(self, answers: "Iterator[StreamStep]") -> Iterator[dict[str, Any]]:
        for step in answers:
            probability = step.answer[0].softmax(-1)
            winner = int(probability.argmax())
            self.last = {"label": self.classes[winner], "probability": float(probability[winner])}
            self.labels.append(self.classes[winner])
            self.times.append(step.t_us)
            self.latencies.append(step.latency_s)
            yield {"t_us": step.t_us, "latency_s": step.latency_s, **self.last}

    def edges_ms(self, chunk_ms: float) -> list[float]:
        """Left edge of the first chunk and right edge of each, from the start of the recording."""
        first = self.times[0] / 1000 - chunk_ms
        return [0.0, *(t / 1000 - first for t in self.times)]

    def end(self) -> dict[str, Any]:
        import numpy as np

        p50, p95 = np.percentile(self.latencies, (50, 95))
        return self.last | {"chunks": len(self.latencies), "latency_p50_s": float(p50), "latency_p95_s": float(p95)}


def run(arguments: list[str]) -> int:
    return call(stream, arguments, verb="stream")
