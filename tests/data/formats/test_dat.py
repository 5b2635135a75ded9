"""A `.dat` file entered in its middle gives the events that reading all of it gives."""

import numpy as np
import pytest

from ranvier.data.events import Events
from ranvier.data.formats import EventFileError, dat, open_events, write_dat
from ranvier.data.formats.dat import DatFile, dat_file

COLUMNS = ("t", "x", "y", "polarity")


def events_from(first: int, *, n: int = 20_000, span: int = 50_000, seed: int = 0) -> Events:
    """More events than microseconds in some places, none in others."""
    generator = np.random.default_rng(seed)
    t = np.sort(first + (span * generator.random(n) ** 3).astype(np.int64))
    x, y = generator.integers(0, 304, n), generator.integers(0, 240, n)
    return Events.of(t, x, y, generator.integers(0, 2, n), (304, 240))


def same(a: Events, b: Events) -> bool:
    return a.sensor == b.sensor and all(np.array_equal(getattr(a, c), getattr(b, c)) for c in COLUMNS)


@pytest.fixture(params=[0, 1 << 31, (1 << 32) - 50_000], ids=["from 0", "beyond int32", "up to the last"])
def written(request, tmp_path) -> tuple[DatFile, Events]:
    events = events_from(request.param)
    write_dat(tmp_path / "a_td.dat", events)
    return dat_file(tmp_path / "a_td.dat"), events


def test_any_stretch_of_time(written):
    file, events = written
    first, last = int(events.t[0]), int(events.t[-1])
    moments = [*np.random.default_rng(1).integers(first - 10, last + 10, 60).tolist(), first, first + 1, last, last + 1]
    for start in moments:
        for width in (0, 1, 100, 60_000):
            assert same(file.between(start, start + width), events.between(start, start + width))
    # A window that begins before the recording, by so much that unsigned numbers would wrap around.
    assert same(file.between(first - (1 << 33), last + 1), events)


def test_only_the_stretch_is_read(written, monkeypatch):
    file, events = written
    read = []
    monkeypatch.setattr(dat, "read_exactly", lambda file, path, size: read.append(size) or file.read(size))
    middle = int(events.t[10_000])
    found = file.between(middle, middle + 50)
    assert len(found) > 0
    assert sum(read) <= 8 * len(found) + 2 * 4 * 15


def test_version_1_and_the_real_recording(tmp_path, data_dir):
    words = np.array([[3, 5 | 7 << 9 | 1 << 17], [9, 303 | 239 << 9], [9, 0]], "<u4")
    (tmp_path / "a_td.dat").write_bytes(words.tobytes())
    found = dat_file(tmp_path / "a_td.dat", sensor=(304, 240)).between(4, 10)
    assert (found.x.tolist(), found.y.tolist(), found.polarity.tolist()) == ([303, 0], [239, 0], [False, False])

    path = data_dir / "event_formats" / "ncars_sample_td.dat"
    whole = open_events(path, sensor=(120, 100)).read()
    assert same(dat_file(path, sensor=(120, 100)).between(20_000, 70_000), whole.between(20_000, 70_000))


def test_a_clock_that_begins_again_after_71_minutes_is_unwound(tmp_path):
    path, count = tmp_path / "long.dat", 40_000
    t = np.arange(count) * 250_000 + 7  # 167 minutes: the clock of 32 bits begins again twice
    events = Events.of(*np.zeros((3, count), int), polarity=np.ones(count, int), sensor=(2, 2))
    write_dat(path, events)
    words = np.frombuffer(path.read_bytes()[-8 * count :], "<u4").reshape(-1, 2).copy()
    words[:, 0] = t % 2**32
    path.write_bytes(path.read_bytes()[: -8 * count] + words.tobytes())
    assert np.array_equal(open_events(path).read().t, t)


def test_what_is_out_of_order_or_outside_is_named(tmp_path):
    path = tmp_path / "a_td.dat"
    events = events_from(0)
    write_dat(path, events)
    start = path.stat().st_size - 8 * len(events)
    words = np.frombuffer(path.read_bytes()[start:], "<u4").reshape(-1, 2).copy()
    words[12_001, 0] = words[12_000, 0] - 1
    path.write_bytes(path.read_bytes()[:start] + words.tobytes())
    t = int(events.t[12_000])
    with pytest.raises(EventFileError, match=rf"event 12001 \(byte {start + 8 * 12_001}\) runs backwards in time"):
        dat_file(path).between(t - 100, t + 100)
    with pytest.raises(EventFileError, match=r"event 0 .* outside the 20x10 sensor"):
        dat_file(path, sensor=(20, 10)).between(0, 1_000)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"% Version 2\n\x0c\x08", "holds no events"),
        (b"% Version 2\n\x0c\x08" + bytes(8), "states no sensor size: pass sensor="),
        (b"% Version 2\n\x0c\x08" + bytes(9), "cut off: the last 1 of its 23 bytes"),
        (b"% Version 3\n\x0c\x08" + bytes(8), "DAT version '3', expected 1 or 2"),
        (b"% Version 2\n\x0e\x08" + bytes(8), "events of type 14 and 8 bytes"),
    ],
)
def test_files_without_such_events(content, message, tmp_path):
    (tmp_path / "a_td.dat").write_bytes(content)
    with pytest.raises(EventFileError, match=message):
        dat_file(tmp_path / "a_td.dat").between(0, 10)
