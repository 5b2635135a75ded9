"""N-MNIST from a zip and from folders, and what is said when it is damaged or missing."""

import csv
import zipfile

import numpy as np
import pytest

from ranvier.data.datasets import read_nmnist


def encode(t: int, x: int, y: int, polarity: int) -> bytes:
    return bytes([x, y, polarity << 7 | t >> 16, t >> 8 & 0xFF, t & 0xFF])


@pytest.fixture
def folder(tmp_path):
    """Three training recordings and one test recording in the published layout, with one event each."""
    for i, (part, label, number) in enumerate([("Train", 7, 2), ("Train", 3, 10), ("Train", 9, 1), ("Test", 4, 1)]):
        place = tmp_path / part / str(label) / f"{number:05}.bin"
        place.parent.mkdir(parents=True)
        place.write_bytes(encode(100_000 + i, 33, i, i % 2))
    return tmp_path


def zipped(folder, path):
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(folder.rglob("*.bin")):
            archive.write(file, file.relative_to(folder))
    return path


def test_recordings_come_in_the_order_of_their_numbers_tests_last(folder):
    recordings = read_nmnist(folder)
    assert recordings.labels.tolist() == [9, 7, 3, 4]
    assert recordings.official_tests == 1
    events = recordings.events(2)
    assert (events.t.tolist(), events.x.tolist(), events.y.tolist()) == ([100_001], [33], [1])
    assert events.polarity.tolist() == [True]


def test_zip_and_folder_agree(folder, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("zip")
    path = zipped(folder, elsewhere / "any.zip")
    for recordings in (read_nmnist(path), read_nmnist(elsewhere)):
        assert recordings.labels.tolist() == [9, 7, 3, 4]
        assert all(np.array_equal(recordings.events(i).t, read_nmnist(folder).events(i).t) for i in range(4))


def test_damaged_recordings_name_the_file(folder):
    recordings = read_nmnist(folder)
    (folder / "Train/9/00001.bin").write_bytes(b"\0" * 7)
    with pytest.raises(ValueError, match=r"Train/9/00001\.bin: expected 5 bytes an event, got 7 bytes"):
        recordings.events(0)
    (folder / "Train/9/00001.bin").write_bytes(encode(5, 34, 0, 0))
    with pytest.raises(ValueError, match=r"00001\.bin: event 0 is at .*outside the 34x34 sensor"):
        recordings.events(0)
    (folder / "Train/9/00001.bin").write_bytes(encode(5, 0, 0, 0) + encode(4, 0, 0, 0))
    with pytest.raises(ValueError, match=r"00001\.bin: event 1 runs backwards in time"):
        recordings.events(0)


def test_what_is_missing_is_said_with_what_to_type(tmp_path, monkeypatch):
    monkeypatch.setenv("RANVIER_DATA", str(tmp_path))
    with pytest.raises(FileNotFoundError, match=r"export RANVIER_DATA=FOLDER.*--data\.root"):
        read_nmnist()
    monkeypatch.delenv("RANVIER_DATA")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"RANVIER_DATA is not set, so \.\./shared/data was taken"):
        read_nmnist()
    with pytest.raises(FileNotFoundError, match=r"no nmnist recordings at .*nowhere: pass --data\.root"):
        read_nmnist(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match="got 0 zip files"):
        read_nmnist(tmp_path)
    (tmp_path / "bad.zip").write_bytes(b"PK no")
    with pytest.raises(ValueError, match=r"bad\.zip is not a readable zip file"):
        read_nmnist(tmp_path)
    zipped(tmp_path, tmp_path / "bad.zip")
    with pytest.raises(FileNotFoundError, match="no files Train"):
        read_nmnist(tmp_path)


def test_real_recordings_agree_with_their_table(data_dir):
    recordings = read_nmnist(data_dir / "nmnist")
    with (data_dir / "nmnist" / "train1000.csv").open() as file:
        table = list(csv.DictReader(file))
    assert len(recordings) == len(table) == 1000
    assert recordings.official_tests == 0
    assert recordings.labels.tolist() == [int(row["label"]) for row in table]
    events = [recordings.events(i) for i in range(1000)]
    assert [len(e) for e in events] == [int(row["n_events"]) for row in table]
    assert sum(map(len, events)) == 4_133_231
