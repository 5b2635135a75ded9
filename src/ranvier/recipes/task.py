"""What a network is trained for, and how its answers are read out: `ranvier.tasks`."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from ranvier.recipes.checked import Checked

DIGITS = ("0", "1", "2", "3", "4", "5", "6", "7", "8", "9")


class Scored(Checked):
    """What a task says about its score.

    `metric` is the entry of result.json that says how good a network is, `metric_name` what people call it; `target` is
    what the data must hold.
    """

    target: ClassVar[str]
    metric: ClassVar[str]
    metric_name: ClassVar[str]
    percent: ClassVar[bool] = True
    """the score is a share, from 0 to 1"""
    lower_is_better: ClassVar[bool] = False

    def shown(self, score: float) -> str:
        """Return a score as people read it."""
        return f"{100 * score:.1f} %" if self.percent else f"{score:.2f}"

    def worth(self, score: float) -> float:
        """Return a number that is larger for a better score."""
        return -score if self.lower_is_better else score


@dataclass(frozen=True)
class Classify(Scored):
    """Cross-entropy of the logits; accuracy and confusion."""

    target: ClassVar[str] = "label"
    metric: ClassVar[str] = "accuracy"
    metric_name: ClassVar[str] = "accuracy"
    name: Literal["classify"] = "classify"
    """the task in `ranvier.tasks`"""
    classes: tuple[str, ...] = DIGITS
    """names of the classes, in the order of the outputs"""
    readout: Literal["last", "mean"] = "mean"
    """the answer to a recording: the logits of its last step, or the mean of those of all steps"""
    label_smoothing: float = 0.0
    """probability mass that the target spreads over all classes"""


@dataclass(frozen=True)
class Detect(Scored):
    """Anchor boxes: GIoU, cross-entropy and objectness (SpikeFPN); COCO mean average precision."""

    target: ClassVar[str] = "boxes"
    metric: ClassVar[str] = "map50"
    metric_name: ClassVar[str] = "mAP50"
    name: Literal["detect"] = "detect"
    """the task in `ranvier.tasks`"""
    classes: tuple[str, ...] = ("car", "pedestrian")
    """names of the classes, in the order of the outputs"""
    readout: Literal["last", "mean"] = "last"
    """the answer to a scene: of the last step, or the mean of the raw outputs of all steps"""
    form: Literal["clean", "compat", "focal"] = "clean"
    """loss of the objectness: squared, of an anchor without an object towards 0 (clean) or, as released, towards half
    of its overlap with an empty box (compat); or the focal loss, which learns in fewer steps"""
    match_iou: float = 0.5
    """an anchor whose width and height overlap those of a box by more than this is responsible for it"""
    least_score: float = 0.01
    """answers below this score are left out; figures at 0.01 and at the released 0.3 are always given"""
    nms_iou: float = 0.5
    """of two answers of one class that overlap by more than this, the weaker one is dropped"""
    filter_small: bool = False
    """leave out boxes that the Prophesee protocol leaves out (early, narrow or small); both figures are reported"""
    least_diagonal: float = 30.0
    """pixels from corner to corner below which `filter_small` leaves a box out; 1-megapixel sensor: 60"""
    least_side: float = 10.0
    """pixels of width or height below which `filter_small` leaves a box out; 1-megapixel sensor: 20"""


@dataclass(frozen=True)
class Segment(Scored):
    """A class for each pixel: cross-entropy of the hardest pixels; mean intersection over union."""

    target: ClassVar[str] = "masks"
    metric: ClassVar[str] = "miou"
    metric_name: ClassVar[str] = "mIoU"
    name: Literal["segment"] = "segment"
    """the task in `ranvier.tasks`"""
    classes: tuple[str, ...] = ("background", *DIGITS)
    """names of the classes, in the order of the outputs"""
    burn_in: int = 1
    """first steps of a clip whose answers count neither in the loss nor in the metric"""
    loss: Literal["ohem", "cross_entropy"] = "ohem"
    """ohem: of pixels whose true class has a probability above `ohem_threshold`, only the hardest count"""
    ohem_threshold: float = 0.7
    """probability from which on a pixel is easy"""
    ohem_least: int = 12_880
    """rank, from 0, of the pixel of a batch down to which all count, however easy"""
    ignore: int = 255
    """label of pixels that nobody judges"""


@dataclass(frozen=True)
class Imitate(Scored):
    """Predict what is left of a neuron's membrane in each step; how many spikes come out right."""

    target: ClassVar[str] = "membrane"
    metric: ClassVar[str] = "accuracy"
    metric_name: ClassVar[str] = "spike accuracy"
    classes: ClassVar[tuple[str, ...]] = ()
    name: Literal["imitate"] = "imitate"
    """the task in `ranvier.tasks`"""
    loss: Literal["smooth_l1", "mse"] = "smooth_l1"
    """smooth_l1, as released, is half of the mean squared error (mse) where errors stay below 1"""


@dataclass(frozen=True)
class Language(Scored):
    """Cross-entropy of each next word; perplexity, beside that of unigrams and bigrams of the training text."""

    target: ClassVar[str] = "tokens"
    metric: ClassVar[str] = "perplexity"
    metric_name: ClassVar[str] = "perplexity"
    percent: ClassVar[bool] = False
    lower_is_better: ClassVar[bool] = True
    classes: ClassVar[tuple[str, ...]] = ()
    name: Literal["language"] = "language"
    """the task in `ranvier.tasks`"""


@dataclass(frozen=True)
class Decode(Scored):
    """Squared error of the velocity of each bin; R², beside that of a ridge, a Wiener and a Kalman filter."""

    target: ClassVar[str] = "velocity"
    metric: ClassVar[str] = "r2"
    metric_name: ClassVar[str] = "R²"
    percent: ClassVar[bool] = False
    classes: ClassVar[tuple[str, ...]] = ()
    name: Literal["decode"] = "decode"
    """the task in `ranvier.tasks`"""
    burn_in: int = 0
    """first bins of a window that count nothing in the loss; all bins are judged"""
    history: int = 10
    """bins that ridge and Wiener filter look at, the present one among them"""

    def shown(self, score: float) -> str:
        """Return a score as people read it."""
        return f"{score:.3f}"
