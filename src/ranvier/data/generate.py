"""Scenes that take long to make: made once, by all cores, and kept on disk."""

import contextlib
import functools
import hashlib
import itertools
import json
import math
import multiprocessing
import os
import shutil
import signal
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from numpy.typing import NDArray

from ranvier.data.boxes import Boxes
from ranvier.data.cache import cache_folder
from ranvier.data.events import Events
from ranvier.data.scene import Scene, SceneSource

INDEX = "index.json"
Progress = Callable[[int, int], None]
"""Called with how many scenes are done, and how many there will be."""


def fingerprint(name: str, files: Sequence[str], *parts: object) -> str:
    """Return a name for `generate` that changes with source files, this one among them, and with all that is passed.

    Arrays count by their bytes, everything else by its `repr`.
    """
    digest = hashlib.sha256(b"".join(Path(file).read_bytes() for file in (__file__, *files)))
    for part in parts:
        digest.update(part.tobytes() if isinstance(part, np.ndarray) else repr(part).encode())
    return f"{name}-{digest.hexdigest()[:16]}"


@dataclass(frozen=True, eq=False)
class StoredScenes:
    """Scenes on disk, one after the other in flat columns of which only what is asked for is read; a `SceneSource`."""

    key: str
    classes: tuple[str, ...]
    segments: tuple[str, ...]
    sensor: tuple[int, int]
    folder: Path

    def __reduce__(self) -> tuple:
        # To other processes goes where the columns are; memory maps would be copied as a whole.
        return StoredScenes, (self.key, self.classes, self.segments, self.sensor, self.folder)

    def __len__(self) -> int:
        return len(self.columns["labels"])

    @functools.cached_property
    def columns(self) -> dict[str, NDArray]:
        """The columns by name, all scenes behind each other."""
        return _read(self.folder)

    @functools.cached_property
    def _first_event(self) -> NDArray[np.int64]:
        return np.concatenate([[0], np.cumsum(self.columns["events"])])

    @functools.cached_property
    def _first_box(self) -> NDArray[np.int64]:
        return np.concatenate([[0], np.cumsum(self.columns["boxes"])])

    def scene(self, index: int) -> Scene:
        """Return one scene; its arrays are copies, because whoever fits them to an input may do so in place."""
        stored = self.columns
        part = slice(self._first_event[index], self._first_event[index + 1])
        t, x, y, polarity = (np.array(stored[name][part]) for name in ("t", "x", "y", "polarity"))
        steps = stored["labels"].shape[1]
        cuts = self._first_box[index * steps : (index + 1) * steps + 1]
        boxes = [
            Boxes(torch.tensor(stored["xywh"][first:last]), torch.tensor(stored["label"][first:last]))
            for first, last in itertools.pairwise(cuts)
        ]
        images = {name: np.array(stored[name][index]) for name in ("labels", "grey", "disparity") if name in stored}
        return Scene(Events(t.astype(np.int64), x, y, polarity, self.sensor), boxes, **images)


def generate(source: SceneSource, *, processes: int | None = None, progress: Progress | None = None) -> StoredScenes:
    """Make all scenes of a source in parallel, or take them from disk where they have been made before.

    They are in the folder `source.key` of `ranvier.data.cache.cache_folder()`; neither making nor reading them takes
    memory for more than a few at a time. What comes out does not depend on `processes`.

    Args:
        source: the scenes; it is copied to every process.
        processes: how many work side by side; `None` is one a core.
        progress: told after every scene; not called when they come from disk.

    Raises:
        OSError: the folder cannot be written, or has no room.
    """
    key = source.key
    folder = cache_folder() / key
    if not _whole(folder):
        _make(source, folder, processes or os.cpu_count() or 1, progress)
    return StoredScenes(key, source.classes, source.segments, source.sensor, folder)


def _make(source: SceneSource, folder: Path, processes: int, progress: Progress | None) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f"{folder.name}-"))
    try:
        _write(temporary, _scenes(source, processes, progress))
        _put(temporary, folder)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def _put(temporary: Path, folder: Path) -> None:
    """Rename the new scenes to `folder`, unless another process has been faster: then its scenes stay."""
    if not _whole(folder):
        shutil.rmtree(folder, ignore_errors=True)
        try:
            temporary.rename(folder)
            return
        except OSError:
            if not _whole(folder):
                raise
    shutil.rmtree(temporary)


def _scenes(source: SceneSource, processes: int, progress: Progress | None) -> Iterator[dict[str, NDArray]]:
    # A child of a fork needs no import; elsewhere than on Linux forking is not safe.
    context = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")
    with warnings.catch_warnings():
        # Python 3.12 warns of threads beside a fork; the children compute with numpy alone and start none.
        warnings.simplefilter("ignore", DeprecationWarning)
        with ProcessPoolExecutor(processes, context, _begin, (source,)) as pool:
            for done, columns in enumerate(pool.map(_scene, range(len(source)), chunksize=4), start=1):
                yield columns
                if progress is not None:
                    progress(done, len(source))


def _write(folder: Path, scenes: Iterator[dict[str, NDArray]]) -> None:
    """Append scenes to one file a column; `index.json` says what is in them: type and shape."""
    index: dict[str, tuple[str, list[int]]] = {}
    with contextlib.ExitStack() as stack:
        files: dict[str, BinaryIO] = {}
        for columns in scenes:
            for name, column in columns.items():
                if name not in files:
                    files[name] = stack.enter_context((folder / name).open("wb"))
                    index[name] = column.dtype.str, [0, *column.shape[1:]]
                files[name].write(column.tobytes())
                index[name][1][0] += len(column)
    (folder / INDEX).write_text(json.dumps(index))


def _whole(folder: Path) -> bool:
    """Return whether all columns are there and as long as they should be."""
    try:
        index = json.loads((folder / INDEX).read_text())
        sizes = {name: math.prod(shape) * np.dtype(kind).itemsize for name, (kind, shape) in index.items()}
        return all((folder / name).stat().st_size == size for name, size in sizes.items())
    except (OSError, ValueError):
        return False


def _read(folder: Path) -> dict[str, NDArray]:
    index = json.loads((folder / INDEX).read_text())
    # A file without bytes cannot be mapped.
    return {
        name: np.memmap(folder / name, kind, "r", shape=tuple(shape)) if math.prod(shape) else np.empty(shape, kind)
        for name, (kind, shape) in index.items()
    }


_source: SceneSource


def _begin(source: SceneSource) -> None:
    """Give a process its source; Ctrl-C is for the process that waits, which then stops all others."""
    global _source
    _source = source
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _scene(index: int) -> dict[str, NDArray]:
    """Return a scene as arrays: a tensor would travel between processes in shared memory, one open file each."""
    scene = _source.scene(index)
    events, boxes = scene.events, scene.boxes
    columns = {
        "events": np.array([len(events)]),
        "t": events.t.astype(np.int32),
        "x": events.x,
        "y": events.y,
        "polarity": events.polarity,
        "boxes": np.array([len(one.label) for one in boxes]),
        "xywh": np.concatenate([one.xywh.numpy() for one in boxes]),
        "label": np.concatenate([one.label.numpy() for one in boxes]),
    }
    images = {"labels": scene.labels, "grey": scene.grey, "disparity": scene.disparity}
    return columns | {name: image[None] for name, image in images.items() if image is not None}
