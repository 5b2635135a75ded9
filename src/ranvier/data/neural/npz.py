"""Sessions whose spikes are counted in bins, as NumPy `.npz`."""

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranvier.data.formats.source import EventFileError
from ranvier.data.neural.session import Counts, Session, Signal, number

# Behaviour by the names that it goes by; of two velocities or positions, the first one counts.
NAMES = {
    "velocity": ("velocity", "hand_velocity"),
    "position": ("position", "hand_position"),
    "cursor": ("cursor_position",),
    "eye": ("eye_position",),
    "acceleration": ("acceleration",),
    "force": ("force",),
    "target": ("target",),
}
# What a length is measured in, for files that do not say it in `length_unit`: those of `neural_reach`.
LENGTHS = {
    "s1_random_target": "cm",
    "m1_center_out_stevenson": "m",
    "m1_chewie_center_out_trials": "cm",
    "mc_maze_trial_748": "mm",
}
PER = {"velocity": "/s", "acceleration": "/s²"}


def read_npz_session(path: Path) -> Session:
    """Read `spikes` `[T, units]` in bins of `bin_s` seconds, and the behaviour in the same bins.

    Behaviour: `velocity` or `position` `[T, axes]`, of which the first two axes are decoded, and more (`NAMES`). Also
    read where present: `time` `[T]`; `segment` `[T]` or `trial_lengths`, whose pieces are not continuous with each
    other; `unit`, the names of the units; `length_unit`.

    Raises:
        EventFileError: a damaged file, or one that is no session.
    """
    arrays = _load(path)
    if "spikes" not in arrays or "bin_s" not in arrays:
        raise EventFileError.of(path, f"expected the arrays spikes, bin_s and velocity, found {sorted(arrays)}")
    counts = arrays["spikes"]
    if counts.ndim != 2 or counts.dtype.kind not in "iu":
        raise EventFileError.of(
            path, f"expected spikes as whole numbers [time, units], got {counts.dtype} of shape {counts.shape}"
        )
    # Stored as float32, 0.05 is 0.05000000075.
    bin_s = round(float(arrays["bin_s"]), 7)
    segment = _segment(path, arrays, len(counts))
    length = str(arrays.get("length_unit", LENGTHS.get(path.stem, "")))
    behaviour = {}
    for name, aliases in NAMES.items():
        stored = [arrays[alias] for alias in aliases if alias in arrays]
        if stored:
            values = stored[0][segment] if len(stored[0]) != len(counts) else stored[0]
            unit = "" if name in ("force", "target") or not length else length + PER.get(name, "")
            behaviour[name] = Signal(values.reshape(len(values), -1).astype(np.float64), unit)
    names = arrays.get("unit", np.array([f"unit {i + 1:03}" for i in range(counts.shape[1])]))
    return Session(
        name=path.stem,
        units=tuple(map(str, names)),
        spikes=Counts(counts, bin_s),
        clock=np.asarray(arrays.get("time", np.arange(len(counts)) * bin_s), np.float64),
        behaviour=behaviour,
        segment=segment,
    )


def write_npz_session(path: Path | str, session: Session) -> None:
    """Write a session whose spikes are counted in bins; `read_npz_session` reads it again.

    Raises:
        ValueError: its spikes are times: bin it first.
    """
    if not isinstance(session.spikes, Counts):
        raise ValueError(f"session {session.name}: expected spikes counted in bins, got times of spikes")
    stored: dict[str, Any] = {NAMES[name][0]: signal.values for name, signal in session.behaviour.items()}
    with Path(path).open("wb") as file:
        np.savez_compressed(
            file,
            spikes=session.spikes.counts,
            bin_s=session.spikes.bin_s,
            time=session.clock,
            segment=session.segment,
            unit=np.array(session.units),
            length_unit=session.moved().unit.removesuffix("/s"),
            **stored,
        )


def _load(path: Path) -> dict[str, NDArray]:
    if not path.is_file():
        raise EventFileError.of(path, "no such file")
    try:
        # Opened here because numpy leaves the file of a damaged archive open.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise EventFileError.of(path, f"not a readable .npz archive: {error}") from None


def _segment(path: Path, arrays: dict[str, NDArray], count: int) -> NDArray[np.int64]:
    if "trial_lengths" in arrays:
        lengths = arrays["trial_lengths"]
        if lengths.sum() != count:
            raise EventFileError.of(path, f"trial_lengths add up to {lengths.sum()}, spikes has {count} bins")
        return np.repeat(np.arange(len(lengths)), lengths)
    if "segment" in arrays:
        segment = arrays["segment"].astype(np.int64)
        if segment.shape != (count,):
            raise EventFileError.of(path, f"expected segment of shape ({count},), got {segment.shape}")
        return np.where(segment < 0, -1, number(segment))
    return np.zeros(count, np.int64)
