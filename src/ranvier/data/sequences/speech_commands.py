"""Speech Commands: raw waveforms of 35 words."""

from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ranvier.data.datasets.frames import Split
from ranvier.data.generate import Progress
from ranvier.data.root import find
from ranvier.data.sequences.files import read_text
from ranvier.data.sequences.samples import SequenceDataset
from ranvier.data.sequences.waves import read_wave
from ranvier.recipes import Speech

RATE = 16_000
WORDS = 35
LISTS = {"val": "validation_list.txt", "test": "testing_list.txt"}


def speech_commands(config: Speech, split: Split, progress: Progress | None = None) -> SequenceDataset:
    """Return one split of Speech Commands: x `[length, 1]` from -1 to 1 at 16 kHz, shorter ones filled up with zeros.

    The folder holds one folder for each word, with its recordings, and the lists `validation_list.txt` and
    `testing_list.txt`; what neither list names is `train`. Folders whose names begin with "_" hold no words.

    Raises:
        FileNotFoundError: no such folder, list, or recording of a list.
        ValueError: a speaker is asked for; not 35 words; a damaged recording or one at another rate, when it is asked
            for.

    Source: P. Warden, "Speech Commands: A Dataset for Limited-Vocabulary Speech Recognition", 2018 (version 2).
    """
    if config.speaker is not None:
        raise ValueError(
            f"speech-commands has its own split, got speaker={config.speaker!r}: leave --data.speaker away"
        )
    root = find(config.root, "speech_commands")
    words = sorted(place.name for place in root.iterdir() if place.is_dir() and place.name[0] not in "_.")
    if len(words) != WORDS:
        raise ValueError(
            f"expected {WORDS} folders of words in {root.absolute()}, got {len(words)}: unpack "
            "speech_commands_v0.02.tar.gz there, or pass --data.root FOLDER"
        )
    listed = {name: _listed(root / file) for name, file in LISTS.items()}
    there = {f"{word}/{path.name}" for word in words for path in (root / word).glob("*.wav")}
    names = listed[split] if split in listed else sorted(there.difference(*listed.values()))
    if absent := [name for name in names if name not in there]:
        raise FileNotFoundError(
            f"no {absent[0]} in {root.absolute()}, nor {len(absent) - 1} others of {LISTS[split]}: unpack "
            "speech_commands_v0.02.tar.gz again"
        )
    if not names:
        raise ValueError(f"no recording of the {split} split in {root.absolute()}: unpack the archive again")
    labels = [words.index(name.split("/")[0]) for name in names]
    return SequenceDataset(partial(_sequence, root, names, labels, config.length), range(len(names)), tuple(words))


def _listed(path: Path) -> list[str]:
    if not path.exists():
        raise FileNotFoundError(f"no {path.absolute()}: it is in speech_commands_v0.02.tar.gz beside the folders")
    return read_text(path).split()


def _sequence(root: Path, names: list[str], labels: list[int], length: int, i: int) -> tuple[NDArray, int]:
    path = root / names[i]
    sound = read_wave(path.read_bytes(), name=str(path), rate=RATE)[:length]
    x = np.zeros((length, 1), np.float32)
    x[: len(sound)] = sound
    return x, labels[i]
