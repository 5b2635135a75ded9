"""Thousands of damaged files: each one is either read as sound events, or refused by name. Nothing else happens."""

import os
import random
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from ranvier.data.events import Events
from ranvier.data.formats import EventFileError, open_events, write_csv, write_dat, write_nmnist, write_npz

WRITERS = {"dat": write_dat, "bin": write_nmnist, "npz": write_npz, "csv": write_csv}
# File, bytes that are kept of it, sensor. A file that cannot be cut at any byte is written anew with its first events.
REAL = {
    "dat": ("ncars_sample_td.dat", 4_093, (120, 100)),
    "bin": ("nmnist_sample.bin", 4_000, None),
    "es": ("dvs_320x240.es", 8_000, None),
    "evt2": ("gen3_evt2.raw", 8_000, None),
    "evt3": ("gen41_evt3.raw", 8_000, None),
    "aedat4": ("dvs_320x240.aedat4", None, None),
    "npz": ("gen41_evt3_decoded.npz", None, (1280, 720)),
    "csv": ("nmnist_sample.bin", None, (34, 34)),
}
SUFFIX = {"evt2": "raw", "evt3": "raw"}


def damaged(raw: bytes, chance: random.Random) -> bytes:
    """One of six kinds of damage, half of the time near the front, where the header is."""
    data = bytearray(raw)
    end = len(data) if chance.random() < 0.5 else min(len(data), 2_500)
    i, j = sorted(chance.randrange(end) for _ in range(2))
    match chance.choice(["truncate", "flip", "splice", "zero", "duplicate", "overwrite"]):
        case "truncate":
            del data[i:]
        case "flip":
            for _ in range(chance.choice([1, 1, 2, 8, 64])):
                data[chance.randrange(end)] ^= 1 << chance.randrange(8)
        case "splice":
            del data[i : min(j, i + chance.choice([1, 2, 3, 4, 8, 500]))]
        case "zero":
            stop = min(j, i + chance.choice([1, 4, 64, 1_000]))
            data[i:stop] = bytes(stop - i)
        case "duplicate":
            data[i:i] = data[i:j]
        case "overwrite":
            for k in range(i, min(j, i + chance.choice([1, 2, 4, 8]))):
                data[k] = chance.choice([0, 0x7F, 0x80, 0xFF, chance.randrange(256)])
    return bytes(data)


def outcome(path: Path, sensor: tuple[int, int] | None) -> str:
    """Read a file both ways: "read" where the events are sound, "refused" where the error is ours."""
    try:
        recording = open_events(path, sensor=sensor)
        events = recording.read()
        Events.of(events.t, events.x, events.y, events.polarity, events.sensor)
        assert sum(len(chunk) for chunk in recording.chunks(count=1_000)) == len(events)
    except EventFileError as error:
        message = str(error)
        assert message.startswith(f"{path}: ")
        assert message.isprintable()
        assert len(message) < len(str(path)) + 400
        return "refused"
    return "read"


def count_outcomes(raw: bytes, suffix: str, sensor, cases: int, tmp_path: Path) -> Counter[str]:
    path = tmp_path / f"seed.{suffix}"
    path.write_bytes(raw)
    assert outcome(path, sensor) == "read"
    chance = random.Random(0)
    outcomes: Counter[str] = Counter()
    for case in range(cases):
        # A name of its own for every case: the text of a failure says which one it was.
        path = tmp_path / f"case{case}.{suffix}"
        path.write_bytes(damaged(raw, chance))
        outcomes[outcome(path, sensor)] += 1
        os.unlink(path)
    return outcomes


def small_aedat4(raw: bytes, source: Path, tmp_path: Path) -> bytes:
    """The first packets of a real AEDAT4 file, as a file of its own."""
    from faery.extension import aedat

    decoder = aedat.Decoder(source)
    packets = [next(iter(decoder)) for _ in range(4)]
    path = tmp_path / "small.aedat4"
    with aedat.Encoder(path, decoder.description(), ("lz4", 1)) as encoder:
        for track, packet in packets:
            encoder.write(track.id, packet)
    return path.read_bytes()


@pytest.mark.parametrize("format", REAL)
def test_damaged_real_files(format, data_dir, tmp_path):
    name, length, sensor = REAL[format]
    source = data_dir / "event_formats" / name
    raw = source.read_bytes()[:length]
    if format == "aedat4":
        raw = small_aedat4(raw, source, tmp_path)
    if format in ("npz", "csv"):
        start = open_events(source, sensor=sensor).read()[:1_000]
        WRITERS[format](tmp_path / "start", start)
        raw = (tmp_path / "start").read_bytes()
    outcomes = count_outcomes(raw, SUFFIX.get(format, format), sensor, 320, tmp_path)
    assert outcomes["refused"] > 60, outcomes
    assert outcomes["read"] > 2, outcomes


@pytest.mark.parametrize("format", WRITERS)
def test_damaged_files_of_our_own_writers(format, tmp_path):
    generator = np.random.default_rng(0)
    x, y, polarity = (generator.integers(0, top, 500) for top in (34, 34, 2))
    events = Events.of(np.sort(generator.integers(0, 300_000, 500)), x, y, polarity, (34, 34))
    WRITERS[format](tmp_path / "own", events)
    outcomes = count_outcomes((tmp_path / "own").read_bytes(), format, (34, 34), 150, tmp_path)
    assert outcomes["refused"] > 30, outcomes
    assert outcomes["read"] > 2, outcomes
