"""How fast streets are rendered and recorded, on one core."""

from benchmarks.harness import Row, Settings, row
from benchmarks.representations import seconds

# One thousand windows in three minutes on two cores.
TARGET = 1000 / 180 / 2
SIZES = ((128, 128), (256, 256), (346, 260))


def run(settings: Settings) -> list[Row]:
    """Return windows of 50 ms (events, grey frame, boxes, mask and disparity) a second for each sensor."""
    # Here, because a machine that benchmarks kernels alone may lack what data sets need.
    from ranvier.data.datasets import Drives

    steps, scenes = (1, 1) if settings.size == "tiny" else (5, 4)
    rows = []
    for sensor in SIZES if settings.size == "full" else SIZES[:1]:
        source = Drives("train", sensor=sensor, steps=steps)
        taken = seconds(
            lambda s=source: [s.scene(i) for i in range(scenes)], rounds=1 if settings.size == "tiny" else 3
        )
        target = TARGET if sensor == SIZES[0] else None
        rows.append(row(f"drive {sensor[0]}x{sensor[1]}", scenes * steps / taken, "windows/s", target=target))
    return rows
