"""How fast events become tensors, on one core."""

import time
from collections.abc import Callable

import numpy as np

from benchmarks.harness import Row, Settings, row
from ranvier.data.events import Events
from ranvier.data.representations import frames, stack_by_time, time_surface, voxel_grid

# (events, width, height, windows a second): an N-MNIST recording, the two common sensors, and a high-definition one.
SIZES = ((4_000, 34, 34, 20), (4_000_000, 346, 260, 50), (8_000_000, 640, 480, 20), (8_000_000, 1280, 720, 20))


def recording(count: int, width: int, height: int) -> Events:
    """Return one second of events, half of them on a tenth of the sensor's rows as a moving edge would place them."""
    generator = np.random.default_rng(0)
    x, y = generator.integers(0, width, count), generator.integers(0, height, count)
    y[::2] = y[::2] * 0.1 + 0.45 * height
    t = np.sort(generator.integers(0, 1_000_000, count))
    return Events.of(t, x, y, generator.random(count) < 0.5, (width, height))


def seconds(call: Callable[[], object], *, rounds: int = 5) -> float:
    """Return the median processor time of a call after one to warm up; a round repeats it for about 20 ms."""
    call()
    begin = time.process_time()
    call()
    repeat = max(1, int(0.02 / (time.process_time() - begin)))
    taken = []
    for _ in range(rounds):
        begin = time.process_time()
        for _ in range(repeat):
            call()
        taken.append((time.process_time() - begin) / repeat)
    return float(np.median(taken))


def run(settings: Settings) -> list[Row]:
    """Return one row for each representation and sensor: million events a second."""
    rows = []
    for count, width, height, windows in SIZES if settings.size == "full" else SIZES[:1]:
        events = recording(count, width, height)
        window_us = 1_000_000 // windows
        bin_us = 1_000_000 // 9
        calls = {
            "frames": (lambda e=events, w=window_us: frames(e, window_us=w, start=0), 60.0),
            "stack_by_time": (lambda e=events, b=bin_us: stack_by_time(e, label_us=1_000_000, bin_us=b), None),
            "voxel_grid": (lambda e=events: voxel_grid(e, bins=10), 30.0),
            "time_surface": (lambda e=events: time_surface(e, at=[500_000, 1_000_000], tau_us=50_000), None),
        }
        for name, (call, target) in calls.items():
            speed = count / seconds(call) / 1e6
            rows.append(row(f"{name} {width}x{height}", speed, "million events/s", target=target))
    return rows
