"""The made motor cortex: its rates, its drift, its days."""

from dataclasses import replace

import numpy as np
import pytest

from ranvier.data.datasets import build
from ranvier.data.neural.cortex import Tuning, make_day, rates, reach
from ranvier.recipes import Cortex

SMALL = Cortex(neurons=20, minutes=0.5, replaced=3, days=2)


def test_a_unit_fires_as_its_equation_says():
    tuning = Tuning(*(np.array([value]) for value in (np.pi / 2, 0.1, 1.0, 0.02)))
    found = rates(tuning, np.array([[0.0, 10.0], [10.0, 0.0], [0.0, -10.0], [0.0, 0.0]]))
    drive = 1 + np.array([1.0, 0.0, -1.0, 0.0]) + 0.02 * np.array([10, 10, 10, 0])
    np.testing.assert_allclose(found[:, 0], 3.5 * np.log1p(np.exp(drive)))


def test_reaches_are_smooth_and_end_within_the_field():
    position, velocity = reach(2000, generator=np.random.default_rng(0))
    assert np.abs(position).max() <= 5
    np.testing.assert_allclose(np.gradient(position, 0.01, axis=0)[1:-1], velocity[1:-1], atol=0.7)
    # Starts and stops at each target.
    stops = (np.linalg.norm(velocity, axis=1) < 0.05).sum()
    assert 20 < stops < 200


def test_units_lead_the_hand_by_a_tenth_of_a_second():
    session = make_day(replace(SMALL, gain=1.0, minutes=2.0), 0)
    velocity, counts = session.behaviour["velocity"].values, session.spikes.counts
    unit = counts.var(0).argmax()
    match = [np.abs(np.corrcoef(velocity[lag : lag + 11000].T, counts[:11000, unit])[2, :2]).max() for lag in range(25)]
    assert abs(int(np.argmax(match)) - 10) <= 2


def test_days_are_made_again_the_same_and_drift():
    first, again, second = make_day(SMALL, 0), make_day(SMALL, 0), make_day(SMALL, 1)
    assert (first.spikes.counts == again.spikes.counts).all()
    assert not np.array_equal(first.spikes.counts, second.spikes.counts)
    # More days, and other widths of bins, leave the days that were there as they are.
    assert (make_day(replace(SMALL, days=5, bin_ms=20), 1).spikes.counts == second.spikes.counts).all()
    still = replace(SMALL, jitter_deg=0, gain_spread=0, replaced=0, minutes=4.0)
    one, two = (make_day(still, day).spikes_of_units() for day in (0, 1))
    assert np.abs(one - two).max() < 6 * np.sqrt(one.max())


def test_through_the_registry():
    train, test = build(SMALL, "train"), build(SMALL, "test")
    assert (train.days, train.units, train.unit) == (("day 1", "day 2"), 20, "cm/s")
    assert [len(s.x) for s in test.stretches] == [300, 300]
    assert 3 < 100 * np.concatenate([s.x for s in train.stretches]).mean() < 14
    later = build(replace(SMALL, days=1, first_day=1), "test")
    assert (later.days, later.stretches[0].day) == (("day 2",), 0)
    assert (later.stretches[0].x == test.of_day(1).stretches[0].x).all()
    with pytest.raises(ValueError, match="expected at most 20 units to be replaced, got 21"):
        build(replace(SMALL, replaced=21), "train")
    with pytest.raises(ValueError, match="cannot become bins of 15 ms"):
        build(replace(SMALL, bin_ms=15), "train")


@pytest.mark.slow
@pytest.mark.parametrize(("gain", "published"), [(0.25, 0.94), (0.08, 0.73)])
def test_ridge_decodes_as_published(gain, published):
    from ranvier.tasks.baselines import fit_ridge, judge

    train, val, test = (build(Cortex(gain=gain, shares=(0.75, 0.05)), split) for split in ("train", "val", "test"))
    ridge = fit_ridge(train.stretches, val.stretches, history=20)
    assert judge(ridge, test)["r2"] == pytest.approx(published, abs=0.025)


def test_a_decoder_of_the_first_day_loses_sight_of_later_ones():
    from ranvier.tasks.baselines import fit_ridge, judge

    config = Cortex(neurons=48, minutes=2, gain=0.25, days=2, jitter_deg=75, bin_ms=50, steps=40, shares=(0.7, 0.1))
    train, val, test = (build(config, split) for split in ("train", "val", "test"))
    own = fit_ridge(train.of_day(0).stretches, val.of_day(0).stretches, history=4)
    today = judge(own, test.of_day(0))["r2"]
    assert today > 0.7
    assert judge(own, test.of_day(1))["r2"] < today - 0.2
