"""Spoken digits and Speech Commands from WAV files in the published layouts."""

import io
import wave
import zipfile

import numpy as np
import pytest

from ranvier.data.datasets import build
from ranvier.data.sequences.waves import read_wave
from ranvier.recipes import Speech


def wav(samples, *, rate=8000, channels=1, width=2):
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(channels)
        sound.setsampwidth(width)
        sound.setframerate(rate)
        sound.writeframes(np.asarray(samples, "<i2").tobytes())
    return file.getvalue()


@pytest.fixture
def digits(tmp_path):
    for digit in (0, 7):
        for speaker in ("ann", "bob"):
            for number in (0, 4, 5, 9, 10, 11):
                raw = wav([digit, number, -32768, 32767])
                (tmp_path / f"{digit}_{speaker}_{number}.wav").write_bytes(raw)
    return tmp_path


def test_all_speakers_are_in_all_splits(digits):
    config = Speech(root=str(digits))
    for split, numbers in (("train", {10, 11}), ("val", {5, 9}), ("test", {0, 4})):
        part = build(config, split)
        assert len(part) == 8
        samples = [part[i] for i in range(8)]
        assert {int(x[1, 0] * 32768) for x, _ in samples} == numbers
        assert all(int(x[0, 0] * 32768) == label for x, label in samples)
    assert samples[0][0].shape == (4, 1)
    assert samples[0][0][2:, 0].tolist() == [-1, 32767 / 32768]


def test_one_speaker_is_never_heard(digits):
    config = Speech(root=str(digits), speaker="bob")
    train, val, test = (build(config, split) for split in ("train", "val", "test"))
    assert [len(part) for part in (train, val, test)] == [8, 4, 12]
    for part, speaker in ((train, "ann"), (val, "ann"), (test, "bob")):
        assert {part.read.args[0][i].speaker for i in part.indices} == {speaker}
    with pytest.raises(ValueError, match="expected a speaker out of ann, bob, got 'eve'"):
        build(Speech(root=str(digits), speaker="eve"), "test")


def test_zip_and_folder_agree_and_long_ones_are_cut(digits, tmp_path_factory):
    path = tmp_path_factory.mktemp("zip") / "digits.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(digits.glob("*.wav")):
            archive.write(file, f"recordings/{file.name}")
    for root in (path, path.parent):
        x, label = build(Speech(root=str(root), length=3), "test")[5]
        other, other_label = build(Speech(root=str(digits), length=3), "test")[5]
        assert (x.shape, x.tolist(), label) == ((3, 1), other.tolist(), other_label)
    path.write_bytes(b"PK")
    with pytest.raises(ValueError, match="not a readable zip file"):
        build(Speech(root=str(path)), "test")


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"", "a.wav is not a readable WAV file"),
        (wav([1, 2], rate=16_000), "a.wav has 16,000 samples a second, .* expected 8,000, .*: type sox a.wav -r 8000"),
        (wav([1, 2], channels=2), "2 channels"),
        (wav([1, 2], width=1), "8 bits"),
        (wav([]), "announces 0 samples"),
        (wav([1, 2, 3, 4])[:-3], "announces 4 samples and holds"),
    ],
)
def test_bad_sounds_are_named(raw, message):
    with pytest.raises(ValueError, match=message):
        read_wave(raw, name="a.wav", rate=8000)


def test_no_recordings(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no files DIGIT_SPEAKER_NUMBER\.wav in"):
        build(Speech(root=str(tmp_path)), "train")
    (tmp_path / "0_ann_3.wav").write_bytes(wav([1]))
    with pytest.raises(ValueError, match="none of 1 recordings is in the train split"):
        build(Speech(root=str(tmp_path)), "train")


def test_the_real_digits_of_five_speakers(data_dir):
    config = Speech(root=str(data_dir / "spoken_digits"))
    train, val, test = (build(config, split) for split in ("train", "val", "test"))
    assert [len(part) for part in (train, val, test)] == [2000, 250, 250]
    x, label = test[249]
    assert label == 9
    assert 1000 < len(x) < 16_384
    assert 0.001 < float(x.abs().mean()) < 1


@pytest.fixture
def commands(tmp_path):
    for word in range(35):
        (tmp_path / f"w{word:02}").mkdir()
        for number in range(3):
            (tmp_path / f"w{word:02}" / f"{number}.wav").write_bytes(wav([word, number], rate=16_000))
    (tmp_path / "_background_noise_").mkdir()
    (tmp_path / "_background_noise_" / "rain.wav").write_bytes(wav([1], rate=16_000))
    (tmp_path / "validation_list.txt").write_text("w00/1.wav\nw34/1.wav\n")
    (tmp_path / "testing_list.txt").write_text("w03/2.wav\n")
    return tmp_path


def test_lists_decide_the_split_of_commands(commands):
    config = Speech(name="speech-commands", root=str(commands), length=5)
    train, val, test = (build(config, split) for split in ("train", "val", "test"))
    assert [len(part) for part in (train, val, test)] == [102, 2, 1]
    assert [val[i][1] for i in range(2)] == [0, 34]
    x, label = test[0]
    assert (label, test.classes[label]) == (3, "w03")
    assert (x[:, 0] * 32768).tolist() == [3, 2, 0, 0, 0]


def test_incomplete_commands(commands):
    config = Speech(name="speech-commands", root=str(commands))
    (commands / "w03" / "2.wav").unlink()
    with pytest.raises(FileNotFoundError, match=r"no w03/2\.wav in .* nor 0 others of testing_list\.txt"):
        build(config, "test")
    (commands / "w35").mkdir()
    with pytest.raises(ValueError, match=r"expected 35 folders of words in .*, got 36"):
        build(config, "val")
    (commands / "w35").rmdir()
    (commands / "validation_list.txt").unlink()
    with pytest.raises(FileNotFoundError, match=r"validation_list\.txt: it is in speech_commands_v0\.02"):
        build(config, "train")
    with pytest.raises(ValueError, match=r"leave --data\.speaker away"):
        build(Speech(name="speech-commands", speaker="ann"), "train")
