"""Sessions in Neurodata Without Borders (NWB) files: the times of sorted units and one movement, read through HDF5."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranvier.data.formats.hdf5 import array, opened
from ranvier.data.formats.source import EventFileError
from ranvier.data.neural.session import Session, Signal, SpikeTimes, segments_of_clock

# A file may hold several movements: the hand is decoded rather than the cursor that follows it, and never the eye.
PARTS = ("finger", "hand", "wrist", "cursor", "")
KINDS = {"velocity": "vel", "position": "pos", "target": "target"}


def read_nwb_session(path: Path, *, movement: str | None = None) -> Session:
    """Read the units of an NWB file, and the movement that is to be decoded.

    Signals with the clock of that movement are kept beside it. Where its clock pauses, another segment begins.

    Args:
        path: the file.
        movement: name of the time series that is decoded, for instance `hand_vel`; default: a velocity, else a
            position, of the finger, the hand, the wrist or the cursor, in this order.

    Raises:
        EventFileError: damaged, without units, or without such a series.
        ImportError: the extra `hdf5` is missing.

    Source: O. Rübel et al., "The Neurodata Without Borders ecosystem for neurophysiological data science", eLife 2022.
    """
    with opened(path) as file:
        units, spikes = _units(path, file)
        series = _series(file)
        chosen = _choose(path, sorted(series), movement)
        clock = _clock(series[chosen])
        behaviour = {}
        for name, found in series.items():
            if len(other := _clock(found)) == len(clock) and np.allclose(other, clock, atol=1e-6, rtol=0):
                behaviour[_kind(name) if name == chosen else name] = _values(found)
    return Session(path.stem, units, spikes, clock, behaviour, segments_of_clock(clock))


def _units(path: Path, file: Any) -> tuple[tuple[str, ...], SpikeTimes]:
    if "units/spike_times" not in file:
        raise EventFileError.of(path, "no table of units with their spike_times: is it a file of raw voltages?")
    t, ends = array(file, "units/spike_times")[()], array(file, "units/spike_times_index")[()].astype(np.int64)
    names = tuple(f"unit {number}" for number in array(file, "units/id")[()])
    counts = np.diff(ends, prepend=0)
    if len(names) != len(ends) or np.any(counts < 0) or (len(ends) and ends[-1] != len(t)):
        raise EventFileError.of(path, f"{len(names)} units, {len(ends)} ends of their spikes, {len(t)} spikes: damaged")
    return names, SpikeTimes(t.astype(np.float64), np.repeat(np.arange(len(ends)), counts))


def _series(file: Any) -> dict[str, Any]:
    """Return every group with values in two axes or more and their times, by its own name."""
    found = {}

    def visit(path: str, item: Any) -> None:
        timed = hasattr(item, "keys") and "data" in item and ("timestamps" in item or "starting_time" in item)
        if timed and item["data"].ndim == 2 and 2 <= item["data"].shape[1] <= 3:
            found[path.rsplit("/", 1)[-1]] = item

    for room in ("processing", "acquisition"):
        if room in file:
            file[room].visititems(visit)
    return found


def _choose(path: Path, names: list[str], movement: str | None) -> str:
    if movement is not None:
        if movement not in names:
            raise EventFileError.of(path, f"no movement {movement!r}: expected one of {', '.join(names)}")
        return movement
    moving = [name for name in names if "eye" not in name.lower()]
    for kind in (KINDS["velocity"], KINDS["position"]):
        for part in PARTS:
            for name in moving:
                if kind in name.lower() and part in name.lower() and KINDS["target"] not in name.lower():
                    return name
    raise EventFileError.of(
        path, f"no velocity or position among the time series [{', '.join(names)}]: name one with --data.movement"
    )


def _kind(name: str) -> str:
    return "velocity" if KINDS["velocity"] in name.lower() else "position"


def _clock(series: Any) -> NDArray[np.float64]:
    if "timestamps" in series:
        return series["timestamps"][()].astype(np.float64)
    start = series["starting_time"]
    return np.asarray(float(start[()]) + np.arange(len(series["data"])) / float(start.attrs["rate"]), np.float64)


def _values(series: Any) -> Signal:
    data = series["data"]
    scale, offset = float(data.attrs.get("conversion", 1.0)), float(data.attrs.get("offset", 0.0))
    unit = data.attrs.get("unit", "")
    return Signal(scale * data[()].astype(np.float64) + offset, unit.decode() if isinstance(unit, bytes) else str(unit))
