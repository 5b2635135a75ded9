"""sMNIST and psMNIST: handwritten digits, one pixel a step."""

import math
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ranvier.data.datasets.frames import Split
from ranvier.data.generate import Progress
from ranvier.data.root import find
from ranvier.data.sequences.files import read_bytes, read_npz
from ranvier.data.sequences.samples import SequenceDataset, tenth_held_out
from ranvier.recipes import Pixels

# Begin of the names of the published files, and of the arrays in mnist.npz.
PARTS = {"train": ("train", "train"), "test": ("t10k", "test")}


def smnist(config: Pixels, split: Split, progress: Progress | None = None) -> SequenceDataset:
    """Return one split of sMNIST or psMNIST: x `[784, 1]`, pixels from 0 to 1 row by row; 54,000, 6,000 and 10,000.

    psMNIST reads the same pixels in the order of `bit_reversal`.

    Raises:
        FileNotFoundError: no MNIST; the message names the files.
        ValueError: a damaged file.

    Source: LeCun, Bottou, Bengio, Haffner, "Gradient-Based Learning Applied to Document Recognition", 1998; order and
    split as in the released experiments of S4.
    """
    images, labels = read_mnist(find(config.root, "mnist"), test=split == "test")
    pixels = images.reshape(len(images), -1)
    order = bit_reversal(pixels.shape[1]) if config.name == "psmnist" else np.arange(pixels.shape[1])
    indices = tenth_held_out(split, training=len(labels), tests=len(labels), count=config.count)
    return SequenceDataset(partial(_sequence, pixels, order, labels), indices, tuple("0123456789"))


def bit_reversal(count: int) -> NDArray[np.int64]:
    """Return 0 to count - 1 in the order of their reversed bits.

    >>> bit_reversal(6).tolist()
    [0, 4, 2, 1, 5, 3]
    """
    bits = max(count - 1, 0).bit_length()
    order = np.zeros(1, np.int64)
    for _ in range(bits):
        order = np.concatenate([2 * order, 2 * order + 1])
    return order[order < count]


def read_mnist(root: Path, *, test: bool) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Read the images `[N, 28, 28]` and labels `[N]` of the training or the test set.

    In the folder are either the four published files, such as `train-images-idx3-ubyte` or
    `train-images-idx3-ubyte.gz`, or `mnist.npz` with the arrays x_train, y_train, x_test and y_test.

    Raises:
        FileNotFoundError: neither is there.
        ValueError: a damaged file, labels and images that differ in number, or a label above 9.
    """
    published, name = PARTS["test" if test else "train"]
    if (root / "mnist.npz").exists():
        images, labels = read_npz(root / "mnist.npz", f"x_{name}", f"y_{name}")
    else:
        images = read_idx(_published(root, f"{published}-images-idx3-ubyte"))
        labels = read_idx(_published(root, f"{published}-labels-idx1-ubyte"))
    if images.ndim != 3 or labels.shape != images.shape[:1] or not len(labels):
        raise ValueError(
            f"expected images [N, 28, 28] and as many labels in {root.absolute()}, got {list(images.shape)} and "
            f"{list(labels.shape)}: download MNIST again"
        )
    if labels.max() > 9:
        raise ValueError(f"expected labels 0 to 9 in {root.absolute()}, got {labels.max()}: download MNIST again")
    return images, labels


def _published(root: Path, name: str) -> Path:
    for path in (root / name, root / f"{name}.gz"):
        if path.exists():
            return path
    raise FileNotFoundError(
        f"no {name}, {name}.gz or mnist.npz in {root.absolute()}: put the files of MNIST there, or pass "
        "--data.root FOLDER"
    )


def read_idx(path: Path) -> NDArray[np.uint8]:
    """Read an array of bytes in the format of MNIST: 0, 0, 8, number of axes, sizes as big-endian uint32, values.

    Raises:
        ValueError: another format, or a file that is cut short.
    """
    raw = read_bytes(path)
    if raw[:3] != b"\0\0\x08" or len(raw) < 4 + 4 * raw[3]:
        raise ValueError(f"{path} is no idx file of bytes: expected it to begin with 0, 0, 8, got {list(raw[:3])}")
    shape = [int.from_bytes(raw[4 + 4 * axis : 8 + 4 * axis], "big") for axis in range(raw[3])]
    values = np.frombuffer(raw, np.uint8, offset=4 + 4 * raw[3])
    if len(values) != math.prod(shape):
        raise ValueError(f"{path}: expected {math.prod(shape):,} values for {shape}, got {len(values):,}")
    return values.reshape(shape)


def _sequence(pixels: NDArray, order: NDArray, labels: NDArray, i: int) -> tuple[NDArray, int]:
    return pixels[i, order, None].astype(np.float32) / 255, labels[i]
