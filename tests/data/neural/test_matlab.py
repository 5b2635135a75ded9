"""Reaching sessions in MATLAB 7.3: every trap of the record."""

import numpy as np
import pytest

from ranvier.data.formats import EventFileError
from ranvier.data.neural import bin_session, open_session
from tests.data.made_sessions import write_matlab

T = 0.5 + 0.004 * np.arange(251)
ANGLE = 2 * np.pi * (T - 0.5)
DEPTH = np.full_like(T, 9.0)
# The file holds (z, -x, -y): a circle of 3 cm in the plane.
FINGER = np.stack([DEPTH, -3 * np.cos(ANGLE), -3 * np.sin(ANGLE)], 1)
TRAINS = [[[0.5, 0.6, 1.4999], [], [0.1, 0.7, 1.5, 1.9]], [[0.601], [0.8], []]]


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "indy_20160630_01.mat"
    write_matlab(path, TRAINS, t=T, finger=FINGER, target=np.repeat([[0, 0], [5, 5]], (100, 151), 0))
    return path


def test_all_rows_of_a_channel_are_counted_and_empty_cells_hold_nothing(file):
    session = open_session(file)
    assert (session.name, session.units) == ("indy_20160630_01", ("M1 001", "M1 002", "M1 003"))
    # Two false spikes, at 0 and 1 s, would come from each empty cell; those at 0.1, 1.5 and 1.9 s are off the clock.
    assert session.spikes_of_units().tolist() == [4, 1, 1]
    assert sorted(session.spikes.t[session.spikes.unit == 1]) == [0.8]
    binned = bin_session(session, 0.1)
    assert binned.counts.shape == (10, 3)
    assert binned.counts.T.tolist() == [
        [1, 2, 0, 0, 0, 0, 0, 0, 0, 1],
        [0, 0, 0, 1, 0, 0, 0, 0, 0, 0],
        [0, 0, 1, 0, 0, 0, 0, 0, 0, 0],
    ]


def test_what_a_unit_is_can_be_chosen(file):
    assert open_session(file, sorting="residual").spikes_of_units().tolist() == [3, 0, 1]
    neurons = open_session(file, sorting="units")
    assert neurons.units == ("M1 001 1", "M1 002 1")
    assert neurons.spikes_of_units().tolist() == [1, 1]


@pytest.mark.parametrize("axes", [3, 6])
def test_the_hand_moves_in_the_plane_of_the_task(tmp_path, axes):
    finger = np.concatenate([FINGER, np.ones((len(T), axes - 3))], 1)
    write_matlab(tmp_path / "a.mat", TRAINS, t=T, finger=finger)
    session = open_session(tmp_path / "a.mat")
    position = session.behaviour["position"]
    np.testing.assert_allclose(position.values, 3 * np.stack([np.cos(ANGLE), np.sin(ANGLE)], 1), atol=1e-12)
    assert position.unit == "cm"
    binned = bin_session(session, 0.02)
    # 6 pi cm/s along the circle; five samples lie in a bin, the first at its edge.
    middle = 2 * np.pi * (np.arange(50) * 0.02 + 0.008)
    expected = 6 * np.pi * np.stack([-np.sin(middle), np.cos(middle)], 1)
    assert binned.unit == "cm/s"
    np.testing.assert_allclose(binned.velocity[1:-1], expected[1:-1], atol=0.05)


def test_sessions_of_two_areas_give_one(tmp_path):
    names = ("M1 001", "S1 001", "M1 002")
    write_matlab(tmp_path / "a.mat", TRAINS, names=names, t=T, finger=FINGER)
    assert open_session(tmp_path / "a.mat").units == ("M1 001", "M1 002")
    assert open_session(tmp_path / "a.mat").spikes_of_units().tolist() == [4, 1]
    assert open_session(tmp_path / "a.mat", area="S1").units == ("S1 001",)
    assert len(open_session(tmp_path / "a.mat", area="").units) == 3
    with pytest.raises(EventFileError, match="no channel of area 'PMd': expected one of M1, S1"):
        open_session(tmp_path / "a.mat", area="PMd")


def test_a_pause_of_the_clock_is_a_border(tmp_path):
    t = T + np.where(np.arange(len(T)) >= 100, 3.0, 0)
    write_matlab(tmp_path / "a.mat", TRAINS, t=t, finger=FINGER)
    binned = bin_session(open_session(tmp_path / "a.mat"), 0.1)
    # 99 steps of 4 ms hold three bins, 150 hold six; no velocity comes from the jump between them.
    assert np.bincount(binned.segment).tolist() == [3, 6]
    assert binned.start_s[3] == pytest.approx(t[100])
    assert np.abs(np.linalg.norm(binned.velocity, axis=1) - 6 * np.pi).max() < 1


def test_bad_files_say_what_to_do(tmp_path, file):
    with pytest.raises(EventFileError, match="no such file"):
        open_session(tmp_path / "absent.mat")
    (tmp_path / "old.mat").write_bytes(b"MATLAB 5.0 MAT-file, Platform: GLNXA64")
    with pytest.raises(EventFileError, match=r"save\(FILE, '-v7\.3'\)"):
        open_session(tmp_path / "old.mat")
    (tmp_path / "cut.mat").write_bytes(file.read_bytes()[:1000])
    with pytest.raises(EventFileError, match=r"cut\.mat: damaged"):
        open_session(tmp_path / "cut.mat")
    backwards = np.where(np.arange(len(T)) == 7, 0.4, T)
    write_matlab(tmp_path / "back.mat", TRAINS, t=backwards, finger=FINGER)
    with pytest.raises(ValueError, match=r"its clock does not rise at sample 7 \(0\.400000 s after 0\.524000 s\)"):
        open_session(tmp_path / "back.mat")
    write_matlab(tmp_path / "silent.mat", [[[], [], [99.0]]], t=T, finger=FINGER)
    with pytest.raises(ValueError, match=r"none of its 3 units fires while the clock runs"):
        open_session(tmp_path / "silent.mat")
