"""The six protocols by which backbones of a decoder are compared: what can be set of each, and its recipes.

Source: Zhou et al., "Benchmarking Neural Decoding Backbones towards Enhanced On-edge iBCI Applications", 2024.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, TypeVar

from ranvier.recipes.checked import Checked
from ranvier.recipes.decode import LENGTHS, decode
from ranvier.recipes.decoder import Backbone, Decoder
from ranvier.recipes.neural import Cortex, Neural, Sessions
from ranvier.recipes.recipe import Recipe

THREE: tuple[Backbone, ...] = ("gru", "rwkv", "mamba")
FIVE: tuple[Backbone, ...] = (*THREE, "transformer", "spiking")


@dataclass(frozen=True)
class Protocol(Checked):
    """What every protocol has."""

    name: ClassVar[str]
    backbones: tuple[Backbone, ...] = THREE
    """which are compared; the rest of a recipe, such as its learning rate, is that of decode-BACKBONE"""
    width: int | None = None
    """channels of the backbone; default: as in decode-BACKBONE"""
    layers: int | None = None
    """of the backbone; default: as in decode-BACKBONE"""
    seeds: int = 1
    """trainings of each, with seeds 0, 1, ..."""
    bin_ms: float = 20.0
    """width of a time step in milliseconds; the recordings that single-session finds by itself have their own"""
    minutes: float = 8.0
    """length of a day of the made cortex"""
    days: int = 6
    """days of the made cortex"""
    jitter_deg: float = 75.0
    """by how much preferred directions turn from day to day, as in the data cortex"""

    def recipe(
        self, backbone: Backbone, data: Neural, *, seed: int, epochs: int | None, together: bool = False
    ) -> Recipe:
        """Return the recipe of a decoder of one day, or of several `together`, each with an adapter of its own."""
        named = isinstance(data, Sessions) and data.name in LENGTHS
        base = decode(backbone, data.name) if named else decode(backbone)  # type: ignore[arg-type]
        assert isinstance(base.model, Decoder)
        model = replace(
            base.model,
            width=self.width or base.model.width,
            layers=self.layers or base.model.layers,
            adapter="per_day" if together else "shared",
            window=round(1000 / data.bin_ms),
        )
        train = replace(base.train, seed=seed, epochs=epochs or base.train.epochs)
        return replace(base, data=data, model=model, train=train)

    def made(self) -> Cortex:
        """Return the days of the made cortex."""
        return Cortex(
            bin_ms=self.bin_ms,
            steps=100,
            shares=(0.7, 0.1),
            minutes=self.minutes,
            days=self.days,
            jitter_deg=self.jitter_deg,
        )

    def recorded(self, root: str, days: tuple[str, ...]) -> Sessions:
        """Return days that were recorded: session files of these names in a folder, or a single file.

        Smoothed like the recordings of decode-BACKBONE.
        """
        return Sessions(root=root, days=days, bin_ms=self.bin_ms, smooth_ms=50.0, steps=100, shares=(0.7, 0.1))


@dataclass(frozen=True)
class SingleSession(Protocol):
    """One decoder for each day, beside ridge, Wiener and Kalman filter."""

    name: ClassVar[str] = "single-session"
    backbones: tuple[Backbone, ...] = FIVE
    days: int = 3
    epochs: int | None = None
    """passes over a day; default: as in decode-BACKBONE"""


@dataclass(frozen=True)
class MultiSession(Protocol):
    """One decoder for all days, against one for each."""

    name: ClassVar[str] = "multi-session"
    minutes: float = 4.0
    epochs: int = 60
    """passes over a day by a decoder of that day alone"""
    epochs_together: int = 15
    """passes over all days by a decoder of all days"""


@dataclass(frozen=True)
class NewSession(Protocol):
    """A decoder of other days learns a new one from its first minutes, against one that begins from nothing."""

    name: ClassVar[str] = "new-session"
    epochs: int = 15
    """passes over all days but the last, which is the new one"""
    calibration: tuple[float, ...] = (0.5, 1.0, 2.0, 5.0)
    """minutes of the new day's training part to learn from"""
    steps: int = 300
    """gradient steps at most"""
    lr: float = 1e-3
    """learning rate at its peak; from scratch it is that of decode-BACKBONE"""


@dataclass(frozen=True)
class CalibrationSpeed(NewSession):
    """Seconds and gradient steps until a decoder of other days has learned a new one."""

    name: ClassVar[str] = "calibration-speed"
    calibration: tuple[float, ...] = (1.0, 5.0)
    """minutes of the new day's training part to learn from"""


@dataclass(frozen=True)
class InferenceSpeed(Checked):
    """Latency of a step, a window run anew at each step, whole sequences at once; parameters, memory, operations."""

    name: ClassVar[str] = "inference-speed"
    backbones: tuple[Backbone, ...] = FIVE
    """which are compared"""
    widths: tuple[int, ...] = (64, 128, 256, 512)
    """channels of the backbone"""
    depths: tuple[int, ...] = (2, 4)
    """layers of the backbone"""
    channels: int = 96
    """electrodes"""
    bin_ms: float = 10.0
    """width of a time step in milliseconds"""
    steps: int = 1000
    """steps that are timed, after 100 or more that are not"""


@dataclass(frozen=True)
class Scaling(Protocol):
    """R² against days and parameters, and the power laws that fit."""

    name: ClassVar[str] = "scaling"
    minutes: float = 4.0
    numbers: tuple[int, ...] = (1, 2, 4, 8)
    """numbers of days to train on"""
    widths: tuple[int, ...] = (16, 32, 64, 128)
    """channels of the backbone"""
    days: int = 8
    epochs: int = 10
    """passes over the most days; as many steps are made with fewer"""

    def cell(self, backbone: Backbone, data: Neural, *, seed: int, width: int, days: int) -> Recipe:
        """Return the recipe of one width and number of days."""
        epochs = round(self.epochs * max(self.numbers) / days)
        return replace(self, width=width).recipe(backbone, data, seed=seed, epochs=epochs, together=True)


PROTOCOLS = {
    kind.name: kind for kind in (SingleSession, MultiSession, NewSession, InferenceSpeed, CalibrationSpeed, Scaling)
}
"""The settings of each protocol by its name; the first line of its docstring says what it does."""

BRIEF: Mapping[str, Any] = {"backbones": ("gru",), "width": 32, "days": 2, "minutes": 0.5, "epochs": 1}
QUICK: dict[str, Mapping[str, Any]] = {
    "single-session": BRIEF,
    "multi-session": {**BRIEF, "epochs_together": 1},
    "new-session": {**BRIEF, "calibration": (0.1, 0.2), "steps": 4},
    "inference-speed": {"backbones": ("gru", "rwkv"), "widths": (32,), "depths": (1,), "steps": 20},
    "calibration-speed": {**BRIEF, "calibration": (0.2,), "steps": 4},
    "scaling": {**BRIEF, "numbers": (1, 2), "widths": (8, 16)},
}

AnyProtocol = Protocol | InferenceSpeed
P = TypeVar("P", bound=AnyProtocol)


def quick(protocol: P) -> P:
    """Return a protocol that shows within seconds whether all of it runs, and nothing else."""
    return replace(protocol, **QUICK[protocol.name])


def some_days(data: Neural, first: int, last: int | None = None) -> Neural:
    """Return the days with the numbers `first` to `last` (default: `first` alone) of data that names them all.

    >>> made = some_days(Cortex(days=6), 4)
    >>> made.first_day, made.days
    (4, 1)
    """
    count = 1 if last is None else last + 1 - first
    if isinstance(data, Cortex):
        return replace(data, first_day=data.first_day + first, days=count)
    return replace(data, days=data.days[first : first + count])
