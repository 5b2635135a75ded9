"""Data sets by name: `build(config, split)` gives samples `(x [T, C, H, W], what is to be found)`."""

from collections.abc import Callable
from functools import partial
from typing import Any, Literal, Protocol

from ranvier.data.datasets.batch import Batch, Samples, collate
from ranvier.data.datasets.digits import make_digits
from ranvier.data.datasets.drive import Drives
from ranvier.data.datasets.frames import FrameDataset, Recordings, Split, split_indices
from ranvier.data.datasets.mosaic import Mosaics
from ranvier.data.datasets.nmnist import read_nmnist
from ranvier.data.datasets.scenes import DetectionDataset, SegmentationDataset, Stacking, stacked
from ranvier.data.generate import Progress, generate
from ranvier.data.scene import SceneSource

__all__ = [
    "DATASETS",
    "Batch",
    "DetectionDataset",
    "Drives",
    "FrameDataset",
    "FramesConfig",
    "Mosaics",
    "Recordings",
    "Samples",
    "ScenesConfig",
    "SegmentationDataset",
    "Split",
    "build",
    "collate",
    "make_digits",
    "read_nmnist",
    "split_indices",
    "stacked",
]

# Scenes of the splits that are not for training.
HELD_OUT = {"val": 200, "test": 500}
# Rendering takes longer.
HELD_OUT_DRIVES = 200


class Config(Protocol):
    """What `build` reads from the data part of every recipe."""

    @property
    def name(self) -> str: ...
    @property
    def root(self) -> str | None: ...
    @property
    def window_us(self) -> int: ...
    @property
    def steps(self) -> int: ...
    @property
    def seed(self) -> int: ...
    @property
    def augment(self) -> bool: ...


class FramesConfig(Config, Protocol):
    """What it reads for labelled recordings."""

    @property
    def fold(self) -> int: ...


class ScenesConfig(Config, Protocol):
    """What it reads for scenes."""

    @property
    def grade(self) -> Literal["plain", "hard"]: ...
    @property
    def target(self) -> Literal["boxes", "masks"]: ...
    @property
    def frames(self) -> bool: ...
    @property
    def sensor(self) -> tuple[int, int]: ...
    @property
    def stacking(self) -> Stacking: ...
    @property
    def bins(self) -> int: ...
    @property
    def events_per_bin(self) -> int: ...
    @property
    def count(self) -> int: ...


def _digits(config: FramesConfig, split: Split, progress: Progress | None) -> FrameDataset:
    if config.root is not None:
        raise ValueError(
            f"the digits are generated and have no folder, got root={config.root!r}: leave --data.root away"
        )
    return _frames(make_digits(), config, split)


def _nmnist(config: FramesConfig, split: Split, progress: Progress | None) -> FrameDataset:
    return _frames(read_nmnist(config.root), config, split)


def _frames(recordings: Recordings, config: FramesConfig, split: Split) -> FrameDataset:
    return FrameDataset(
        recordings,
        split_indices(recordings, split, fold=config.fold),
        window_us=config.window_us,
        steps=config.steps,
        seed=config.seed,
        augment=config.augment and split == "train",
    )


def _mosaic(config: ScenesConfig, split: Split, progress: Progress | None) -> DetectionDataset | SegmentationDataset:
    fresh = config.augment and split == "train"
    source = Mosaics(
        read_nmnist(config.root),
        split,
        grade=config.grade,
        sensor=config.sensor,
        steps=config.steps,
        window_us=config.window_us,
        count=config.count if split == "train" else HELD_OUT[split],
        seed=config.seed,
        augment=fresh,
    )
    return _scenes(source if split == "train" else generate(source, progress=progress), config, fresh=fresh)


def _drive(config: ScenesConfig, split: Split, progress: Progress | None) -> DetectionDataset | SegmentationDataset:
    if config.root is not None:
        raise ValueError(f"drives are rendered and have no folder, got root={config.root!r}: leave --data.root away")
    source = Drives(
        split,
        sensor=config.sensor,
        steps=config.steps,
        window_us=config.window_us,
        count=config.count if split == "train" else HELD_OUT_DRIVES,
        seed=config.seed,
        disparity=False,
    )
    mirror = config.seed if config.augment and split == "train" else None
    return _scenes(generate(source, progress=progress), config, mirror=mirror)


def _scenes(
    source: SceneSource, config: ScenesConfig, *, fresh: bool = False, mirror: int | None = None
) -> DetectionDataset | SegmentationDataset:
    if config.stacking == "sbn" and (config.target == "masks" or config.frames):
        raise ValueError(
            "masks and frames are of steps of one width, and those of sbn have none: pass --data.stacking sbt"
        )
    stack = partial(
        stacked,
        steps=config.steps,
        window_us=config.window_us,
        stacking=config.stacking,
        bins=config.bins,
        events_per_bin=config.events_per_bin,
    )
    kind = DetectionDataset if config.target == "boxes" else SegmentationDataset
    return kind(source, stack, frames=config.frames, fresh=fresh, mirror=mirror)


DATASETS: dict[str, Callable[[Any, Split, Progress | None], Samples]] = {
    "digits": _digits,
    "nmnist": _nmnist,
    "mosaic": _mosaic,
    "drive": _drive,
}


def build(config: Config, split: Split, *, progress: Progress | None = None) -> Samples:
    """Return one split of a named data set; only the training split is changed at random.

    `config.fold` says which fifth of labelled recordings is held out (see `split_indices`), `config.seed` seeds all
    that is random. `progress(done, total)` is called while scenes are generated.

    Raises:
        ValueError: an unknown name, fold or split.
        FileNotFoundError: the recordings are not on this machine.
    """
    if config.name not in DATASETS:
        raise ValueError(f"expected a data set out of {', '.join(DATASETS)}, got {config.name!r}: use --data.name")
    return DATASETS[config.name](config, split, progress)
