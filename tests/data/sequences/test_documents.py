"""IMDB and AAN from files in the published layouts, one character a step."""

import pytest
import torch

from ranvier.data.datasets import build
from ranvier.recipes import Documents

SPLITS = ("train", "val", "test")


def characters(part, x):
    return [part.vocabulary.words[n] for n in x]


@pytest.fixture
def imdb(tmp_path):
    texts = {"train/neg": ["a" * 14 + "ö", "b" * 15], "train/pos": ["ba" + "z" * 40], "test/neg": ["aq"]}
    for folder, several in (texts | {"test/pos": ["bb", "é"]}).items():
        (tmp_path / "aclImdb" / folder).mkdir(parents=True)
        for number, text in enumerate(several):
            (tmp_path / "aclImdb" / folder / f"{number}_7.txt").write_text(text, encoding="utf-8")
    return tmp_path


def test_reviews_by_characters(imdb):
    train, val, test = (build(Documents(root=str(imdb), length=16), split) for split in SPLITS)
    assert [len(part) for part in (train, val, test)] == [3, 3, 3]
    assert [train[i][1] for i in range(3)] == [0, 0, 1]
    # What is cut off does not count: of z, 13 are left; of a, 15; of b, 16.
    assert train.vocabulary.words == ("<pad>", "<unk>", "<eos>", "b", "a")
    x, label = train[2]
    assert (characters(train, x), label) == (["b", "a", *["<unk>"] * 13, "<eos>"], 1)
    assert [characters(test, test[i][0]) for i in (0, 2)] == [["a", "<unk>", "<eos>"], ["<unk>", "<eos>"]]
    # The custom of Long Range Arena.
    assert all(torch.equal(val[i][0], test[i][0]) for i in range(3))


def test_reviews_that_are_not_there_or_empty(imdb):
    config, folder = Documents(root=str(imdb)), imdb / "aclImdb" / "test" / "neg"
    (folder / "0_7.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(ValueError, match=r"0_7\.txt is no text in UTF-8"):
        build(config, "test")
    (folder / "0_7.txt").write_bytes(b"")
    with pytest.raises(ValueError, match=r"0_7\.txt is empty: unpack aclImdb_v1\.tar\.gz again"):
        build(config, "test")
    (folder / "0_7.txt").unlink()
    with pytest.raises(FileNotFoundError, match=r"no files .*/test/neg/\*\.txt: unpack aclImdb_v1\.tar\.gz there"):
        build(config, "val")


LINES = {
    "train": ["1\t11\t12\tone paper\tanother", '0.0\t1\t2\t"say ""a"", then\tb"\tit is "so"', "1.0\t1\t2\tc\tdd"],
    "eval": ["0\t1\t2\tpé\tone"],
    "test": ["1\t1\t2\tone\trope"],
}


@pytest.fixture
def aan(tmp_path):
    for part, lines in LINES.items():
        (tmp_path / f"new_aan_pairs.{part}.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return tmp_path


def test_pairs_by_characters(aan):
    train, val, test = (build(Documents(name="aan", root=str(aan)), split) for split in SPLITS)
    assert [len(part) for part in (train, val, test)] == [3, 1, 1]
    found = [("".join(characters(train, x)[:-1]) for x in train[i][:2]) for i in range(3)]
    assert [tuple(pair) for pair in found] == [
        ("one paper", "another"),
        ('say "a", then\tb', 'it is "so"'),
        ("c", "dd"),
    ]
    assert [train[i][2] for i in range(3)] == [1, 0, 1]
    # Every character that is trained is known, however rare.
    texts = "one paper another" + 'say "a", then\tb' + 'it is "so"' + "cdd"
    assert train.vocabulary.words == ("<pad>", "<unk>", "<eos>", *sorted(set(texts)))
    assert characters(val, val[0][0]) == ["p", "<unk>", "<eos>"]
    assert characters(test, test[0][1]) == ["r", "o", "p", "e", "<eos>"]


def test_pairs_are_cut_before_their_vocabulary_is_made(aan):
    train = build(Documents(name="aan", root=str(aan), length=3), "train")
    assert train.vocabulary.words[3:] == tuple(sorted(set("onanitsacdd")))
    assert characters(train, train[0][0]) == ["o", "n", "<eos>"]


def test_pairs_are_folded_into_the_batch(aan):
    train = build(Documents(name="aan", root=str(aan)), "train")
    batch = train.collate([train[2], train[0]])
    assert (batch.x.shape, batch.lengths.tolist(), batch.target.tolist()) == ((10, 4), [2, 10, 3, 8], [1, 1])
    for lane, document in enumerate((train[2][0], train[0][0], train[2][1], train[0][1])):
        assert batch.x[: len(document), lane].tolist() == document.tolist()
        assert not batch.x[len(document) :, lane].any()


def test_marks_may_hold_ends_of_lines(aan):
    (aan / "new_aan_pairs.test.tsv").write_bytes(b'1\t1\t2\t"on\ne"\tr\r\n0\t1\t2\tp\to\r\n')
    test = build(Documents(name="aan", root=str(aan)), "test")
    assert [(len(test[i][0]), len(test[i][1]), test[i][2]) for i in range(2)] == [(5, 2, 1), (2, 2, 0)]


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"", "is empty: unpack lra_release.gz again"),
        (
            b"1\t1\t2\tone\ttwo\n2\t1\t2\tone\ttwo\n",
            r"tsv, line 2: expected 0 or 1, two numbers and two texts .*'2\\t1",
        ),
        (b"1\t1\t2\tone\n", "line 1: expected 0 or 1"),
        (b"1\t1\t2\tone\t\n", "line 1: expected 0 or 1"),
        (b"1\t1\t2\tone\ttwo\n\n", "line 2: expected 0 or 1"),
        (b"1\t1\t2\tone\t\xff\n", "line .: 'utf-8' codec"),
    ],
)
def test_bad_lines_are_named(tmp_path, raw, message):
    (tmp_path / "new_aan_pairs.train.tsv").write_bytes(raw)
    with pytest.raises(ValueError, match=message):
        build(Documents(name="aan", root=str(tmp_path)), "train")


def test_a_mark_that_nobody_closes(tmp_path, monkeypatch):
    monkeypatch.setattr("ranvier.data.sequences.aan.LONGEST", 20)
    (tmp_path / "new_aan_pairs.train.tsv").write_text('1\t1\t2\t"one\ttwo\n' + "1\t1\t2\tone\ttwo\n" * 3)
    with pytest.raises(ValueError, match=r"tsv, line 2: field larger than field limit \(20\)"):
        build(Documents(name="aan", root=str(tmp_path)), "train")


def test_pairs_that_are_not_there(aan):
    (aan / "new_aan_pairs.eval.tsv").unlink()
    with pytest.raises(FileNotFoundError, match=r"put tsv_data/new_aan_pairs\.eval\.tsv of lra_release\.gz there"):
        build(Documents(name="aan", root=str(aan)), "val")
