"""ListOps: the value of nested operations on digits, from files or made by the same rules."""

from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ranvier.data.datasets.frames import Split
from ranvier.data.generate import Progress
from ranvier.data.root import find
from ranvier.data.sequences.expressions import CLOSE, VOCABULARY, Rules, random_expression
from ranvier.data.sequences.files import read_text
from ranvier.data.sequences.samples import SequenceDataset
from ranvier.data.sequences.vocabulary import END, UNKNOWN
from ranvier.recipes import ListOps

CLASSES = tuple("0123456789")
HELD_OUT = 2000
# Operators of the older test file alone.
OLDER = ("[FIRST", "[LAST")


def listops(config: ListOps, split: Split, progress: Progress | None = None) -> SequenceDataset:
    """Return one split of ListOps: x `[T]` are numbers of `VOCABULARY`, the label is the value of the expression.

    Round brackets are left out, "]" is written X, the first `length - 1` tokens are kept and an end mark is added.
    Files: `basic_train.tsv`, `basic_val.tsv` and `basic_test.tsv` of Long Range Arena; for `config.test`,
    `test_d20s.tsv.gz` or `test_d8.tsv.gz` of the original ListOps. Generated: `count` expressions to train on, 2,000
    each for validation and test; expression i of a split depends on (seed, split, i) and the rules alone.

    Raises:
        FileNotFoundError: a file is not there; the message says which.
        ValueError: a line that is no expression with its value, or rules that no expression fits.

    Source: see `ranvier.data.sequences.expressions.random_expression`.
    """
    length = config.length
    if split == "test" and config.test != "own":
        path = find(config.root, "listops") / f"test_{config.test}.tsv.gz"
        lines = read_original(path)
    elif config.source == "generated":
        rules = Rules(config.tokens, config.depth, config.arguments)
        number = ("train", "val", "test").index(split)
        count = config.count if split == "train" else HELD_OUT
        return SequenceDataset(
            partial(_made, rules, (config.seed, number), length), range(count), CLASSES, vocabulary=VOCABULARY
        )
    else:
        lines = read_lra(find(config.root, "listops") / f"basic_{split}.tsv")
    return SequenceDataset(partial(_written, lines, length), range(len(lines)), CLASSES, vocabulary=VOCABULARY)


def tokens(expression: str) -> list[str]:
    """Return the tokens of an expression as it is written in the files.

    >>> tokens("( ( ( [MAX 2 ) 9 ) ] )")
    ['[MAX', '2', '9', 'X']
    """
    return expression.replace("(", " ").replace(")", " ").replace("]", CLOSE).split()


def read_lra(path: Path) -> list[tuple[str, str]]:
    """Read expressions and values from a file of Long Range Arena: a heading, then expression, tab, value.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: a line of another form, or an empty file.
    """
    if not path.exists():
        raise FileNotFoundError(
            f"no {path.absolute()}: put listops-1000/{path.name} of lra_release.gz there, or pass --data.root FOLDER, "
            "or --data.source generated"
        )
    rows = [line.split("\t") for line in read_text(path).splitlines()][1:]
    return _checked(path, rows, first=2)


def read_original(path: Path) -> list[tuple[str, str]]:
    """Read expressions and values from a file of the original ListOps: value, tab, expression, in gzip.

    Expressions with FIRST and LAST, which only the older file d8 has, are left out: no training set holds them.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: a line of another form, or an empty or damaged file.
    """
    if not path.exists():
        raise FileNotFoundError(f"no {path.absolute()}: pass --data.root FOLDER, or --data.test own")
    rows = [line.split("\t")[::-1] for line in read_text(path).splitlines()]
    return [row for row in _checked(path, rows, first=1) if not any(operator in row[0] for operator in OLDER)]


def _checked(path: Path, rows: list[list[str]], *, first: int) -> list[tuple[str, str]]:
    """Return the rows, all of which are an expression and its value; `first` is the line of the first of them."""
    if not rows:
        raise ValueError(f"{path} holds no expressions: download it again")
    for number, row in enumerate(rows, start=first):
        if len(row) != 2 or row[1] not in CLASSES or not row[0].strip():
            raise ValueError(f"{path}, line {number}: expected an expression and a digit, got {' '.join(row)[:60]!r}")
    return [(expression, value) for expression, value in rows]


def encode(words: list[str], length: int) -> NDArray[np.int32]:
    """Return the numbers of the first `length - 1` tokens and of the end mark.

    Raises:
        ValueError: a token that ListOps does not have.
    """
    numbers = VOCABULARY.encode([*words[: length - 1], END])
    if (numbers == VOCABULARY.numbers[UNKNOWN]).any():
        strange = next(word for word in words if word not in VOCABULARY.numbers)
        raise ValueError(f"expected tokens out of {' '.join(VOCABULARY.words[3:])}, got {strange!r}")
    return numbers


def _written(lines: list[tuple[str, str]], length: int, i: int) -> tuple[NDArray, int]:
    expression, value = lines[i]
    return encode(tokens(expression), length), int(value)


def _made(rules: Rules, seed: tuple[int, ...], length: int, i: int) -> tuple[NDArray, int]:
    words, value = random_expression(rules, np.random.default_rng([*seed, i]))
    return encode(words, length), value
