"""The facts of `ranvier info` on a session, against counts by hand."""

import json

import numpy as np
import pytest

from ranvier.data.neural import Counts, Session, Signal, SpikeTimes, open_session
from ranvier.data.neural.describe import describe_session, excerpt


def test_facts_of_spike_times():
    clock = 1 + 0.25 * np.arange(41)
    moved = np.stack([clock, np.where(np.arange(41) == 5, np.nan, 2.0)], 1)
    t = np.concatenate([[0.5], 1 + np.arange(8.0), [9.5, 10.5, 11.5]])
    spikes = SpikeTimes(t, np.array([0] * 11 + [1]))
    session = Session("day", ("a", "b"), spikes, clock, {"position": Signal(moved, "cm")}, np.zeros(41, np.int64))
    facts = describe_session(session)
    json.dumps(facts)
    assert facts.pop("behaviour") == {
        "position": {"axes": 2, "unit": "cm", "std": [pytest.approx(clock.std()), 0.0], "missing": 1}
    }
    # Eight spikes in the first 8 s and two in the last 2 s; two are outside the clock.
    assert facts.pop("drift") == pytest.approx(0)
    assert facts == {
        "name": "day",
        "units": 2,
        "seconds": 10.0,
        "spikes": 10,
        "bin_ms": None,
        "clock_ms": 250.0,
        "first_s": 1.0,
        "last_s": 11.0,
        "rate_mean": 0.5,
        "rate_median": 0.5,
        "rate_max": 1.0,
        "dead": ["b"],
        "outside": 2,
        "segments": {"count": 1, "median_s": 10.0, "longest_s": 10.0},
    }


def test_facts_of_counts_in_segments():
    counts = np.zeros((10, 2), int)
    counts[:, 0] = 2
    velocity = Signal(np.zeros((10, 2)), "cm/s")
    segment = np.repeat([0, 1, 2], [2, 5, 3])
    session = Session("day", ("a", "b"), Counts(counts, 0.1), 0.1 * np.arange(10), {"velocity": velocity}, segment)
    facts = describe_session(session)
    assert (facts["spikes"], facts["bin_ms"], facts["outside"]) == (20, 100.0, 0)
    assert facts["rate_max"] == pytest.approx(20)
    assert facts["segments"] == pytest.approx({"count": 3, "median_s": 0.3, "longest_s": 0.5})
    part = excerpt(session, seconds=0.3)
    assert part.counts.shape == (3, 2)
    assert (part.bin_s, part.start_s) == (0.1, pytest.approx(0.2))


def test_excerpt_of_a_slow_clock_has_wide_bins():
    clock = 0.025 * np.arange(400)
    position = Signal(np.zeros((400, 2)), "cm")
    session = Session(
        "d", ("a",), SpikeTimes(clock, 0 * np.arange(400)), clock, {"position": position}, 0 * np.arange(400)
    )
    part = excerpt(session, seconds=5)
    assert (part.bin_s, part.counts.shape) == (0.025, (200, 1))


def test_a_real_session(data_dir):
    facts = describe_session(open_session(data_dir / "neural_reach" / "s1_random_target.npz"))
    assert (facts["units"], facts["dead"], facts["segments"]["count"]) == (52, [], 343)
    assert facts["seconds"] == pytest.approx(28089 * 0.05)
    assert facts["behaviour"]["velocity"]["unit"] == "cm/s"
