"""The rules for bad boxes, one test each."""

import numpy as np
import pytest
import torch

from ranvier.data.boxes import Boxes

SENSOR = (20, 10)


def of(xywh, label) -> Boxes:
    return Boxes.of(xywh, label, sensor=SENSOR, classes=3)


def test_good_boxes_stay_as_they_are():
    boxes = of([[0, 0, 20, 10], [1.5, 2.25, 3, 4]], np.array([2, 0], np.uint8))
    assert boxes.xywh.dtype == torch.float32
    assert boxes.xywh.tolist() == [[0, 0, 20, 10], [1.5, 2.25, 3, 4]]
    assert boxes.label.dtype == torch.int64
    assert boxes.label.tolist() == [2, 0]


def test_what_is_outside_the_frame_is_cut_off():
    boxes = of([[-5, -5, 100, 100], [18, 8, 4, 4], [-1, 3, 2, 2]], [0, 1, 2])
    assert boxes.xywh.tolist() == [[0, 0, 20, 10], [18, 8, 2, 2], [0, 3, 1, 2]]


def test_boxes_without_area_are_left_out():
    nothing = [[3, 3, 0, 4], [3, 3, 4, 0], [3, 3, -2, 4], [20, 0, 5, 5], [-5, 0, 5, 5], [0, 30, 5, 5]]
    assert of(nothing, [0] * 6).xywh.shape == (0, 4)
    assert of([*nothing, [1, 1, 1, 1]], [0] * 6 + [2]).label.tolist() == [2]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_number_that_is_not_finite_is_an_error(bad):
    with pytest.raises(ValueError, match=r"box 1 is .*: expected finite"):
        of([[0, 0, 1, 1], [0, 0, bad, 1]], [0, 0])


@pytest.mark.parametrize("bad", [-1, 3])
def test_an_unknown_label_is_an_error(bad):
    with pytest.raises(ValueError, match=f"box 2 has label {bad}, expected 0 to 2"):
        of([[0, 0, 1, 1]] * 3, [0, 1, bad])


def test_one_label_a_box():
    with pytest.raises(ValueError, match="2 boxes and 1 labels"):
        of([[0, 0, 1, 1]] * 2, [0])


def test_no_boxes():
    for boxes in (of([], []), Boxes.empty()):
        assert (boxes.xywh.shape, boxes.xywh.dtype) == ((0, 4), torch.float32)
        assert (boxes.label.shape, boxes.label.dtype) == ((0,), torch.int64)
