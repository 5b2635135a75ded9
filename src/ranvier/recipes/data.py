"""What a network is trained on: one dataclass for each family of data sets in `ranvier.data.datasets`.

All of them say how events become the input of one time step: `steps`, `window_us` (the width of a step) and
`stacking` (what a pixel of it holds); and by `target`, which a task must have too, what is to be found.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal

from ranvier.recipes.checked import Checked

Stacking = Literal["counts", "binary", "signed", "last", "sums", "sbt", "sbn"]
"""How the events of a time step become its channels, see `ranvier.data.representations.stack`."""


@dataclass(frozen=True)
class EventFrames(Checked):
    """Labelled event recordings, binned into frames of a fixed width in microseconds."""

    target: ClassVar[str] = "label"
    name: Literal["nmnist", "digits"] = "nmnist"
    """nmnist: the real recordings; digits: scikit-learn's digits moved before the simulated camera"""
    root: str | None = None
    """folder or zip of the recordings; default: where the data set is usually found"""
    window_us: int = 50_000
    """width of one frame in microseconds"""
    steps: int = 6
    """frames a recording; what comes later is cut"""
    stacking: Literal["counts"] = "counts"
    """a pixel holds how many OFF and ON events it had"""
    fold: int = 0
    """which fifth of the recordings is held out for the test, 0..4"""
    seed: int = 0
    """of the augmentation"""
    augment: bool = True
    """move, turn, scale and shear each training recording at random, anew in every epoch"""


@dataclass(frozen=True)
class Scenes(Checked):
    """Scenes with boxes and masks, made by the package: digits side by side, or a rendered street."""

    name: Literal["mosaic", "drive"] = "mosaic"
    """mosaic: one to four recordings of digits on one sensor and clock; drive: a street before the simulated camera"""
    of: Literal["nmnist", "digits"] = "nmnist"
    """mosaic: nmnist: real recordings; digits: scikit-learn's digits before the simulated camera, no download"""
    root: str | None = None
    """mosaic of nmnist: folder or zip of N-MNIST; default: where the data set is usually found"""
    grade: Literal["plain", "hard"] = "hard"
    """mosaic: plain overlaps little; hard overlaps more, drifts and has noise"""
    target: Literal["boxes", "masks"] = "boxes"
    """what is to be found: a box around each object at the end, or a class for each pixel in every step"""
    frames: bool = False
    """drive: put the grey frame of each step before its events, as channel 0"""
    sensor: tuple[int, int] = (96, 96)
    """width and height in pixels"""
    steps: int = 5
    """time steps of a scene"""
    window_us: int = 60_000
    """width of a time step in microseconds"""
    stacking: Literal["counts", "sbt", "sbn"] = "sbt"
    """OFF and ON events; signs of `bins` equally wide bins; or signs of `bins` equally full bins"""
    bins: int = 3
    """sbt, sbn: channels of a time step"""
    events_per_bin: int = 500
    """sbn: events of a channel"""
    count: int = 2000
    """training scenes of an epoch"""
    seed: int = 0
    """of the scenes"""
    augment: bool = True
    """mosaic: new training scenes in every epoch, of scaled, turned, sheared recordings; drive: mirror half of
    them, and zoom"""
    zoom: tuple[float, float] = (1.0, 1.0)
    """drive, with augment: smallest and largest size at which a training scene is shown"""


@dataclass(frozen=True)
class DDD17(Checked):
    """Driving before a DAVIS346: events and grey frames of 346x200 pixels, six classes a pixel (Ev-SegNet)."""

    target: ClassVar[str] = "masks"
    name: Literal["ddd17"] = "ddd17"
    """the data set in `ranvier.data.datasets`"""
    root: str | None = None
    """folder that holds dir0, dir1, ...; default: ddd17 where data sets are usually found"""
    steps: int = 4
    """consecutive masks of a clip, one a time step; the burn-in of the task is among them"""
    stride: int = 3
    """masks from the start of a clip to that of the next: steps less burn-in judges each mask once"""
    held_out_steps: int = 0
    """masks of a clip of `val` and `test`, which overlap as in training; 0: `steps`"""
    window_us: int = 50_000
    """width of a time step in microseconds: the events before its mask"""
    stacking: Literal["sums", "sbt"] = "sums"
    """a pixel holds, for each of `bins` equally wide bins, the sum of its polarities, or that sum's sign"""
    bins: int = 5
    """channels of a time step, without the frame"""
    frames: bool = False
    """put the grey frame of each mask before its events, as channel 0"""
    seed: int = 0
    """of the augmentation"""
    augment: bool = False
    """mirror half of the training clips, others in every epoch; the published training does not"""


@dataclass(frozen=True)
class DSEC(Checked):
    """Driving before an event camera of 640x440 pixels: DSEC-Semantic, eleven classes a pixel."""

    target: ClassVar[str] = "masks"
    name: Literal["dsec"] = "dsec"
    """the data set in `ranvier.data.datasets`"""
    root: str | None = None
    """folder that holds train and test; default: dsec where data sets are usually found"""
    steps: int = 4
    """consecutive masks of a clip, one a time step; the burn-in of the task is among them"""
    stride: int = 3
    """masks from the start of a clip to that of the next: steps less burn-in judges each mask once"""
    window_us: int = 50_000
    """width of a time step in microseconds: the events before its mask"""
    stacking: Literal["sums", "sbt"] = "sums"
    """a pixel holds, for each of `bins` equally wide bins, the sum of its polarities, or that sum's sign"""
    bins: int = 5
    """channels of a time step, without the frame"""
    frames: bool = False
    """put the colour frame of each mask before its events, as channels 0 to 2"""
    first_mask: int = 6
    """masks of a recording that are left out at its beginning"""
    every: int = 2
    """one in so many of the other masks is used"""
    seed: int = 0
    """of the augmentation"""
    augment: bool = False
    """mirror half of the training clips, others in every epoch; the published training does not"""


@dataclass(frozen=True)
class Prophesee(Checked):
    """Gen1 or 1 Megapixel: recordings from driving cars; what leads up to a label, letterboxed, and its boxes."""

    target: ClassVar[str] = "boxes"
    name: Literal["gen1", "1mpx"] = "gen1"
    """gen1: 304x240 pixels, cars and pedestrians; 1mpx: 1280x720 pixels, seven classes"""
    root: str | None = None
    """folder with train, val and test at any depth; default: where data sets are usually found"""
    classes: tuple[str, ...] = ("car", "pedestrian")
    """what is to be found, in the order of the labels; customary for 1mpx: pedestrian, "two wheeler", car"""
    size: tuple[int, int] = (256, 256)
    """height and width after letterboxing"""
    steps: int = 3
    """time steps up to a label"""
    window_us: int = 60_000
    """width of a time step in microseconds"""
    stacking: Literal["counts", "sbt", "sbn"] = "sbt"
    """OFF and ON events; signs of `bins` equally wide bins; or signs of `bins` equally full bins"""
    bins: int = 3
    """sbt, sbn: channels of a time step"""
    events_per_bin: int = 5_000
    """sbn: events of a channel"""


@dataclass(frozen=True)
class NCars(Checked):
    """N-CARS: tenths of a second with or without a car, letterboxed."""

    target: ClassVar[str] = "label"
    name: Literal["ncars"] = "ncars"
    """the data set"""
    root: str | None = None
    """folder with cars and background at any depth; default: where data sets are usually found"""
    size: tuple[int, int] = (256, 256)
    """height and width after letterboxing"""
    steps: int = 10
    """time steps of a recording; shorter ones repeat their last image"""
    window_us: int = 10_000
    """width of a time step in microseconds"""
    stacking: Literal["last"] = "last"
    """a pixel holds the polarity of its last event"""
