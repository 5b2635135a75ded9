"""WikiText-2 and WikiText-103: articles of Wikipedia, word by word."""

import functools
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import Dataset

from ranvier.data.datasets.batch import Batch, collate
from ranvier.data.datasets.frames import Split
from ranvier.data.generate import Progress
from ranvier.data.root import data_root, find
from ranvier.data.sequences.samples import to_tensor
from ranvier.data.sequences.vocabulary import END, UNKNOWN, Vocabulary
from ranvier.recipes import Text

PUBLISHED = {"train": "wiki.train.tokens", "val": "wiki.valid.tokens", "test": "wiki.test.tokens"}
# Two of the three files alone: we train on the published validation text but for its last twentieth.
VALID, TEST = "wikitext2_valid.txt", "wikitext2_test.txt"
TWENTIETH = 20
# Target beyond the end of a segment; `torch.nn.functional.cross_entropy` leaves it out.
IGNORED = -100


def collate_text(samples: Sequence[tuple[Tensor, Tensor]]) -> Batch:
    """Put segments side by side: x and target int64 `[T, B]`, padded with 0 and with -100."""
    batch = collate([(x, 0) for x, _ in samples])
    return batch._replace(target=pad_sequence([y for _, y in samples], padding_value=IGNORED))


class Segments(Dataset[tuple[Tensor, Tensor]]):
    """A text in segments: sample i is `(x [T], y [T])`, int64, with `y[t] = x[t + 1]`.

    The text is cut into `rows` equally long parts, whose rest is dropped; sample i is segment i div `rows` of part
    i mod `rows`, so that batches of `rows` samples in order go on where those before have ended. The last segment of a
    part is shorter. With one row, every word but the first of the text is a target exactly once.

    Args:
        tokens: the text, `[n]`.
        vocabulary: the words behind the numbers.
        length: words of a segment.
        rows: number of parts.
        seed: rotate each part by a random number of words, in every epoch another; `None` leaves them as they are.

    Raises:
        ValueError: parts of fewer than two words.
    """

    collate = staticmethod(collate_text)

    def __init__(
        self, tokens: NDArray[np.int32], vocabulary: Vocabulary, *, length: int, rows: int = 1, seed: int | None = None
    ) -> None:
        words = len(tokens) // rows
        if words < 2:
            raise ValueError(f"expected two words a row, got {len(tokens)} words in {rows} rows: use --data.rows")
        self.tokens = tokens[: words * rows].reshape(rows, words)
        self.vocabulary = vocabulary
        self.length = length
        self.seed = seed
        # Shared, because workers that outlive an epoch hold a copy of everything else.
        self._epoch = torch.zeros((), dtype=torch.int64).share_memory_()

    @property
    def classes(self) -> tuple[str, ...]:
        """The words."""
        return self.vocabulary.words

    def __len__(self) -> int:
        rows, words = self.tokens.shape
        return rows * -(-(words - 1) // self.length)

    def __getitem__(self, i: int) -> tuple[Tensor, Tensor]:
        rows, words = self.tokens.shape
        segment, row = divmod(range(len(self))[i], rows)
        place = np.arange(segment * self.length, min((segment + 1) * self.length, words - 1) + 1)
        part = to_tensor(self.tokens[row, (place + self._offset(row)) % words])
        return part[:-1], part[1:]

    def set_epoch(self, epoch: int) -> None:
        """Say which epoch comes next; it decides how parts are rotated."""
        self._epoch.fill_(epoch)

    def _offset(self, row: int) -> int:
        if self.seed is None:
            return 0
        return int(np.random.default_rng([self.seed, int(self._epoch), row]).integers(self.tokens.shape[1]))


def wikitext(config: Text, split: Split, progress: Progress | None = None) -> Segments:
    """Return one split of WikiText-2 or -103: segments of `length` words, those of `train` from rotated rows.

    A line is cut at white space and ends with `<eos>`; case is kept. The vocabulary are `<eos>`, `<unk>` and the words
    of the training text, often ones first; other words become `<unk>`. Files: `wiki.train.tokens`, `wiki.valid.tokens`
    and `wiki.test.tokens`; or, of WikiText-2, `wikitext2_valid.txt` and `wikitext2_test.txt` alone, where the last
    twentieth of the lines of the former is `val`, the others are `train` and the latter is `test`.

    Raises:
        FileNotFoundError: no such files.
        ValueError: an empty file, one that is not in UTF-8, or more rows than words.

    Source: S. Merity, C. Xiong, J. Bradbury, R. Socher, "Pointer Sentinel Mixture Models", ICLR 2017; rows as in the
    released experiments of S4.
    """
    shared = config.name == "wikitext-2" and config.root is None and not (data_root() / config.name).exists()
    root = find(config.root, "text" if shared else config.name)
    vocabulary = build_vocabulary(root)
    tokens = vocabulary.encode(read_words(root, split))
    if split == "train":
        return Segments(tokens, vocabulary, length=config.length, rows=config.rows, seed=config.seed)
    return Segments(tokens, vocabulary, length=config.length)


@functools.lru_cache(maxsize=2)
def build_vocabulary(root: Path) -> Vocabulary:
    """Return the words of the training text in a folder."""
    return Vocabulary.of(Counter(read_words(root, "train")), first=(END, UNKNOWN))


def read_words(root: Path, split: Split) -> Iterator[str]:
    """Yield the words of a split, and `<eos>` after each line.

    Raises:
        FileNotFoundError: no such file.
        ValueError: an empty file, or one that is not in UTF-8.
    """
    path = root / PUBLISHED[split]
    alone = not path.exists() and (root / VALID).exists()
    if alone:
        path = root / (TEST if split == "test" else VALID)
    if not path.exists():
        raise FileNotFoundError(
            f"no {path.name} in {root.absolute()}: unpack WikiText there, or pass --data.root FOLDER"
        )
    if not path.stat().st_size:
        raise ValueError(f"{path} is empty: download it again")
    try:
        with path.open(encoding="utf-8") as file:
            for line in _lines(file.readlines(), split) if alone else file:
                yield from line.split()
                yield END
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is no text in UTF-8 ({error}): download it again") from None


def _lines(lines: list[str], split: Split) -> list[str]:
    if split == "test":
        return lines
    cut = len(lines) - len(lines) // TWENTIETH
    return lines[:cut] if split == "train" else lines[cut:]
