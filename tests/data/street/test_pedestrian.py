"""People walk: their legs swing with their speed, and they stay as tall as they are."""

import numpy as np
import pytest

from ranvier.data.street.pedestrian import Figure, pedestrian


def silhouette(person, seconds: float) -> np.ndarray:
    """Which cells of 2 cm the person covers."""
    (panel,) = person.panels(seconds)
    rows, columns = (np.arange(0, size + 1) for size in panel.texture.shape)
    return panel.texture.grid(rows, columns)[..., 1] > 0.5


def stride(mask: np.ndarray) -> int:
    """How far apart the feet are: the width of the lowest eighth."""
    columns = np.flatnonzero(mask[-len(mask) // 8 :].any(axis=0))
    return int(np.ptp(columns)) + 1


@pytest.mark.parametrize("way", [-1, 1])
def test_legs_open_and_close_once_a_step(way):
    person = pedestrian(Figure(), x=0, z=5, vx=way * 1.4)
    step = 0.4 * 1.75 / 1.4
    widths = [stride(silhouette(person, t)) for t in np.linspace(0, 2 * step, 33)]
    opened = np.array(widths) > np.mean(widths)
    assert max(widths) > 1.8 * min(widths)
    # Two steps: open, closed, open, closed.
    assert np.count_nonzero(np.diff(opened)) in (3, 4)
    mirrored = pedestrian(Figure(), x=0, z=5, vx=-way * 1.4)
    overlap = silhouette(person, 0.1) & silhouette(mirrored, 0.1)[:, ::-1]
    assert overlap.sum() > 0.85 * silhouette(person, 0.1).sum()


def test_who_stands_does_not_move_and_who_walks_away_lifts_the_feet():
    standing, walking = (pedestrian(Figure(), x=0, z=5, vz=v) for v in (0.0, 1.4))
    assert np.array_equal(silhouette(standing, 0), silhouette(standing, 0.7))
    masks = [silhouette(walking, t) for t in np.linspace(0, 1, 9)]
    assert len({mask.tobytes() for mask in masks}) > 5


@pytest.mark.parametrize("figure", [Figure(height=1.2), Figure(height=1.9, coat=0.25), Figure(girth=1.4, bag=0.2)])
@pytest.mark.parametrize("velocity", [(1.2, 0.0), (0.0, 1.2)])
def test_a_figure_is_as_tall_as_it_should_be_and_in_one_piece(figure, velocity):
    person = pedestrian(figure, x=0, z=5, vx=velocity[0], vz=velocity[1], phase=1)
    mask = silhouette(person, 0.2)
    tall = np.flatnonzero(mask.any(axis=1))
    assert (np.ptp(tall) + 1) * 0.025 == pytest.approx(figure.height, rel=0.06)
    assert np.all(np.diff(tall) == 1)
    assert 0.1 < mask.sum() * 0.025**2 / figure.height**2 < 0.35
    assert figure.height / 2 > person.reach
