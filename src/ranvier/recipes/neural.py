"""Brain recordings to decode: one dataclass for sessions in files, one for sessions that the package makes."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from ranvier.recipes.checked import Checked


@dataclass(frozen=True)
class Decoded(Checked):
    """How a session becomes samples, whatever it comes from."""

    target: ClassVar[str] = "velocity"
    bin_ms: float = 10.0
    """width of a time step in milliseconds"""
    steps: int = 100
    """time steps of a training window; pieces that are shorter are filled up"""
    lag_ms: float = 0.0
    """the velocity of so many milliseconds later is to be found; rounded to whole bins"""
    smooth_ms: float = 0.0
    """time constant of an exponential over past counts; 0: counts as they are"""
    split: Literal["chronological", "neurobench", "poyo"] = "chronological"
    """which part of a session is for what, see `ranvier.data.neural.splits`"""
    shares: tuple[float, float] = (0.8, 0.1)
    """chronological: the part for training and, after it, that for validation; the rest is the test"""
    gap_ms: float = 0.0
    """what is left out between two parts, in milliseconds; rounded to whole bins"""
    seed: int = 0
    """of the windows, other ones in every epoch, and of sessions that are made"""


@dataclass(frozen=True)
class Sessions(Decoded):
    """Recorded sessions: spikes of many units and the velocity of a hand."""

    name: Literal["sessions", "s1-random-target", "m1-center-out", "m1-trials", "maze-trial"] = "sessions"
    """sessions: your own files, .mat, .nwb or .npz; the others: sets of neural_reach, bins of 50, 50, 100 and 1 ms"""
    root: str | None = None
    """a session file, or a folder of them, one a day; default: neural_reach where data sets are usually found"""
    days: tuple[str, ...] = ()
    """folder: names of the files, without their endings, in the order of the days; default: all, by name"""
    units: int = 0
    """units that each day must have; 0: as many as the first"""
    area: str = "M1"
    """.mat: channels of this area"""
    sorting: Literal["channels", "residual", "units"] = "channels"
    """.mat: a unit is all that a channel saw, what was left there after sorting, or a sorted neuron"""
    movement: str | None = None
    """.nwb: the time series that is decoded; default: a velocity, or else position, of finger, hand, wrist or cursor"""
    missing: Literal["refuse", "cut"] = "refuse"
    """what to do where the behaviour is not a number: refuse the session, or cut it into pieces there"""


@dataclass(frozen=True)
class Cortex(Decoded):
    """A made motor cortex: Poisson units tuned to the velocity 100 ms later, drifting from day to day."""

    # Sessions are generated.
    root: ClassVar[None] = None
    name: Literal["cortex"] = "cortex"
    """the data set in `ranvier.data.datasets`"""
    neurons: int = 96
    """units of a session"""
    minutes: float = 25.0
    """length of a session"""
    gain: float = 0.08
    """how strongly units are tuned; published ridge decoders reach an R² of 0.94, 0.73, 0.30 at 0.25, 0.08, 0.03"""
    days: int = 1
    """sessions, one a day; the units of all days but day 0 have drifted away from those of day 0"""
    first_day: int = 0
    """number of the first of these days, to have some of them apart from others"""
    jitter_deg: float = 60.0
    """standard deviation, in degrees, by which a preferred direction turns until another day"""
    gain_spread: float = 0.2
    """standard deviation of the logarithm by which a unit's tuning grows or shrinks until another day"""
    replaced: int = 10
    """units that another day has lost, and found others in their place"""


Neural = Sessions | Cortex
"""Sessions from which the velocity is decoded."""
