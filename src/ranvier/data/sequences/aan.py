"""AAN: pairs of papers, one character a step."""

from collections import Counter
from functools import partial
from pathlib import Path
from typing import NamedTuple

from numpy.typing import NDArray

from ranvier.data.datasets.frames import Split
from ranvier.data.generate import Progress
from ranvier.data.root import find
from ranvier.data.sequences.samples import SequenceDataset, collate_pairs
from ranvier.data.sequences.vocabulary import END, PAD, UNKNOWN, Vocabulary
from ranvier.recipes import Documents

CLASSES = ("no citation", "citation")
FILES = {split: f"new_aan_pairs.{part}.tsv" for split, part in (("train", "train"), ("val", "eval"), ("test", "test"))}
# A rarer character of the training texts is unknown; the number is that of S4 as we remember it (unverified).
LEAST = 10
COLUMNS = 5
LABELS = {"0": 0, "1": 1, "0.0": 0, "1.0": 1}


class Pair(NamedTuple):
    """Two texts, and whether one of them cites the other."""

    first: str
    second: str
    label: int


def aan(config: Documents, split: Split, progress: Progress | None = None) -> SequenceDataset:
    """Return one split of the pairs: sample i is `(first [T], second [T'], label)`, both by characters.

    Of each document the first `length - 1` characters are kept and an end mark is added; characters that occur fewer
    than 10 times in the training texts, so cut, become `<unk>`. `collate` folds the two documents into the batch, see
    `ranvier.data.sequences.samples.collate_pairs`. Files: `new_aan_pairs.train.tsv`, `.eval.tsv` and `.test.tsv`
    of Long Range Arena, whose lines are label, two numbers and two texts, with tabs between them. A pair is read when
    it is asked for; the training file is read once through for its characters.

    Raises:
        FileNotFoundError: a file is not there.
        ValueError: an empty file, or a line of another form.

    Source: D. Radev et al., "The ACL Anthology Network Corpus", 2013; Y. Tay et al., "Long Range Arena", ICLR 2021.
    """
    root, kept = find(config.root, "aan"), config.length - 1
    counts = Counter[str]()
    starts = _starts(root / FILES["train"], kept, counts)
    vocabulary = Vocabulary.of(counts, first=(PAD, UNKNOWN, END), least=LEAST)
    path = root / FILES[split]
    if split != "train":
        starts = _starts(path, kept, Counter())
    read = partial(_sequence, path, starts, vocabulary, kept)
    return SequenceDataset(read, range(len(starts)), CLASSES, vocabulary=vocabulary, collate=collate_pairs)


def parse(line: str, *, kept: int) -> Pair:
    """Return what a line says, the first `kept` characters of each text.

    >>> parse("1.0\\t12\\t7\\tsome text\\tanother", kept=4)
    Pair(first='some', second='anot', label=1)

    Raises:
        ValueError: a line of another form.
    """
    columns = line.rstrip("\n").split("\t")
    if len(columns) != COLUMNS or columns[0] not in LABELS or not (columns[3] and columns[4]):
        raise ValueError(f"expected 0 or 1, two numbers and two texts with tabs between them, got {line[:60]!r}")
    return Pair(columns[3][:kept], columns[4][:kept], LABELS[columns[0]])


def _starts(path: Path, kept: int, counts: Counter[str]) -> list[int]:
    """Return where each line of a file begins, and add the characters of its texts to `counts`."""
    if not path.exists():
        raise FileNotFoundError(
            f"no {path.absolute()}: put tsv_data/{path.name} of lra_release.gz there, or pass --data.root FOLDER"
        )
    starts, place = [], 0
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                pair = parse(line.decode(), kept=kept)
            except ValueError as error:
                raise ValueError(f"{path}, line {number}: {error}") from None
            counts.update(pair.first)
            counts.update(pair.second)
            starts.append(place)
            place += len(line)
    if not starts:
        raise ValueError(f"{path} is empty: unpack lra_release.gz again")
    return starts


def _sequence(path: Path, starts: list[int], vocabulary: Vocabulary, kept: int, i: int) -> tuple[NDArray, NDArray, int]:
    with path.open("rb") as file:
        file.seek(starts[i])
        pair = parse(file.readline().decode(), kept=kept)
    first, second = (vocabulary.encode([*text, END]) for text in (pair.first, pair.second))
    return first, second, pair.label
