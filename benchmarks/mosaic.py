"""How fast training mosaics are made from real recordings, on one core."""

from functools import partial

from benchmarks.harness import Row, Settings, row
from benchmarks.representations import seconds

# (grade, whether recordings are changed at random)
KINDS = (("plain", False), ("hard", False), ("hard", True))


def run(settings: Settings) -> list[Row]:
    """Return scenes (events, boxes and masks) a second for each grade, and training samples a second."""
    # Here, because a machine that benchmarks kernels alone may lack what data sets need.
    from ranvier.data.datasets import DetectionDataset, Mosaics, SegmentationDataset, read_nmnist, stacked

    try:
        recordings = read_nmnist()
    except FileNotFoundError as error:
        return [row("mosaic", None, "mosaics/s", target=1000.0, note=str(error))]
    rounds = 3 if settings.size == "tiny" else 15
    batch = range(2 if settings.size == "tiny" else 50)
    rows = []
    for grade, augment in KINDS:
        source = Mosaics(recordings, "train", grade=grade, augment=augment)
        speed = len(batch) / seconds(lambda s=source: [s.scene(i) for i in batch], rounds=rounds)
        rows.append(row(f"mosaic {grade}{', augmented' * augment}", speed, "mosaics/s", target=1000.0))
    hardest = Mosaics(recordings, "train", grade="hard", augment=True)
    stack = partial(stacked, steps=5, window_us=60_000)
    for name, samples in (
        ("boxes, sbt", DetectionDataset(hardest, stack)),
        ("masks, counts", SegmentationDataset(hardest, partial(stack, stacking="counts"))),
    ):
        speed = len(batch) / seconds(lambda s=samples: [s[i] for i in batch], rounds=rounds)
        rows.append(row(f"training samples: {name}", speed, "samples/s"))
    return rows
