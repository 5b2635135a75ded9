"""Bins of any width that a session can give."""

from dataclasses import replace

import numpy as np
import pytest

from ranvier.data.formats import EventFileError
from ranvier.data.neural import Counts, Session, Signal, SpikeTimes, bin_session, open_session, write_npz_session


def counted(counts, *, bin_s=0.05, segment=None, velocity=None, **more):
    count = len(counts)
    moved = np.stack([np.arange(count), -np.arange(count)], 1) if velocity is None else velocity
    return Session(
        name="day",
        units=tuple(f"u{i}" for i in range(np.shape(counts)[1])),
        spikes=Counts(np.asarray(counts), bin_s),
        clock=bin_s * np.arange(count),
        behaviour={"velocity": Signal(np.asarray(moved, float), "cm/s"), **more},
        segment=np.zeros(count, np.int64) if segment is None else np.asarray(segment),
    )


def timed(t, unit, *, clock, position):
    values = Signal(np.asarray(position, float), "cm")
    return Session(
        "day",
        ("a", "b"),
        SpikeTimes(np.asarray(t, float), np.asarray(unit)),
        clock,
        {"position": values},
        np.zeros(len(clock), np.int64),
    )


def test_counts_are_added_and_velocity_averaged_within_segments():
    session = counted(np.arange(14).reshape(7, 2), segment=[0, 0, 0, 1, 1, 1, 1])
    binned = bin_session(session, 0.1)
    # The third bin of the first segment has no partner: nothing is added across the border.
    assert binned.counts.tolist() == [[2, 4], [14, 16], [22, 24]]
    assert binned.velocity.tolist() == [[0.5, -0.5], [3.5, -3.5], [5.5, -5.5]]
    assert binned.segment.tolist() == [0, 1, 1]
    np.testing.assert_allclose(binned.start_s, [0, 0.15, 0.25])
    assert bin_session(session, 0.05).counts.tolist() == session.spikes.counts.tolist()


@pytest.mark.parametrize("bin_s", [0.02, 0.125, 0.07])
def test_a_width_that_counts_cannot_give(bin_s):
    with pytest.raises(
        ValueError, match=r"counted in bins of 50 ms, which cannot become bins of .* --data\.bin-ms \d+ or"
    ):
        bin_session(counted(np.ones((9, 1), int)), bin_s)


def test_ten_ms_of_a_clock_of_four():
    clock = 148.984 + 0.004 * np.arange(1001)
    # A parabola has a velocity that differs in every sample.
    position = np.stack([(clock - clock[0]) ** 2, 0 * clock], 1)
    session = timed([148.984, 148.9939, 148.994, 152.98, 152.984], [0, 0, 0, 1, 1], clock=clock, position=position)
    binned = bin_session(session, 0.01)
    assert binned.counts.shape == (400, 2)
    assert binned.counts[:2, 0].tolist() == [2, 1]
    # The spike at the last time of the clock follows the last bin.
    assert (binned.counts[399, 1], binned.counts[:, 1].sum()) == (1, 1)
    # Samples at 0.012 and 0.016 s lie in the second bin, those at 0.02, 0.024 and 0.028 s in the third.
    np.testing.assert_allclose(binned.velocity[1:3, 0], [2 * 0.014, 2 * 0.024], atol=1e-5)
    with pytest.raises(ValueError, match=r"steps of up to 4 ms.*bins of 2 ms would have none: use --data\.bin-ms 4 or"):
        bin_session(session, 0.002)
    assert len(bin_session(session, 0.004).counts) == 1000


def test_no_segment_as_long_as_a_bin():
    with pytest.raises(ValueError, match="no segment is as long as a bin of 500 ms"):
        bin_session(counted(np.ones((9, 1), int)), 0.5)


def test_missing_behaviour_is_refused_or_cut_out():
    velocity = np.arange(12.0).reshape(6, 2)
    velocity[2, 1] = np.nan
    session = counted(np.ones((6, 1), int), velocity=velocity)
    with pytest.raises(ValueError, match=r"not a number at 1 of 6 times, first at 0\.100 s"):
        bin_session(session, 0.05)
    assert bin_session(session, 0.05, missing="cut").segment.tolist() == [0, 0, 1, 1, 1]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"clock": np.array([0.0, 0.1, 0.1])}, r"clock does not rise at sample 2 \(0\.100000 s after 0\.100000 s\)"),
        ({"clock": np.array([0.0, 0.1, np.nan])}, "expected a clock of two times or more, in seconds, all finite"),
        ({"clock": np.arange(4.0)}, "the clock has 4 times, other rows are {'velocity': 3, 'segment': 3, 'spikes': 3}"),
        ({"spikes": Counts(np.zeros((3, 2), int), 0.05)}, "none of its 2 units fires"),
        ({"spikes": Counts(np.zeros((3, 1), int), 0.05)}, r"expected counts \[time, 2 units\], got shape \(3, 1\)"),
    ],
)
def test_sessions_that_make_no_sense(change, message):
    with pytest.raises(ValueError, match=message):
        replace(counted(np.ones((3, 2), int)), **change)
    with pytest.raises(ValueError, match=r"expected a velocity or a position to decode, found \['force'\]"):
        bin_session(replace(counted(np.ones((3, 2), int)), behaviour={"force": Signal(np.ones((3, 2)), "N")}), 0.05)


def test_npz_there_and_back(tmp_path):
    session = counted(np.arange(12).reshape(6, 2) % 5, segment=[0, 0, 2, 2, -1, 7])
    write_npz_session(tmp_path / "day.npz", session)
    again = open_session(tmp_path / "day.npz")
    assert again.units == session.units
    assert again.segment.tolist() == [0, 0, 1, 1, -1, 3]
    assert again.behaviour["velocity"].unit == "cm/s"
    assert bin_session(again, 0.05).counts.tolist() == bin_session(session, 0.05).counts.tolist()
    times = timed([0.1], [0], clock=np.arange(3.0), position=np.ones((3, 2)))
    with pytest.raises(ValueError, match="expected spikes counted in bins"):
        write_npz_session(tmp_path / "b.npz", times)


def test_damaged_npz(tmp_path):
    (tmp_path / "a.npz").write_bytes(b"PK nonsense")
    with pytest.raises(EventFileError, match=r"a\.npz: not a readable \.npz"):
        open_session(tmp_path / "a.npz")
    np.savez(tmp_path / "b.npz", x=np.ones(3))
    with pytest.raises(EventFileError, match=r"expected the arrays spikes, bin_s and velocity, found \['x'\]"):
        open_session(tmp_path / "b.npz")
    np.savez(tmp_path / "c.npz", spikes=np.ones((3, 2)), bin_s=0.05)
    with pytest.raises(EventFileError, match="expected spikes as whole numbers"):
        open_session(tmp_path / "c.npz")
    np.savez(tmp_path / "d.npz", spikes=np.ones((3, 2), int), bin_s=0.05, trial_lengths=np.array([2, 2]))
    with pytest.raises(EventFileError, match="trial_lengths add up to 4, spikes has 3 bins"):
        open_session(tmp_path / "d.npz")
    with pytest.raises(EventFileError, match=r"expected a session file that ends in \.mat, \.nwb, \.npz"):
        open_session(tmp_path / "e.csv")


def test_the_real_sets(data_dir):
    facts = {}
    for path in sorted((data_dir / "neural_reach").glob("*.npz")):
        session = open_session(path)
        assert isinstance(session.spikes, Counts)
        binned = bin_session(session, session.spikes.bin_s)
        facts[path.stem] = (*binned.counts.shape, binned.unit, int(binned.segment[-1]) + 1)
        assert binned.velocity.shape == (len(binned.counts), 2)
    assert facts == {
        "m1_center_out_stevenson": (12400, 171, "m/s", 1),
        "m1_chewie_center_out_trials": (1640, 174, "cm/s", 159),
        "mc_maze_trial_748": (3236, 182, "mm/s", 1),
        "s1_random_target": (28089, 52, "cm/s", 343),
    }
