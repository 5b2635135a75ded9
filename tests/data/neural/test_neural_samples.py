"""Windows and stretches of sessions, through the registry of data sets."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from ranvier.data.datasets import build
from ranvier.data.neural import Counts, Session, Signal, write_npz_session
from ranvier.data.neural.samples import NeuralSamples, Stretch, smooth
from ranvier.recipes import Sessions


def write_day(path, *, bins=100, units=3, segment=None, seed=0):
    """Velocity counts the bins, so that a window says where it is from."""
    generator = np.random.default_rng(seed)
    clock = np.arange(bins)
    session = Session(
        path.stem,
        tuple(f"u{i}" for i in range(units)),
        Counts(generator.integers(0, 4, (bins, units)), 0.05),
        0.05 * clock,
        {"velocity": Signal(np.stack([clock, -clock], 1).astype(float), "cm/s")},
        np.zeros(bins, np.int64) if segment is None else segment,
    )
    write_npz_session(path, session)


@pytest.fixture
def two_days(tmp_path):
    write_day(tmp_path / "a.npz")
    write_day(tmp_path / "b.npz", bins=200, seed=1)
    return Sessions(root=str(tmp_path), bin_ms=50, steps=30, shares=(0.7, 0.1))


def test_windows_to_train_on_and_stretches_to_be_judged_by(two_days):
    train, test = build(two_days, "train"), build(two_days, "test")
    # 70 bins of the first day and 140 of the second.
    assert [day for _, _, day in map(train.__getitem__, range(len(train)))] == [0] * 3 + [1] * 5
    assert (train.days, train.units, train.axes, train.unit, train.bin_s) == (("a", "b"), 3, 2, "cm/s", 0.05)
    x, velocity, _ = train[4]
    assert x.shape == (30, 3)
    assert velocity.shape == (30, 2)
    assert x.dtype == velocity.dtype == torch.float32
    start = int(velocity[0, 0])
    assert velocity[:, 0].tolist() == list(range(start, start + 30))
    assert 0 <= start <= 110
    assert [(len(x), int(v[0, 0]), day) for x, v, day in map(test.__getitem__, range(len(test)))] == [
        (20, 80, 0),
        (40, 160, 1),
    ]


def test_windows_depend_on_the_epoch_and_cover_a_stretch(two_days):
    train = build(two_days, "train")

    def starts(epoch):
        train.set_epoch(epoch)
        return [int(train[i][1][0, 0]) for i in range(len(train))]

    assert starts(0) == starts(0) != starts(1)
    seen = np.zeros(140, int)
    for epoch in range(40):
        for start in starts(epoch)[3:]:
            seen[start : start + 30] += 1
    assert seen.min() >= 10
    assert seen.max() <= 70


def test_batches_are_filled_up_and_know_their_day(two_days):
    test = build(two_days, "test")
    batch = test.collate([test[1], test[0]])
    assert batch.x.shape == (40, 2, 3)
    assert batch.target.shape == (40, 2, 2)
    assert batch.lengths.tolist() == [40, 20]
    assert batch.day.tolist() == [1, 0]
    assert not batch.x[20:, 1].any()


def test_nothing_crosses_a_segment(tmp_path):
    segment = np.repeat([0, 1, 2], [30, 45, 25])
    write_day(tmp_path / "a.npz", segment=segment)
    config = Sessions(root=str(tmp_path / "a.npz"), bin_ms=50, steps=30, smooth_ms=100, lag_ms=150, shares=(0.7, 0.1))
    train = build(config, "train")
    pieces = [(int(s.velocity[0, 0]), int(s.velocity[-1, 0])) for s in train.stretches]
    # A lag of three bins takes the first three velocities and the last three counts of every piece.
    assert pieces == [(3, 29), (33, 69)]
    raw = build(replace(config, smooth_ms=0), "train").stretches[1]
    np.testing.assert_allclose(train.stretches[1].x, smooth(raw.x, bins=2), rtol=1e-6)
    assert len(raw.x) == 37
    lanes = train.collate([train[0], train[1]])
    assert lanes.lengths.tolist() == [27, 30]


def test_scale_and_calibration():
    x = np.array([[1, 0], [3, 0]], np.float32)
    velocity = np.array([[2, 2], [2, 6]], np.float32)
    stretches = [Stretch(x, velocity, 0), Stretch(x[:1] + 1, velocity[:1], 1), Stretch(x, velocity, 0)]
    samples = NeuralSamples(stretches, ("a", "b"), bin_s=0.5)
    scale = samples.scale()
    np.testing.assert_allclose(scale.x_mean, [2, 0.2])
    np.testing.assert_allclose(scale.x_std, [np.sqrt(0.8), 0.4], rtol=1e-6)
    np.testing.assert_allclose(scale.velocity_std, [1e-3, np.sqrt(3.84)], rtol=1e-6)
    assert [len(s.x) for s in samples.of_day(0).stretches] == [2, 2]
    assert [(s.day, len(s.x)) for s in samples.of_day(0).first(1.5).stretches] == [(0, 2), (0, 1)]
    before, after = samples.parted(0.75)
    assert [[(s.day, len(s.x)) for s in part.stretches] for part in (before, after)] == [
        [(0, 2), (1, 1), (0, 1)],
        [(0, 1)],
    ]
    with pytest.raises(ValueError, match=r"expected 1\.5 s of every day, b has .* s: ask for less"):
        samples.first(1.5)


def test_bad_input_says_what_to_type(two_days, tmp_path):
    with pytest.raises(
        ValueError, match=r"piece of the train split has 140 bins of 50 ms, a window 141: use --data\.steps 140"
    ):
        build(replace(two_days, steps=141), "train")
    with pytest.raises(ValueError, match=r"session a has 3 units, --data\.units asks for 96"):
        build(replace(two_days, units=96), "test")
    write_day(tmp_path / "c.npz", units=4)
    with pytest.raises(ValueError, match=r"session c has 4 units, day a has 3: .*choose days with --data\.days"):
        build(two_days, "test")
    assert build(replace(two_days, days=("b",)), "test").days == ("b",)
    with pytest.raises(FileNotFoundError, match=r"no day d in .*: there are a, b, c"):
        build(replace(two_days, days=("d",)), "test")
    with pytest.raises(FileNotFoundError, match=r"no session named: pass --data\.root FILE"):
        build(replace(two_days, root=None), "test")
    with pytest.raises(ValueError, match=r"cannot become bins of 20 ms: use --data\.bin-ms 50"):
        build(replace(two_days, bin_ms=20), "test")
    with pytest.raises(ValueError, match=r"no piece of the test split outlasts 2000 ms: use a smaller --data\.lag-ms"):
        build(replace(two_days, days=("a", "b"), lag_ms=2000), "test")
    with pytest.raises(ValueError, match="expected bin_ms above 0"):
        replace(two_days, bin_ms=0)


def test_real_trials_are_held_out_whole(data_dir):
    config = Sessions(name="m1-trials", root=str(data_dir), bin_ms=100, steps=9, shares=(0.7, 0.1))
    test = build(config, "test")
    assert sum(len(s.x) for s in test.stretches) == 328
    assert {len(s.x) for s in test.stretches[1:]} <= set(range(9, 15))
    assert test.units == 174
