"""A motor cortex that is made: reaches of a hand, and units tuned to them that drift from day to day."""

import functools
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ranvier.data.datasets.frames import Split
from ranvier.data.generate import Progress
from ranvier.data.neural.binning import Binned, bin_session
from ranvier.data.neural.samples import NeuralSamples, arrange
from ranvier.data.neural.session import Counts, Session, Signal
from ranvier.recipes import Cortex

BIN_S = 0.01
LEAD_BINS = 10
"""Units fire 100 ms before the hand moves."""
REACH_CM = 5.0
REACH_S = (0.5, 1.0)
RATE_HZ = 3.5


class Tuning(NamedTuple):
    """How units fire: preferred `direction` in rad, `gain` in s/cm, `baseline`, and `speed` in s/cm; all `[units]`."""

    direction: NDArray[np.float64]
    gain: NDArray[np.float64]
    baseline: NDArray[np.float64]
    speed: NDArray[np.float64]


def draw_tuning(units: int, *, gain: float, generator: np.random.Generator) -> Tuning:
    """Return units with directions all around, tuned about as strongly as `gain` says."""
    return Tuning(
        direction=generator.uniform(0, 2 * np.pi, units),
        gain=gain * generator.gamma(2, 0.5, units),
        baseline=generator.normal(2, 0.8, units),
        speed=generator.normal(0, 0.05, units),
    )


def drift(
    tuning: Tuning,
    *,
    jitter_deg: float,
    gain_spread: float,
    replaced: int,
    gain: float,
    generator: np.random.Generator,
) -> Tuning:
    """Return the units of another day: turned, tuned more or less strongly, and some replaced by others."""
    units = len(tuning.direction)
    turned = tuning._replace(
        direction=tuning.direction + generator.normal(0, np.deg2rad(jitter_deg), units),
        gain=tuning.gain * np.exp(generator.normal(0, gain_spread, units)),
    )
    lost = generator.choice(units, replaced, replace=False)
    others = draw_tuning(units, gain=gain, generator=generator)
    gone = np.isin(np.arange(units), lost)
    return Tuning(*(np.where(gone, new, old) for old, new in zip(turned, others, strict=True)))


def reach(bins: int, *, generator: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return position in cm and velocity in cm/s, `[bins, 2]`, of minimum-jerk reaches without a pause.

    A reach takes 0.5 to 1 s and leads to a point anywhere within 5 cm of the middle, along either axis:

        position = start + (end - start) (10 u³ - 15 u⁴ + 6 u⁵),   u the share of its time that has passed

    Source: T. Flash, N. Hogan, "The coordination of arm movements", J. Neurosci. 1985.
    """
    position, velocity = np.empty((2, bins, 2))
    here, done = np.zeros(2), 0
    while done < bins:
        length = round(generator.uniform(*REACH_S) / BIN_S)
        there = generator.uniform(-REACH_CM, REACH_CM, 2)
        u = ((np.arange(length) + 0.5) / length)[: bins - done, None]
        part = slice(done, done + len(u))
        position[part] = here + (there - here) * (10 * u**3 - 15 * u**4 + 6 * u**5)
        velocity[part] = (there - here) * (30 * u**2 - 60 * u**3 + 30 * u**4) / (length * BIN_S)
        here, done = there, done + length
    return position, velocity


def rates(tuning: Tuning, velocity: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the firing rate `[T, units]` in Hz that goes with a velocity `[T, 2]`, |v| its speed:

    rate = 3.5 softplus(baseline + gain |v| cos(angle of v - direction) + speed |v|)
    """
    along = velocity[:, :1] * np.cos(tuning.direction) + velocity[:, 1:] * np.sin(tuning.direction)
    speed = np.linalg.norm(velocity, axis=1, keepdims=True)
    return RATE_HZ * np.logaddexp(0, tuning.baseline + tuning.gain * along + tuning.speed * speed)


def record(tuning: Tuning, *, name: str, minutes: float, generator: np.random.Generator) -> Session:
    """Return a session of Poisson counts in bins of 10 ms, driven by the velocity 100 ms later."""
    bins = round(60 * minutes / BIN_S)
    position, velocity = reach(bins + LEAD_BINS, generator=generator)
    counts = generator.poisson(BIN_S * rates(tuning, velocity[LEAD_BINS:])).astype(np.uint8)
    return Session(
        name=name,
        units=tuple(f"unit {i + 1:03}" for i in range(len(tuning.direction))),
        spikes=Counts(counts, BIN_S),
        clock=np.asarray(BIN_S * np.arange(bins), np.float64),
        behaviour={"velocity": Signal(velocity[:bins], "cm/s"), "position": Signal(position[:bins], "cm")},
        segment=np.zeros(bins, np.int64),
    )


def make_day(config: Cortex, day: int) -> Session:
    """Return one day, counted from 0, which depends on the seed and on nothing else; it needs no other day.

    Raises:
        ValueError: more units to replace than there are.
    """
    if config.replaced > config.neurons:
        raise ValueError(f"expected at most {config.neurons} units to be replaced, got {config.replaced}")
    tuning = draw_tuning(config.neurons, gain=config.gain, generator=np.random.default_rng([config.seed, 0]))
    generator = np.random.default_rng([config.seed, 1, day])
    if day:
        tuning = drift(
            tuning,
            jitter_deg=config.jitter_deg,
            gain_spread=config.gain_spread,
            replaced=config.replaced,
            gain=config.gain,
            generator=generator,
        )
    return record(tuning, name=f"day {day + 1}", minutes=config.minutes, generator=generator)


def cortex(config: Cortex, split: Split, progress: Progress | None = None) -> NeuralSamples:
    """Return one split of the days that a recipe describes.

    Raises:
        ValueError: a width of bins that is no multiple of 10 ms, or days shorter than a window.
    """
    days = []
    # A day is the same whichever others are asked for beside it.
    alone = replace(config, days=1, first_day=0)
    for day in range(config.days):
        days.append(_binned_day(alone, config.first_day + day))
        if progress is not None:
            progress(day + 1, config.days)
    return arrange(days, config, split)


@functools.lru_cache(maxsize=64)
def _binned_day(config: Cortex, day: int) -> Binned:
    return bin_session(make_day(config, day), config.bin_ms / 1000)
