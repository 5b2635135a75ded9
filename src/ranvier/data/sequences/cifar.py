"""sCIFAR: small photographs in grey, one pixel a step."""

import io
import pickle
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ranvier.data.datasets.frames import Split
from ranvier.data.generate import Progress
from ranvier.data.root import find
from ranvier.data.sequences.files import read_npz
from ranvier.data.sequences.samples import SequenceDataset, tenth_held_out
from ranvier.recipes import Pixels
from ranvier.recipes.classes import CIFAR

# Of the grey values, as in the released experiments of S4.
MEAN, DEVIATION = 122.6, 61.0
BATCHES = {"train": [f"data_batch_{number}" for number in range(1, 6)], "test": ["test_batch"]}
COLOURS = 3 * 32 * 32
# What a pickled array is made of; nothing else in a downloaded file may run.
_ARRAY = ("_reconstruct", "ndarray", "dtype", "encode")


class Jpegs(NamedTuple):
    """Pictures as JPEG files that share one header."""

    header: bytes
    payload: bytes
    offsets: NDArray[np.uint32]

    def picture(self, i: int) -> NDArray[np.uint8]:
        """Return the colours `[32, 32, 3]` of picture i."""
        begin, end = int(self.offsets[i]), int(self.offsets[i + 1])
        return np.asarray(Image.open(io.BytesIO(self.header + self.payload[begin:end])))


class Batches(NamedTuple):
    """Pictures as rows of 1,024 red, 1,024 green and 1,024 blue values."""

    rows: NDArray[np.uint8]

    def picture(self, i: int) -> NDArray[np.uint8]:
        """Return the colours `[32, 32, 3]` of picture i."""
        return self.rows[i].reshape(3, 32, 32).transpose(1, 2, 0)


def scifar(config: Pixels, split: Split, progress: Progress | None = None) -> SequenceDataset:
    """Return one split of CIFAR-10: x `[1024, 1]`, grey values row by row, normalised; 45,000, 5,000 and 10,000.

    `x = (grey - 122.6) / 61` with grey values 0 to 255. The folder holds `cifar-10-batches-py`,
    `cifar-10-batches-bin`, or `cifar10_train.npz` and `cifar10_test.npz` with JPEG files, which are lossy.

    Raises:
        FileNotFoundError: none of them is there.
        ValueError: a damaged file.

    Source: A. Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009; grey, normalisation and split
    as in the released experiments of S4.
    """
    pictures, labels = read_cifar(find(config.root, "cifar10"), test=split == "test")
    indices = tenth_held_out(split, training=len(labels), tests=len(labels), count=config.count)
    return SequenceDataset(partial(_sequence, pictures, labels), indices, CIFAR)


def grey(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the luma of colours `[..., 3]`, as ITU-R BT.601 and Pillow define it.

    >>> grey(np.array([[255, 255, 255], [255, 0, 0]], np.uint8)).tolist()
    [255, 76]
    """
    weights = np.array([19595, 38470, 7471], np.uint32)
    return ((picture @ weights + 0x8000) >> 16).astype(np.uint8)


def read_cifar(root: Path, *, test: bool) -> tuple[Batches | Jpegs, NDArray[np.int64]]:
    """Read the pictures and labels of the training or the test set, in the order of the files.

    Raises:
        FileNotFoundError: there are none.
        ValueError: a damaged file.
    """
    part = "test" if test else "train"
    if (jpegs := root / f"cifar10_{part}.npz").exists():
        header, payload, offsets, labels = read_npz(jpegs, "header", "payload", "offsets", "labels")
        return Jpegs(header.tobytes(), payload.tobytes(), offsets), labels.astype(np.int64)
    for folder, read, end in (("cifar-10-batches-py", _pickled, ""), ("cifar-10-batches-bin", _binary, ".bin")):
        if (root / folder).is_dir():
            batches = [read(root / folder / f"{name}{end}") for name in BATCHES[part]]
            rows, labels = (np.concatenate(column) for column in zip(*batches, strict=True))
            return Batches(rows), labels
    raise FileNotFoundError(
        f"no cifar-10-batches-py, cifar-10-batches-bin or cifar10_{part}.npz in {root.absolute()}: unpack "
        "cifar-10-python.tar.gz there, or pass --data.root FOLDER"
    )


def _binary(path: Path) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    raw = np.frombuffer(_bytes(path), np.uint8)
    if not len(raw) or len(raw) % (1 + COLOURS):
        raise ValueError(
            f"{path}: expected {1 + COLOURS:,} bytes a picture, got {len(raw):,} in all: download it again"
        )
    rows = raw.reshape(-1, 1 + COLOURS)
    return _checked(path, rows[:, 1:], rows[:, 0].astype(np.int64))


def _pickled(path: Path) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    try:
        # Written by Python 2, whose strings are bytes.
        batch = _Arrays(io.BytesIO(_bytes(path)), encoding="bytes").load()
        rows, labels = batch[b"data"], np.array(batch[b"labels"], np.int64)
    except Exception as error:  # a damaged pickle raises whatever its parts happen to raise
        raise ValueError(f"{path} is not a batch of CIFAR-10 ({error!r}): download it again") from None
    return _checked(path, rows, labels)


def _bytes(path: Path) -> bytes:
    if not path.exists():
        raise FileNotFoundError(f"no {path.absolute()}: unpack CIFAR-10 again")
    return path.read_bytes()


def _checked(path: Path, rows: NDArray, labels: NDArray) -> tuple[NDArray, NDArray]:
    if rows.shape != (len(labels), COLOURS) or not np.isin(labels, range(10)).all():
        raise ValueError(f"{path}: expected rows of {COLOURS:,} values and labels 0 to 9: download it again")
    return rows, labels


class _Arrays(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if module.split(".")[0] not in ("numpy", "_codecs") or name not in _ARRAY:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}")
        # The old name of this module warns.
        return super().find_class(module.replace("numpy.core", "numpy._core"), name)


def _sequence(pictures: Batches | Jpegs, labels: NDArray[np.int64], i: int) -> tuple[NDArray, int]:
    values = grey(pictures.picture(i)).reshape(-1, 1).astype(np.float32)
    return (values - np.float32(MEAN)) / np.float32(DEVIATION), labels[i]
