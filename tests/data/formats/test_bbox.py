"""Boxes in both spellings of the published files, and files that are none."""

import numpy as np
import pytest

from ranvier.data.formats import EventFileError
from ranvier.data.formats.bbox import BBOX, read_bbox, write_bbox

GEN1 = [(name, "<f4") for name in "xywh"]
GEN1 = [("ts", "<u8"), *GEN1, ("class_id", "u1"), ("confidence", "<f4"), ("track_id", "<u4")]
# As numpy stores it where the writer's type had gaps.
MEGAPIXEL = {
    "names": ["t", "x", "y", "w", "h", "class_id", "track_id", "class_confidence"],
    "formats": ["<i8", "<f4", "<f4", "<f4", "<f4", "<u4", "<u4", "<f4"],
    "offsets": [0, 8, 12, 16, 20, 24, 28, 32],
    "itemsize": 40,
}
VALUES = {"x": [7, 8.5], "y": [1, 2], "w": [3, 4], "h": [5, 6], "class_id": [0, 1], "track_id": [9, 1 << 31]}


def records(dtype, time="t", confidence="class_confidence"):
    boxes = np.zeros(2, dtype)
    for name, values in {time: [5, 1 << 40], confidence: [1, 0.5], **VALUES}.items():
        boxes[name] = values
    return boxes


SPELLINGS = {
    "gen1": records(GEN1, "ts", "confidence"),
    "1mpx": records(np.dtype(MEGAPIXEL)),
    "time": records([("time", "<i8"), *GEN1[1:]], "time", "confidence"),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_every_spelling_gives_the_same_boxes(spelling, tmp_path):
    np.save(tmp_path / "a_bbox.npy", SPELLINGS[spelling])
    boxes = read_bbox(tmp_path / "a_bbox.npy")
    assert boxes.dtype == BBOX
    assert np.array_equal(boxes, records(BBOX))


def test_what_is_written_is_read_back_in_the_order_of_time(tmp_path):
    boxes = records(BBOX)
    write_bbox(tmp_path / "a", boxes[::-1])
    assert np.array_equal(read_bbox(tmp_path / "a"), boxes)
    assert np.load(tmp_path / "a").dtype.names == BBOX.names
    write_bbox(tmp_path / "a", boxes[:0])
    assert read_bbox(tmp_path / "a").shape == (0,)


def test_only_its_own_records_are_written(tmp_path):
    with pytest.raises(ValueError, match=r"expected records of the type formats\.bbox\.BBOX, got .*'ts'"):
        write_bbox(tmp_path / "a", SPELLINGS["gen1"])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (np.zeros((3, 8), np.float32), r"expected an array \[n\] of records with the fields t, x, y, w, h"),
        (np.zeros((3, 2), BBOX), r"expected an array \[n\] of records"),
        (np.zeros(3, GEN1[1:-1]), "lacks t, track_id among its fields x, y, w, h, class_id, confidence"),
        (np.array([{}]), "is no readable .npy file .*allow_pickle"),
        (b"\x93NUMPY garbage", "is no readable .npy file"),
        (b"", "is no readable .npy file"),
        (None, "is no readable .npy file .*No such file"),
    ],
)
def test_other_files_are_refused(content, message, tmp_path):
    path = tmp_path / "a_bbox.npy"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        np.save(path, content)
    with pytest.raises(EventFileError, match=rf"a_bbox\.npy: {message}"):
        read_bbox(path)
