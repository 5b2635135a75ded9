"""The numbers of the published letterbox, its inverse, and pixels and boxes that stay together."""

import numpy as np
import pytest
import torch

from ranvier.data.boxes import Boxes
from ranvier.data.letterbox import Letterbox

GEN1 = Letterbox(sensor=(304, 240), size=(256, 256))
SHAPES = [
    ((304, 240), (256, 256)),
    ((1280, 720), (256, 256)),
    ((78, 42), (256, 256)),
    ((41, 97), (256, 256)),
    ((304, 240), (240, 304)),
    ((100, 120), (96, 128)),
    ((31, 7), (64, 33)),
]


def boxes(*xywh) -> Boxes:
    return Boxes(torch.tensor(xywh, dtype=torch.float32).view(-1, 4), torch.arange(len(xywh)))


def test_the_published_numbers():
    assert GEN1.ratio == pytest.approx(0.842105, abs=1e-6)
    assert (GEN1.inner, GEN1.corner) == ((202, 256), (0, 27))
    found = GEN1.boxes(boxes((100, 100, 50, 40)))
    assert found.xywh.tolist() == [[84, 111, 42, 34]]
    assert (GEN1.undo(found.xywh) - torch.tensor([100, 100, 50, 40])).abs().max() < 1
    assert Letterbox(sensor=(1280, 720), size=(256, 256)).inner == (144, 256)
    assert Letterbox(sensor=(78, 42), size=(256, 256)).inner == (138, 256)


@pytest.mark.parametrize(("sensor", "size"), SHAPES)
def test_each_pixel_is_the_nearest_one_and_the_rest_is_zero(sensor, size):
    box, (width, height) = Letterbox(sensor=sensor, size=size), sensor
    x = torch.arange(1, 2 * height * width + 1, dtype=torch.float32).view(2, height, width)
    y = box.image(x)
    assert y.shape == (2, *size)
    (high, wide), (left, top) = box.inner, box.corner
    inside = torch.zeros(size, dtype=torch.bool)
    inside[top : top + high, left : left + wide] = True
    assert inside.sum() == high * wide
    assert (y[:, ~inside] == 0).all()
    for row in range(high):
        for column in range(0, wide, 17):
            assert y[1, top + row, left + column] == x[1, row * height // high, column * width // wide]
    assert min(left, top) == 0
    assert abs(size[0] - high - 2 * top) <= 1
    assert abs(size[1] - wide - 2 * left) <= 1


@pytest.mark.parametrize(("sensor", "size"), SHAPES)
def test_the_inverse_returns_within_a_rounded_pixel(sensor, size):
    box = Letterbox(sensor=sensor, size=size)
    generator = np.random.default_rng(0)
    corner = generator.random((500, 2)) * sensor
    some = boxes(*np.concatenate([corner, generator.random((500, 2)) * (sensor - corner)], axis=1).tolist())
    there = box.boxes(some)
    assert (there.xywh == there.xywh.round()).all()
    far = there.xywh[:, :2] + there.xywh[:, 2:]
    assert (there.xywh[:, :2] >= torch.tensor(box.corner)).all()
    assert (far <= torch.tensor(size[::-1])).all()
    back = box.undo(there.xywh)
    assert (back - some.xywh[there.label]).abs().max() <= 0.5 / box.ratio + 1e-3
    assert box.undo(there.xywh.view(-1, 1, 4)).shape == (len(there.label), 1, 4)


def test_what_was_found_beyond_the_picture_is_cut_off():
    # The picture fills rows 27 to 228: above and below nothing was seen.
    found = torch.tensor([[-4.0, 20, 50, 20], [240, 220, 30, 30], [9, 2, 20, 20]])
    expected = torch.tensor([[0.0, 0, 46, 13], [240, 193, 16, 9], [9, 0, 20, 0]])
    torch.testing.assert_close(GEN1.undo(found) * GEN1.ratio, expected, atol=0.3, rtol=0)
    corner, size = GEN1.undo(found).split(2, -1)
    assert ((corner + size) <= torch.tensor([304.0, 240.0])).all()


def test_a_lit_rectangle_fills_its_box():
    x = torch.zeros(3, 1, 240, 304)
    x[..., 100:140, 100:150] = 1
    y = GEN1.image(x)
    left, top, width, height = map(int, GEN1.boxes(boxes((100, 100, 50, 40))).xywh[0])
    rows, columns = y[0, 0].nonzero().T
    assert abs(int(columns.min()) - left) <= 1
    assert abs(int(columns.max()) + 1 - left - width) <= 1
    assert abs(int(rows.min()) - top) <= 1
    assert abs(int(rows.max()) + 1 - top - height) <= 1
    assert y.unique().tolist() == [0, 1]


def test_boxes_that_shrink_to_nothing_are_left_out():
    small = Letterbox(sensor=(1280, 720), size=(256, 256))
    found = small.boxes(boxes((10, 10, 2, 50), (20, 20, 50, 2), (30, 30, 5, 5)))
    assert (found.xywh.tolist(), found.label.tolist()) == ([[6, 62, 1, 1]], [2])
    none = small.boxes(Boxes.empty())
    assert (none.xywh.shape, none.label.shape) == ((0, 4), (0,))


def test_labels_keep_their_type():
    assert GEN1.image(torch.ones(4, 240, 304, dtype=torch.uint8)).dtype == torch.uint8


def test_an_image_of_another_size_is_refused():
    with pytest.raises(
        ValueError, match=r"expected images \[\.\.\., 240, 304\] of the 304x240 sensor, got \(1, 304, 240\)"
    ):
        GEN1.image(torch.zeros(1, 304, 240))
