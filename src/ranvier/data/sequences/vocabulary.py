"""Words, characters or symbols as numbers."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

PAD, UNKNOWN, END = "<pad>", "<unk>", "<eos>"


@dataclass(frozen=True)
class Vocabulary:
    """Words and the numbers that stand for them: `words[n]` has number n.

    >>> vocabulary = Vocabulary.of(Counter("abracadabra"), first=("<pad>", "<unk>"), least=2)
    >>> vocabulary.words
    ('<pad>', '<unk>', 'a', 'b', 'r')
    >>> vocabulary.encode("abcd").tolist()
    [2, 3, 1, 1]
    """

    words: tuple[str, ...]

    @classmethod
    def of(cls, counts: Counter[str], *, first: tuple[str, ...], least: int = 1) -> "Vocabulary":
        """Return the words `first`, then all that occur `least` times: often ones first, then by their characters."""
        often = [word for word, count in counts.items() if count >= least and word not in first]
        return cls((*first, *sorted(often, key=lambda word: (-counts[word], word))))

    def __len__(self) -> int:
        return len(self.words)

    @cached_property
    def numbers(self) -> dict[str, int]:
        """The number of each word."""
        return {word: number for number, word in enumerate(self.words)}

    def encode(self, words: Iterable[str]) -> NDArray[np.int32]:
        """Return the numbers of words; that of `<unk>` for a word that is none of them."""
        numbers, unknown = self.numbers, self.numbers[UNKNOWN]
        return np.fromiter((numbers.get(word, unknown) for word in words), np.int32)
