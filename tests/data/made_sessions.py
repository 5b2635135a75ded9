"""Session files in the layouts of the reaching record and of NWB, with all their traps, and days of a made cortex."""

from pathlib import Path

import numpy as np

from ranvier.data.neural import Counts, Session, Signal, write_npz_session
from ranvier.data.neural.cortex import make_day
from ranvier.recipes import Cortex


def write_matlab(path, trains, *, names=("M1 001", "M1 002", "M1 003"), t, finger, cursor=None, target=None):
    """Write a reaching session as MATLAB 7.3 does: every axis turned, cells as references.

    `trains[row][channel]` are times of spikes, row 0 the unsorted ones; an empty list becomes the two numbers by which
    MATLAB writes the size of an empty cell. `finger` is `[k, 3 or 6]` as MATLAB sees it.
    """
    import h5py

    with h5py.File(path, "w") as file:

        def cell(number, values):
            if len(values):
                return file.create_dataset(f"#refs#/{number}", data=np.array([values], float)).ref
            empty = file.create_dataset(f"#refs#/{number}", data=np.array([0, 1], np.uint64))
            empty.attrs["MATLAB_empty"] = np.uint8(1)
            return empty.ref

        rows, channels = len(trains), len(names)
        spikes = file.create_dataset("spikes", (rows, channels), h5py.ref_dtype)
        waves = file.create_dataset("wf", (rows, channels), h5py.ref_dtype)
        for row in range(rows):
            for channel in range(channels):
                number = row * channels + channel
                spikes[row, channel] = cell(f"s{number}", trains[row][channel])
                waves[row, channel] = cell(f"w{number}", [])
        titles = file.create_dataset("chan_names", (1, channels), h5py.ref_dtype)
        for channel, name in enumerate(names):
            titles[0, channel] = file.create_dataset(
                f"#refs#/n{channel}", data=np.array([[ord(c)] for c in name], "u2")
            ).ref
        still = np.zeros((len(t), 2))
        file["t"] = np.asarray(t, float)[None]
        file["finger_pos"] = np.asarray(finger, float).T
        file["cursor_pos"] = (still if cursor is None else np.asarray(cursor, float)).T
        file["target_pos"] = (still if target is None else np.asarray(target, float)).T


def write_nwb(path, trains, series):
    """Write units, and below /processing/behavior series {name: (values, times or (start, rate), unit)}."""
    import h5py

    with h5py.File(path, "w") as file:
        file["units/spike_times"] = np.concatenate([np.asarray(train, float) for train in trains])
        file["units/spike_times_index"] = np.cumsum([len(train) for train in trains]).astype(np.uint8)
        file["units/id"] = np.arange(len(trains)) + 7
        for name, (values, times, unit) in series.items():
            group = file.create_group(f"processing/behavior/Movement/{name}")
            data = group.create_dataset("data", data=np.asarray(values))
            data.attrs["conversion"], data.attrs["unit"] = 0.001, unit
            if isinstance(times, tuple):
                group["starting_time"] = times[0]
                group["starting_time"].attrs["rate"] = times[1]
            else:
                group["timestamps"] = np.asarray(times, float)


def write_made_day(path: Path, config: Cortex, day: int, *, bins: int | None = None) -> str:
    """Write a day of a made cortex as .npz, in bins of 50 ms, and return the path."""
    made = make_day(config, day)
    counts = made.spikes.counts.reshape(-1, 5, config.neurons).sum(1)[:bins]
    velocity = made.behaviour["velocity"].values.reshape(-1, 5, 2).mean(1)[:bins]
    session = Session(
        path.stem,
        made.units,
        Counts(counts, 0.05),
        0.05 * np.arange(len(counts)),
        {"velocity": Signal(velocity, "cm/s")},
        np.zeros(len(counts), np.int64),
    )
    write_npz_session(path, session)
    return str(path)
