"""`ranvier stream RUN SESSION` and `ranvier stream RUN tcp:PORT`: neural recordings, bin by bin."""

import csv
import json as lines_of_json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import tyro
from numpy.typing import NDArray

from ranvier.cli.decoded import Decoded, sentences
from ranvier.cli.options import File, Number, RunFolder, Threads, call, console, print_json, use_threads, wrote
from ranvier.data.neural import Binned, Signal, bin_session, open_session
from ranvier.data.neural.recorded import session_files
from ranvier.data.neural.tcp import Bins, open_tcp
from ranvier.recipes import Sessions
from ranvier.run import Run, open_run
from ranvier.stream import StreamingDecoder
from ranvier.stream.engine import EngineName
from ranvier.stream.moments import Moment, arriving, at_speed, recorded

Source = tyro.conf.Positional[Annotated[str, tyro.conf.arg(metavar="SESSION|tcp:PORT|tcp://HOST:PORT")]]
Part = Literal["all", "train", "val", "test"]
# More often than this, a person cannot read another number.
GLANCE_S = 0.1


def stream_session(
    run: RunFolder,
    source: Source,
    *,
    day: Number = None,
    split: Part = "all",
    speed: float | None = None,
    engine: EngineName = "auto",
    picture: File = None,
    out: File = None,
    reply: bool = False,
    keep: bool = False,
    threads: Threads = 1,
    json: bool = False,
) -> None:
    """Decode a recording of neurons as if it happened now: a velocity for every bin, and the latency.

    A session is read with the settings of the run, and memory begins anew with every continuous piece. At a port, which
    this machine alone can reach unless a host is named, each line is a bin: counts between spaces or commas, nan where
    one is missing, - for a bin that never came. Ctrl-C ends a port; the picture and the last line are still written.

    Args:
        run: the folder of the run.
        source: a session file (.mat, .nwb, .npz), or a TCP port to listen at.
        day: recording day of the adapter, from 0, where the run knows several; -1: the last. Default: by the name of
            the file.
        split: the part of the session that the run's settings keep for this.
        speed: replay a session so many times as fast as it was recorded; default: as fast as it can be decoded.
        engine: what computes a step; auto: the fastest one here.
        picture: write the last 20 s of velocity, decoded and true, and all latencies as .png.
        out: write time, velocity and latency of every bin as .csv or .jsonl.
        reply: of a port: send each velocity back, as a line.
        keep: of a port: wait for another client when one has left.
        threads: torch threads.
        json: one line of JSON for each bin, and one at the end; of a port, also one that says where it is.
    """
    use_threads(threads)
    port = source.startswith("tcp:")
    _check(port=port, at_port=reply or keep, of_session=speed is not None or split != "all")
    opened, screen = open_run(run), console()
    data: Any = opened.config.data
    bin_s = data.bin_ms / 1000
    decoder = StreamingDecoder(opened, day=_day(opened, source) if day is None else day, engine=engine)
    with ExitStack() as closing:
        bins, unit = None, ""
        if port:
            bins = closing.enter_context(open_tcp(source, channels=decoder.channels, keep=keep))
            moments = arriving(bins, bin_s)
            if json:
                print_json({"listening": bins.address})
            else:
                screen.print(f"listening at {bins.address} for lines of {decoder.channels} counts")
        else:
            binned = _binned(source, opened, decoder.channels)
            moments, unit = recorded(binned, data, split=split), binned.unit
            moments = moments if speed is None else at_speed(moments, bin_s, speed=speed)
        axes = [f"v{axis}" for axis in "xyz"[: decoder.outputs]]
        tell = [_writer(out, axes, closing)] if out else []
        tell.append(print_json if json else _status(closing, unit))
        decoded, interrupted = Decoded(bin_s), False
        try:
            for moment, velocity, latency_s in _answered(decoder, moments):
                if reply and bins is not None:
                    bins.answer(velocity)
                decoded.add(moment, velocity, latency_s)
                row = {"t_s": round(moment.t_s, 6)} | dict(zip(axes, velocity.tolist(), strict=True))
                for each in tell:
                    each(row | {"latency_s": latency_s})
        except KeyboardInterrupt:
            if not decoded.latencies.count:
                raise
            interrupted = True
    if not decoded.latencies.count:
        raise ValueError(f"{source}: no bins arrived")
    end = decoded.end() | {"missed": decoder.missed, "lag_ms": decoder.lag_ms}
    end |= {"trained_on": not port and split != "test" and _learned_from(opened, source)}
    end |= _of_port(bins) if bins is not None else {}
    if picture is not None:
        decoded.draw(picture, title=f"{opened.path.name} decodes {Path(source).name}", unit=unit)
    if json:
        print_json(end)
    else:
        for line in sentences(end, split=split):
            screen.print(line)
        wrote(*(path for path in (picture, out) if path is not None))
    if interrupted and not port:
        raise KeyboardInterrupt


def run(arguments: list[str]) -> int:
    return call(stream_session, arguments, verb="stream")


def _answered(decoder: StreamingDecoder, moments: Iterator[Moment]) -> Iterator[tuple[Moment, NDArray, float]]:
    for moment in moments:
        if moment.fresh:
            decoder.reset()
        begin = time.perf_counter()
        velocity = decoder.push(moment.counts)
        yield moment, velocity, time.perf_counter() - begin


def _check(*, port: bool, at_port: bool, of_session: bool) -> None:
    if port and of_session:
        raise ValueError("--speed and --split are for sessions: a port brings its own time")
    if not port and at_port:
        raise ValueError("--reply and --keep are for a port: type tcp:7777 in place of a session")


def _day(run: Run, source: str) -> int | None:
    """Return the day that goes by the name of the file, if the run says its names."""
    days = run.config.data.days if isinstance(run.config.data, Sessions) else ()
    return days.index(Path(source).stem) if Path(source).stem in days else None


def _binned(source: str, run: Run, channels: int) -> Binned:
    """Read a session as the run's settings say; where the behaviour is not a number, another piece begins."""
    data: Any = run.config.data
    own = data if isinstance(data, Sessions) else Sessions()
    session = open_session(source, area=own.area, sorting=own.sorting, movement=own.movement)
    if not {"velocity", "position"} & session.behaviour.keys():
        # Nobody knows what moved; the spikes can be decoded all the same.
        session = replace(session, behaviour={"velocity": Signal(np.zeros((len(session.clock), 0)), "")})
    if len(session.units) != channels:
        how = f" and read in the same way ({own.area}, {own.sorting})" if source.endswith(".mat") else ""
        raise ValueError(
            f"session {session.name} has {len(session.units)} units, {run.path} decodes {channels}: choose a session "
            f"recorded with the same array{how}, or train on this one: ranvier train {run.config.name} --data {source}"
        )
    try:
        return bin_session(session, data.bin_ms / 1000, missing="cut")
    except ValueError as error:
        raise ValueError(f"{run.path} decodes bins of {data.bin_ms:g} ms: {error} in a training of its own") from None


def _learned_from(run: Run, source: str) -> bool:
    if not isinstance(run.config.data, Sessions):
        return False
    try:
        return Path(source).resolve() in {path.resolve() for path in session_files(run.config.data)}
    except FileNotFoundError:
        return False


def _writer(path: Path, axes: Sequence[str], closing: ExitStack) -> Callable[[dict[str, float]], object]:
    if path.suffix not in (".csv", ".jsonl"):
        raise ValueError(f"expected --out FILE.csv or FILE.jsonl, got {path}")
    file = closing.enter_context(path.open("w", newline=""))
    if path.suffix == ".jsonl":
        return lambda row: file.write(lines_of_json.dumps(row) + "\n")
    rows = csv.DictWriter(file, ["t_s", *axes, "latency_s"])
    rows.writeheader()
    return rows.writerow


def _status(closing: ExitStack, unit: str) -> Callable[[dict[str, float]], object]:
    """Return what shows now and then where the movement is."""
    status, shown = closing.enter_context(console().status("decoding")), 0.0

    def show(row: dict[str, float]) -> None:
        nonlocal shown
        if (now := time.monotonic()) - shown > GLANCE_S:
            shown = now
            velocity = ", ".join(f"{name} {value:7.3g}" for name, value in row.items() if name.startswith("v"))
            status.update(f"{row['t_s']:.1f} s: {velocity} {unit}")

    return show


def _of_port(bins: Bins) -> dict[str, Any]:
    return {
        "clients": bins.clients,
        "turned_away": bins.turned_away,
        "refused": bins.refused,
        "reason": bins.reason,
    }
