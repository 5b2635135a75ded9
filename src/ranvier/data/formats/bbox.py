"""Prophesee `*_bbox.npy`: the annotated boxes of a recording, one record each, in the order of time.

Fields: time in µs, x and y of the top left corner, w and h in pixels, class, identity of the object, confidence. The
files of Gen1 say `ts` and `confidence` where those of 1 Megapixel say `t` and `class_confidence`.
Source: Prophesee, "Automotive Dataset Toolbox" (its README and the types of its box loader).
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ranvier.data.formats.source import EventFileError

TYPES = {
    "t": "<i8",
    "x": "<f4",
    "y": "<f4",
    "w": "<f4",
    "h": "<f4",
    "class_id": "<u4",
    "track_id": "<u4",
    "class_confidence": "<f4",
}
BBOX = np.dtype(list(TYPES.items()))
SPELLINGS = {"ts": "t", "time": "t", "confidence": "class_confidence"}


def read_bbox(path: Path | str) -> NDArray:
    """Read the boxes of a recording in any spelling, sorted by time: `[n]` records of type `BBOX`.

    Raises:
        EventFileError: no readable file, no records, or a field that is absent; the message names it.
    """
    try:
        stored = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise EventFileError.of(path, f"is no readable .npy file ({error})") from None
    if not isinstance(stored, np.ndarray) or stored.dtype.names is None or stored.ndim != 1:
        raise EventFileError.of(path, f"expected an array [n] of records with the fields {', '.join(TYPES)}")
    fields = {SPELLINGS.get(name, name): name for name in stored.dtype.names}
    if missing := [name for name in TYPES if name not in fields]:
        raise EventFileError.of(path, f"lacks {', '.join(missing)} among its fields {', '.join(stored.dtype.names)}")
    boxes = np.empty(len(stored), BBOX)
    for name in TYPES:
        boxes[name] = stored[fields[name]]
    return boxes[np.argsort(boxes["t"], kind="stable")]


def write_bbox(path: Path | str, boxes: NDArray) -> None:
    """Write records of type `BBOX`, in the spelling of 1 Megapixel.

    Raises:
        ValueError: records of another type.
    """
    if boxes.dtype != BBOX:
        raise ValueError(f"expected records of the type formats.bbox.BBOX, got {boxes.dtype}: fill np.zeros(n, BBOX)")
    with Path(path).open("wb") as file:
        np.save(file, boxes)
