"""Jitter moves all frames as one rigid picture."""

import doctest

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ranvier.data import augment
from ranvier.data.augment import jitter, reframe

STILL = {"shift": 0.0, "degrees": 0.0, "scale": 0.0, "shear": 0.0}
SEEDS = st.integers(0, 10_000)


def places(height: int = 11, width: int = 21) -> torch.Tensor:
    """Column and row of each pixel, from 1, so that an image says where each of its pixels came from."""
    row, column = torch.meshgrid(torch.arange(height) + 1.0, torch.arange(width) + 1.0, indexing="ij")
    return torch.stack([column, row])


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_doctest():
    assert doctest.testmod(augment).failed == 0


def test_nothing_changes_without_amounts():
    assert torch.equal(jitter(places(), generator=rng(), **STILL), places())


@given(SEEDS)
def test_all_frames_move_alike_and_channels_stay_apart(seed):
    amounts = {"shift": 6, "degrees": 60, "scale": 0.5, "shear": 0.5}
    x = torch.from_numpy(rng(seed).integers(0, 9, (3, 2, 11, 21))).float()
    moved = jitter(x, generator=rng(seed), **amounts)
    alone = jitter(x[1, 0], generator=rng(seed), **amounts)
    assert torch.equal(moved[1, 0], alone)
    assert moved.dtype == x.dtype
    where = jitter(places(), generator=rng(seed), **amounts).long()
    seen = where[0] > 0
    assert torch.equal(moved[..., seen], x[..., where[1][seen] - 1, where[0][seen] - 1])
    assert not moved[..., ~seen].any()


@given(SEEDS)
def test_a_shift_is_the_same_for_all_pixels(seed):
    moved = jitter(places(), generator=rng(seed), **STILL | {"shift": 3})
    shift = (places() - moved)[:, moved[0] > 0]
    for axis in shift:
        assert axis.unique().numel() == 1
        assert abs(axis[0]) <= 3


@pytest.mark.parametrize("amounts", [{"degrees": 30}, {"scale": 0.3}, {"shear": 0.3}])
def test_the_centre_stays_and_the_border_moves(amounts):
    moved = [jitter(places(), generator=rng(seed), **STILL | amounts) for seed in range(20)]
    assert all(x[:, 5, 10].tolist() == [11, 6] for x in moved)
    assert len({x.numpy().tobytes() for x in moved}) > 3


def test_each_amount_reaches_its_bounds_and_not_further():
    """Fit the map back to the picture: the five numbers are those of the docstring."""
    amounts = {"shift": 4, "degrees": 20, "scale": 0.2, "shear": 0.3}
    found = []
    for seed in range(200):
        x = jitter(places(201, 201), generator=rng(seed), **amounts)[:, 60:140, 60:140] - 101
        target = torch.stack([*places(201, 201)[:, 60:140, 60:140] - 101, torch.ones(80, 80)])
        forward = torch.linalg.lstsq(torch.stack([*x, torch.ones(80, 80)]).flatten(1).T, target.flatten(1).T).solution.T
        a, c = forward[0, 0].item(), forward[1, 0].item()
        zoom = np.hypot(a, c)
        slant = (forward[0, 0] * forward[0, 1] + forward[1, 0] * forward[1, 1]).item() / zoom**2
        found.append((*forward[:2, 2].tolist(), np.rad2deg(np.arctan2(c, a)), np.log(zoom), slant))
    for column, amount in zip(np.transpose(found), [4, 4, 20, 0.2, 0.3], strict=True):
        assert -1.02 * amount < column.min() < -0.9 * amount
        assert 0.9 * amount < column.max() < 1.02 * amount


WHOLE = {"area": (1.0, 1.0), "aspect": 1.0, "tilted": 0.0, "degrees": 0.0}


def test_a_frame_stays_without_amounts():
    assert torch.equal(reframe(places(), generator=rng(), **WHOLE), places())


@given(SEEDS)
def test_all_frames_are_reframed_alike(seed):
    x = torch.from_numpy(rng(seed).integers(0, 9, (3, 2, 11, 21))).float()
    moved = reframe(x, generator=rng(seed))
    where = reframe(places(), generator=rng(seed)).long()
    seen = where[0] > 0
    assert torch.equal(moved[..., seen], x[..., where[1][seen] - 1, where[0][seen] - 1])
    assert not moved[..., ~seen].any()


@given(SEEDS)
def test_a_window_fills_the_picture(seed):
    column, row = reframe(places(100, 200), generator=rng(seed), **WHOLE | {"area": (0.6, 1.0), "aspect": 4 / 3})
    assert column.min() > 0
    wide, high = (column.max() - column.min()) / 199, (row.max() - row.min()) / 99
    assert 0.58 < wide * high <= 1
    assert 0.73 < wide / high < 1.37
    assert torch.equal(column, column[:1].expand(100, 200))
    assert torch.equal(row, row[:, :1].expand(100, 200))


def test_corners_move_inwards_by_a_quarter_of_the_side_at_most():
    corners, tilts = [], 0
    for seed in range(200):
        x = reframe(torch.ones(100, 200), generator=rng(seed), **WHOLE | {"tilted": 0.5})
        tilts += not bool(x.all())
        for frame in (x, x.flip(0), x.flip(1), x.flip(0, 1)):
            # The corner of a convex figure: the pixel that is first along the diagonal.
            row, column = np.nonzero(frame.numpy())
            first = np.argmin(2 * row + column)
            corners.append((column[first] / 200, row[first] / 100))
    assert 80 < tilts < 120
    assert 0.2 < np.max(corners) < 0.27


def test_a_tilt_keeps_straight_lines_and_takes_corners_to_corners():
    column, row = reframe(places(200, 200), generator=rng(3), **WHOLE | {"tilted": 1.0})
    seen = (column > 0).numpy()
    y, x = np.nonzero(seen)
    a, b = column.numpy()[seen], row.numpy()[seen]
    # A projective map is the null vector of these equations; all pixels agree on one to within half a pixel.
    zero, one = np.zeros_like(a), np.ones_like(a)
    rows = np.concatenate(
        [
            np.stack([x, y, one, zero, zero, zero, -a * x, -a * y, -a], axis=1),
            np.stack([zero, zero, zero, x, y, one, -b * x, -b * y, -b], axis=1),
        ]
    )
    scale = np.array([1, 1, 200, 1, 1, 200, 200, 200, 40_000])
    found = (np.linalg.svd(rows * 200 / scale, full_matrices=False)[2][-1] / scale).reshape(3, 3)
    u, v, w = found @ np.stack([x, y, one])
    assert max(np.abs(u / w - a).max(), np.abs(v / w - b).max()) < 1.2
    assert abs(found[2, :2]).max() / abs(found[2, 2]) > 1e-4
    for corner in ((1, 1), (1, 200), (200, 1), (200, 200)):
        assert np.hypot(a - corner[0], b - corner[1]).min() < 3


def test_a_turn_reaches_its_bounds_and_leaves_the_centre():
    angles = []
    for seed in range(100):
        x = reframe(places(101, 101), generator=rng(seed), **WHOLE | {"degrees": 25})
        assert x[:, 50, 50].tolist() == [51, 51]
        right = x[:, 50, 90] - 51
        assert float(right.norm()) == pytest.approx(40, abs=1)
        angles.append(np.rad2deg(np.arctan2(*right.flip(0).tolist())))
    assert -26 < min(angles) < -20
    assert 20 < max(angles) < 26


def test_what_the_window_left_out_stays_out():
    """A turn shows the corners beyond the window as nothing, though the frame goes on there."""
    amounts = WHOLE | {"area": (0.6, 0.6), "degrees": 25}
    x = [reframe(torch.ones(64, 64), generator=rng(seed), **amounts) for seed in range(20)]
    assert sum(not bool(frame.all()) for frame in x) > 15
