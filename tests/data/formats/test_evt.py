"""EVT 2.0 and 3.0 against a library's decoder, against words written by hand, and over any size of blocks."""

import numpy as np
import pytest
from faery.extension import evt as library

from ranvier.data.formats import EventFileError, evt, open_events


def words2(*words: tuple[int, int]) -> bytes:
    return np.array([kind << 28 | content for kind, content in words], "<u4").tobytes()


def words3(*words: tuple[int, int]) -> bytes:
    return np.array([kind << 12 | content for kind, content in words], "<u2").tobytes()


def columns(path):
    events = open_events(path).read()
    return list(zip(events.t.tolist(), events.x.tolist(), events.y.tolist(), events.polarity.tolist(), strict=True))


@pytest.fixture
def write(tmp_path):
    def write(encoding: str, raw: bytes, header: str = "% geometry 64x48\n"):
        path = tmp_path / "a.raw"
        path.write_bytes(f"% evt {encoding}\n{header}".encode() + raw)
        return path

    return write


@pytest.mark.parametrize(("name", "sensor"), [("gen3_evt2.raw", (640, 480)), ("gen41_evt3.raw", (1280, 720))])
def test_real_files_agree_with_the_library(name, sensor, data_dir):
    path = data_dir / "event_formats" / name
    packets = [packet["events"] for packet in library.Decoder(path, sensor, "evt3") if "events" in packet]
    theirs, ours = np.concatenate(packets), open_events(path).read()
    assert all(np.array_equal(theirs[c], getattr(ours, c)) for c in ("x", "y"))
    assert np.array_equal(theirs["on"], ours.polarity)
    # The low clock of the second file leaps 11 us ahead and back, nine times: the library waits until it has caught up.
    held = theirs["t"].astype(np.int64) - ours.t
    assert held.min() == 0
    assert held.max() == (0 if name == "gen3_evt2.raw" else 11)


@pytest.mark.parametrize("name", ["gen3_evt2.raw", "gen41_evt3.raw"])
def test_blocks_of_any_size_give_the_same_events(name, tmp_path, data_dir, monkeypatch):
    path = tmp_path / name
    path.write_bytes((data_dir / "event_formats" / name).read_bytes()[:6_000])
    whole = columns(path)
    for block in (1, 7, 256):
        monkeypatch.setattr(evt, "BLOCK", block)
        assert columns(path) == whole


def test_evt2_words(write):
    event = 33 << 22 | 5 << 11 | 7
    path = write("2.0", words2((1, event), (8, 2), (0, event), (10, 1), (1, event + (1 << 22)), (8, 3), (0, event)))
    assert columns(path) == [(161, 5, 7, False), (162, 5, 7, True), (225, 5, 7, False)]


def test_evt3_words(write):
    path = write(
        "3.0",
        words3((2, 9), (8, 1), (6, 4), (0, 7), (2, 0x800 | 5), (3, 10), (4, 0b100000000001), (5, 0b10), (2, 3)),
    )
    assert columns(path) == [
        (4100, 5, 7, True),
        (4100, 10, 7, False),
        (4100, 21, 7, False),
        (4100, 23, 7, False),
        (4100, 3, 7, False),
    ]


def test_the_clock_wraps_around(write):
    turn = words3((0, 1), (8, 4095), (6, 9), (2, 1), (8, 0), (2, 2), (6, 5), (2, 3))
    assert [t for t, *_ in columns(write("3.0", turn))] == [4095 * 4096 + 9, 1 << 24, (1 << 24) + 5]
    turn = words2((8, (1 << 28) - 1), (0, 0), (8, 0), (0, 0))
    assert [t for t, *_ in columns(write("2.0", turn))] == [((1 << 28) - 1) << 6, 1 << 34]


@pytest.mark.parametrize("high", [0, 99])
def test_a_clock_that_steps_back_names_the_event_and_its_byte(high, write):
    path = write("2.0", words2((8, 100), (0, 0), (8, high), (1, 0)))
    byte = path.stat().st_size - 4
    with pytest.raises(EventFileError, match=rf"event 1 \(byte {byte}\) runs backwards in time: {high * 64} us"):
        open_events(path).read()


@pytest.mark.parametrize(
    ("header", "sensor"),
    [
        ("% geometry 300x200\n% end\n", (300, 200)),
        ("% format EVT2;height=20;width=30\n", (30, 20)),
        ("% sensor_name IMX636\n", (1280, 720)),
        ("% plugin_name hal_plugin_gen31_fx3\n", (640, 480)),
    ],
)
def test_where_the_sensor_size_is_found(header, sensor, write):
    assert open_events(write("2.0", words2((8, 1), (0, 0)), header)).sensor == sensor


def test_a_wrong_header_is_overruled(write):
    path = write("2.0", words2((8, 1), (0, 70 << 11)))
    with pytest.raises(EventFileError, match="x=70, y=0, outside the 64x48 sensor: pass sensor="):
        open_events(path).read()
    assert open_events(path, sensor=(80, 48)).read().x.tolist() == [70]
