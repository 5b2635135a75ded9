"""What can be said about a recording without a network: the facts behind `ranvier info FILE`."""

from pathlib import Path
from typing import Any

import numpy as np

from ranvier.data.formats import Format, open_events

WINDOW_US = 10_000
CHUNK = 1 << 16


def describe(
    path: Path | str, *, sensor: tuple[int, int] | None = None, format: Format | None = None
) -> dict[str, Any]:
    """Return plain facts about a recording, read once in memory that does not grow with its length.

    Keys: `path`, `bytes`, `format`, `sensor` [width, height], `seen` [columns, rows] up to the last that sent an
    event, `events`, `first_us`, `last_us`, `duration_us`, `on_share` (part of the events that rose in brightness),
    `rate_mean` and `rate_peak` in events/s (the peak over windows of 10 ms that are counted from the first event; the
    mean is None where all events have one time), `active_pixels`, and `busiest`: up to three
    {"x", "y", "events", "share"}. All values are JSON's.

    Raises:
        EventFileError: as `open_events` and `Recording.read`.
    """
    recording = open_events(path, sensor=sensor, format=format)
    width, height = recording.sensor
    pixels = np.zeros(width * height, np.int64)
    events = on = first = last = fullest = in_window = window = 0
    for chunk in recording.chunks(count=CHUNK):
        if not events:
            first = int(chunk.t[0])
        np.add.at(pixels, chunk.y.astype(np.int64) * width + chunk.x, 1)
        numbers, counts = np.unique((chunk.t - first) // WINDOW_US, return_counts=True)
        # The last window of a chunk may go on in the next one.
        counts[0] += in_window if numbers[0] == window else 0
        window, in_window = int(numbers[-1]), int(counts[-1])
        fullest = max(fullest, int(counts.max()))
        events, on, last = events + len(chunk), on + int(chunk.polarity.sum()), int(chunk.t[-1])

    active = np.flatnonzero(pixels)
    busiest = active[np.argsort(-pixels[active], kind="stable")[:3]]
    duration = last - first
    return {
        "path": str(path),
        "bytes": recording.path.stat().st_size,
        "format": recording.format,
        "sensor": [width, height],
        "seen": [int((active % width).max()) + 1, int(active.max()) // width + 1],
        "events": events,
        "first_us": first,
        "last_us": last,
        "duration_us": duration,
        "on_share": on / events,
        "rate_mean": events / duration * 1e6 if duration else None,
        "rate_peak": fullest / WINDOW_US * 1e6,
        "active_pixels": len(active),
        "busiest": [
            {"x": int(i % width), "y": int(i // width), "events": int(pixels[i]), "share": int(pixels[i]) / events}
            for i in busiest
        ],
    }
