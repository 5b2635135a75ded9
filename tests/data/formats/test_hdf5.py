"""Events in HDF5, in the layout of DSEC: read by time, and what is said of damaged files."""

import pickle
import random
import sys
from pathlib import Path

import h5py
import hdf5plugin
import numpy as np
import pytest

from ranvier.data.events import Events
from ranvier.data.formats import EventFileError
from ranvier.data.formats.hdf5 import open_timed, read_array
from tests.data.formats.test_fuzz import damaged

SENSOR = (640, 480)
OFFSET = 40_000_000_000
COLUMNS = {"t": np.uint32, "x": np.uint16, "y": np.uint16, "p": np.uint8}


def write(path: Path, events: Events, **changed) -> Path:
    """Write a file as DSEC publishes it: Blosc with Zstandard, times from the offset on; `changed` replaces arrays."""
    t = events.t - OFFSET
    arrays = {
        **{f"events/{k}": v for k, v in zip("txyp", (t, events.x, events.y, events.polarity), strict=True)},
        "ms_to_idx": np.searchsorted(t, 1000 * np.arange(t[-1] // 1000 + 1)).astype(np.uint64),
        "t_offset": np.int64(OFFSET),
    } | changed
    with h5py.File(path, "w") as file:
        for name, values in arrays.items():
            if values is None:
                continue
            if name.startswith("events/"):
                values = np.asarray(values).astype(COLUMNS[name[-1]])
                file.create_dataset(name, data=values, chunks=True, **hdf5plugin.Blosc(cname="zstd"))
            else:
                file[name] = values
    return path


def recording(count: int = 5000, duration_us: int = 100_000, seed: int = 0) -> Events:
    """Events with a silence of 10 ms in their middle."""
    generator = np.random.default_rng(seed)
    t = np.sort(generator.integers(0, duration_us, count))
    t = t[(t < 40_000) | (t >= 50_000)] + OFFSET
    x, y = generator.integers(0, 640, len(t)), generator.integers(0, 480, len(t))
    return Events.of(t, x, y, generator.integers(0, 2, len(t)), SENSOR)


def same(a: Events, b: Events) -> bool:
    columns = ("t", "x", "y", "polarity")
    return a.sensor == b.sensor and all(np.array_equal(getattr(a, name), getattr(b, name)) for name in columns)


def test_any_window_equals_the_window_of_the_whole(tmp_path: Path) -> None:
    events = recording()
    timed = open_timed(write(tmp_path / "events.h5", events), sensor=SENSOR)
    assert (timed.count, timed.t_offset) == (len(events), OFFSET)
    for seed in range(200):
        start, stop = np.sort(np.random.default_rng(seed).integers(-30_000, 130_000, 2)) + OFFSET
        assert same(timed.between(int(start), int(stop)), events.between(start, stop))
    edges = [events.t[0], events.t[0] + 1, OFFSET + 40_000, OFFSET + 50_000, events.t[-1], events.t[-1] + 1]
    for start in edges:
        for stop in edges:
            if start <= stop:
                assert same(timed.between(int(start), int(stop)), events.between(start, stop))


def test_windows_without_events_are_empty(tmp_path: Path) -> None:
    timed = open_timed(write(tmp_path / "events.h5", recording()), sensor=SENSOR)
    for start in (-50_000, -1_000_000_000_000, 41_000, 200_000):
        assert len(timed.between(OFFSET + start, OFFSET + start + 5_000)) == 0


def test_the_table_of_milliseconds_is_used_as_documented(tmp_path: Path) -> None:
    t = np.array([0, 500, 2100, 5000, 5000, 7100, 7200, 7200, 8100, 9000]) + OFFSET
    events = Events.of(t, np.arange(10), np.arange(10), np.zeros(10, int), SENSOR)
    # The example of the data set's own code.
    path = write(tmp_path / "events.h5", events, ms_to_idx=np.array([0, 2, 2, 3, 3, 3, 5, 5, 8, 9], np.uint64))
    timed = open_timed(path, sensor=SENSOR)
    assert timed.between(OFFSET + 5000, OFFSET + 7200).x.tolist() == [3, 4, 5]
    assert timed.between(OFFSET + 501, OFFSET + 5000).x.tolist() == [2]
    assert timed.between(OFFSET + 8100, OFFSET + 99_000).x.tolist() == [8, 9]


def test_what_is_opened_can_be_sent_to_a_worker(tmp_path: Path) -> None:
    timed = open_timed(write(tmp_path / "events.h5", recording()), sensor=SENSOR)
    copy = pickle.loads(pickle.dumps(timed))
    window = OFFSET + 10_000, OFFSET + 60_000
    assert same(copy.between(*window), timed.between(*window))


def test_a_missing_extra_names_the_line_to_type(tmp_path: Path, monkeypatch) -> None:
    path = write(tmp_path / "events.h5", recording(50))
    monkeypatch.setitem(sys.modules, "hdf5plugin", None)
    with pytest.raises(ImportError, match=r"events\.h5 needs hdf5plugin.*pip install 'ranvier\[hdf5\]'"):
        open_timed(path, sensor=SENSOR)


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"t_offset": None}, "no array /t_offset"),
        ({"ms_to_idx": None}, "no array /ms_to_idx"),
        ({"events/p": None}, "no array /events/p"),
        ({"events/x": np.zeros(3)}, r"four columns of one length in /events, got shapes .*'x': \(3,\)"),
        ({"ms_to_idx": np.array([0, 7, 3], np.uint64)}, "ms_to_idx is not a rising list of event numbers up to 5"),
        ({"ms_to_idx": np.array([0, 1, 9999], np.uint64)}, "ms_to_idx is not a rising list"),
    ],
)
def test_other_contents_are_named(tmp_path: Path, changed, problem) -> None:
    with pytest.raises(EventFileError, match=rf"events\.h5: .*{problem}"):
        open_timed(write(tmp_path / "events.h5", recording(5), **changed), sensor=SENSOR)


def test_impossible_events_are_named(tmp_path: Path) -> None:
    events = recording(50)
    for changed, problem in [
        ({"events/x": np.full(len(events), 640)}, r"after event 0: event 0 is at x=640, .*outside the 640x480 sensor"),
        ({"events/t": (events.t - OFFSET)[::-1]}, "runs backwards in time"),
        ({"events/p": np.full(len(events), 2)}, "has polarity 2"),
    ]:
        timed = open_timed(write(tmp_path / "events.h5", events, **changed), sensor=SENSOR)
        with pytest.raises(EventFileError, match=problem):
            timed.between(OFFSET, OFFSET + 100_000)


def test_files_that_are_none_are_named(tmp_path: Path) -> None:
    with pytest.raises(EventFileError, match="no such file"):
        open_timed(tmp_path / "none.h5", sensor=SENSOR)
    (tmp_path / "text.h5").write_text("not HDF5")
    with pytest.raises(EventFileError, match=r"text\.h5: damaged, in use, or not of this layout"):
        open_timed(tmp_path / "text.h5", sensor=SENSOR)
    with h5py.File(tmp_path / "group.h5", "w") as file:
        file.create_group("rectify_map")
    with pytest.raises(EventFileError, match="no array /rectify_map"):
        read_array(tmp_path / "group.h5", "rectify_map")


def test_damaged_files_are_read_or_refused(tmp_path: Path) -> None:
    raw = write(tmp_path / "events.h5", recording(5000)).read_bytes()
    path, outcomes = tmp_path / "damaged.h5", []
    for seed in range(300):
        path.write_bytes(damaged(raw, random.Random(seed)))
        try:
            timed = open_timed(path, sensor=SENSOR)
            events = timed.between(OFFSET, OFFSET + 100_000)
            Events.of(events.t, events.x, events.y, events.polarity, events.sensor)
        except EventFileError as error:
            outcomes.append("refused" if str(path) in str(error) else "not named")
        else:
            outcomes.append("read")
    assert "not named" not in outcomes
    assert outcomes.count("refused") > 100
    assert outcomes.count("read") > 20
