"""Average precision, against a slow reference that follows COCO's rules word by word."""

import json
import math
import time

import numpy as np
import pytest
import torch

from ranvier.data.boxes import Boxes
from ranvier.layers.anchors import Detections
from ranvier.tasks.coco import average_precision, prophesee, stronger

THRESHOLDS = [0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95]
RECALLS = np.linspace(0, 1, 101)
CLASSES = ("car", "pedestrian", "bicycle")
NOTHING = Boxes(torch.zeros(0, 4), torch.zeros(0, dtype=torch.long))
NO_ANSWER = Detections(*NOTHING, torch.zeros(0))


def boxes(*rows: tuple[int, float, float, float, float]) -> Boxes:
    """Boxes from rows (label, left, top, width, height)."""
    return Boxes(torch.tensor([row[1:] for row in rows]), torch.tensor([row[0] for row in rows]))


def answers(*rows: tuple[float, int, float, float, float, float]) -> Detections:
    """Answers from rows (score, label, left, top, width, height)."""
    return Detections(*boxes(*(row[1:] for row in rows)), torch.tensor([row[0] for row in rows]))


def scenes(generator: torch.Generator, images: int) -> tuple[list[Boxes], list[Detections]]:
    """Boxes of up to three classes, and answers near them: shifted, missed, doubled and mislabelled."""
    truth, found = [], []
    for _ in range(images):
        count = int(torch.randint(0, 5, (), generator=generator))
        xywh = 60 * torch.rand(count, 4, generator=generator) + torch.tensor([0.0, 0, 8, 8])
        label = torch.randint(0, 3, (count,), generator=generator)
        chosen = torch.randint(0, max(count, 1), (2 * count,), generator=generator)
        near = xywh[chosen] * (0.85 + 0.3 * torch.rand(2 * count, 4, generator=generator))
        said = torch.where(torch.rand(2 * count, generator=generator) < 0.8, label[chosen], (label[chosen] + 1) % 3)
        score = torch.rand(2 * count, generator=generator).mul(20).round() / 20  # with ties
        order = score.argsort(descending=True, stable=True)
        truth.append(Boxes(xywh, label))
        found.append(Detections(near[order], said[order], score[order]))
    return truth, found


def overlap(a: list[float], b: list[float]) -> float:
    width = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    height = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    both = max(width, 0.0) * max(height, 0.0)
    return both / (a[2] * a[3] + b[2] * b[3] - both)


def reference_ap(truth: list[Boxes], found: list[Detections], label: int, threshold: float) -> float | None:
    """AP of one class at one threshold, by loops."""
    hits: list[tuple[float, bool]] = []
    total = 0
    for there, said in zip(truth, found, strict=True):
        free = [box for box, kind in zip(there.xywh.tolist(), there.label.tolist(), strict=True) if kind == label]
        total += len(free)
        rows = zip(said.xywh.tolist(), said.label.tolist(), said.score.tolist(), strict=True)
        for xywh, score in [(xywh, score) for xywh, kind, score in rows if kind == label][:100]:
            best = max(free, key=lambda box: overlap(box, xywh), default=None)
            hit = best is not None and overlap(best, xywh) >= threshold
            if hit:
                free.remove(best)
            hits.append((score, hit))
    if total == 0:
        return None
    hits.sort(key=lambda hit: -hit[0])
    right = [sum(hit for _, hit in hits[: n + 1]) for n in range(len(hits))]
    curve = [(r / total, r / (n + 1)) for n, r in enumerate(right)]
    return float(np.mean([max((p for recall, p in curve if recall >= at), default=0.0) for at in RECALLS]))


def test_a_case_by_hand() -> None:
    # Two cars and a pedestrian; the strongest car is right, the second is nowhere, the third is right at IoU 0.6.
    truth = [boxes((0, 0, 0, 10, 10), (0, 50, 50, 10, 10)), boxes((1, 5, 5, 8, 8))]
    found = [
        answers((0.9, 0, 0, 0, 10, 10), (0.8, 0, 80, 80, 10, 10), (0.7, 0, 50, 50, 10, 6)),
        answers((0.6, 1, 5, 5, 8, 8)),
    ]
    result = average_precision(truth, found, CLASSES)
    # Precision 1 at the recalls 0 to 0.5 (51 of 101), then 2/3 at the other 50.
    car = (51 + 50 * 2 / 3) / 101
    assert result["ap50"] == {"car": pytest.approx(car), "pedestrian": 1.0, "bicycle": None}
    assert result["map50"] == pytest.approx((car + 1) / 2)
    assert result["map75"] == pytest.approx((51 / 101 + 1) / 2)
    assert result["map"] == pytest.approx((3 * car + 7 * 51 / 101 + 10) / 20, abs=1e-3)
    # All taken for one class, the order is hit, miss, hit, hit out of three.
    assert result["map50_any"] == pytest.approx((34 + 67 * 3 / 4) / 101)
    assert result["boxes"] == 3


@pytest.mark.parametrize("seed", range(8))
def test_it_agrees_with_the_reference(seed: int) -> None:
    truth, found = scenes(torch.Generator().manual_seed(seed), images=12)
    result = average_precision(truth, found, CLASSES)
    at = {t: [reference_ap(truth, found, label, t) for label in range(3)] for t in THRESHOLDS}
    assert list(result["ap50"].values()) == pytest.approx(at[0.5])

    def mean(aps: list[float | None]) -> float:
        present = [ap for ap in aps if ap is not None]
        return sum(present) / len(present)

    assert result["map50"] == pytest.approx(mean(at[0.5]))
    assert result["map75"] == pytest.approx(mean(at[0.75]))
    assert result["map"] == pytest.approx(mean([ap for aps in at.values() for ap in aps]))


def test_the_weakest_of_more_than_a_hundred_answers_are_not_looked_at() -> None:
    wrong = [(0.9, 0, 50.0 + i, 50.0, 9.0, 9.0) for i in range(100)]
    late = average_precision([boxes((0, 0, 0, 9, 9))], [answers(*wrong, (0.1, 0, 0, 0, 9, 9))], CLASSES)
    in_time = average_precision([boxes((0, 0, 0, 9, 9))], [answers(*wrong[1:], (0.1, 0, 0, 0, 9, 9))], CLASSES)
    assert (late["map50"], in_time["map50"]) == (0.0, pytest.approx(1 / 100))


@pytest.mark.parametrize(
    ("truth", "found", "map50"),
    [
        ([], [], 0.0),
        ([NOTHING], [NO_ANSWER], 0.0),
        ([NOTHING], [answers((0.9, 0, 1, 1, 9, 9))], 0.0),
        ([boxes((0, 1, 1, 9, 9))], [NO_ANSWER], 0.0),
        ([boxes((0, 1, 1, 9, 9)), NOTHING], [answers((0.9, 0, 1, 1, 9, 9)), NO_ANSWER], 1.0),
    ],
)
def test_nothing_there_and_nothing_said_are_legal(
    truth: list[Boxes], found: list[Detections], map50: float, capfd: pytest.CaptureFixture[str]
) -> None:
    result = average_precision(truth, found, CLASSES)
    assert result["map50"] == map50
    assert all(math.isfinite(value) for key, value in result.items() if key != "ap50")
    assert json.loads(json.dumps(result)) == result
    assert capfd.readouterr() == ("", "")


def test_every_image_needs_an_answer() -> None:
    with pytest.raises(ValueError, match="each of 1 images, got 2"):
        average_precision([NOTHING], [NO_ANSWER] * 2, CLASSES)


def test_small_boxes_are_left_out_of_truth_and_answers_alike() -> None:
    rows = [(0, 0, 0, 10, 29), (1, 0, 0, 10, 28), (2, 0, 0, 9.5, 80)]
    [truth], [found] = prophesee([boxes(*rows)], [answers(*[(0.5, *row) for row in rows])])
    assert (truth.label.tolist(), found.label.tolist(), found.score.tolist()) == ([0], [0], [0.5])
    [truth], [found] = prophesee([boxes(*rows)], [NO_ANSWER], diagonal=0, side=9.8)
    assert (truth.label.tolist(), len(found.score)) == ([0, 1], 0)


def test_images_of_the_first_half_second_are_left_out() -> None:
    late = boxes((1, 0, 0, 40, 40))
    truth, found = prophesee([boxes((0, 0, 0, 40, 40)), late], [NO_ANSWER] * 2, times_us=[500_000, 500_001])
    assert len(found) == 1
    assert [there.label.tolist() for there in truth] == [[1]]


def test_stronger_keeps_the_threshold_itself() -> None:
    assert stronger(answers((0.5, 0, 1, 1, 9, 9), (0.25, 1, 1, 1, 9, 9)), 0.5).label.tolist() == [0]


def test_a_thousand_images_with_a_hundred_answers_take_seconds() -> None:
    generator = torch.Generator().manual_seed(0)
    xywh, label = (
        60 * torch.rand(1000, 100, 4, generator=generator),
        torch.randint(0, 3, (1000, 100), generator=generator),
    )
    score = torch.rand(1000, 100, generator=generator)
    truth = [Boxes(*columns) for columns in zip(xywh[:, :4], label[:, :4], strict=True)]
    found = [Detections(*columns) for columns in zip(xywh, label, score, strict=True)]
    start = time.process_time()
    average_precision(truth, found, CLASSES)
    assert time.process_time() - start < 10
