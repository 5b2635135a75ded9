"""ListOps from files and made: the values agree with an evaluator of the tests' own."""

import gzip
import statistics

import numpy as np
import pytest

from ranvier.data.datasets import build
from ranvier.data.sequences.expressions import TRIES, VOCABULARY, Rules, random_expression
from ranvier.data.sequences.listops import read_original, tokens
from ranvier.recipes import ListOps

OPERATIONS = {"[MIN": min, "[MAX": max, "[MED": statistics.median, "[SM": lambda values: sum(values) % 10}


def value(words):
    """Evaluate with a stack, operations in the words of the standard library."""
    stack = []
    for word in words:
        if word != "X":
            stack.append(word)
            continue
        values = []
        while str(stack[-1]) not in OPERATIONS:
            values.append(int(stack.pop()))
        stack.append(int(OPERATIONS[stack.pop()](values)))
    (only,) = stack
    return int(only)


def words(x):
    return [VOCABULARY.words[n] for n in x]


@pytest.fixture
def lra(tmp_path):
    for part, count in (("train", 3), ("val", 2), ("test", 1)):
        lines = [f"( ( ( [MAX {i} ) ( ( [SM 9 ) ] ) ) ] )\t9" for i in range(count)]
        (tmp_path / f"basic_{part}.tsv").write_text("\n".join(["Source\tTarget", *lines]) + "\n")
    return tmp_path


def test_files_of_long_range_arena(lra):
    splits = [build(ListOps(root=str(lra)), split) for split in ("train", "val", "test")]
    assert [len(part) for part in splits] == [3, 2, 1]
    x, label = splits[0][2]
    assert (words(x), label) == (["[MAX", "2", "[SM", "9", "X", "X", "<eos>"], 9)
    assert len(VOCABULARY) == 18
    assert splits[0].vocabulary is VOCABULARY


def test_long_ones_are_cut_before_the_end_mark(lra):
    x, _ = build(ListOps(root=str(lra), length=4), "val")[1]
    assert words(x) == ["[MAX", "1", "[SM", "<eos>"]


def test_made_expressions_are_right_and_follow_the_rules():
    config = ListOps(source="generated", tokens=(5, 60), depth=5, arguments=4, count=150, seed=3)
    train = build(config, "train")
    seen = set()
    for i in range(150):
        x, label = train[i]
        found = words(x)[:-1]
        assert 5 < len(found) < 60
        assert value(found) == label
        depth = most = 0
        for word in found:
            depth += (word in OPERATIONS) - (word == "X")
            most = max(most, depth)
        assert most <= 4
        seen.update(found)
    assert seen == set(VOCABULARY.words[3:])
    assert {label for _, label in (train[i] for i in range(150))} == set(range(10))


def test_made_expressions_depend_on_seed_split_and_number_alone():
    config = ListOps(source="generated", tokens=(5, 60), depth=5, count=4)
    one, same = build(config, "train"), build(config, "train")
    assert all(np.array_equal(one[i][0], same[i][0]) for i in (3, 1))
    others = [
        build(config, "val"),
        build(ListOps(source="generated", tokens=(5, 60), depth=5, count=4, seed=1), "train"),
    ]
    assert all(words(one[0][0]) != words(other[0][0]) for other in others)
    assert len(others[0]) == 2000


def test_lengths_of_long_range_arena():
    found, answer = random_expression(Rules((500, 2000), 10, 10), np.random.default_rng(0))
    assert 500 < len(found) < 2000
    assert value(found) == answer


def test_rules_that_nothing_fits(monkeypatch):
    monkeypatch.setattr("ranvier.data.sequences.expressions.TRIES", TRIES // 1000)
    with pytest.raises(ValueError, match=r"none of 100 random .* more than 50 and fewer than 60 tokens: change"):
        random_expression(Rules((50, 60), 2, 3), np.random.default_rng(0))


def test_bad_files_name_the_line(tmp_path):
    path = tmp_path / "basic_test.tsv"
    for text, message in (
        ("", "holds no expressions"),
        ("Source\tTarget\n", "holds no expressions"),
        ("Source\tTarget\n( [MAX 1 ) ]\t12\n", r"line 2: expected an expression and a digit"),
        ("Source\tTarget\n[MAX 1 ] 1\n", "line 2"),
        ("Source\tTarget\n\t1\n", "line 2"),
    ):
        path.write_text(text)
        with pytest.raises(ValueError, match=message):
            build(ListOps(root=str(tmp_path)), "test")
    path.write_text("Source\tTarget\n[AVG 1 2 ]\t1\n")
    with pytest.raises(ValueError, match=r"expected tokens out of 0 1 .*, got '\[AVG'"):
        build(ListOps(root=str(tmp_path)), "test")[0]
    with pytest.raises(FileNotFoundError, match=r"listops-1000/basic_val\.tsv of lra_release\.gz there"):
        build(ListOps(root=str(tmp_path)), "val")


def test_expressions_with_older_operators_are_left_out(tmp_path):
    lines = "9\t( ( ( [FIRST 9 ) 6 ) ] )\n6\t( ( ( [MIN 9 ) 6 ) ] )\n"
    (tmp_path / "test_d8.tsv.gz").write_bytes(gzip.compress(lines.encode()))
    config = ListOps(source="generated", test="d8", root=str(tmp_path))
    test = build(config, "test")
    assert (len(test), words(test[0][0]), test[0][1]) == (1, ["[MIN", "9", "6", "X", "<eos>"], 6)


def test_the_original_file(data_dir):
    lines = read_original(data_dir / "listops" / "test_d20s.tsv.gz")
    assert len(lines) == 10_000
    assert max(len(tokens(expression)) for expression, _ in lines[:500]) < 940
    assert all(value(tokens(expression)) == int(answer) for expression, answer in lines[:500])
    # Of the older file, what has neither FIRST nor LAST.
    older = read_original(data_dir / "listops" / "test_d8.tsv.gz")
    assert 1000 < len(older) < 10_000
    assert all(value(tokens(expression)) == int(answer) for expression, answer in older[:500])
    test = build(ListOps(source="generated", test="d20s", root=str(data_dir)), "test")
    assert max(len(test[i][0]) for i in range(10_000)) == 939 + 1
    assert {test[i][1] for i in range(500)} == set(range(10))
