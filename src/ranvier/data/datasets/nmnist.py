"""N-MNIST: handwritten digits under three saccades of a real event camera."""

import re
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ranvier.data.datasets.frames import FrameDataset, Split, frame_dataset
from ranvier.data.events import Events
from ranvier.data.formats.nmnist import decode
from ranvier.data.generate import Progress
from ranvier.data.root import find
from ranvier.recipes import EventFrames

_PATH = re.compile(r"(?:^|/)(Train|Test)/([0-9])/([0-9]+)\.bin$")


@dataclass(frozen=True, eq=False)
class NMNIST:
    """The recordings in the order of their numbers, those of `Train` before those of `Test`.

    `files` holds the bytes of a recording (from a zip) or its path (from a folder, read when asked for).
    """

    files: list[bytes | Path]
    names: list[str]
    labels: NDArray[np.int64]
    official_tests: int
    sensor: tuple[int, int] = (34, 34)
    classes: tuple[str, ...] = tuple("0123456789")

    def __len__(self) -> int:
        return len(self.files)

    def events(self, index: int) -> Events:
        """Return one recording of about 0.3 s.

        Raises:
            ValueError: the file is damaged; the message names it and the event.
        """
        file = self.files[index]
        raw = file if isinstance(file, bytes) else file.read_bytes()
        try:
            if len(raw) % 5:
                raise ValueError(f"expected 5 bytes an event, got {len(raw)} bytes: the file is cut short")
            return Events.of(*decode(raw), self.sensor)
        except ValueError as error:
            raise ValueError(f"{self.names[index]}: {error}") from None


def nmnist(config: EventFrames, split: Split, progress: Progress | None = None) -> FrameDataset:
    """Return one split as the data part of a recipe describes it."""
    return frame_dataset(read_nmnist(config.root), config, split)


def read_nmnist(root: str | Path | None = None) -> NMNIST:
    """Find N-MNIST: `Train/<label>/<number>.bin`, and `Test` likewise, in a folder or in a zip.

    Args:
        root: the folder that holds `Train`, or one zip file, or a folder with one zip file; `None` is
            `data_root() / "nmnist"`.

    Raises:
        FileNotFoundError: there are no such files.

    Source: Orchard, Jayawant, Cohen, Thakor, "Converting Static Image Datasets to Spiking Neuromorphic Datasets Using
    Saccades", Frontiers in Neuroscience 2015.
    """
    place = find(root, "nmnist")
    if place.is_dir() and not (place / "Train").is_dir():
        zips = sorted(place.glob("*.zip"))
        if len(zips) != 1:
            raise FileNotFoundError(
                f"expected a folder Train or one zip file in {place.absolute()}, got {len(zips)} zip files: "
                "pass --data.root FOLDER-OR-ZIP"
            )
        place = zips[0]
    if place.is_dir():
        found = _in_order([path.relative_to(place).as_posix() for path in place.glob("T*/[0-9]/*.bin")])
        files: list[bytes | Path] = [place / name for name, _ in found]
    else:
        try:
            with zipfile.ZipFile(place) as archive:
                found = _in_order(archive.namelist())
                files = [archive.read(name) for name, _ in found]
        except zipfile.BadZipFile as error:
            raise ValueError(f"{place} is not a readable zip file ({error}): download it again") from None
    if not found:
        raise FileNotFoundError(f"no files Train/<label>/<number>.bin in {place.absolute()}")
    labels = np.array([int(match[2]) for _, match in found], np.int64)
    tests = sum(match[1] == "Test" for _, match in found)
    return NMNIST(files, [f"{place}/{name}" for name, _ in found], labels, tests)


def _in_order(names: list[str]) -> list[tuple[str, re.Match[str]]]:
    matches = [(name, match) for name in names if (match := _PATH.search(name))]
    return sorted(matches, key=lambda found: (found[1][1] == "Test", int(found[1][3])))
