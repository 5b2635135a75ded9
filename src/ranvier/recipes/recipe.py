"""What a run is made of: frozen dataclasses of plain values, so that a recipe can be listed, edited and saved as JSON.

Nothing here imports torch. Each part has the name by which its builder finds it: `models.build(recipe.model)`,
`data.datasets.build(recipe.data, split)`, `tasks.task.build(recipe, net)`.
"""

from dataclasses import dataclass, field
from typing import Literal

from ranvier.recipes.checked import Checked
from ranvier.recipes.currents import Currents
from ranvier.recipes.data import DDD17, DSEC, EventFrames, NCars, Prophesee, Scenes
from ranvier.recipes.decoder import Decoder
from ranvier.recipes.model import SDN, ConvClassifier, SpikeFPN, SpikingEDN, SpikingLM, SpikingSSM
from ranvier.recipes.neural import Neural
from ranvier.recipes.sequences import Sequences, Text
from ranvier.recipes.task import Classify, Decode, Detect, Imitate, Language, Segment

EventData = EventFrames | Scenes | Prophesee | NCars | DDD17 | DSEC
Data = EventData | Sequences | Text | Currents | Neural
Model = ConvClassifier | SpikeFPN | SpikingEDN | SpikingSSM | SpikingLM | SDN | Decoder
Task = Classify | Detect | Segment | Imitate | Language | Decode
Precision = Literal["float32", "bfloat16"]


@dataclass(frozen=True)
class Train(Checked):
    """How weights are found: optimiser, learning rate, length, precision (see `ranvier.tasks.optimise`)."""

    epochs: int = 40
    """passes over the training recordings"""
    batch_size: int = 16
    """recordings a step"""
    lr: float = 3e-3
    """learning rate at its peak"""
    optimizer: Literal["adamw", "amsgrad"] = "adamw"
    """see `ranvier.tasks.optimise`"""
    weight_decay: float = 0.01
    """adamw: decoupled, of weight matrices and kernels alone; amsgrad: added to every gradient"""
    warmup: float = 0.1
    """share of all steps in which the learning rate rises"""
    warmup_steps: int = 0
    """number of steps in which the learning rate rises; 0: the share `warmup` decides"""
    rise: Literal["linear", "quartic", "geometric"] = "linear"
    """curve of the warm-up"""
    schedule: Literal["cosine", "constant", "poly"] = "cosine"
    """curve after the warm-up"""
    schedule_steps: int = 0
    """step at which the curve ends; from there on its last rate holds; 0: the end of the training"""
    clip: float | None = None
    """largest norm of the gradient; default: not clipped"""
    window: int = 0
    """steps that gradients reach back; 0: the whole sequence (see `ranvier.tasks.windows`)"""
    precision: Precision = "float32"
    """of convolutions and matrix products; weights and membranes stay float32"""
    seed: int = 0
    """of the initial weights, the order of the batches and the dropout"""
    select: Literal["last", "best"] = "last"
    """weights that are kept: of the last step, or of the best score on the validation split"""
    checkpoint_every: int = 50
    """steps between two checkpoints; one more is written after each epoch"""


@dataclass(frozen=True)
class Expected:
    """The number that this recipe should reach, and who says so."""

    value: float = 0.0
    """published or measured"""
    source: str = ""
    """paper, or the command that measured it"""


@dataclass(frozen=True)
class Recipe:
    """One run: data, model, task and training settings, and the number to expect."""

    name: str
    """as listed by `ranvier recipes`"""
    data: Data = field(default_factory=EventFrames)
    model: Model = field(default_factory=ConvClassifier)
    task: Task = field(default_factory=Classify)
    train: Train = field(default_factory=Train)
    expected: Expected | None = None

    @property
    def event_data(self) -> EventData:
        """The data part, where it is of event recordings.

        Raises:
            ValueError: it is of something else.
        """
        if not isinstance(self.data, EventData):
            raise ValueError(f"expected a recipe that reads event recordings, got one that reads {self.data.name!r}")
        return self.data

    def __post_init__(self) -> None:
        if self.model.classes != len(self.task.classes):
            raise ValueError(
                f"expected as many outputs as classes, got model.classes {self.model.classes} and "
                f"{len(self.task.classes)} names in task.classes"
            )
        if self.data.target != self.task.target:
            raise ValueError(
                f"the task {self.task.name!r} learns from {self.task.target}, the data {self.data.name!r} gives "
                f"{self.data.target}: they must agree"
            )
        if isinstance(self.model, SpikingEDN) and self.model.norm == "per_step" and self.train.batch_size == 1:
            raise ValueError(
                "a batch of one sample has no variance over the pooled map of a step: type --train.batch-size 2, or "
                "--model.norm batch"
            )
        if self.train.window and isinstance(self.data, Neural):
            raise ValueError("windows of sessions are drawn by the data: type --data.steps, not --train.window")
        if self.train.window and isinstance(self.model, SpikingSSM) and (self.model.bidirectional or self.model.pair):
            raise ValueError(
                "a network that looks ahead has no memory that could go on from window to window: type --train.window 0"
            )
        if isinstance(self.data, Prophesee) and self.data.classes != self.task.classes:
            raise ValueError(
                f"expected data.classes as in task.classes {self.task.classes}, got {self.data.classes}: their order "
                "numbers the labels"
            )
