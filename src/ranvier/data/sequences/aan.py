"""AAN: pairs of papers, one character a step."""

import csv
import functools
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from numpy.typing import NDArray

from ranvier.data.datasets.frames import Split
from ranvier.data.generate import Progress
from ranvier.data.root import find
from ranvier.data.sequences.samples import SequenceDataset, collate_pairs
from ranvier.data.sequences.vocabulary import END, PAD, UNKNOWN, Vocabulary
from ranvier.recipes import Documents
from ranvier.recipes.classes import CITATIONS

FILES = {split: f"new_aan_pairs.{part}.tsv" for split, part in (("train", "train"), ("val", "eval"), ("test", "test"))}
COLUMNS = 5
LABELS = {"0": 0, "1": 1, "0.0": 0, "1.0": 1}
# A longer text is taken for a quotation mark that nobody closes.
LONGEST = 1 << 24


class Pair(NamedTuple):
    """Two texts, and whether one of them cites the other."""

    first: str
    second: str
    label: int


class Contents(NamedTuple):
    """Where each pair of a file begins, in bytes, and the characters of all texts in order."""

    starts: list[int]
    characters: tuple[str, ...]


def aan(config: Documents, split: Split, progress: Progress | None = None) -> SequenceDataset:
    """Return one split of the pairs: sample i is `(first [T], second [T'], label)`, both by characters.

    Of each document the first `length - 1` characters are kept and an end mark is added. The vocabulary are the
    characters of the training texts, so cut; others become `<unk>`. `collate` folds the two documents into the batch,
    see `ranvier.data.sequences.samples.collate_pairs`. Files: `new_aan_pairs.train.tsv`, `.eval.tsv` and `.test.tsv` of
    Long Range Arena, without a heading: label, two numbers and two texts with tabs between them; a text in quotation
    marks may hold tabs and ends of lines, and "" in it is one mark. Each file is read through once; a pair is read
    again when it is asked for.

    Raises:
        FileNotFoundError: a file is not there.
        ValueError: an empty file, or a line of another form.

    Source: D. Radev et al., "The ACL Anthology Network Corpus", 2013; Y. Tay et al., "Long Range Arena", ICLR 2021;
    vocabulary as in the released experiments of S4.
    """
    root, kept = find(config.root, "aan"), config.length - 1
    vocabulary = Vocabulary((PAD, UNKNOWN, END, *read_contents(root / FILES["train"], kept).characters))
    path = root / FILES[split]
    starts = read_contents(path, kept).starts
    read = functools.partial(_sequence, path, starts, vocabulary, kept)
    return SequenceDataset(read, range(len(starts)), CITATIONS, vocabulary=vocabulary, collate=collate_pairs)


@functools.lru_cache(maxsize=len(FILES))
def read_contents(path: Path, kept: int) -> Contents:
    """Read a file through; of each text the first `kept` characters count.

    Raises:
        FileNotFoundError: it is not there.
        ValueError: it is empty, or a line of another form.
    """
    if not path.exists():
        raise FileNotFoundError(
            f"no {path.absolute()}: put tsv_data/{path.name} of lra_release.gz there, or pass --data.root FOLDER"
        )
    starts, characters = [], set[str]()
    for start, pair in _pairs(path, kept):
        starts.append(start)
        characters.update(pair.first, pair.second)
    if not starts:
        raise ValueError(f"{path} is empty: unpack lra_release.gz again")
    return Contents(starts, tuple(sorted(characters)))


def _pairs(path: Path, kept: int, start: int = 0) -> Iterator[tuple[int, Pair]]:
    """Yield the pairs of a file from byte `start` on, and the byte at which each begins."""
    # Of the whole process: whole papers are longer than what the module allows at first.
    csv.field_size_limit(LONGEST)
    with path.open("rb") as file:
        file.seek(start)
        rows = csv.reader(map(bytes.decode, file), delimiter="\t")
        while True:
            try:
                start = file.tell()
                row = next(rows, None)
                if row is None:
                    return
                pair = _pair(row, kept)
            except (csv.Error, ValueError) as error:
                raise ValueError(f"{path}, line {rows.line_num}: {error}") from None
            yield start, pair


def _pair(row: list[str], kept: int) -> Pair:
    if len(row) != COLUMNS or row[0] not in LABELS or not (row[3] and row[4]):
        got = "\t".join(row)[:60]
        raise ValueError(f"expected 0 or 1, two numbers and two texts with tabs between them, got {got!r}")
    return Pair(row[3][:kept], row[4][:kept], LABELS[row[0]])


def _sequence(path: Path, starts: list[int], vocabulary: Vocabulary, kept: int, i: int) -> tuple[NDArray, NDArray, int]:
    _, pair = next(_pairs(path, kept, starts[i]))
    first, second = (vocabulary.encode([*text, END]) for text in (pair.first, pair.second))
    return first, second, pair.label
