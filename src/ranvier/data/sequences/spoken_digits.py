"""The Free Spoken Digit Dataset: raw waveforms of 0 to 9."""

import re
import zipfile
import zlib
from functools import partial
from pathlib import Path
from typing import NamedTuple

from numpy.typing import NDArray

from ranvier.data.datasets.frames import Split
from ranvier.data.generate import Progress
from ranvier.data.root import find
from ranvier.data.sequences.samples import SequenceDataset
from ranvier.data.sequences.waves import read_wave
from ranvier.recipes import Speech

RATE = 8000
# Takes of a digit by a speaker, from 0: those before TESTS are held out by custom; we validate on as many again.
TESTS, HELD_OUT = 5, 10
_NAME = re.compile(r"(?:^|/)([0-9])_([a-z]+)_([0-9]+)\.wav$")


class Take(NamedTuple):
    """One recording: what was said, by whom, the how manieth time, and the file or its bytes."""

    digit: int
    speaker: str
    number: int
    name: str
    file: bytes | Path


def spoken_digits(config: Speech, split: Split, progress: Progress | None = None) -> SequenceDataset:
    """Return one split of the spoken digits: x `[T, 1]` from -1 to 1 at 8 kHz, the first `length` samples.

    Takes 0 to 4 of each digit by each speaker are `test`, 5 to 9 `val`, all others `train`. With `config.speaker`, all
    takes of this speaker are `test`, and of the other speakers 0 to 4 are `val`, the others `train`.

    Raises:
        FileNotFoundError: no recordings; the message says where they were looked for.
        ValueError: an unknown speaker, or no recording in a split; a damaged recording or one at another rate, when it
            is asked for.

    Source: Z. Jackson et al., "Free Spoken Digit Dataset", Zenodo.
    """
    takes = read_takes(find(config.root, "spoken_digits"))
    speakers = sorted({take.speaker for take in takes})
    if config.speaker is not None and config.speaker not in speakers:
        raise ValueError(f"expected a speaker out of {', '.join(speakers)}, got {config.speaker!r}: use --data.speaker")
    indices = [i for i, take in enumerate(takes) if _split(take, config.speaker) == split]
    if not indices:
        raise ValueError(f"none of {len(takes)} recordings is in the {split} split: expected takes 0 to 49 of each")
    return SequenceDataset(partial(_sequence, takes, config.length), indices, tuple("0123456789"))


def read_takes(root: Path) -> list[Take]:
    """Find the files DIGIT_SPEAKER_NUMBER.wav in a zip, in a folder with one zip, or at any depth of a folder.

    Raises:
        FileNotFoundError: there are none.
        ValueError: a damaged zip.
    """
    zips = sorted(root.glob("*.zip")) if root.is_dir() else [root]
    if len(zips) == 1:
        try:
            with zipfile.ZipFile(zips[0]) as archive:
                found = [
                    Take(*said, f"{zips[0]}/{name}", archive.read(name)) for name, said in _said(archive.namelist())
                ]
        except (zipfile.BadZipFile, zlib.error) as error:
            raise ValueError(f"{zips[0]} is not a readable zip file ({error}): download it again") from None
    else:
        names = [path.relative_to(root).as_posix() for path in root.rglob("*.wav")]
        found = [Take(*said, str(root / name), root / name) for name, said in _said(names)]
    if not found:
        raise FileNotFoundError(
            f"no files DIGIT_SPEAKER_NUMBER.wav in {root.absolute()}: pass --data.root FOLDER-OR-ZIP"
        )
    return sorted(found, key=lambda take: take[:3])


def _said(names: list[str]) -> list[tuple[str, tuple[int, str, int]]]:
    matches = [(name, match) for name in names if (match := _NAME.search(name))]
    return [(name, (int(match[1]), match[2], int(match[3]))) for name, match in matches]


def _split(take: Take, unheard: str | None) -> Split:
    if unheard is not None:
        return "test" if take.speaker == unheard else "val" if take.number < TESTS else "train"
    return "test" if take.number < TESTS else "val" if take.number < HELD_OUT else "train"


def _sequence(takes: list[Take], length: int, i: int) -> tuple[NDArray, int]:
    take = takes[i]
    raw = take.file if isinstance(take.file, bytes) else take.file.read_bytes()
    return read_wave(raw, name=take.name, rate=RATE)[:length], take.digit
