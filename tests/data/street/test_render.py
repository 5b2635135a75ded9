"""What a camera sees of a street, against the pinhole formula and against another camera."""

from dataclasses import replace

import numpy as np
import pytest

from ranvier.data.street import CLASSES, annotate, look, make_street
from ranvier.data.street.car import BODIES, car
from ranvier.data.street.classes import BACKGROUND, FLAT, NATURE, OBJECT, VEHICLE
from ranvier.data.street.ground import Ground, Mark
from ranvier.data.street.panel import Thing, across, along
from ranvier.data.street.street import Lamp, Ride, Street
from ranvier.data.street.texture import Texture

SENSOR = (160, 120)
FOCAL = 176.0


def street(*things: Thing, speed: float = 0.0, **changes) -> Street:
    """An even grey plane below an even sky, seen from 1.5 metres."""
    plane = Ground((Mark((-1000, 1000), 0.2),), grass=((6, 1000),))
    still = Ride(speed, 1.5, 0.0, (), ())
    made = Street(SENSOR, still, Texture.of(np.ones((8, 8))), plane, (), things, (), 1.0, 0.0, 0.0)
    return replace(made, **changes)


def board(x, y, z, *, brightness=0.5, label=OBJECT, vx=0.0, vz=0.0) -> Thing:
    """An even board across the street."""
    panels = (across(Texture.of(np.full((4, 4), brightness)), x, y, 0),)
    return Thing(label, 0.0, z, lambda seconds: panels, 10, 0.1, 0.0, vx, vz)


def wall(x, y, z, *, faces) -> Thing:
    """An even wall along the street."""
    panels = (along(Texture.of(np.full((4, 4), 0.5)), x, y, (0, z[1] - z[0]), faces=faces),)
    return Thing(BACKGROUND, 0.0, z[0], lambda seconds: panels, 10, z[1] - z[0], 0.0)


def test_a_board_is_where_the_pinhole_formula_puts_it():
    place = street(board((-1.03, 2.2), (0.4, 2.5), 8))
    seen = annotate(place, 0)
    rows, columns = np.nonzero(seen.owner == 0)
    left, right = 80 + FOCAL * np.array([-1.03, 2.2]) / 8
    top, bottom = 60 - FOCAL * (np.array([2.5, 0.4]) - 1.5) / 8
    assert (columns.min(), columns.max() + 1) == (round(left), round(right))
    assert (rows.min(), rows.max() + 1) == (round(top), round(bottom))
    assert np.all(seen.depth[seen.owner == 0] == 8)
    assert np.all(seen.label[seen.owner == 0] == OBJECT)
    # The pixels at the border are mixed: what the board takes from the sky is its area.
    empty = look(street(), 0)
    above = slice(0, 60)
    taken = ((empty - look(place, 0)) / (empty - 0.5))[above].sum()
    assert taken == pytest.approx((right - left) * (60 - top), rel=0.01)


def test_the_ground_has_its_depth_and_its_grass():
    seen = annotate(street(), 0)
    assert np.all(seen.label[:60] == BACKGROUND)
    assert np.all(np.isinf(seen.depth[:60]))
    rows = np.arange(62, 120)
    expected = FOCAL * 1.5 / (rows + 0.5 - 60)
    np.testing.assert_allclose(seen.depth[62:, 30], expected, rtol=1e-5)
    x = (np.arange(160) + 0.5 - 80) / FOCAL * expected[:, None]
    assert np.array_equal(seen.label[62:] == NATURE, x > 6)
    assert np.array_equal(seen.label[62:] == FLAT, x <= 6)


@pytest.mark.parametrize("side", [-1, 1])
def test_a_wall_along_the_street_is_seen_from_its_own_side(side):
    place = street(wall(3.0 * side, (0, 3), (5, 20), faces=-side))
    seen = annotate(place, 0)
    rows, columns = np.nonzero(seen.owner == 0)
    ends = sorted(80 + FOCAL * 3 * side / depth for depth in (5, 20))
    assert columns.min() == pytest.approx(max(0, ends[0]), abs=1)
    assert columns.max() + 1 == pytest.approx(min(160, ends[1]), abs=1)
    depth = FOCAL * 3 * side / (columns + 0.5 - 80)
    np.testing.assert_allclose(seen.depth[rows, columns], np.clip(depth, None, 20), rtol=0.05)
    for column in np.unique(columns[1:-1]):
        height = (seen.owner[:, column] == 0).sum()
        assert height == pytest.approx(min(60, FOCAL * 1.5 / depth[columns == column][0]) * 2, abs=2)
    assert not (annotate(street(wall(3.0 * side, (0, 3), (5, 20), faces=side)), 0).owner == 0).any()


def test_the_nearer_hides_the_farther():
    near, far = board((0, 1), (0, 2), 6, label=VEHICLE), board((-1, 2), (0, 2), 12)
    for order in ((near, far), (far, near)):
        place = street(*order)
        seen = annotate(place, 0)
        hides, hidden = order.index(near), order.index(far)
        assert (seen.owner == hides).sum() == seen.whole[hides]
        alone = annotate(street(far), 0)
        assert seen.whole[hidden] == alone.whole[0] == (alone.owner == 0).sum()
        assert (seen.owner == hidden).sum() == ((alone.owner == 0) & (seen.owner != hides)).sum() < seen.whole[hidden]


def test_what_drives_as_fast_as_the_camera_stays_where_it_is():
    place = street(board((-1, 1), (0, 2), 9, vz=7.0), speed=7.0)
    np.testing.assert_allclose(look(place, 0.8), look(place, 0), atol=1e-9)
    nearer = street(board((-1, 1), (0, 2), 9), speed=7.0)
    np.testing.assert_allclose(look(nearer, 0.5), look(street(board((-1, 1), (0, 2), 5.5)), 0), atol=1e-9)


@pytest.mark.parametrize("kind", BODIES)
@pytest.mark.parametrize("heading", ["away", "towards", "left", "right"])
def test_a_car_has_its_size(kind, heading):
    body = BODIES[kind]
    seen = annotate(street(car(kind, 0.5, heading, x=0, z=20)), 0)
    rows, columns = np.nonzero(seen.owner == 0)
    wide = body.length if heading in ("left", "right") else body.width
    assert np.ptp(columns) + 1 == pytest.approx(FOCAL * wide / 20, abs=2)
    assert np.ptp(rows) + 1 == pytest.approx(FOCAL * body.height / 20, abs=2)
    assert len(rows) > 0.6 * (np.ptp(rows) + 1) * (np.ptp(columns) + 1)


def test_a_car_beside_the_camera_shows_its_side():
    beside = annotate(street(car("van", 0.5, "away", x=3, z=6)), 0)
    before = annotate(street(car("van", 0.5, "away", x=0, z=6)), 0)
    assert np.unique(beside.depth[beside.owner == 0]).size > 10
    assert np.unique(before.depth[before.owner == 0]).size == 1


def test_light_flickers_at_a_hundred_hertz():
    lamp = Lamp((0.0, 3.0, 10.0), 1.0, 1.0)
    place = street(board((-5, 5), (0, 8), 12), lamps=(lamp,), daylight=0.5, flicker=0.1)
    bright, dark, again = (look(place, t) for t in (0.0, 0.005, 0.01))
    np.testing.assert_allclose(again, bright, rtol=1e-9)
    change = bright / dark
    row, column = 60 - FOCAL * 1.5 / 10, 80
    assert change[:, 0] == pytest.approx(1.1 / 0.9)
    assert change[round(row), column] == pytest.approx(2 * 1.1 / 0.9, rel=0.02)


def test_the_right_camera_sees_every_point_a_disparity_further_left():
    generator = np.random.default_rng(5)
    place = make_street(generator, SENSOR, seconds=0.1)
    left, right = annotate(place, 0.1), annotate(place, 0.1, beside=0.5)
    lights = look(place, 0.1), look(place, 0.1, beside=0.5)
    disparity = FOCAL * 0.5 / left.depth
    rows, columns = np.indices(left.depth.shape)
    target = columns + 0.5 - disparity
    inside = target > 0
    matched = np.floor(np.clip(target, 0, 159)).astype(int)
    there = right.depth[rows, matched]
    # Where the right camera sees something nearer, it does not see this point.
    visible = inside & (there > 0.9 * left.depth)
    assert visible.mean() > 0.6
    assert (left.owner == right.owner[rows, matched])[visible].mean() > 0.97
    assert (left.label == right.label[rows, matched])[visible].mean() > 0.97
    error = np.abs(np.log(lights[0] / lights[1][rows, matched]))[visible]
    unmoved = np.abs(np.log(lights[0] / lights[1]))[visible]
    assert np.median(error) < 0.03
    assert error.mean() < 0.5 * unmoved.mean()


def test_every_class_is_there_and_none_is_rare():
    counts = np.zeros(len(CLASSES))
    for seed in range(15):
        seen = annotate(make_street(np.random.default_rng(seed), (128, 128), seconds=0.1), 0.1)
        counts += np.bincount(seen.label.ravel(), minlength=len(CLASSES))
    share = dict(zip(CLASSES, counts / counts.sum(), strict=True))
    assert share["flat"] < 0.55
    assert share["background"] < 0.55
    assert min(share["nature"], share["vehicle"]) > 0.03
    assert min(share["person"], share["object"]) > 0.004
