"""Detection: which anchors answer for a box, the loss of SpikeFPN, and COCO's mean average precision."""

from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from ranvier.data.boxes import Boxes
from ranvier.data.datasets import Batch
from ranvier.data.letterbox import Letterbox
from ranvier.layers import READOUTS
from ranvier.layers.anchors import AnchorGrid, Detections, decode, detect
from ranvier.layers.boxes import giou, xywh_to_xyxy
from ranvier.recipes import Detect
from ranvier.tasks.coco import average_precision, prophesee, stronger

# Figures at both are given: the second is that of the released evaluation, which cuts off the tail of weak answers.
SCORES = (0.01, 0.3)


class Detector(Protocol):
    """A network that says where its anchors are in a picture of some size."""

    def grid(self, height: int, width: int) -> AnchorGrid: ...


def detection(config: Detect, net: Detector) -> "Detection":
    """Return the task for a network's anchors."""
    return Detection(config, net.grid)


class Detection:
    """Anchors are taught objectness, class and box; what they answer is measured by average precision."""

    def __init__(self, config: Detect, grid: Callable[[int, int], AnchorGrid]) -> None:
        self.config = config
        self.grid = grid

    def answer(self, output: Tensor, batch: Batch) -> Tensor:
        """Return one answer `[B, A, 1 + K + 4]` for the raw outputs of all steps `[T, B, A, 1 + K + 4]`.

        Raises:
            ValueError: the network has not one output for each of the task's classes.
        """
        classes = output.shape[-1] - 5
        if classes != len(self.config.classes):
            raise ValueError(
                f"expected outputs for {len(self.config.classes)} classes, got {classes}: "
                "--task.classes and --model.classes must agree"
            )
        read = READOUTS[self.config.readout]
        return read(output, batch.lengths.to(output.device)).float()

    def loss(self, output: Tensor, batch: Batch) -> tuple[Tensor, dict[str, float]]:
        """Return the mean loss over the samples of a batch, and its parts."""
        answer, grid = self.answer(output, batch), self.grid(*batch.x.shape[-2:])
        positive = assign(batch.target, grid, match_iou=self.config.match_iou)
        parts = losses(answer, positive, grid, form=self.config.form)
        return torch.stack(list(parts.values())).sum(), {name: float(part.detach()) for name, part in parts.items()}

    def evaluation(self) -> "DetectionResult":
        """Return an evaluation that has seen nothing."""
        return DetectionResult(self)


class DetectionResult:
    """Gathers boxes and answers; the pictures themselves are let go.

    Letterboxed pictures are judged in pixels of the sensor, by the boxes of the batch's `original`.
    """

    def __init__(self, task: Detection) -> None:
        self.task = task
        self.truth: list[Boxes] = []
        self.found: list[Detections] = []
        self.times_us: list[int] = []
        self.loss = 0.0

    def add(self, output: Tensor, batch: Batch) -> None:
        """Take the answers to one batch; each sample is an image of its own."""
        config, (height, width) = self.task.config, batch.x.shape[-2:]
        self.loss += float(self.task.loss(output, batch)[0]) * len(batch.target)
        answer, grid = self.task.answer(output, batch), self.task.grid(height, width)
        found = detect(answer, grid, score=min(config.least_score, *SCORES), nms_iou=config.nms_iou)
        truth = batch.target
        if batch.original is not None:
            undo = Letterbox(sensor=batch.original.sensor, size=(height, width)).undo
            found = [one._replace(xywh=undo(one.xywh)) for one in found]
            truth = batch.original.boxes
            self.times_us += batch.original.t_us
        self.found += [Detections(*(column.cpu() for column in one)) for one in found]
        self.truth += [Boxes(*(column.cpu() for column in one)) for one in truth]

    def result(self) -> dict[str, Any]:
        """Return what `average_precision` does for the answers from `least_score` on, and `loss`.

        `map50_at_0.3` and `map_at_0.3` are those of answers from 0.3 on, and so for each of `SCORES` that is not
        `least_score`; with `filter_small` there are `map50_filtered`, `map_filtered` and `boxes_filtered` of what
        Prophesee's protocol counts.
        """
        config = self.task.config
        found = [stronger(one, config.least_score) for one in self.found]
        result = average_precision(self.truth, found, config.classes) | {"loss": self.loss / len(self.truth)}
        for score in SCORES:
            if score != config.least_score:
                other = average_precision(self.truth, [stronger(one, score) for one in self.found], config.classes)
                result |= {f"{name}_at_{score}": other[name] for name in ("map50", "map")}
        if config.filter_small:
            counted = prophesee(
                self.truth,
                found,
                diagonal=config.least_diagonal,
                side=config.least_side,
                times_us=self.times_us or None,
            )
            filtered = average_precision(*counted, config.classes)
            result |= {f"{name}_filtered": filtered[name] for name in ("map50", "map", "boxes")}
        return result


class Positive(NamedTuple):
    """Pairs of an anchor and the box that it answers for: `lane [P]`, `anchor [P]`, `xyxy [P, 4]`, `label [P]`."""

    lane: Tensor
    anchor: Tensor
    xyxy: Tensor
    label: Tensor


def assign(targets: Sequence[Boxes], grid: AnchorGrid, *, match_iou: float = 0.5) -> Positive:
    """Return which anchors of each sample answer for which box.

    A box asks the anchors of the cell in which its centre lies, on every scale. Those whose width and height overlap
    its own by more than `match_iou` (IoU of both shapes around one centre) answer for it, or, if there are none, the
    best (all that are equally good). An anchor that two boxes ask answers for the later one in the list. A box that is
    less than a pixel wide or high, or whose centre is outside the picture, asks none.

    Source:
        SpikeFPN (Zhang et al., IEEE TCDS 2024), released code.
    """
    device, anchors = grid.size.device, len(grid.size)
    xywh, label = (torch.cat(column).to(device) for column in zip(*targets, strict=True))
    lane = torch.repeat_interleave(torch.tensor([len(boxes.label) for boxes in targets], device=device))
    corner, size = xywh.split(2, 1)
    (x, y), (column, row) = (corner + size / 2).T[:, :, None], grid.cell.T
    here = ((x / grid.stride).floor() == column) & ((y / grid.stride).floor() == row)
    box, anchor = (here & (size >= 1).all(1, keepdim=True)).nonzero(as_tuple=True)
    both = torch.minimum(size[box], grid.size[anchor]).prod(1)
    overlap = both / (size[box].prod(1) + grid.size[anchor].prod(1) - both)
    best = overlap.new_zeros(len(label)).scatter_reduce(0, box, overlap, "amax")
    fits = (overlap > match_iou) | (overlap == best[box])
    slot = lane[box[fits]] * anchors + anchor[fits]
    # The later box has the larger number; the maximum does not depend on the order of writing.
    owner = box.new_full((len(targets) * anchors,), -1).scatter_reduce(0, slot, box[fits], "amax")
    slot = (owner >= 0).nonzero().squeeze(1)
    owner = owner[slot]
    return Positive(slot // anchors, slot % anchors, xywh_to_xyxy(xywh[owner]), label[owner])


def losses(
    answer: Tensor, positive: Positive, grid: AnchorGrid, *, form: Literal["clean", "compat", "focal"] = "clean"
) -> dict[str, Tensor]:
    """Return the three parts of the loss of raw answers `[B, A, 1 + K + 4]`: sums over anchors, means over samples.

    With p the sigmoid of an anchor's objectness, g the GIoU of its box and the box that it answers for, and w h the
    share of the picture that the latter covers:

        objectness = sum_positive 10 (p - (g + 1) / 2)^2 + sum_negative 0.1 (p - e)^2     clean, compat
                   = -sum_positive (1 - p)^2 ln p - sum_negative 3 p^2 ln(1 - p)          focal
        class      = sum_positive cross-entropy
        box        = sum_positive (2 - w h) (1 - g)

    e is 0, or in the form `compat` the same (g + 1) / 2 for an empty box in the picture's corner, as released.
    Objectness sends no gradient into g and e. `focal` (alpha 1/4, gamma 2, times 4) learns in fewer steps, with lower
    scores.

    Source:
        SpikeFPN (Zhang et al., IEEE TCDS 2024), released code; Lin et al., "Focal Loss for Dense Object Detection",
        ICCV 2017.
    """
    at = positive.lane, positive.anchor
    logits, raw = answer[at][:, 1:-4], answer[at][:, -4:]
    overlap = giou(decode(raw, grid[positive.anchor]), positive.xyxy)
    share = (positive.xyxy[:, 2:] - positive.xyxy[:, :2]).prod(1) / (grid.height * grid.width)
    parts = {
        "objectness": _focal(answer, at) if form == "focal" else _squared(answer, at, overlap.detach(), grid, form),
        "class": F.cross_entropy(logits, positive.label, reduction="sum"),
        "box": ((2 - share) * (1 - overlap)).sum(),
    }
    return {name: part / len(answer) for name, part in parts.items()}


def _squared(answer: Tensor, at: tuple[Tensor, Tensor], overlap: Tensor, grid: AnchorGrid, form: str) -> Tensor:
    p = answer[..., 0].sigmoid()
    wanted = torch.zeros_like(p)
    if form == "compat":
        boxes = decode(answer[..., -4:].detach(), grid)
        wanted = (giou(boxes, torch.zeros_like(boxes)) + 1) / 2
    wanted[at] = (overlap + 1) / 2
    weight = torch.full_like(p, 0.1)
    weight[at] = 10.0
    return (weight * (p - wanted) ** 2).sum()


def _focal(answer: Tensor, at: tuple[Tensor, Tensor]) -> Tensor:
    logit = answer[..., 0]
    wanted, weight = torch.zeros_like(logit), torch.full_like(logit, 3.0)
    wanted[at], weight[at] = 1.0, 1.0
    wrong = (logit.sigmoid() - wanted) ** 2
    return (weight * wrong * F.binary_cross_entropy_with_logits(logit, wanted, reduction="none")).sum()
