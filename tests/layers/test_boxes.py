"""Overlaps by hand-made numbers, suppression against the plain greedy loop."""

import pytest
import torch
from torch import Tensor

from ranvier.layers.boxes import area, clip, giou, iou, nms, xywh_to_xyxy, xyxy_to_xywh


def boxes(count: int, spread: float, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return xywh_to_xyxy(torch.rand(count, 4, generator=generator) * torch.tensor([spread, spread, 40, 40]))


def test_corners_and_sizes() -> None:
    xywh = torch.tensor([[2.0, 3.0, 4.0, 5.0]])
    assert xywh_to_xyxy(xywh).tolist() == [[2, 3, 6, 8]]
    assert torch.equal(xyxy_to_xywh(xywh_to_xyxy(xywh)), xywh)
    assert area(xywh_to_xyxy(xywh)).tolist() == [20]


def test_clip_keeps_what_is_inside() -> None:
    inside = torch.tensor([[1.0, 1.0, 5.0, 9.0]])
    assert torch.equal(clip(inside, 10, 6), inside)
    assert clip(torch.tensor([[-5.0, -5.0, 50.0, 50.0], [7.0, 1.0, 9.0, 2.0]]), 10, 6).tolist() == [
        [0, 0, 6, 10],
        [6, 1, 6, 2],
    ]


def test_iou_of_all_pairs() -> None:
    a = torch.tensor([[0.0, 0.0, 4.0, 4.0], [0.0, 0.0, 0.0, 0.0]])
    b = torch.tensor([[0.0, 0.0, 4.0, 4.0], [2.0, 2.0, 6.0, 6.0], [4.0, 0.0, 8.0, 4.0]])
    torch.testing.assert_close(iou(a, b), torch.tensor([[1, 4 / 28, 0], [0, 0, 0]]))


def test_giou() -> None:
    a = torch.tensor([0.0, 0.0, 4.0, 4.0])
    b = torch.tensor([[0.0, 0.0, 4.0, 4.0], [2.0, 2.0, 6.0, 6.0], [8.0, 0.0, 12.0, 4.0], [0.0, 0.0, 400.0, 400.0]])
    expected = [1, 4 / 28 - 8 / 36, -16 / 48, 1e-4]
    torch.testing.assert_close(giou(a, b), torch.tensor(expected))


def test_giou_has_a_gradient_everywhere() -> None:
    # Far apart, touching, and without any area: the cases in which a plain quotient has none, or is no number.
    a = torch.tensor([[0.0, 0.0, 1.0, 1.0], [0.0, 0.0, 1.0, 1.0], [3.0, 3.0, 3.0, 3.0]], requires_grad=True)
    b = torch.tensor([[9.0, 9.0, 10.0, 10.0], [1.0, 0.0, 2.0, 1.0], [3.0, 3.0, 3.0, 3.0]])
    giou(a, b).sum().backward()
    assert a.grad is not None
    assert a.grad.isfinite().all()
    assert (a.grad[:2].abs().sum(1) > 0).all()


@pytest.mark.parametrize(("count", "spread"), [(0, 1), (1, 1), (50, 30), (900, 30), (900, 300)])
@pytest.mark.parametrize("threshold", [0.3, 0.6])
def test_nms_is_the_greedy_loop(count: int, spread: float, threshold: float) -> None:
    xyxy = boxes(count, spread)
    generator = torch.Generator().manual_seed(1)
    # Coarse scores: ties keep their order.
    score = torch.randint(0, 50, (count,), generator=generator) / 50
    label = torch.randint(0, 3, (count,), generator=generator)
    kept: list[int] = []
    overlaps = iou(xyxy, xyxy) > threshold
    for i in score.argsort(descending=True, stable=True).tolist():
        if not any(overlaps[i, j] and label[i] == label[j] for j in kept):
            kept.append(i)
    assert nms(xyxy, score, label, threshold=threshold).tolist() == kept


def test_a_box_that_was_suppressed_suppresses_no_other() -> None:
    # Each overlaps the next by 0.6, and the one after that by 1/3.
    xyxy = torch.tensor([[0.0, 0.0, 8.0, 1.0], [2.0, 0.0, 10.0, 1.0], [4.0, 0.0, 12.0, 1.0]])
    score, label = torch.tensor([0.9, 0.8, 0.7]), torch.zeros(3)
    assert nms(xyxy, score, label, threshold=0.5).tolist() == [0, 2]
    assert nms(xyxy, score, torch.arange(3), threshold=0.5).tolist() == [0, 1, 2]
