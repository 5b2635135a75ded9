"""Data sets by name: `build(config, split)` gives samples `(x [T, ...], what is to be found)`."""

import importlib
from typing import Any, get_args

from ranvier.data.datasets.batch import Batch, RecordedSamples, Samples, collate
from ranvier.data.datasets.digits import make_digits
from ranvier.data.datasets.drive import Drives
from ranvier.data.datasets.frames import FrameDataset, Recordings, Split, split_indices
from ranvier.data.datasets.mosaic import Mosaics
from ranvier.data.datasets.nmnist import read_nmnist
from ranvier.data.datasets.scenes import DetectionDataset, SegmentationDataset, stacked
from ranvier.data.generate import Progress

__all__ = [
    "DATASETS",
    "Batch",
    "DetectionDataset",
    "Drives",
    "FrameDataset",
    "Mosaics",
    "RecordedSamples",
    "Recordings",
    "Samples",
    "SegmentationDataset",
    "Split",
    "build",
    "collate",
    "make_digits",
    "read_nmnist",
    "split_indices",
    "stacked",
]

DATASETS = {
    "digits": "ranvier.data.datasets.digits:digits",
    "nmnist": "ranvier.data.datasets.nmnist:nmnist",
    "mosaic": "ranvier.data.datasets.mosaic:mosaic",
    "drive": "ranvier.data.datasets.drive:drive",
    "gen1": "ranvier.data.datasets.prophesee:prophesee",
    "1mpx": "ranvier.data.datasets.prophesee:prophesee",
    "ncars": "ranvier.data.datasets.ncars:ncars",
    "ddd17": "ranvier.data.datasets.ddd17:ddd17",
    "dsec": "ranvier.data.datasets.dsec:dsec",
    "dvs-gesture": "ranvier.data.datasets.dvs_gesture:dvs_gesture",
    "smnist": "ranvier.data.sequences.mnist:smnist",
    "psmnist": "ranvier.data.sequences.mnist:smnist",
    "scifar": "ranvier.data.sequences.cifar:scifar",
    "listops": "ranvier.data.sequences.listops:listops",
    "imdb": "ranvier.data.sequences.imdb:imdb",
    "aan": "ranvier.data.sequences.aan:aan",
    "pathfinder": "ranvier.data.sequences.pathfinder:pathfinder",
    "spoken-digits": "ranvier.data.sequences.spoken_digits:spoken_digits",
    "speech-commands": "ranvier.data.sequences.speech_commands:speech_commands",
    "wikitext-2": "ranvier.data.sequences.wikitext:wikitext",
    "wikitext-103": "ranvier.data.sequences.wikitext:wikitext",
    "currents": "ranvier.data.datasets.currents:currents",
    "sessions": "ranvier.data.neural.recorded:sessions",
    "s1-random-target": "ranvier.data.neural.recorded:sessions",
    "m1-center-out": "ranvier.data.neural.recorded:sessions",
    "m1-trials": "ranvier.data.neural.recorded:sessions",
    "maze-trial": "ranvier.data.neural.recorded:sessions",
    "cortex": "ranvier.data.neural.cortex:cortex",
}
"""The field `name` of a data set's dataclass in `ranvier.recipes`, and the function that makes one split of it."""


def build(config: Any, split: Split, *, progress: Progress | None = None) -> Samples:
    """Return one split of the data set that the data part of a recipe describes; only `train` is changed at random.

    `progress(done, total)` is called while scenes are generated.

    Raises:
        ValueError: an unknown name, fold or split.
        FileNotFoundError: the recordings are not on this machine.
    """
    if config.name not in DATASETS:
        raise ValueError(f"expected a data set out of {', '.join(DATASETS)}, got {config.name!r}: use --data.name")
    if split not in get_args(Split):
        raise ValueError(f"expected split train, val or test, got {split!r}")
    module, function = DATASETS[config.name].split(":")
    return getattr(importlib.import_module(module), function)(config, split, progress)
