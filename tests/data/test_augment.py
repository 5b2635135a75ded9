"""Jitter moves all frames as one rigid picture."""

import doctest

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ranvier.data import augment
from ranvier.data.augment import jitter

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
