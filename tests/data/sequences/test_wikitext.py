"""WikiText from files in both layouts: the vocabulary, segments, rows and their rotation."""

import numpy as np
import pytest

from ranvier.data.datasets import build
from ranvier.data.sequences.vocabulary import Vocabulary
from ranvier.data.sequences.wikitext import Segments
from ranvier.recipes import Text

WORDS = Vocabulary(("<eos>", "<unk>", *(f"w{n}" for n in range(98))))


def numbers(count):
    return np.arange(count, dtype=np.int32)


@pytest.fixture
def published(tmp_path):
    (tmp_path / "wiki.train.tokens").write_text(" the cat the Dog \n \n the cat <unk> ünd\n", encoding="utf-8")
    (tmp_path / "wiki.valid.tokens").write_text("cat bird the\n")
    (tmp_path / "wiki.test.tokens").write_text("The\n")
    return tmp_path


def text(part):
    return [part.classes[n] for n in part.tokens.reshape(-1)]


def test_words_are_numbered_by_how_often_they_are_trained(published):
    train, val, test = (build(Text(root=str(published)), split) for split in ("train", "val", "test"))
    assert train.classes == ("<eos>", "<unk>", "the", "cat", "Dog", "ünd") == val.classes
    assert text(train) == ["the", "cat", "the", "Dog", "<eos>", "<eos>", "the", "cat", "<unk>", "ünd", "<eos>"]
    assert text(val) == ["cat", "<unk>", "the", "<eos>"]
    # Case is kept: "The" was never trained.
    assert text(test) == ["<unk>", "<eos>"]


def test_of_two_files_alone_the_end_of_the_first_is_held_out(tmp_path):
    (tmp_path / "wikitext2_valid.txt").write_text("".join(f"w{n}\n" for n in range(40)))
    (tmp_path / "wikitext2_test.txt").write_text("w0 w39\n")
    train, val, test = (build(Text(root=str(tmp_path)), split) for split in ("train", "val", "test"))
    assert text(train)[::2] == [f"w{n}" for n in range(38)]
    assert text(val) == ["<unk>", "<eos>"] * 2
    assert text(test) == ["w0", "<unk>", "<eos>"]


@pytest.mark.parametrize("count", [2, 10, 11, 12])
def test_in_one_row_every_word_but_the_first_is_a_target_once(count):
    part = Segments(numbers(count), WORDS, length=5)
    samples = [part[i] for i in range(len(part))]
    assert [n for _, y in samples for n in y.tolist()] == list(range(1, count))
    assert [n for x, _ in samples for n in x.tolist()] == list(range(count - 1))
    assert {len(x) for x, _ in samples[:-1]} <= {5}
    with pytest.raises(IndexError):
        part[len(part)]


def test_batches_of_as_many_samples_as_rows_go_on():
    part = Segments(numbers(32), WORDS, length=4, rows=3)
    assert len(part) == 9
    first, second, last = (part.collate([part[3 * batch + row] for row in range(3)]) for batch in range(3))
    assert first.x[0].tolist() == [0, 10, 20]
    assert second.x[0].tolist() == first.target[-1].tolist() == [4, 14, 24]
    # Ten words a row are nine targets; the two words that are left over are in no row.
    assert (last.x.shape, last.target.tolist()) == ((1, 3), [[9, 19, 29]])


def test_rows_are_rotated_by_seed_and_epoch_alone():
    def row(epoch, seed=42, number=1):
        part = Segments(numbers(80), WORDS, length=8, rows=2, seed=seed)
        part.set_epoch(epoch)
        samples = [part[i] for i in range(number, len(part), 2)]
        return [int(samples[0][0][0]), *(n for _, y in samples for n in y.tolist())]

    for number in (0, 1):
        for epoch in range(3):
            found = row(epoch, number=number)
            assert np.roll(found, found[0] - 40 * number).tolist() == list(range(40 * number, 40 * number + 40))
    assert row(0) == row(0)
    assert len({tuple(row(epoch, seed)) for epoch in range(3) for seed in (1, 2)}) == 6


def test_training_is_rotated_and_the_held_out_text_is_not(published):
    (published / "wiki.train.tokens").write_text(" ".join(f"w{n}" for n in range(200)))
    train = build(Text(root=str(published), name="wikitext-103", length=7, rows=2, seed=3), "train")
    held_out = build(Text(root=str(published), name="wikitext-103", length=7, rows=2, seed=3), "val")
    before = train[0][0].tolist()
    train.set_epoch(1)
    assert train[0][0].tolist() != before
    assert (train.tokens.shape, held_out.tokens.shape, held_out.seed) == ((2, 100), (1, 4), None)


def test_shorter_segments_are_padded_with_what_no_loss_counts():
    part = Segments(numbers(9), WORDS, length=5)
    batch = part.collate([part[0], part[1]])
    assert batch.x.T.tolist() == [[0, 1, 2, 3, 4], [5, 6, 7, 0, 0]]
    assert batch.target.T.tolist() == [[1, 2, 3, 4, 5], [6, 7, 8, -100, -100]]
    assert batch.lengths.tolist() == [5, 3]


def test_bad_files_are_named(published, tmp_path_factory):
    config = Text(root=str(published))
    (published / "wiki.valid.tokens").write_bytes(b"caf\xe9\n")
    with pytest.raises(ValueError, match=r"wiki\.valid\.tokens is no text in UTF-8 .*: download it again"):
        build(config, "val")
    (published / "wiki.valid.tokens").write_bytes(b"")
    with pytest.raises(ValueError, match=r"wiki\.valid\.tokens is empty"):
        build(config, "val")
    (published / "wiki.test.tokens").unlink()
    with pytest.raises(FileNotFoundError, match=r"no wiki\.test\.tokens in .*--data\.root FOLDER"):
        build(config, "test")
    with pytest.raises(ValueError, match=r"expected two words a row, got 11 words in 6 rows: use --data\.rows"):
        build(Text(root=str(published), rows=6), "train")
    with pytest.raises(FileNotFoundError, match=r"no wiki\.train\.tokens in"):
        build(Text(root=str(tmp_path_factory.mktemp("empty"))), "train")


def test_the_real_text(data_dir):
    root = str(data_dir / "text")
    parts = {split: build(Text(root=root, length=64), split) for split in ("train", "val", "test")}
    lines = {split: (part.tokens == 0).sum() for split, part in parts.items()}
    # 3,760 and 4,358 lines; with them, the published 217,646 and 245,569 tokens.
    assert lines == {"train": 3572, "val": 188, "test": 4358}
    assert parts["train"].tokens.size + parts["val"].tokens.size == 217_646
    assert parts["test"].tokens.size == 245_569
    x, y = parts["test"][3]
    assert (x[1:].tolist(), len(x)) == (y[:-1].tolist(), 64)
    assert 0.02 < (parts["test"].tokens == 1).mean() < 0.2
