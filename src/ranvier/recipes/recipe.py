"""What a run is made of: frozen dataclasses of plain values, so that a recipe can be listed, edited and saved as JSON.

Nothing here imports torch. Each part has the name by which its builder finds it: `models.build(recipe.model)`,
`data.datasets.build(recipe.data, split)`.
"""

from dataclasses import dataclass, field
from typing import Literal

# Which numbers make sense: counts from 1 on, shares from 0 to 1.
COUNTS = ("window_us", "steps", "in_channels", "size", "channels", "epochs", "batch_size", "checkpoint_every")
SHARES = ("decay", "dropout", "label_smoothing", "warmup")


class Checked:
    """A part of a recipe that refuses numbers without a meaning, be they from Python, the command line or a file."""

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            numbers = value if isinstance(value, tuple) else (value,)
            if name in COUNTS and any(number < 1 for number in numbers):
                raise ValueError(f"expected {name} of 1 or more, got {value}")
            if name in SHARES and not all(0 <= number <= 1 for number in numbers):
                raise ValueError(f"expected {name} from 0 to 1, got {value}")


DIGITS = ("0", "1", "2", "3", "4", "5", "6", "7", "8", "9")


@dataclass(frozen=True)
class EventFrames(Checked):
    """Labelled event recordings, binned into frames of a fixed width in microseconds."""

    name: Literal["nmnist", "digits"] = "nmnist"
    """nmnist: the real recordings; digits: scikit-learn's digits moved before the simulated camera"""
    root: str | None = None
    """folder or zip of the recordings; default: where the data set is usually found"""
    window_us: int = 50_000
    """width of one frame in microseconds"""
    steps: int = 6
    """frames a recording; what comes later is cut"""
    fold: int = 0
    """which fifth of the recordings is held out for the test, 0..4"""
    seed: int = 0
    """of the augmentation"""
    augment: bool = True
    """move, turn, scale and shear each training recording at random, anew in every epoch"""


@dataclass(frozen=True)
class ConvClassifier(Checked):
    """Spiking convolution blocks and a linear readout at every step."""

    name: Literal["conv_classifier"] = "conv_classifier"
    """the builder in `ranvier.models`"""
    in_channels: int = 2
    """channels of a frame: OFF and ON events"""
    size: tuple[int, int] = (34, 34)
    """height and width of a frame in pixels"""
    channels: tuple[int, ...] = (16, 32, 64)
    """feature maps of each block"""
    classes: int = 10
    """outputs a step"""
    neuron: Literal["lif", "plif", "relu"] = "lif"
    """relu is the twin without spikes and without memory, for comparison"""
    decay: float = 0.5
    """share of the membrane that is left after one step (where PLIF starts to learn)"""
    dropout: float = 0.0
    """share of the readout's inputs that is silenced in training"""


@dataclass(frozen=True)
class Classify(Checked):
    """Cross-entropy of the logits' mean over time; accuracy and confusion."""

    name: Literal["classify"] = "classify"
    """the task in `ranvier.tasks`"""
    classes: tuple[str, ...] = DIGITS
    """names of the classes, in the order of the outputs"""
    label_smoothing: float = 0.0
    """probability mass that the target spreads over all classes"""


@dataclass(frozen=True)
class Train(Checked):
    """AdamW with a linear warm-up and a cosine decay of the learning rate."""

    epochs: int = 40
    """passes over the training recordings"""
    batch_size: int = 16
    """recordings a step"""
    lr: float = 3e-3
    """learning rate at its peak"""
    weight_decay: float = 0.01
    """decoupled decay of weight matrices and kernels; biases and norms have none"""
    warmup: float = 0.1
    """share of all steps in which the learning rate rises"""
    clip: float | None = None
    """largest norm of the gradient; default: not clipped"""
    precision: Literal["float32", "bfloat16"] = "float32"
    """of convolutions and matrix products; weights and membranes stay float32"""
    seed: int = 0
    """of the initial weights, the order of the batches and the dropout"""
    select: Literal["last", "best"] = "last"
    """weights that are kept: of the last step, or of the best accuracy on the validation split"""
    checkpoint_every: int = 50
    """steps between two checkpoints; one more is written after each epoch"""


@dataclass(frozen=True)
class Expected:
    """The number that this recipe should reach, and who says so."""

    metric: str = "accuracy"
    """key in result.json"""
    value: float = 0.0
    """published or measured"""
    source: str = ""
    """paper, or the command that measured it"""


@dataclass(frozen=True)
class Recipe:
    """One run: data, model, task and training settings, and the number to expect."""

    name: str
    """as listed by `ranvier recipes`"""
    data: EventFrames = field(default_factory=EventFrames)
    model: ConvClassifier = field(default_factory=ConvClassifier)
    task: Classify = field(default_factory=Classify)
    train: Train = field(default_factory=Train)
    expected: Expected | None = None

    def __post_init__(self) -> None:
        if self.model.classes != len(self.task.classes):
            raise ValueError(
                f"expected as many outputs as classes, got model.classes {self.model.classes} and "
                f"{len(self.task.classes)} names in task.classes"
            )
