"""AEDAT 3.1 against packets written by hand: what is skipped, what is refused, and any stretch of time."""

import json

import numpy as np
import pytest

from ranvier.cli import main
from ranvier.data.describe import describe
from ranvier.data.events import Events
from ranvier.data.formats import EventFileError, aedat3, open_events
from ranvier.data.formats.aedat3 import aedat3_file
from tests.data.formats.test_fuzz import count_outcomes
from tests.data.made_aedat import END, HEADER, aedat, head, polarity, samples, special

COLUMNS = ("t", "x", "y", "polarity")


def rows(events: Events) -> list[tuple[int, ...]]:
    return list(zip(*(getattr(events, column).tolist() for column in COLUMNS), strict=True))


def random_events(n: int, *, span: int, seed: int = 0) -> Events:
    """More events than microseconds in some places, none in others."""
    generator = np.random.default_rng(seed)
    t = np.sort((span * generator.random(n) ** 3).astype(np.int64))
    x, y = generator.integers(0, 128, (2, n))
    return Events.of(t, x, y, generator.integers(0, 2, n), (128, 128))


@pytest.fixture
def write(tmp_path):
    def write(*packets: bytes, header: bytes = HEADER + END):
        path = tmp_path / "a.aedat"
        path.write_bytes(header + b"".join(packets))
        return path

    return write


def test_polarity_events_are_read_and_all_others_skipped(write):
    first, second = [(5, 0, 127, 1), (5, 127, 0, 0)], [(9, 3, 64, 1)]
    path = write(special(), polarity(first), samples(), polarity([]), polarity(second), special(1))
    recording = open_events(path)
    assert (recording.format, recording.sensor) == ("aedat3", (128, 128))
    assert rows(recording.read()) == first + second
    # What the first bytes say goes before the suffix, and lines may end without a carriage return.
    other = path.with_suffix(".bin")
    other.write_bytes(path.read_bytes().replace(b"\r\n", b"\n"))
    assert rows(open_events(other).read()) == first + second


def test_widest_coordinates(write):
    path = write(polarity([(1, 16_383, 2, 0), (2, 1, 16_383, 1)]))
    assert rows(open_events(path, sensor=(16_384, 16_384)).read()) == [(1, 16_383, 2, 0), (2, 1, 16_383, 1)]
    with pytest.raises(EventFileError, match=rf"event 0 \(byte {len(HEADER + END) + 28}\) is at x=16383, y=2, outside"):
        open_events(path).read()


def test_the_clock_is_counted_on_over_its_turns(write):
    path = write(polarity([(2**31 - 1, 1, 1, 1)]), polarity([(0, 2, 2, 0)], turns=1), polarity([(4, 3, 3, 0)], turns=2))
    t = [2**31 - 1, 2**31, 2**32 + 4]
    assert open_events(path).read().t.tolist() == t
    assert aedat3_file(path, sensor=(128, 128)).between(t[1], t[2] + 1).t.tolist() == t[1:]


def test_invalid_events_are_left_out(write):
    events = [(1, 1, 1, 1), (2, 2, 2, 0), (3, 3, 3, 1)]
    assert rows(open_events(write(polarity(events, invalid=(0, 2)))).read()) == [events[1]]
    # The head calls all of them valid: the marks of single events do not matter.
    unmarked = polarity(events, invalid=(0, 1, 2))[28:]
    assert rows(open_events(write(head(1, 8, 3), unmarked)).read()) == events


def test_one_camera_of_two(write):
    path = write(polarity([(5, 1, 1, 1)]), polarity([(3, 9, 9, 1)], source=2), polarity([(6, 2, 2, 1)]))
    assert rows(open_events(path).read()) == [(5, 1, 1, 1), (6, 2, 2, 1)]


@pytest.mark.parametrize(
    ("camera", "sensor"), [("DVS128", (128, 128)), ("DAVIS240C", (240, 180)), ("DAVIS346Bbsi", (346, 260))]
)
def test_the_sensor_of_the_camera(camera, sensor, write):
    header = HEADER.replace(b"DVS128", camera.encode())
    assert open_events(write(polarity([(1, 1, 1, 1)]), header=header + END)).sensor == sensor


def test_blocks_of_any_size_give_the_same_events(write, monkeypatch):
    events = random_events(3_000, span=900)
    path = write(header=aedat(events, packet=700))
    for block in (1 << 16, 699, 1_000, 31):
        monkeypatch.setattr(aedat3, "BLOCK", block)
        assert rows(open_events(path).read()) == rows(events)
    assert sum(len(chunk) for chunk in open_events(path).chunks(duration_us=50)) == len(events)


def test_any_stretch_of_time(write, monkeypatch):
    events = random_events(5_000, span=20_000)
    file = aedat3_file(write(header=aedat(events, packet=60)), sensor=(128, 128))
    last = int(events.t[-1])
    moments = [*np.random.default_rng(1).integers(-10, last + 10, 60).tolist(), 0, 1, last, last + 1]
    for start in moments:
        for width in (0, 1, 100, 30_000):
            assert rows(file.between(start, start + width)) == rows(events.between(start, start + width))
    read = []
    exactly = aedat3.read_exactly
    monkeypatch.setattr(aedat3, "read_exactly", lambda file, path, size: read.append(size) or exactly(file, path, size))
    found = file.between(15_000, 15_500)
    assert len(found) > 0
    assert sum(read) <= 8 * (len(found) + 2 * 60)


GOOD = polarity([(1, 1, 1, 1), (2, 2, 2, 1)])
START = len(HEADER + END)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"#!AER-DAT2.0\r\n" + END + GOOD, r"begins with b'#!AER-DAT2\.0', expected b'#!AER-DAT3\.1' \(byte 0\)"),
        (b"#!AER-DAT3.14\r\n" + END + GOOD, r"begins with '#!AER-DAT3\.14', expected #!AER-DAT3\.1"),
        (HEADER + GOOD, r"line 5 of the header begins with .*, expected lines that begin with # and end in one"),
        (HEADER, r"line 5 of the header begins with b'', expected .*#!END-HEADER"),
        (HEADER + b"#" + b"x" * 70_000 + END, "line 5 of the header"),
        (HEADER.replace(b"RAW", b"PNG") + END + GOOD, "states the format 'PNG', expected RAW"),
        (HEADER.replace(b"DVS128", b"eye") + END + GOOD, r"states no sensor size: pass sensor=\(width, height\)"),
        (HEADER + END, "holds no events"),
        (HEADER + END + special(), "holds no events"),
        (
            HEADER + END + GOOD + GOOD[:27],
            rf"cut off: the packet at byte {START + 44} goes on to byte {START + 72}, .*: truncate -s {START + 44} a\.",
        ),
        (HEADER + END + GOOD[:-1], rf"cut off: the packet at byte {START} goes on to byte {START + 44}, the file ends"),
        (HEADER + END + special()[:-1], rf"cut off: the packet at byte {START}"),
        (HEADER + END + head(1, 8, -2), f"the packet at byte {START} states -2 events of 8 bytes, .*: damaged"),
        (HEADER + END + head(1, 8, 2, room=4) + GOOD[28:], "2 events of 8 bytes, 2 of them valid, room for 4 and"),
        (HEADER + END + head(1, 8, 2, valid=3) + GOOD[28:], "3 of them valid, room for 2"),
        (HEADER + END + head(1, 8, 2, turns=-1) + GOOD[28:], "-1 turns of the clock: damaged"),
        (HEADER + END + head(1, 4, 4) + GOOD[28:], "polarity events of 4 bytes, their time at byte 4, expected 8 and"),
        (
            HEADER + END + GOOD + polarity([(0, 1, 1, 1)]),
            rf"event 2 \(byte {START + 72}\) runs backwards in time: 0 us after 2 us",
        ),
    ],
)
def test_damaged_files_are_refused_by_name(content, message, write):
    path = write(header=content)
    with pytest.raises(EventFileError, match=message) as caught:
        open_events(path).read()
    assert str(caught.value).startswith(f"{path}: ")


def test_damage_is_found_before_and_in_a_stretch_of_time(write, tmp_path):
    with pytest.raises(EventFileError, match="No such file"):
        aedat3_file(tmp_path / "b.aedat", sensor=(128, 128))
    with pytest.raises(EventFileError, match=rf"packet at byte {START + 44} runs backwards in time: 0 us after 1 us"):
        aedat3_file(write(GOOD, polarity([(0, 1, 1, 1)])), sensor=(128, 128))
    file = aedat3_file(write(GOOD, polarity([(7, 1, 1, 1), (6, 1, 1, 1)])), sensor=(128, 128))
    with pytest.raises(EventFileError, match=rf"the event at byte {START + 80} runs backwards in time: 6 us after 7"):
        file.between(6, 9)
    file = aedat3_file(write(polarity([(1, 1, 1, 1), (9, 1, 1, 1)]), polarity([(7, 1, 1, 1)])), sensor=(128, 128))
    with pytest.raises(EventFileError, match=rf"the event at byte {START + 72} runs backwards in time: 7 us after 9"):
        file.between(6, 8)


def test_hundreds_of_damaged_files(tmp_path):
    outcomes = count_outcomes(aedat(random_events(500, span=300_000), packet=120), "aedat", None, 150, tmp_path)
    assert outcomes["refused"] > 30, outcomes
    assert outcomes["read"] > 2, outcomes


def test_info(write, capsys):
    events = random_events(500, span=300_000)
    path = write(header=aedat(events))
    assert main(["info", str(path), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["format"], told["sensor"], told["events"]) == ("aedat3", [128, 128], 500)
    assert told["last_us"] == describe(path)["last_us"] == int(events.t[-1])
