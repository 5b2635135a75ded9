"""N-CARS from files in its layout, and the real recording."""

import shutil

import numpy as np
import pytest
import torch

from ranvier.data.datasets import build
from ranvier.data.datasets.ncars import CutOuts, ncars
from ranvier.data.events import Events
from ranvier.data.formats import EventFileError, open_events, write_dat
from ranvier.data.letterbox import Letterbox
from ranvier.recipes import NCars


def put(root, path: str, events: Events | None = None) -> None:
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    write_dat(file, events if events is not None else Events.of([1], [29], [24], [1], (120, 100)))


def read(root, split="train", *, size=(256, 256), steps=10) -> CutOuts:
    return ncars(NCars(root=str(root), size=size, steps=steps), split)


def test_the_real_recording(tmp_path, data_dir):
    source = data_dir / "event_formats" / "ncars_sample_td.dat"
    put(tmp_path, "n-cars_test/background/obj_000000_td.dat")
    (tmp_path / "n-cars_test" / "cars").mkdir()
    shutil.copy(source, tmp_path / "n-cars_test" / "cars" / "obj_000007_td.dat")
    samples = read(tmp_path)
    assert samples.labels.tolist() == [0, 1]
    x, label = samples[1]
    assert (x.shape, x.dtype, label) == ((10, 1, 256, 256), torch.float32, 1)
    assert x.unique().tolist() == [-1, 0, 1]

    events = open_events(source, sensor=(120, 100)).read()
    assert samples.events(1).sensor == (78, 42)
    expected = torch.zeros(10, 1, 42, 78)
    for t, column, row, polarity in zip(events.t, events.x, events.y, events.polarity, strict=True):
        expected[int(t) // 10_000, 0, int(row), int(column)] = 1 if polarity else -1
    assert torch.equal(x, Letterbox(sensor=(78, 42), size=(256, 256)).image(expected))
    assert (expected != 0).sum((1, 2, 3)).min() > 0


def test_the_last_event_of_a_bin_counts_and_short_recordings_repeat_their_last_image(tmp_path):
    t, polarity = [0, 9_999, 10_000, 34_000], [1, 0, 1, 1]
    events = Events.of(t, [0, 0, 0, 3], [0, 0, 0, 1], polarity, (120, 100))
    put(tmp_path, "cars/obj_000000_td.dat", events)
    put(tmp_path, "background/obj_000000_td.dat")
    x, _ = read(tmp_path, size=(2, 4))[1]
    first, second, third, fourth = ([[[a, 0, 0, 0], [0, 0, 0, b]]] for a, b in ((-1, 0), (1, 0), (0, 0), (0, 1)))
    assert x.tolist() == [first, second, third, *[fourth] * 7]
    x, _ = read(tmp_path, size=(2, 4), steps=2)[1]
    assert x.tolist() == [first, second]


def test_an_object_s_number_decides_its_split(tmp_path):
    numbers = {
        "background": {"train": (0, 4210), "val": (4211, 5706), "test": (5707, 11692)},
        "cars": {"train": (0, 4395), "val": (4396, 5983), "test": (5984, 12335)},
    }
    for folder, splits in numbers.items():
        for split, ends in splits.items():
            for number in ends:
                archive = "n-cars_test/test" if split == "train" else "n-cars_train/train"
                put(tmp_path, f"Prophesee_Dataset_n_cars/{archive}/{folder}/obj_{number:06}_td.dat")
    put(tmp_path, "cars/obj_x_td.dat")
    for split in ("train", "val", "test"):
        samples = read(tmp_path, split)
        assert samples.labels.tolist() == [0, 0, 1, 1]
        found = [int(path.name[4:10]) for path in samples.paths]
        assert found == [*numbers["background"][split], *numbers["cars"][split]]
        assert build(NCars(root=str(tmp_path)), split).paths == samples.paths
    batch = samples.collate([samples[0], samples[3]])
    assert batch.x.shape == (10, 2, 1, 256, 256)
    assert (batch.target.tolist(), batch.lengths.tolist()) == ([0, 1], [10, 10])


def test_what_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match="no ncars recordings at"):
        read(tmp_path / "nowhere")
    put(tmp_path, "background/obj_000000_td.dat")
    with pytest.raises(FileNotFoundError, match=r"no cars/obj_NUMBER_td\.dat of the train split below .*--data\.root"):
        read(tmp_path)


def test_one_object_twice(tmp_path):
    for archive in ("one", "two"):
        for folder in ("cars", "background"):
            put(tmp_path, f"{archive}/{folder}/obj_000000_td.dat")
    with pytest.raises(ValueError, match=r"obj_000000_td\.dat are one object: leave one copy of N-CARS below"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("events", "message"),
    [
        (Events.empty((120, 100)), "holds no events"),
        (Events.of([1], [120], [0], [1], (304, 240)), "outside the 120x100 sensor"),
    ],
)
def test_files_that_are_no_cut_outs(events, message, tmp_path):
    for folder in ("cars", "background"):
        put(tmp_path, f"{folder}/obj_000000_td.dat", events)
    with pytest.raises(EventFileError, match=rf"obj_000000_td\.dat: .*{message}"):
        read(tmp_path)[0]


def test_a_recording_that_begins_late_is_empty(tmp_path):
    for folder in ("cars", "background"):
        late = Events.of([np.int64(2_000_000)], [4], [3], [1], (120, 100))
        put(tmp_path, f"{folder}/obj_000000_td.dat", late)
    x, _ = read(tmp_path)[0]
    assert x.count_nonzero() == 0
