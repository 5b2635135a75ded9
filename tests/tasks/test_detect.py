"""Which anchors answer for a box, the loss against loops that follow the formula, and the evaluation of raw outputs."""

import json
import math
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from ranvier import genotype, models
from ranvier.data.boxes import Boxes
from ranvier.data.datasets import Batch
from ranvier.data.datasets.batch import Original
from ranvier.data.letterbox import Letterbox
from ranvier.layers.anchors import AnchorGrid
from ranvier.recipes import Detect, SpikeFPN
from ranvier.tasks.detect import Detection, Positive, assign, detection, losses

PUBLISHED = ((12, 33), (25, 17), (33, 24), (23, 58), (46, 31), (63, 42), (79, 58), (97, 78), (147, 112))
GRID = AnchorGrid.make(256, 256, (8, 16, 32), PUBLISHED)
SMALL = AnchorGrid.make(32, 64, (8,), ((10, 10), (12, 20)))


def boxes(*rows: tuple[int, float, float, float, float]) -> Boxes:
    """Boxes from rows (label, centre x, centre y, width, height)."""
    table = torch.tensor([[x - w / 2, y - h / 2, w, h] for _, x, y, w, h in rows]).view(-1, 4)
    return Boxes(table, torch.tensor([row[0] for row in rows], dtype=torch.long))


def answering(positive: Positive, grid: AnchorGrid) -> list[tuple[float, ...]]:
    """(stride, column, row, width, height) of each anchor that answers."""
    at = positive.anchor
    return [
        (stride, *cell, *size)
        for stride, cell, size in zip(
            grid.stride[at].tolist(), grid.cell[at].tolist(), grid.size[at].tolist(), strict=True
        )
    ]


def saying(targets: list[Boxes], grid: AnchorGrid, classes: int) -> Tensor:
    """Raw answers `[B, A, 1 + K + 4]` that say where the boxes are and what, and of all other anchors nothing."""
    y = torch.full((len(targets), len(grid.size), 1 + classes + 4), -20.0)
    y[..., -4:] = 0.0
    positive = assign(targets, grid)
    at = positive.lane, positive.anchor
    size = positive.xyxy[:, 2:] - positive.xyxy[:, :2]
    centre = (positive.xyxy[:, 2:] + positive.xyxy[:, :2]) / 2
    inside = centre / grid.stride[positive.anchor][:, None] - grid.cell[positive.anchor]
    shape = (size / grid.size[positive.anchor]).log()
    likes = torch.where(F.one_hot(positive.label, classes).bool(), 20.0, -20.0)
    y[at] = torch.cat([torch.full((len(size), 1), 20.0), likes, inside.logit(eps=1e-6), shape], 1)
    return y


def batch(targets: list[Boxes], grid: AnchorGrid, steps: int = 1) -> Batch:
    x = torch.zeros(steps, len(targets), 1, grid.height, grid.width)
    return Batch(x, targets, torch.full((len(targets),), steps))


def task(grid: AnchorGrid = SMALL, **settings) -> Detection:
    settings = {"classes": ("car", "pedestrian")} | settings
    return Detection(Detect(**settings), lambda height, width: grid)


def test_a_box_asks_the_anchors_of_its_shape() -> None:
    positive = assign([boxes((1, 100, 60, 33, 24))], GRID)
    assert answering(positive, GRID) == [(8, 12, 7, 25, 17), (8, 12, 7, 33, 24), (16, 6, 3, 46, 31)]
    assert positive.label.tolist() == [1, 1, 1]
    assert positive.xyxy.tolist() == [[83.5, 48.0, 116.5, 72.0]] * 3


def test_a_box_unlike_all_anchors_asks_the_best() -> None:
    assert answering(assign([boxes((0, 100, 120, 10, 200))], GRID), GRID) == [(16, 6, 7, 23, 58)]
    assert len(assign([boxes((0, 100, 120, 10, 200))], GRID, match_iou=0.2).anchor) == 1


def test_of_two_boxes_the_later_gets_the_anchor() -> None:
    first, second = (0, 20, 20, 10, 10), (1, 21, 22, 10, 11)
    positive = assign([boxes(first, second), boxes(second, first)], SMALL)
    assert positive.lane.tolist() == [0, 1]
    assert positive.label.tolist() == [1, 0]


def test_boxes_below_a_pixel_and_outside_the_picture_ask_none() -> None:
    rows = [(0, 20, 20, 0.9, 10), (0, 20, 20, 10, 0), (0, -3, 20, 10, 10), (0, 64, 20, 10, 10), (0, 20, 32, 10, 10)]
    assert len(assign([boxes(*rows)], SMALL).anchor) == 0


def loss_by_loops(y: Tensor, targets: list[Boxes], grid: AnchorGrid, form: str) -> dict[str, float]:
    """The formula of the published loss, one anchor at a time, from the answers alone."""

    def giou(a: list[float], b: list[float]) -> float:
        width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
        both = max(width, 0) * max(height, 0)
        either = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both
        hull = (max(a[2], b[2]) - min(a[0], b[0])) * (max(a[3], b[3]) - min(a[1], b[1]))
        return both / either - (hull - either) / hull

    positive = assign(targets, grid)
    pairs = zip(positive.lane.tolist(), positive.anchor.tolist(), strict=True)
    owned = {pair: (positive.xyxy[i].tolist(), int(positive.label[i])) for i, pair in enumerate(pairs)}
    total = {"objectness": 0.0, "class": 0.0, "box": 0.0}
    for lane in range(len(y)):
        for anchor in range(y.shape[1]):
            o, *likes, tx, ty, tw, th = y[lane, anchor].tolist()
            (column, row), stride = grid.cell[anchor].tolist(), float(grid.stride[anchor])
            x, y_ = (column + 1 / (1 + math.exp(-tx))) * stride, (row + 1 / (1 + math.exp(-ty))) * stride
            w, h = (math.exp(t) * float(side) for t, side in zip((tw, th), grid.size[anchor], strict=True))
            box = [(x - w / 2) / grid.width, (y_ - h / 2) / grid.height]
            box += [(x + w / 2) / grid.width, (y_ + h / 2) / grid.height]
            said = 1 / (1 + math.exp(-o))
            if (lane, anchor) in owned:
                corners, label = owned[lane, anchor]
                there = [corners[0] / grid.width, corners[1] / grid.height]
                there += [corners[2] / grid.width, corners[3] / grid.height]
                g = giou(box, there)
                total["objectness"] += 10 * (said - (g + 1) / 2) ** 2
                total["class"] += math.log(sum(math.exp(like) for like in likes)) - likes[label]
                total["box"] += (1 - g) * (2 - (there[2] - there[0]) * (there[3] - there[1]))
            else:
                wanted = (giou(box, [0, 0, 0, 0]) + 1) / 2 if form == "compat" else 0
                total["objectness"] += 0.1 * (said - wanted) ** 2
    return {name: value / len(y) for name, value in total.items()}


@pytest.mark.parametrize("form", ["clean", "compat"])
def test_the_loss_is_the_published_formula(form) -> None:
    y = torch.randn(3, len(SMALL.size), 1 + 10 + 4, generator=torch.Generator().manual_seed(1))
    targets = [boxes((0, 20, 20, 10, 10), (9, 40, 7, 11, 13)), boxes(), boxes((3, 63, 1, 2, 30), (4, 9, 9, 12, 20))]
    parts = losses(y, assign(targets, SMALL), SMALL, form=form)
    assert {name: float(part) for name, part in parts.items()} == pytest.approx(
        loss_by_loops(y, targets, SMALL, form), rel=1e-5
    )


@pytest.mark.parametrize(("centre", "side", "wanted"), [(0.5, 0.2, 0.0556), (0.25, 0.5, 0.5)])
def test_released_quirk_negatives_are_taught_the_share_of_an_empty_box(centre, side, wanted) -> None:
    # One anchor over a picture of 256; tx = ty = 0 is the middle of the cell.
    grid = AnchorGrid.make(256, 256, (256,), ((256, 256),))
    inside = torch.tensor([centre, centre]).logit()
    y = torch.cat([torch.zeros(3), inside, torch.full((2,), math.log(side))])[None, None]
    nothing = assign([boxes()], grid)
    assert float(losses(y, nothing, grid, form="compat")["objectness"]) == pytest.approx(
        0.1 * (0.5 - wanted) ** 2, abs=1e-5
    )
    assert float(losses(y, nothing, grid, form="clean")["objectness"]) == pytest.approx(0.1 * 0.5**2)


def test_a_perfect_answer_costs_nothing() -> None:
    targets = [boxes((0, 20, 20, 10, 10), (1, 41, 7, 11, 13)), boxes()]
    parts = losses(saying(targets, SMALL, 2), assign(targets, SMALL), SMALL)
    assert {name: float(part) for name, part in parts.items()} == pytest.approx(
        {"objectness": 0.0, "class": 0.0, "box": 0.0}, abs=1e-4
    )


@pytest.mark.parametrize("form", ["clean", "compat"])
def test_objectness_teaches_the_objectness_alone(form) -> None:
    y = torch.randn(1, len(SMALL.size), 1 + 2 + 4, requires_grad=True)
    losses(y, assign([boxes((0, 20, 20, 10, 10))], SMALL), SMALL, form=form)["objectness"].backward()
    assert y.grad is not None
    assert bool((y.grad[..., 0] != 0).all())
    assert not bool(y.grad[..., 1:].any())


@pytest.mark.parametrize("form", ["clean", "compat"])
@pytest.mark.parametrize("raw", [-1e4, -50.0, 50.0, 1e4])
def test_raw_values_far_out_leave_loss_and_gradient_finite(form, raw) -> None:
    y = torch.full((1, 2, len(SMALL.size), 1 + 2 + 4), raw, requires_grad=True)
    loss, _ = task(form=form).loss(y, batch([boxes((0, 20, 20, 10, 10)), boxes()], SMALL))
    loss.backward()
    assert y.grad is not None
    assert math.isfinite(loss.item())
    assert bool(torch.isfinite(y.grad).all())


def test_no_box_in_the_whole_batch_is_legal() -> None:
    y = torch.zeros(1, 2, len(SMALL.size), 1 + 2 + 4, requires_grad=True)
    loss, parts = task().loss(y, batch([boxes(), boxes()], SMALL))
    loss.backward()
    assert parts == pytest.approx({"objectness": len(SMALL.size) * 0.1 * 0.25, "class": 0.0, "box": 0.0})
    assert loss.item() == pytest.approx(sum(parts.values()))


@pytest.mark.parametrize("readout", ["last", "mean"])
def test_steps_after_the_end_of_a_sample_are_not_read(readout) -> None:
    y = torch.randn(3, 2, len(SMALL.size), 1 + 2 + 4, generator=torch.Generator().manual_seed(0))
    y[2, 1] = float("nan")
    ragged = Batch(torch.zeros(3, 2, 1, 32, 64), [boxes(), boxes()], torch.tensor([3, 2]))
    answer = task(readout=readout).answer(y, ragged)
    expected = [y[2, 0], y[1, 1]] if readout == "last" else [y[:, 0].mean(0), y[:2, 1].mean(0)]
    torch.testing.assert_close(answer, torch.stack(expected))


def test_a_network_for_other_classes_is_refused() -> None:
    y = torch.zeros(1, 1, len(SMALL.size), 1 + 10 + 4)
    with pytest.raises(ValueError, match=r"for 2 classes, got 10: --task.classes and --model.classes must agree"):
        task().loss(y, batch([boxes()], SMALL))


def test_the_order_of_the_samples_does_not_matter() -> None:
    y = torch.randn(1, 3, len(SMALL.size), 1 + 2 + 4, generator=torch.Generator().manual_seed(0))
    targets = [boxes((0, 20, 20, 10, 10)), boxes(), boxes((1, 41, 7, 11, 13), (0, 9, 9, 5, 8))]
    order = [2, 0, 1]
    loss, _ = task().loss(y, batch(targets, SMALL))
    permuted, _ = task().loss(y[:, order], batch([targets[i] for i in order], SMALL))
    assert permuted.item() == pytest.approx(loss.item())


def test_evaluation_of_a_perfect_answer_and_of_silence() -> None:
    targets = [boxes((0, 20, 20, 10, 10), (1, 41, 7, 11, 13)), boxes(), boxes((1, 9, 9, 12, 20))]
    evaluation = task().evaluation()
    evaluation.add(saying(targets, SMALL, 2)[None], batch(targets, SMALL))
    result = evaluation.result()
    assert result["map50"] == result["map"] == result["map50_any"] == result["map50_at_0.3"] == pytest.approx(1.0)
    assert result["boxes"] == 3
    assert result["loss"] == pytest.approx(0.0, abs=1e-3)
    assert json.loads(json.dumps(result)) == result
    evaluation = task().evaluation()
    evaluation.add(torch.full((1, 3, len(SMALL.size), 7), -20.0), batch(targets, SMALL))
    assert evaluation.result()["map50"] == 0.0


def test_weak_answers_count_up_to_the_threshold_of_the_task_but_not_at_the_released_one() -> None:
    targets = [boxes((0, 20, 20, 10, 10))]
    y = saying(targets, SMALL, 2)[None]
    y[..., 0] = torch.where(y[..., 0] > 0, -2.0, -20.0)  # score 0.12
    found = {}
    for score in (0.01, 0.5):
        evaluation = task(least_score=score).evaluation()
        evaluation.add(y, batch(targets, SMALL))
        found[score] = evaluation.result()
    assert (found[0.01]["map50"], found[0.01]["map50_at_0.3"]) == (pytest.approx(1.0), 0.0)
    assert found[0.5]["map50"] == 0.0
    y[..., 0] = torch.where(y[..., 0] > -20, -0.5, -20.0)  # score 0.38
    evaluation = task(least_score=0.5).evaluation()
    evaluation.add(y, batch(targets, SMALL))
    assert (evaluation.result()["map50"], evaluation.result()["map50_at_0.3"]) == (0.0, pytest.approx(1.0))


def test_answers_are_cut_at_the_picture() -> None:
    y = saying([boxes((0, 60, 16, 12, 12))], SMALL, 2)[None]
    cut = batch([Boxes(torch.tensor([[54.0, 10.0, 10.0, 12.0]]), torch.tensor([0]))], SMALL)
    evaluation = task().evaluation()
    evaluation.add(y, cut)
    assert evaluation.result()["map"] == pytest.approx(1.0)


@pytest.mark.parametrize("least_side", [10.0, 8.0])
def test_small_boxes_are_left_out_beside_the_full_figure(least_side: float) -> None:
    targets = [boxes((0, 20, 16, 9, 30)), boxes((1, 20, 16, 12, 30))]
    evaluation = task(filter_small=True, least_side=least_side).evaluation()
    y = saying(targets, SMALL, 2)
    y[0, :, 0] = -20.0
    evaluation.add(y[None], batch(targets, SMALL))
    result = evaluation.result()
    assert (result["map50"], result["boxes"]) == (pytest.approx(0.5), 2)
    narrow_counts = least_side < 9
    assert result["map50_filtered"] == pytest.approx(0.5 if narrow_counts else 1.0)
    assert result["boxes_filtered"] == 1 + narrow_counts


def test_letterboxed_pictures_are_judged_in_pixels_of_the_sensor() -> None:
    """Boxes of Gen1, which has 304x240 pixels: learned at 256x256 and rounded, judged as they were."""
    box = Letterbox(sensor=(304, 240), size=(256, 256))
    original = [boxes((0, 120.3, 120.7, 50.6, 41.2)), boxes((1, 40.3, 60.4, 12.4, 14.6), (0, 200, 100, 36, 28.6))]
    learned = [box.boxes(there) for there in original]
    seen = batch(learned, GRID)._replace(original=Original((304, 240), original, [500_000, 500_001]))
    result = {}
    for filter_small in (False, True):
        evaluation = task(GRID, least_score=0.3, filter_small=filter_small).evaluation()
        evaluation.add(saying(learned, GRID, 2)[None], seen)
        result[filter_small] = evaluation.result()
    # What was rounded is not quite what was there.
    assert result[False]["map50"] == pytest.approx(1.0)
    assert 0.7 < result[False]["map"] < 1.0
    assert (result[False]["boxes"], result[False]["map50_at_0.01"]) == (3, pytest.approx(1.0))
    # The first picture is not later than half a second, and the pedestrian is too small.
    assert (result[True]["boxes"], result[True]["boxes_filtered"]) == (3, 1)
    assert result[True]["map50_filtered"] == pytest.approx(1.0)


def test_the_loss_of_an_evaluation_weighs_batches_by_their_samples() -> None:
    generator = torch.Generator().manual_seed(0)
    y = torch.randn(1, 3, len(SMALL.size), 7, generator=generator)
    targets = [boxes((0, 20, 20, 10, 10)), boxes(), boxes((1, 9, 9, 12, 20))]
    evaluation = task().evaluation()
    evaluation.add(y[:, :1], batch(targets[:1], SMALL))
    evaluation.add(y[:, 1:], batch(targets[1:], SMALL))
    whole, _ = task().loss(y, batch(targets, SMALL))
    assert evaluation.result()["loss"] == pytest.approx(whole.item())


def rectangles(steps: int, generator: torch.Generator) -> Batch:
    """Eight scenes of two rectangles, each class in a channel of its own, that stand still for some steps."""
    x, targets = torch.zeros(steps, 8, 2, 64, 64), []
    for lane in range(8):
        rows = []
        for label in range(2):
            left, top = (torch.randint(2, 14, (2,), generator=generator) + 32 * label).tolist()
            width, height = torch.randint(10, 18, (2,), generator=generator).tolist()
            x[:, lane, label, top : top + height, left : left + width] = 1.0
            rows.append((label, left + width / 2, top + height / 2, width, height))
        targets.append(boxes(*rows))
    return Batch(x, targets, torch.full((8,), steps))


@pytest.mark.parametrize(
    ("neuron", "steps", "filters", "lr"),
    [("relu", 1, 4, 1e-2), pytest.param("lif", 3, 8, 5e-3, marks=pytest.mark.slow)],
)
def test_eight_samples_are_learned_by_heart_within_200_iterations(neuron, steps, filters, lr) -> None:
    cell = replace(genotype.load("spikefpn"), path=(0, 1), filters=filters)
    config = SpikeFPN(genotype=cell, in_channels=2, size=(64, 64), scales=1, anchors=((12, 12), (16, 16)))
    torch.manual_seed(0)
    net = models.build(replace(config, neuron=neuron, norm="batch"))
    learner, samples = detection(Detect(least_score=0.3), net), rectangles(steps, torch.Generator().manual_seed(0))
    optimizer = torch.optim.AdamW(net.parameters(), lr=lr)
    reached = []
    while len(reached) < 8 and 1.0 not in reached:
        for _ in range(25):
            optimizer.zero_grad()
            learner.loss(net.train()(samples.x), samples)[0].backward()
            optimizer.step()
        evaluation = learner.evaluation()
        with torch.inference_mode():
            evaluation.add(net.eval()(samples.x), samples)
        reached.append(round(evaluation.result()["map50"], 6))
    assert reached[-1] == 1.0, reached


def test_focal_objectness_by_hand() -> None:
    grid = AnchorGrid.make(8, 16, (8,), ((8, 8),))
    answer = torch.zeros(1, 2, 1 + 2 + 4)
    answer[0, :, 0] = torch.tensor([1.2, -0.4])
    positive = assign([Boxes(torch.tensor([[0.0, 0, 8, 8]]), torch.tensor([1]))], grid)
    assert positive.anchor.tolist() == [0]
    p, q = (1 / (1 + math.exp(-z)) for z in (1.2, -0.4))
    expected = -((1 - p) ** 2) * math.log(p) - 3 * q**2 * math.log(1 - q)
    assert losses(answer, positive, grid, form="focal")["objectness"].item() == pytest.approx(expected, rel=1e-5)
