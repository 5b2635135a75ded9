"""Splits of a day: in order, by reaches, by blocks; never across a border."""

import numpy as np
import pytest

from ranvier.data.neural import Binned, stretches


def day(count, *, segment=None, reach=None, bin_s=0.1):
    return Binned(
        name="day",
        units=("u",),
        bin_s=bin_s,
        counts=np.zeros((count, 1), np.uint8),
        velocity=np.zeros((count, 2), np.float32),
        unit="cm/s",
        start_s=bin_s * np.arange(count),
        segment=np.zeros(count, np.int64) if segment is None else np.asarray(segment),
        reach=np.zeros(count, np.int64) if reach is None else np.asarray(reach),
    )


def test_in_order_with_gaps():
    binned = day(100)
    parts = [stretches(binned, split, gap=3) for split in ("train", "val", "test")]
    assert parts == [[(0, 70)], [(73, 80)], [(83, 100)]]
    assert stretches(binned, "val", shares=(0.5, 0.25)) == [(50, 75)]


def test_a_segment_is_a_border_within_a_split():
    binned = day(20, segment=[0] * 5 + [1] * 10 + [2] * 5)
    assert stretches(binned, "train", shares=(0.5, 0.2)) == [(0, 5), (5, 10)]
    assert stretches(binned, "val", shares=(0.5, 0.2)) == [(10, 14)]
    assert stretches(binned, "test", shares=(0.5, 0.2)) == [(14, 15), (15, 20)]


def test_by_reaches_of_at_most_eight_seconds():
    # Nine reaches of 2 s; the fifth takes 9 s and is left out of all splits.
    lengths = [20] * 4 + [90] + [20] * 4
    binned = day(sum(lengths), reach=np.repeat(np.arange(9), lengths))
    parts = [stretches(binned, split, by="neurobench") for split in ("train", "val", "test")]
    assert parts == [[(0, 80)], [(170, 210)], [(210, 250)]]
    with pytest.raises(ValueError, match=r"does not say where its targets were: use --data\.split chronological"):
        stretches(day(30), "test", by="neurobench")


def test_by_ten_blocks_in_the_published_order():
    binned = day(200)
    val, test = (stretches(binned, split, by="poyo") for split in ("val", "test"))
    assert val == [(20, 40)]
    assert test == [(160, 180)]
    train = stretches(binned, "train", by="poyo")
    assert sum(stop - start for start, stop in train) == 160


def test_every_bin_is_in_one_split():
    binned = day(97, segment=np.arange(97) // 13, reach=np.arange(97) // 7)
    for by in ("chronological", "neurobench", "poyo"):
        seen = np.zeros(97, int)
        for split in ("train", "val", "test"):
            for start, stop in stretches(binned, split, by=by):
                seen[start:stop] += 1
                assert len(set(binned.segment[start:stop])) == 1
        assert set(seen) == {1}, by


def test_splits_that_leave_nothing():
    with pytest.raises(ValueError, match=r"2 bins of 100 ms leave none for the test split \(chronological\)"):
        stretches(day(2), "test")
    with pytest.raises(ValueError, match="expected shares of train and val that leave something for test"):
        stretches(day(20), "val", shares=(0.8, 0.2))
