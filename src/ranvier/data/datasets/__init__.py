"""Data sets by name: `build(config, split)` gives samples `(x [T, C, H, W], label)`, `collate` makes batches."""

from collections.abc import Callable
from typing import Protocol

from ranvier.data.datasets.batch import Batch, Samples, collate
from ranvier.data.datasets.digits import make_digits
from ranvier.data.datasets.frames import FrameDataset, Recordings, Split, split_indices
from ranvier.data.datasets.nmnist import read_nmnist

__all__ = [
    "DATASETS",
    "Batch",
    "Config",
    "FrameDataset",
    "Recordings",
    "Samples",
    "Split",
    "build",
    "collate",
    "make_digits",
    "read_nmnist",
    "split_indices",
]


class Config(Protocol):
    """What `build` reads from the data part of a recipe."""

    @property
    def name(self) -> str: ...
    @property
    def root(self) -> str | None: ...
    @property
    def window_us(self) -> int: ...
    @property
    def steps(self) -> int: ...
    @property
    def fold(self) -> int: ...
    @property
    def seed(self) -> int: ...
    @property
    def augment(self) -> bool: ...


def _digits(root: str | None) -> Recordings:
    if root is not None:
        raise ValueError(f"the digits are generated and have no folder, got root={root!r}: leave --data.root away")
    return make_digits()


DATASETS: dict[str, Callable[[str | None], Recordings]] = {"digits": _digits, "nmnist": read_nmnist}


def build(config: Config, split: Split) -> FrameDataset:
    """Return one split of a named data set; only the training split is augmented.

    `config.fold` says which fifth is held out (see `split_indices`), `config.seed` seeds the augmentation.

    Raises:
        ValueError: an unknown name, fold or split.
        FileNotFoundError: the recordings are not on this machine.
    """
    if config.name not in DATASETS:
        raise ValueError(f"expected a data set out of {', '.join(DATASETS)}, got {config.name!r}: use --data.name")
    recordings = DATASETS[config.name](config.root)
    return FrameDataset(
        recordings,
        split_indices(recordings, split, fold=config.fold),
        window_us=config.window_us,
        steps=config.steps,
        seed=config.seed,
        augment=config.augment and split == "train",
    )
