"""Streets at random: alike for equal generators, and laid out as a street is."""

import itertools

import numpy as np
import pytest

from ranvier.data.street import look, make_street
from ranvier.data.street.car import BODIES
from ranvier.data.street.classes import PERSON, VEHICLE
from ranvier.data.street.layout import SIGHT
from ranvier.data.street.plan import LEFT, RIGHT, make_plan
from ranvier.data.street.roadside import furniture
from ranvier.data.street.traffic import KINDS, driving, parked


def street(seed: int, sensor: tuple[int, int] = (64, 48)):
    return make_street(np.random.default_rng(seed), sensor, seconds=0.2)


def plans(count: int = 40):
    return [make_plan(np.random.default_rng(seed), SIGHT) for seed in range(count)]


def test_equal_generators_give_equal_streets_and_others_do_not():
    first, second, other = street(1), street(1), street(2)
    assert np.array_equal(look(first, 0.15), look(second, 0.15))
    assert not np.array_equal(look(first, 0.15), look(other, 0.15))
    assert not np.array_equal(look(first, 0.15), look(first, 0.1))


@pytest.mark.parametrize("sensor", [(64, 64), (640, 480), (96, 200)])
def test_any_sensor(sensor):
    light = look(street(3, sensor), 0.2)
    assert light.shape == sensor[::-1]
    assert np.all(light > 0)
    assert np.all(np.isfinite(light))
    assert light.std() > 0.05


def test_a_sensor_of_twice_the_size_sees_the_same():
    small, large = (look(street(4, sensor), 0.1) for sensor in ((64, 48), (128, 96)))
    halved = large.reshape(48, 2, 64, 2).mean(axis=(1, 3))
    assert np.corrcoef(small.ravel(), halved.ravel())[0, 1] > 0.95


def test_plans_have_lanes_between_kerbs_between_fronts():
    crossed = 0
    for plan in plans():
        lanes = (*plan.towards, *plan.away)
        assert 0 in plan.away
        assert plan.front[LEFT] < plan.kerb[LEFT] < min(lanes) <= max(plan.towards) < 0
        assert max(lanes) < plan.kerb[RIGHT] < plan.front[RIGHT]
        crossed += plan.crossing is not None
    assert 5 < crossed < 30


def test_nobody_parks_on_a_crossing_or_in_somebody_else():
    generator = np.random.default_rng(0)
    found = 0
    for plan in plans():
        for side in (LEFT, RIGHT):
            cars = list(parked(generator, plan, side))
            found += len(cars)
            assert all(plan.clear(one.z, one.length) for one in cars)
            assert all(a.z + a.length < b.z for a, b in itertools.pairwise(cars))
            assert all(abs(one.x - plan.kerb[side]) < 2 for one in cars)
    assert found > 200


def test_nothing_stands_in_the_crossing_street():
    generator = np.random.default_rng(0)
    stood = 0
    for plan in plans():
        for side in (LEFT, RIGHT):
            for _, thing in furniture(generator, plan, side):
                stood += 1
                assert plan.crossing is None or not plan.crossing[0] < thing.z < plan.crossing[1]
    assert stood > 200


def test_traffic_keeps_to_its_lanes():
    generator = np.random.default_rng(0)
    headings = {1: 0, -1: 0, 0: 0}
    for plan in plans():
        for one in driving(generator, plan, 8.0):
            headings[int(np.sign(one.vz))] += 1
            if one.vz:
                assert one.x in (plan.away if one.vz > 0 else plan.towards)
            else:
                assert plan.crossing
                assert plan.crossing[0] < one.z < plan.crossing[1]
    assert min(headings.values()) > 5


def test_there_are_cars_of_all_shapes_and_people():
    assert set(KINDS) == set(BODIES)
    assert sum(KINDS.values()) == pytest.approx(1)
    things = [thing for seed in range(10) for thing in street(seed).things]
    assert len({round(one.length, 2) for one in things if one.label == VEHICLE}) >= 5
    assert sum(one.label == PERSON for one in things) > 20
