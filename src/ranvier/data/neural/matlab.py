"""Reaching sessions of O'Doherty, Cardoso, Makin and Sabes: MATLAB 7.3 files, which are HDF5 with its axes turned."""

from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ranvier.data.formats.hdf5 import array, opened
from ranvier.data.formats.source import EventFileError
from ranvier.data.neural.session import Session, Signal, SpikeTimes, segments_of_clock

Sorting = Literal["channels", "residual", "units"]


def read_matlab_session(path: Path, *, area: str = "M1", sorting: Sorting = "channels") -> Session:
    """Read the spikes of one brain area and the hand of one monkey.

    Position is that of the finger in the plane of the task, in cm: the file holds (z, -x, -y) and, in some sessions,
    three angles. `cursor` and `target` are in mm, on the screen. The waveforms, most of the file, are left alone.

    Args:
        path: a file of the record.
        area: channels whose name begins with it, "M1" or "S1"; "" for all.
        sorting: a unit is all that crosses the threshold on a channel, the crossings that were sorted to no neuron
            (`residual`), or one sorted neuron (`units`).

    Raises:
        EventFileError: no file of the record, damaged, in the older format of MATLAB, or without such a channel.
        ImportError: the extra `hdf5` is missing.

    Source: J. E. O'Doherty et al., "Nonhuman Primate Reaching with Multichannel Sensorimotor Cortex
    Electrophysiology", Zenodo 3854034.
    """
    if _is_older(path):
        raise EventFileError.of(
            path, "in the format of MATLAB 5 to 7.2: save it again, with save(FILE, '-v7.3') in MATLAB"
        )
    with opened(path) as file:
        channels = [_text(file, reference) for reference in array(file, "chan_names")[0]]
        chosen = [i for i, name in enumerate(channels) if name.startswith(area)]
        if not chosen:
            areas = sorted({name.split()[0] for name in channels})
            raise EventFileError.of(path, f"no channel of area {area!r}: expected one of {', '.join(areas)}")
        cells = array(file, "spikes")
        if cells.shape[1] != len(channels):
            raise EventFileError.of(path, f"{cells.shape[1]} columns of spikes for {len(channels)} names of channels")
        units, trains = [], []
        for name, trains_of_channel in ((channels[i], [_train(file, cell) for cell in cells[:, i]]) for i in chosen):
            if sorting == "units":
                units += [f"{name} {letter + 1}" for letter in range(len(trains_of_channel) - 1)]
                trains += trains_of_channel[1:]
            else:
                units.append(name)
                # Row 0 holds what was left after sorting: a channel saw the spikes of all rows.
                trains.append(np.concatenate(trains_of_channel) if sorting == "channels" else trains_of_channel[0])
        if sorting == "units":
            kept = [i for i, train in enumerate(trains) if len(train)]
            units, trains = [units[i] for i in kept], [trains[i] for i in kept]
        clock = array(file, "t")[()].ravel().astype(np.float64)
        finger, cursor, target = (array(file, name)[()].astype(np.float64) for name in _BEHAVIOUR)
    return Session(
        name=path.stem,
        units=tuple(units),
        spikes=SpikeTimes(
            np.concatenate([np.empty(0), *trains]),
            np.repeat(np.arange(len(trains)), [len(train) for train in trains]),
        ),
        clock=clock,
        behaviour={
            "position": Signal(-finger[1:3].T, "cm"),
            "cursor": Signal(cursor.T, "mm"),
            "target": Signal(target.T, "mm"),
        },
        segment=segments_of_clock(clock),
    )


_BEHAVIOUR = ("finger_pos", "cursor_pos", "target_pos")


def _train(file: Any, reference: Any) -> NDArray[np.float64]:
    """Return the times of one cell; an empty one holds its size in place of spikes, two numbers that look like them."""
    cell = file[reference]
    return np.empty(0) if "MATLAB_empty" in cell.attrs else cell[()].ravel().astype(np.float64)


def _text(file: Any, reference: Any) -> str:
    return "".join(map(chr, file[reference][()].ravel()))


def _is_older(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(10) == b"MATLAB 5.0"
