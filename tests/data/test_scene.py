"""A scene that is enlarged, or made smaller, keeps events, boxes, masks and grey frames together."""

import numpy as np
import pytest
import torch

from ranvier.data.boxes import Boxes
from ranvier.data.events import Events
from ranvier.data.scene import IGNORED, Scene
from tests.data.made_scenes import MadeScenes

SENSOR = (8, 6)


def generator() -> np.random.Generator:
    return np.random.default_rng(0)


def one_object(left: int, top: int, width: int, height: int) -> Scene:
    """Events, mask, grey and box all of the same pixels."""
    labels = np.zeros((1, 6, 8), np.uint8)
    labels[:, top : top + height, left : left + width] = 1
    y, x = np.tile(labels[0].nonzero(), 2000)
    events = Events.of(np.arange(len(x)), x, y, np.ones(len(x), int), SENSOR)
    boxes = Boxes(torch.tensor([[left, top, width, height]], dtype=torch.float32), torch.tensor([1]))
    return Scene(events, [boxes], labels, labels * 200)


def test_a_zoom_of_one_changes_nothing():
    scene = MadeScenes().scene(5)
    same = scene.zoomed(1.0, (0.3, 0.8), generator())
    for name in ("t", "x", "y", "polarity"):
        assert np.array_equal(getattr(same.events, name), getattr(scene.events, name))
    assert np.array_equal(same.labels, scene.labels)
    assert np.array_equal(same.grey, scene.grey)
    for one, other in zip(same.boxes, scene.boxes, strict=True):
        assert torch.equal(one.label, other.label)
        torch.testing.assert_close(one.xywh, other.xywh)


@pytest.mark.parametrize(("zoom", "place"), [(2.0, (0.0, 0.0)), (1.5, (0.25, 0.25)), (0.7, (0.2, 0.9))])
def test_what_belonged_together_still_does(zoom, place):
    zoomed = one_object(1, 1, 3, 2).zoomed(zoom, place, generator())
    ((left, top, width, height),) = zoomed.boxes[0].xywh.tolist()
    assert (left, top) == pytest.approx([zoom + p * (1 - zoom) * n for p, n in zip(place, SENSOR, strict=True)])
    assert (width, height) == pytest.approx((3 * zoom, 2 * zoom))
    hit = np.zeros((6, 8), bool)
    hit[zoomed.events.y, zoomed.events.x] = True
    rows, columns = np.mgrid[:6, :8]
    touched = (columns + 1 > left) & (columns < left + width) & (rows + 1 > top) & (rows < top + height)
    assert np.array_equal(hit, touched)  # no empty columns within
    across = (columns + 0.5 >= left) & (columns + 0.5 < left + width)
    centred = across & (rows + 0.5 >= top) & (rows + 0.5 < top + height)
    assert np.array_equal(zoomed.labels[0] == 1, centred)
    assert np.array_equal(zoomed.grey[0] == 200, centred)


def test_boxes_are_cut_at_the_edge_and_left_out_when_most_of_them_is_gone():
    scene = one_object(2, 0, 4, 6)
    for zoom, expected in ((4 / 3, [[8 / 3, 0, 16 / 3, 6]]), (1.9, [[3.8, 0, 4.2, 6]]), (2.9, [])):
        boxes = scene.zoomed(zoom, (0.0, 0.0), generator()).boxes[0]
        half_gone = 6 * (8 - 2 * zoom) < 0.5 * zoom**2 * 24
        torch.testing.assert_close(boxes.xywh, torch.tensor([] if half_gone else expected).view(-1, 4))
        assert len(boxes.label) == len(boxes.xywh)


def test_beyond_a_smaller_scene_nothing_is_known():
    zoomed = MadeScenes().scene(5).zoomed(0.5, (0.0, 0.0), generator())
    assert (zoomed.labels[:, 3:] == IGNORED).all()
    assert (zoomed.labels[:, :, 4:] == IGNORED).all()
    assert (zoomed.labels[:, :3, :4] != IGNORED).all()
    assert zoomed.grey is not None
    assert not zoomed.grey[:, 3:].any()
    assert zoomed.events.x.max() < 4
    assert zoomed.events.y.max() < 3
    assert zoomed.disparity is None
