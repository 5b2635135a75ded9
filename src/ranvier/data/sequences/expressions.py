"""ListOps expressions: random ones, and their values."""

from typing import NamedTuple

import numpy as np

from ranvier.data.sequences.vocabulary import END, PAD, UNKNOWN, Vocabulary

OPERATORS = ("[MIN", "[MAX", "[MED", "[SM")
# "]" is written X once "(" and ")" are gone.
CLOSE = "X"
VOCABULARY = Vocabulary((PAD, UNKNOWN, END, *"0123456789", *OPERATORS, CLOSE))
# Probability that an argument is an operation and no digit.
NESTED = 0.25
# A tree that falls outside the wanted number of tokens is thrown away, so often at most.
TRIES = 100_000


class Rules(NamedTuple):
    """How large an expression may be, see `ranvier.recipes.ListOps`."""

    tokens: tuple[int, int]
    depth: int
    arguments: int


class TooLong(Exception):
    """An expression has outgrown its rules."""


def random_expression(rules: Rules, generator: np.random.Generator) -> tuple[list[str], int]:
    """Return the tokens of a random expression, and its value.

    The root is at depth 1. What is at `depth` is a digit; above it, with probability 1/4, an operation with 2 to
    `arguments` arguments. Digits, operators and numbers of arguments are equally likely. Expressions are drawn until
    one has more than `tokens[0]` and fewer than `tokens[1]` tokens.

    Raises:
        ValueError: none in many was as long as that.

    Source: N. Nangia, S. Bowman, "ListOps: A Diagnostic Dataset for Latent Tree Learning", NAACL SRW 2018; sizes:
    Y. Tay et al., "Long Range Arena", ICLR 2021.
    """
    fewest, most = rules.tokens
    for _ in range(TRIES):
        tokens: list[str] = []
        try:
            value = _grow(tokens, 1, rules, generator)
        except TooLong:
            continue
        if fewest < len(tokens) < most:
            return tokens, value
    raise ValueError(
        f"none of {TRIES:,} random expressions of depth {rules.depth} with up to {rules.arguments} arguments had more "
        f"than {fewest} and fewer than {most} tokens: change --data.tokens, --data.depth or --data.arguments"
    )


def _grow(tokens: list[str], depth: int, rules: Rules, generator: np.random.Generator) -> int:
    """Append an expression to `tokens` and return its value."""
    if len(tokens) >= rules.tokens[1]:
        raise TooLong
    # `random` is several times faster than `integers` for a single number.
    if depth >= rules.depth or generator.random() >= NESTED:
        digit = int(generator.random() * 10)
        tokens.append(str(digit))
        return digit
    operator = OPERATORS[int(generator.random() * len(OPERATORS))]
    tokens.append(operator)
    arguments = 2 + int(generator.random() * (rules.arguments - 1))
    values = [_grow(tokens, depth + 1, rules, generator) for _ in range(arguments)]
    tokens.append(CLOSE)
    return apply(operator, values)


def apply(operator: str, values: list[int]) -> int:
    """Return the value of one operation: smallest, largest, median (rounded down) or sum modulo 10.

    >>> [apply(operator, [4, 9, 8, 1]) for operator in OPERATORS]
    [1, 9, 6, 2]
    """
    if operator == "[MIN":
        return min(values)
    if operator == "[MAX":
        return max(values)
    if operator == "[SM":
        return sum(values) % 10
    ordered, middle = sorted(values), len(values) // 2
    return ordered[middle] if len(values) % 2 else (ordered[middle - 1] + ordered[middle]) // 2
