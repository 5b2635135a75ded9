"""NWB files: units, and one movement of several."""

import sys

import h5py
import numpy as np
import pytest

from ranvier.data.formats import EventFileError
from ranvier.data.neural import bin_session, open_session
from tests.data.made_sessions import write_nwb

T = 10 + 0.001 * np.arange(500)
MOVED = np.stack([np.sin(T), np.cos(T)], 1)
TRAINS = [[10.0, 10.0005, 10.3], [], [9.9, 10.1, 10.499, 11.0]]


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "sub-A_ses-1.nwb"
    series = {
        "cursor_vel": (MOVED, T, "m/s"),
        "hand_pos": (MOVED, T, "m"),
        "hand_vel": (2 * MOVED, T, "m/s"),
        "eye_vel": (9 * MOVED, T, "m/s"),
        "target_pos": (np.ones((3, 2)), [10.0, 10.1, 10.2], "m"),
    }
    write_nwb(path, TRAINS, series)
    return path


def test_units_and_the_hand(file):
    session = open_session(file)
    assert session.units == ("unit 7", "unit 8", "unit 9")
    assert session.spikes_of_units().tolist() == [3, 0, 1]
    # Values are stored in thousandths.
    np.testing.assert_allclose(session.behaviour["velocity"].values, 0.002 * MOVED)
    assert session.behaviour["velocity"].unit == "m/s"
    assert set(session.behaviour) == {"velocity", "hand_pos", "cursor_vel", "eye_vel"}
    binned = bin_session(session, 0.1)
    assert binned.counts.tolist() == [[2, 0, 0], [0, 0, 1], [0, 0, 0], [1, 0, 0]]


def test_another_movement_can_be_named(file):
    session = open_session(file, movement="cursor_vel")
    np.testing.assert_allclose(session.behaviour["velocity"].values, 0.001 * MOVED)
    with pytest.raises(EventFileError, match="no movement 'foot': expected one of cursor_vel, eye_vel, hand_pos"):
        open_session(file, movement="foot")


def test_a_clock_by_its_rate_and_gaps_of_the_behaviour(tmp_path):
    moved = MOVED.copy()
    moved[200:210] = np.nan
    write_nwb(tmp_path / "a.nwb", TRAINS, {"Position": (moved, (10.0, 1000.0), "m")})
    session = open_session(tmp_path / "a.nwb")
    np.testing.assert_allclose(session.clock, T)
    with pytest.raises(ValueError, match=r"not a number at 10 of 500 times, first at 10\.200 s: .*--data\.missing cut"):
        bin_session(session, 0.05)
    binned = bin_session(session, 0.05, missing="cut")
    assert np.bincount(binned.segment).tolist() == [3, 5]
    assert binned.start_s[3] == pytest.approx(10.21)
    assert np.isfinite(binned.velocity).all()
    assert binned.unit == "m/s"


def test_files_without_what_is_needed(tmp_path):
    write_nwb(tmp_path / "eye.nwb", TRAINS, {"eye_pos": (MOVED, T, "m")})
    with pytest.raises(EventFileError, match=r"no velocity or position .*\[eye_pos\]: name one with --data\.movement"):
        open_session(tmp_path / "eye.nwb")
    with h5py.File(tmp_path / "raw.nwb", "w") as raw:
        raw["acquisition/voltage"] = [1]
    with pytest.raises(EventFileError, match="no table of units"):
        open_session(tmp_path / "raw.nwb")


def test_without_the_library_one_sentence_says_what_to_type(file, monkeypatch):
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(ImportError, match=r"needs h5py to be read: type pip install 'ranvier\[hdf5\]'"):
        open_session(file)
