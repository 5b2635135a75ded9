"""Scenes that take long to make: made once, by all cores, and kept on disk."""

import functools
import hashlib
import itertools
import multiprocessing
import os
import signal
import sys
import warnings
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from ranvier.data.boxes import Boxes
from ranvier.data.cache import cached
from ranvier.data.events import Events
from ranvier.data.scene import Scene, SceneSource

Progress = Callable[[int, int], None]
"""Called with how many scenes are done, and how many there will be."""


def fingerprint(name: str, file: str, *parts: object) -> str:
    """Return a name for `cached` that changes with a source file, with this one, and with all that is passed.

    Arrays count by their bytes, everything else by its `repr`.
    """
    digest = hashlib.sha256(Path(file).read_bytes() + Path(__file__).read_bytes())
    for part in parts:
        digest.update(np.ascontiguousarray(part).data if isinstance(part, np.ndarray) else repr(part).encode())
    return f"{name}-{digest.hexdigest()[:16]}"


@dataclass(frozen=True, eq=False)
class StoredScenes:
    """Scenes in memory, one after the other in flat columns; a `SceneSource`."""

    key: str
    classes: tuple[str, ...]
    sensor: tuple[int, int]
    columns: dict[str, NDArray]

    def __len__(self) -> int:
        return len(self.columns["labels"])

    @functools.cached_property
    def _first_event(self) -> NDArray[np.int64]:
        return np.concatenate([[0], np.cumsum(self.columns["events"])])

    @functools.cached_property
    def _first_box(self) -> NDArray[np.int64]:
        return np.concatenate([[0], np.cumsum(self.columns["boxes"])])

    def scene(self, index: int) -> Scene:
        """Return one scene; its boxes are copies, because whoever fits them to an input may do so in place."""
        stored = self.columns
        part = slice(self._first_event[index], self._first_event[index + 1])
        t, x, y, polarity = (stored[name][part] for name in ("t", "x", "y", "polarity"))
        steps = stored["labels"].shape[1]
        cuts = self._first_box[index * steps : (index + 1) * steps + 1]
        boxes = [
            Boxes(torch.tensor(stored["xywh"][first:last]), torch.tensor(stored["label"][first:last]))
            for first, last in itertools.pairwise(cuts)
        ]
        images = {name: stored[name][index] for name in ("labels", "grey", "disparity") if name in stored}
        return Scene(Events(t.astype(np.int64), x, y, polarity, self.sensor), boxes, **images)


def generate(source: SceneSource, *, processes: int | None = None, progress: Progress | None = None) -> StoredScenes:
    """Make all scenes of a source in parallel, or take them from disk where they have been made before.

    They are stored under `source.key` (`ranvier.data.cache`). What comes out does not depend on `processes`.

    Args:
        source: the scenes; it is copied to every process.
        processes: how many work side by side; `None` is one a core.
        progress: told after every scene; not called when they come from disk.
    """
    key = source.key
    columns = cached(key, lambda: _make(source, processes or os.cpu_count() or 1, progress))
    return StoredScenes(key, source.classes, source.sensor, columns)


def _make(source: SceneSource, processes: int, progress: Progress | None) -> dict[str, NDArray]:
    # A child of a fork needs no import; elsewhere than on Linux forking is not safe.
    context = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")
    made: list[dict[str, NDArray]] = []
    with warnings.catch_warnings():
        # Python 3.12 warns of threads beside a fork; the children compute with numpy alone and start none.
        warnings.simplefilter("ignore", DeprecationWarning)
        with ProcessPoolExecutor(processes, context, _begin, (source,)) as pool:
            for columns in pool.map(_scene, range(len(source)), chunksize=4):
                made.append(columns)
                if progress is not None:
                    progress(len(made), len(source))
    return {name: np.concatenate([columns[name] for columns in made]) for name in made[0]}


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
