"""Long sequences to train on: one dataclass for each family of data sets in `ranvier.data.sequences`.

As in `ranvier.recipes.data`, `target`, which a task must have too, says what is to be found. Where `root` is `None`,
files are looked for where data sets are usually found (`ranvier.data.root`), in a folder that each family names.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal

from ranvier.recipes.checked import Checked


@dataclass(frozen=True)
class Pixels(Checked):
    """Images read one pixel a step, row by row."""

    target: ClassVar[str] = "label"
    name: Literal["smnist", "psmnist", "scifar"] = "smnist"
    """smnist: MNIST, 784 steps; psmnist: the same in bit-reversed order; scifar: CIFAR-10 in grey, 1,024 steps"""
    root: str | None = None
    """folder of the images; default: mnist, or cifar10, where data sets are usually found"""
    count: int = 60_000
    """training images at most; fewer are the first of the shuffled split"""


@dataclass(frozen=True)
class ListOps(Checked):
    """Nested operations on digits, written as tokens: the answer is a digit."""

    target: ClassVar[str] = "label"
    name: Literal["listops"] = "listops"
    """the data set in `ranvier.data.sequences`"""
    source: Literal["lra", "generated"] = "lra"
    """the files of Long Range Arena, or expressions that the package makes by the same rules"""
    test: Literal["own", "d20s", "d8"] = "own"
    """test split: of the source, or the files test_d20s.tsv.gz or test_d8.tsv.gz of the original ListOps"""
    root: str | None = None
    """folder of the files; default: listops where data sets are usually found"""
    length: int = 2048
    """longest sequence, its end mark among it; the rest is cut off"""
    tokens: tuple[int, int] = (500, 2000)
    """generated: an expression has more tokens than the first and fewer than the second, brackets not counted"""
    depth: int = 10
    """generated: deepest nesting"""
    arguments: int = 10
    """generated: most arguments of an operation"""
    count: int = 96_000
    """generated: training expressions"""
    seed: int = 0
    """generated: of the expressions"""


@dataclass(frozen=True)
class Speech(Checked):
    """Spoken words as raw waveforms, one sample a step."""

    target: ClassVar[str] = "label"
    name: Literal["spoken-digits", "speech-commands"] = "spoken-digits"
    """spoken-digits: ten digits at 8 kHz; speech-commands: 35 words at 16 kHz, filled up to `length` with silence"""
    root: str | None = None
    """folder or zip of the recordings; default: spoken_digits or speech_commands where data sets are usually found"""
    length: int = 16_384
    """longest sequence in samples; the rest is cut off; published for speech-commands: 16,000"""
    speaker: str | None = None
    """spoken-digits: test on this speaker, whom the training never hears; default: all speakers are in all splits"""


@dataclass(frozen=True)
class DVSGesture(Checked):
    """Gestures of hands and arms before an event camera, one row of an image a step."""

    target: ClassVar[str] = "label"
    name: Literal["dvs-gesture"] = "dvs-gesture"
    """the data set in `ranvier.data.datasets`"""
    root: str | None = None
    """folder of the unpacked files; default: dvs_gesture where data sets are usually found"""
    slice_us: int = 1_700_000
    """a gesture is cut into samples of so many microseconds"""
    window_us: int = 25_000
    """width of one image in microseconds; each of them has 64 rows"""
    seed: int = 0
    """of the augmentation"""
    augment: bool = True
    """crop, tilt and turn each training sample at random, anew in every epoch"""


@dataclass(frozen=True)
class Documents(Checked):
    """Texts read one character a step."""

    target: ClassVar[str] = "label"
    name: Literal["imdb", "aan"] = "imdb"
    """imdb: does a film review praise; aan: does one of two papers cite the other"""
    root: str | None = None
    """folder of the files; default: imdb or aan where data sets are usually found"""
    length: int = 4096
    """longest sequence, its end mark among it; the rest is cut off; published for aan: 4,000"""


@dataclass(frozen=True)
class Pathfinder(Checked):
    """Pictures, one pixel a step, row by row: does a dashed line lead from one dot to the other?"""

    target: ClassVar[str] = "label"
    name: Literal["pathfinder"] = "pathfinder"
    """the data set in `ranvier.data.sequences`"""
    source: Literal["lra", "generated"] = "lra"
    """the files of Long Range Arena, or pictures that the package draws by the same rules"""
    size: Literal[32, 64, 128, 256] = 32
    """width and height in pixels; 128 is Path-X"""
    root: str | None = None
    """folder of the files; default: pathfinder where data sets are usually found"""
    count: int = 160_000
    """generated: training pictures"""
    seed: int = 0
    """generated: of the pictures"""


@dataclass(frozen=True)
class Text(Checked):
    """Running text, one word a step: what is the next one?"""

    target: ClassVar[str] = "tokens"
    name: Literal["wikitext-2", "wikitext-103"] = "wikitext-2"
    """articles of Wikipedia, 2 or 103 million words"""
    root: str | None = None
    """folder of the files; default: wikitext-2 or wikitext-103, and for the former also text, where data sets are
    usually found"""
    length: int = 8192
    """words of a segment; neither words nor memory are shared by two segments"""
    rows: int = 1
    """equally long parts into which the training text is cut: sample i is a segment of part i mod `rows`"""
    seed: int = 42
    """of the offset by which each row is rotated in each epoch"""


Sequences = Pixels | ListOps | Speech | DVSGesture | Documents | Pathfinder
"""Sequences of which each has one label."""
