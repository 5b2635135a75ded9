"""Loss and metrics of segmentation: burn-in, hard pixels, labels that nobody judges, one confusion matrix."""

import json
import math
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from ranvier.data.datasets import Batch
from ranvier.neurons import LIF
from ranvier.recipes import Segment
from ranvier.tasks.segment import Segmentation, hardest, scores, segmentation

PLAIN = Segment(classes=("road", "car", "tree"), burn_in=0, loss="cross_entropy")
STEPS, LANES, CLASSES, HEIGHT, WIDTH = 3, 2, 3, 4, 5


def answers(seed: int = 0) -> Tensor:
    return 3 * torch.randn(STEPS, LANES, CLASSES, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(seed))


def batch(labels: Tensor | None = None, lengths: Tensor | None = None) -> Batch:
    if labels is None:
        shape = (STEPS, LANES, HEIGHT, WIDTH)
        labels = torch.randint(0, CLASSES, shape, generator=torch.Generator().manual_seed(1))
    steps = labels.shape[0]
    lengths = torch.full((labels.shape[1],), steps) if lengths is None else lengths
    return Batch(torch.zeros(steps, labels.shape[1], 1), labels, lengths)


def value(config: Segment, output: Tensor, batch: Batch) -> float:
    return Segmentation(config).loss(output, batch)[0].item()


def cross_entropy(output: Tensor, labels: Tensor) -> float:
    return F.cross_entropy(output.flatten(0, 1), labels.flatten(0, 1).long(), ignore_index=255).item()


def by_sorting(output: Tensor, labels: Tensor, threshold: float, least: int, ignore: int = 255) -> float:
    """The rule of the specification, word by word: sort the probabilities of the true class, cut, take the mean."""
    logits, labels = output.movedim(2, -1).reshape(-1, CLASSES).double(), labels.flatten().long()
    known = labels != ignore
    p = torch.ones(len(labels), dtype=torch.double)
    p[known] = logits.softmax(1)[known, labels[known]]
    cut = max(threshold, p.sort().values[least].item())
    return -p[known & (p <= cut)].log().mean().item()


def test_plain_loss_is_the_mean_cross_entropy_of_all_labelled_pixels() -> None:
    labels = batch().target.clone()
    labels[0, 0, :2] = 255
    assert value(PLAIN, answers(), batch(labels)) == pytest.approx(cross_entropy(answers(), labels), rel=1e-6)


@pytest.mark.parametrize("least", [0, 1, 20, 60, 100, 119])
@pytest.mark.parametrize("threshold", [0.05, 0.7, 0.99])
def test_hard_pixels_are_those_of_the_rule(threshold: float, least: int) -> None:
    labels = batch().target.clone()
    labels[1, :, :2] = 255
    config = replace(PLAIN, loss="ohem", ohem_threshold=threshold, ohem_least=least)
    expected = by_sorting(answers(), labels, threshold, least)
    assert value(config, answers(), batch(labels)) == pytest.approx(expected, rel=1e-5)


def test_all_pixels_count_where_none_is_easy() -> None:
    output = 0.01 * answers()
    config = replace(PLAIN, loss="ohem", ohem_threshold=0.7, ohem_least=5)
    assert value(config, output, batch()) == pytest.approx(cross_entropy(output, batch().target), rel=1e-6)


def test_a_single_hard_pixel_is_joined_by_the_next_hardest() -> None:
    p = torch.linspace(0.8, 0.99, 40)
    p[7] = 0.1
    kept = hardest(-p.log(), threshold=0.7, least=10)
    assert kept.sum() == 11
    assert kept[7]
    assert p[kept].max() <= p[~kept].min()
    assert hardest(-p.log(), threshold=0.7, least=1000).all()
    assert hardest(-p.log(), threshold=0.0, least=0).tolist() == [i == 7 for i in range(40)]


def test_easy_pixels_have_no_gradient_and_hard_ones_do() -> None:
    output = answers().requires_grad_()
    config = replace(PLAIN, loss="ohem", ohem_least=3)
    Segmentation(config).loss(output, batch())[0].backward()
    assert output.grad is not None
    moved = output.grad.abs().sum(2) > 0
    p = output.detach().softmax(2).gather(2, batch().target[:, :, None]).squeeze(2)
    assert torch.equal(moved, p <= 0.7)


@pytest.mark.parametrize("loss", ["ohem", "cross_entropy"])
def test_labels_are_not_changed(loss) -> None:
    labels = batch().target.clone()
    labels[0, 1] = 255
    before = labels.clone()
    task = Segmentation(replace(PLAIN, loss=loss, burn_in=1, ohem_least=3))
    task.loss(answers(), batch(labels))
    task.evaluation().add(answers(), batch(labels))
    assert torch.equal(labels, before)


@pytest.mark.parametrize("loss", ["ohem", "cross_entropy"])
def test_pixels_that_nobody_judges_have_no_gradient(loss) -> None:
    labels = batch().target.clone()
    labels[1, 0], labels[1, 1], labels[2, 0], labels[2, 1] = 255, 3, -7, 1
    output = answers().requires_grad_()
    config = replace(PLAIN, loss=loss, ignore=1, ohem_least=1000)
    found, further = Segmentation(config).loss(output, batch(labels))
    found.backward()
    assert output.grad is not None
    assert math.isfinite(found.item())
    assert 0 <= further["pixel_accuracy"] <= 1
    judged = output.grad.abs().sum(2) > 0
    assert torch.equal(judged, (labels != 1) & (labels >= 0) & (labels < 3))


def test_a_batch_without_labels_has_loss_zero_and_a_gradient() -> None:
    output = answers().requires_grad_()
    found, further = Segmentation(replace(PLAIN, loss="ohem")).loss(output, batch(torch.full((3, 2, 4, 5), 255)))
    found.backward()
    assert found.item() == 0
    assert output.grad is not None
    assert output.grad.abs().sum() == 0
    assert further == {"pixel_accuracy": 0.0}


@pytest.mark.parametrize("loss", ["ohem", "cross_entropy"])
def test_an_answer_that_is_not_a_number_shows_in_the_loss(loss) -> None:
    output = answers()
    output[2, 1, 0, 0, 0] = float("nan")
    assert math.isnan(value(replace(PLAIN, loss=loss, ohem_least=2), output, batch()))


def test_steps_of_the_burn_in_are_not_judged() -> None:
    config = replace(PLAIN, burn_in=1)
    labels = batch().target
    other = labels.clone()
    other[0] = (other[0] + 1) % CLASSES
    assert value(config, answers(), batch(other)) == value(config, answers(), batch(labels))
    assert value(config, answers(), batch(labels)) == pytest.approx(cross_entropy(answers()[1:], labels[1:]), rel=1e-6)
    found = [evaluated(config, (answers(), batch(chosen))) for chosen in (labels, other)]
    assert found[0] == found[1]
    assert sum(map(sum, found[0]["confusion"])) == 2 * LANES * HEIGHT * WIDTH


def test_events_of_the_burn_in_reach_the_loss_through_the_memory() -> None:
    neuron, config = LIF(decay=0.9, v_threshold=1.0), replace(PLAIN, burn_in=1)
    x = torch.full((STEPS, LANES, CLASSES, HEIGHT, WIDTH), 0.4)
    x[:, :, 0] = 0.9
    silent = x.clone()
    silent[0] = 0
    assert value(config, neuron(x), batch()) != value(config, neuron(silent), batch())


def test_steps_after_the_length_of_a_lane_are_not_judged() -> None:
    labels = batch().target
    lengths = torch.tensor([3, 2])
    padded = labels.clone()
    padded[2, 1] = 255
    assert value(PLAIN, answers(), batch(labels, lengths)) == value(PLAIN, answers(), batch(padded))


def evaluated(config: Segment, *batches: tuple[Tensor, Batch]) -> dict:
    evaluation = segmentation(config, torch.nn.Identity()).evaluation()
    for output, batch in batches:
        evaluation.add(output, batch)
    return evaluation.result()


def test_a_perfect_answer_scores_one() -> None:
    labels = batch().target
    found = evaluated(PLAIN, (9.0 * F.one_hot(labels, CLASSES).movedim(-1, 2), batch(labels)))
    assert [found[name] for name in ("miou", "pixel_accuracy", "class_accuracy", "fwiou")] == [1, 1, 1, 1]
    assert found["iou"] == {"road": 1.0, "car": 1.0, "tree": 1.0}


def test_metrics_of_a_hand_made_confusion_matrix() -> None:
    found = scores(torch.tensor([[3, 1], [1, 5]]), ("a", "b"))
    assert found["iou"] == pytest.approx({"a": 0.6, "b": 0.714286}, abs=1e-6)
    assert found["miou"] == pytest.approx(0.657143, abs=1e-6)
    assert found["pixel_accuracy"] == 0.8
    assert found["class_accuracy"] == pytest.approx((3 / 4 + 5 / 6) / 2)
    assert found["fwiou"] == pytest.approx(0.4 * 3 / 5 + 0.6 * 5 / 7)


def test_a_class_that_is_nowhere_is_left_out_and_one_stray_answer_counts() -> None:
    absent = scores(torch.tensor([[3, 1, 0], [1, 5, 0], [0, 0, 0]]), ("a", "b", "c"))
    assert absent["iou"]["c"] is None
    assert absent["miou"] == pytest.approx(0.657143, abs=1e-6)
    stray = scores(torch.tensor([[3, 1, 1], [1, 5, 0], [0, 0, 0]]), ("a", "b", "c"))
    assert stray["iou"]["c"] == 0.0
    assert stray["miou"] == pytest.approx((3 / 6 + 5 / 7 + 0) / 3)
    assert stray["class_accuracy"] == pytest.approx((3 / 5 + 5 / 6) / 2)


def test_batches_add_up_to_the_whole() -> None:
    labels = batch().target.clone()
    labels[0, 0] = 255
    output = answers()
    whole = evaluated(PLAIN, (output, batch(labels)))
    lanes = evaluated(PLAIN, *((output[:, i : i + 1], batch(labels[:, i : i + 1])) for i in range(LANES)))
    assert lanes.pop("loss") == pytest.approx(whole.pop("loss"))
    assert lanes == whole
    json.dumps(whole, allow_nan=False)


def test_training_reports_the_accuracy_of_the_judged_pixels() -> None:
    labels = torch.tensor([0, 1, 2, 255]).view(1, 1, 2, 2)
    output = 5.0 * F.one_hot(torch.tensor([0, 1, 0, 0]).view(1, 1, 2, 2), 3).movedim(-1, 2)
    assert Segmentation(PLAIN).loss(output, batch(labels))[1] == {"pixel_accuracy": pytest.approx(2 / 3)}


def test_half_precision_answers_are_judged_in_single_precision() -> None:
    low = answers().bfloat16()
    assert value(PLAIN, low, batch()) == value(PLAIN, low.float(), batch())


def test_labels_of_a_small_type_are_understood() -> None:
    labels = batch().target
    labels[0] = 255
    assert value(PLAIN, answers(), batch(labels.to(torch.uint8))) == value(PLAIN, answers(), batch(labels))


def test_what_does_not_fit_is_named() -> None:
    with pytest.raises(ValueError, match=r"\[time, batch, height, width\] \[3, 2, 4, 5\], got labels \[3, 2, 4, 6\]"):
        value(PLAIN, answers(), batch(torch.zeros(3, 2, 4, 6, dtype=torch.long)))
    with pytest.raises(ValueError, match=r"expected 2 outputs a pixel \(--task.classes\), got 3"):
        value(replace(PLAIN, classes=("a", "b")), answers(), batch())
    with pytest.raises(ValueError, match=r"a burn-in of 3 leaves none of 3 steps: use a smaller --task.burn-in"):
        value(replace(PLAIN, burn_in=3), answers(), batch())
    with pytest.raises(ValueError, match="no pixel has a label from 0 to 2"):
        evaluated(PLAIN, (answers(), batch(torch.full((3, 2, 4, 5), 255))))
