"""`ranvier stream RUN SOURCE`."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ranvier.cli.options import (
    Device,
    EventSource,
    File,
    Folded,
    Number,
    RunFolder,
    Sensor,
    Threads,
    call,
    check_device,
    console,
    print_json,
    use_threads,
    wrote,
)
from ranvier.quantity import seconds

Policy = Literal["queue", "drop"]

if TYPE_CHECKING:
    from torch import Tensor, nn

    from ranvier.data.formats import Recording
    from ranvier.data.letterbox import Letterbox
    from ranvier.data.live import Live
    from ranvier.recipes import Recipe
    from ranvier.stream import Latencies, Pace


def stream(
    run: RunFolder,
    source: EventSource,
    *,
    chunk: int = 1,
    steps: Number = None,
    sensor: Sensor = None,
    score: float = 0.3,
    picture: File = None,
    policy: Policy | None = None,
    speed: float | None = None,
    folded: Folded = None,
    device: Device = "cpu",
    threads: Threads = 1,
    json: bool = False,
) -> None:
    """Feed a recording or a camera to a run chunk by chunk, with carried memory: answers over time, and the latency.

    Classifiers tell the label so far, detectors the boxes and segmenters the regions of each chunk, in pixels of the
    sensor. A network that learned from letterboxed pictures gets such, any other one the full size. Memory does not
    grow. Ctrl-C ends a camera or a network source, and the picture and the last line are still written.

    A run that decodes neurons takes a session or a port, tcp:PORT: `ranvier stream RUN --help` says how.

    Args:
        run: the folder of the run.
        source: an event file of any format, udp://HOST:PORT, or camera.
        chunk: time steps in a chunk.
        steps: time steps to read; default: for a classifier as many as the recipe looks at, otherwise all; 0: all.
        sensor: width and height in pixels, where the source does not say or says wrong.
        score: detectors: weaker answers are left out.
        picture: write what was seen and found as an animated picture: .png, .gif, or .mp4 where ffmpeg is there.
        policy: when answers take longer than the windows last: queue (default) answers all, ever later; drop leaves
            some out; of a recording with --speed alone.
        speed: replay a recording as if it happened now, so many times as fast; default: as fast as it can be answered.
        folded: put batch norms into the weights and compute convolutions in this type: faster, and a few spikes fall
            otherwise (`ranvier test --folded` says what that does to the score).
        device: where the network runs.
        threads: torch threads.
        json: one line of JSON for each chunk, with what was found and times in microseconds, and one at the end.
    """
    import torch

    from ranvier.animate import animation
    from ranvier.cli.answers import ANSWERS
    from ranvier.data.formats import Recording
    from ranvier.run import open_run
    from ranvier.stream import Latencies, Pace, stream

    if chunk < 1:
        raise ValueError(f"expected --chunk of 1 or more, got {chunk}")
    use_threads(threads)
    opened = open_run(run)
    recipe, events = opened.config, _open(source, sensor)
    out, chunk_ms = console(), chunk * recipe.event_data.window_us / 1000
    pace, latencies, interrupted = Pace(), Latencies(), False
    with ExitStack() as closing, torch.inference_mode():
        if not isinstance(events, Recording):
            closing.enter_context(events)
        letterbox = _letterbox(recipe, events.sensor)
        _check(recipe, events.sensor, letterbox, run)
        _check_pace(policy, speed, recorded=isinstance(events, Recording))
        show = closing.enter_context(animation(picture, duration_ms=chunk_ms)) if picture else None
        net = opened.net(folded=folded).to(check_device(device))
        fit = letterbox.image if letterbox else _padding(net)
        classifies = recipe.task.name == "classify"
        if steps is None and classifies:
            steps = recipe.event_data.steps
        inputs = _inputs(
            events, recipe, pace, steps=steps or None, chunk=chunk, fit=fit, policy=policy or "queue", speed=speed
        )
        answers = ANSWERS[recipe.task.name](recipe, net, events.sensor, letterbox, score, pace)
        readout = recipe.task.readout if classifies else "last"  # type: ignore[union-attr]
        # The first call of a network allocates and chooses its algorithms: no camera would wait for that.
        net(fit(torch.zeros(chunk, 1, recipe.model.in_channels or 0, *reversed(events.sensor))).to(device))
        status = None if json else closing.enter_context(out.status("streaming"))
        try:
            for step in stream(net, ((t, x.to(device)) for t, x in inputs), readout=readout):
                found = answers.take(step)
                if show is not None:
                    show(answers.draw(step))
                latencies.add(step.latency_s)
                pace.answered()
                if json:
                    print_json({"t_us": step.t_us, "latency_s": step.latency_s, **found})
                elif status is not None:
                    status.update(f"{answers.time(step)}: {answers.short()}")
        except KeyboardInterrupt:
            if not latencies.count:
                raise
            interrupted = True
        if not latencies.count:
            raise ValueError(f"{source}: no events arrived")
    end = answers.end() | _timing(latencies, pace, events)
    if json:
        print_json(end)
    else:
        for line in (*answers.sentences(), *_sentences(end, _length(recipe, chunk))):
            out.print(line)
        if picture is not None:
            wrote(picture)
    if interrupted and isinstance(events, Recording):
        # What is live has no other end; a recording has one, and was not read up to it.
        raise KeyboardInterrupt


def _inputs(
    events: "Recording | Live",
    recipe: "Recipe",
    pace: "Pace",
    *,
    steps: int | None,
    chunk: int,
    fit: Callable[["Tensor"], "Tensor"],
    policy: Policy,
    speed: float | None,
) -> "Iterator[tuple[int, Tensor]]":
    """Cut, pace and stack the events as the recipe says, and fit what comes of it to the network."""
    from ranvier.data.formats import Recording
    from ranvier.stream import cut, paced, stacked, timed

    data, recorded = recipe.event_data, isinstance(events, Recording)
    bins, events_per_bin = getattr(data, "bins", 1), getattr(data, "events_per_bin", 1)
    by_number = data.stacking == "sbn"
    parts = cut(
        events,
        window_us=None if by_number else data.window_us,
        count=bins * events_per_bin if by_number else None,
        steps=steps,
        start_us=None if by_number or not isinstance(events, Recording) else _start(events, recipe),
    )
    parts = timed(parts, pace) if recorded and speed is None else paced(parts, pace, policy=policy, speed=speed)
    inputs = stacked(parts, stacking=data.stacking, bins=bins, events_per_bin=events_per_bin, chunk=chunk)
    return ((t_us, fit(x)) for t_us, x in inputs)


def _open(source: str, sensor: tuple[int, int] | None) -> "Recording | Live":
    from ranvier.data.formats import open_events
    from ranvier.data.live import open_live

    if source == "camera" or "://" in source:
        return open_live(source, sensor=sensor)
    return open_events(source, sensor=sensor)


def _padding(net: "nn.Module") -> Callable[["Tensor"], "Tensor"]:
    """Return what pads pictures of any size, on the right and at the bottom, until the network takes them."""
    from torch.nn.functional import pad

    multiple = getattr(net, "multiple", 1)
    return lambda x: pad(x, (0, -x.shape[-1] % multiple, 0, -x.shape[-2] % multiple))


def _letterbox(recipe: "Recipe", sensor: tuple[int, int]) -> "Letterbox | None":
    """How the pictures of this sensor become as those that the network learned from, if its data set is letterboxed."""
    from ranvier.data.letterbox import Letterbox

    size = getattr(recipe.data, "size", None)
    return Letterbox(sensor=sensor, size=size) if size else None


def _check(recipe: "Recipe", sensor: tuple[int, int], letterbox: "Letterbox | None", run: Path) -> None:
    if getattr(recipe.data, "frames", False):
        raise ValueError(f"{run} also wants frames, and a stream of events has none: choose a run on events alone")
    height, width = recipe.model.size
    if recipe.task.name == "classify" and letterbox is None and sensor != (width, height):
        raise ValueError(
            f"the events come from a {sensor[0]}x{sensor[1]} sensor, {run} was trained on {width}x{height}: choose a "
            "recording of that size, or train on this camera"
        )


def _check_pace(policy: Policy | None, speed: float | None, *, recorded: bool) -> None:
    if recorded and policy and speed is None:
        raise ValueError("--policy needs --speed for a recording: without it, every answer is waited for")
    if not recorded and speed is not None:
        raise ValueError("--speed is for recordings: a live source brings its own time")


def _start(recording: "Recording", recipe: "Recipe") -> int:
    """Where the first window begins: at time 0 as in training, unless the clock had been running for long by then."""
    first = int(next(recording.chunks(count=1)).t[0])
    return 0 if 0 <= first < recipe.event_data.window_us * recipe.event_data.steps else first


def _length(recipe: "Recipe", chunk: int) -> str:
    data = recipe.event_data
    if data.stacking == "sbn":
        return f"{chunk * data.bins * data.events_per_bin} events"
    return f"{chunk * data.window_us / 1000:g} ms"


def _timing(latencies: "Latencies", pace: "Pace", events: "Recording | Live") -> dict[str, Any]:
    return {
        "chunks": latencies.count,
        "latency_p50_s": latencies.percentile(50),
        "latency_p95_s": latencies.percentile(95),
        "real_time_factor": pace.real_time_factor,
        "windows": pace.processed,
        "dropped": pace.dropped,
        "largest_lag_ms": pace.largest_lag_ms,
        "late": getattr(events, "late", 0),
        "stray": getattr(events, "stray", 0),
    }


def _sentences(end: dict[str, Any], length: str) -> Iterator[str]:
    yield (
        f"latency of a chunk of {length}: p50 {seconds(end['latency_p50_s'])}, "
        f"p95 {seconds(end['latency_p95_s'])} over {end['chunks']} chunks"
    )
    factor = end["real_time_factor"]
    speed = "faster" if factor >= 1 else "slower"
    yield f"{max(factor, 1 / factor):.3g} times {speed} than real time, with reading and drawing"
    if end["dropped"] or end["largest_lag_ms"]:
        lag = end["largest_lag_ms"]
        yield f"{end['windows']} windows answered, {end['dropped']} dropped, at most {lag:.0f} ms late"
    if end["late"] or end["stray"]:
        yield f"{end['late']} events left out that came after later ones, {end['stray']} with a time far ahead"


def run(arguments: list[str]) -> int:
    if _decodes(arguments):
        from ranvier.cli import stream_session

        return stream_session.run(arguments)
    return call(stream, arguments, verb="stream")


def _decodes(arguments: list[str]) -> bool:
    """Say whether there is a run among the arguments that decodes neurons: it has options of its own."""
    from ranvier.recipes import Decoder
    from ranvier.run import CONFIG, open_run

    folder = next((argument for argument in arguments if (Path(argument) / CONFIG).is_file()), None)
    return folder is not None and isinstance(open_run(folder).config.model, Decoder)
