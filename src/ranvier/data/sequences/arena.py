"""The files of Long Range Arena: what belongs where, and what is missing."""

from dataclasses import dataclass
from pathlib import Path

RELEASE = "lra_release.gz"


@dataclass(frozen=True)
class Place:
    """A file or a folder that a task reads.

    `paths` are below the folder of all data sets; one of them is enough. `source` says where it comes from.
    """

    task: str
    paths: tuple[str, ...]
    source: str


@dataclass(frozen=True)
class Finding:
    """A place, and the path that is there with something in it; `None` where none is."""

    place: Place
    found: Path | None


def _pathfinder(size: int) -> tuple[Place, ...]:
    folder = f"pathfinder{size}/curv_contour_length_14"
    task = "path-x" if size == 128 else "pathfinder"
    return tuple(
        Place(task, (f"pathfinder/{folder}/{part}",), f"{RELEASE}, {folder}/{part}") for part in ("metadata", "imgs")
    )


PLACES = (
    *(
        Place("listops", (f"listops/basic_{split}.tsv",), f"{RELEASE}, listops-1000/basic_{split}.tsv")
        for split in ("train", "val", "test")
    ),
    *(
        Place("text", (f"imdb/aclImdb/{part}/{label}",), f"aclImdb_v1.tar.gz, aclImdb/{part}/{label}")
        for part in ("train", "test")
        for label in ("neg", "pos")
    ),
    *(
        Place("retrieval", (f"aan/new_aan_pairs.{part}.tsv",), f"{RELEASE}, tsv_data/new_aan_pairs.{part}.tsv")
        for part in ("train", "eval", "test")
    ),
    Place(
        "image",
        ("cifar10/cifar-10-batches-py", "cifar10/cifar-10-batches-bin"),
        "cifar-10-python.tar.gz, or cifar-10-binary.tar.gz",
    ),
    *_pathfinder(32),
    *_pathfinder(128),
)


def check(root: Path) -> list[Finding]:
    """Look for the files of all six tasks below a folder; an empty file or folder counts as missing.

    Raises:
        FileNotFoundError: there is no such folder.
    """
    if not root.is_dir():
        raise FileNotFoundError(f"no folder {root.absolute()}: pass --root FOLDER, one that holds the data sets")
    return [
        Finding(place, next((root / path for path in place.paths if _filled(root / path)), None)) for place in PLACES
    ]


def _filled(path: Path) -> bool:
    return any(path.iterdir()) if path.is_dir() else path.is_file() and path.stat().st_size > 0
