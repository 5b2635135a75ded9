"""IMDB: film reviews, one character a step."""

from collections import Counter
from functools import partial
from pathlib import Path

from numpy.typing import NDArray

from ranvier.data.datasets.frames import Split
from ranvier.data.generate import Progress
from ranvier.data.root import find
from ranvier.data.sequences.files import read_text
from ranvier.data.sequences.samples import SequenceDataset
from ranvier.data.sequences.vocabulary import END, PAD, UNKNOWN, Vocabulary
from ranvier.recipes import Documents
from ranvier.recipes.classes import REVIEWS

# A rarer character of the training texts is unknown.
LEAST = 15


def imdb(config: Documents, split: Split, progress: Progress | None = None) -> SequenceDataset:
    """Return one split of the film reviews: x `[T]` are characters, the label says whether the review praises.

    The first `length - 1` characters are kept and an end mark is added; characters that occur fewer than 15 times in
    the training texts, so cut, become `<unk>`. 25,000 reviews each to train and to test; `val` is the test set, by the
    custom of Long Range Arena. Files: `aclImdb/train/pos/*.txt` and the like.

    Raises:
        FileNotFoundError: a folder is not there, or holds no text.
        ValueError: an empty text, or one that is not in UTF-8.

    Source: A. Maas et al., "Learning Word Vectors for Sentiment Analysis", ACL 2011; vocabulary as in the released
    experiments of S4.
    """
    root, kept = find(config.root, "imdb") / "aclImdb", config.length - 1
    reviews = read_reviews(root / "train")
    counts = Counter[str]()
    for text, _ in reviews:
        counts.update(text[:kept])
    vocabulary = Vocabulary.of(counts, first=(PAD, UNKNOWN, END), least=LEAST)
    if split != "train":
        reviews = read_reviews(root / "test")
    read = partial(_sequence, reviews, vocabulary, kept)
    return SequenceDataset(read, range(len(reviews)), REVIEWS, vocabulary=vocabulary)


def read_reviews(folder: Path) -> list[tuple[str, int]]:
    """Read all texts in the folders `neg` and `pos` with their labels 0 and 1, in the order of their names.

    Raises:
        FileNotFoundError: a folder is not there, or holds no text.
        ValueError: an empty text, or one that is not in UTF-8.
    """
    reviews = []
    for label, name in enumerate(REVIEWS):
        paths = sorted((folder / name).glob("*.txt"))
        if not paths:
            raise FileNotFoundError(
                f"no files {(folder / name).absolute()}/*.txt: unpack aclImdb_v1.tar.gz there, or pass "
                "--data.root FOLDER"
            )
        for path in paths:
            text = read_text(path)
            if not text:
                raise ValueError(f"{path} is empty: unpack aclImdb_v1.tar.gz again")
            reviews.append((text, label))
    return reviews


def _sequence(reviews: list[tuple[str, int]], vocabulary: Vocabulary, kept: int, i: int) -> tuple[NDArray, int]:
    text, label = reviews[i]
    return vocabulary.encode([*text[:kept], END]), label
