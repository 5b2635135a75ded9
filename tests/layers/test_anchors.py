"""Where anchors are, what raw answers mean, and which answers become detections."""

import pytest
import torch

from ranvier.layers.anchors import AnchorGrid, decode, detect

ANCHORS = ((12, 33), (25, 17), (33, 24), (23, 58), (46, 31), (63, 42), (79, 58), (97, 78), (147, 112))


def test_order_is_stride_row_column_anchor() -> None:
    grid = AnchorGrid.make(64, 96, (16, 32), ((1, 2), (3, 4), (5, 6), (7, 8)))
    assert grid.stride.tolist() == [16.0] * (4 * 6 * 2) + [32.0] * (2 * 3 * 2)
    assert grid.cell[:4].tolist() == [[0, 0], [0, 0], [1, 0], [1, 0]]
    assert grid.cell[12].tolist() == [0, 1]
    assert grid.size[:3].tolist() == [[1, 2], [3, 4], [1, 2]]
    assert grid.size[-3:].tolist() == [[7, 8], [5, 6], [7, 8]]
    assert grid.cell[-1].tolist() == [2, 1]


def test_published_count() -> None:
    grid = AnchorGrid.make(256, 256, (8, 16, 32), ANCHORS)
    assert grid.stride.shape == (4032,)
    assert grid.size[-1].tolist() == [147, 112]


def test_decode() -> None:
    grid = AnchorGrid.make(16, 16, (8,), ((4, 6),))
    raw = torch.zeros(2, 4, 4)
    raw[1, 3] = torch.tensor([100.0, -100.0, torch.log(torch.tensor(2.0)), 0.0])
    xyxy = decode(raw, grid)
    assert xyxy[0].tolist() == [[2, 1, 6, 7], [10, 1, 14, 7], [2, 9, 6, 15], [10, 9, 14, 15]]
    assert xyxy[1, 3].tolist() == [12, 5, 20, 11]


def test_decode_does_not_overflow() -> None:
    grid = AnchorGrid.make(8, 8, (8,), ((10, 10),))
    raw = torch.tensor([[0.0, 0.0, 3e4, -3e4]], dtype=torch.bfloat16, requires_grad=True)
    xyxy = decode(raw, grid)
    assert xyxy.dtype == torch.float32
    assert xyxy.isfinite().all()
    xyxy.sum().backward()
    assert raw.grad is not None
    assert raw.grad.isfinite().all()


def test_detections_are_the_strongest_of_their_class() -> None:
    grid = AnchorGrid.make(32, 32, (8,), ((8, 8),))
    y = torch.zeros(2, 16, 1 + 2 + 4)
    y[..., 0] = -20.0
    y[0, 5] = torch.tensor([2.0, 4.0, 0.0, 0.0, 0.0, 0.0, 0.0])
    # The same place, said by its right neighbour with less certainty, and again for the other class.
    y[0, 6] = torch.tensor([1.0, 4.0, 0.0, -100.0, 0.0, 0.0, 0.0])
    y[0, 4] = torch.tensor([0.0, 0.0, 4.0, 100.0, 0.0, 0.0, 0.0])
    first, second = detect(y, grid, score=0.3, nms_iou=0.3)
    assert first.label.tolist() == [0, 1]
    score = torch.tensor([2.0, 0.0]).sigmoid() * torch.tensor([4.0, 0.0]).softmax(0)[0]
    torch.testing.assert_close(first.score, score)
    assert first.xywh.tolist() == [[8, 8, 8, 8], [4, 8, 8, 8]]
    assert [len(column) for column in second] == [0, 0, 0]
    assert second.xywh.shape == (0, 4)
    loose = detect(y, grid, score=0.3, nms_iou=0.4)[0]
    assert loose.label.tolist() == [0, 0, 1]
    assert [len(one.score) for one in detect(y, grid, score=0.0, nms_iou=1.0)] == [16, 16]


def test_boxes_end_at_the_edge() -> None:
    grid = AnchorGrid.make(16, 24, (8,), ((100, 100),))
    one = detect(torch.zeros(1, 6, 6), grid, score=0.1, nms_iou=0.5)[0]
    assert one.xywh.tolist() == [[0, 0, 24, 16]]


def test_sizes_and_anchors_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="height and width that 32 divides, got 100 x 96"):
        AnchorGrid.make(100, 96, (8, 16, 32), ANCHORS)
    with pytest.raises(ValueError, match="equally many anchors for 3 strides, got 8"):
        AnchorGrid.make(64, 96, (8, 16, 32), ANCHORS[1:])
    with pytest.raises(ValueError, match="equally many anchors for 1 strides, got 0"):
        AnchorGrid.make(64, 96, (8,), ())
