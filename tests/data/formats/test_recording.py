"""Real recordings of every format: exact contents, chunks that equal the whole, and errors that name the fault."""

import os
import shutil
import tracemalloc

import numpy as np
import pytest

from ranvier.data.events import Events
from ranvier.data.formats import EventFileError, open_events, write_csv, write_dat, write_nmnist, write_npz

REAL = {
    "event_formats/ncars_sample_td.dat": ("dat", 2_009, (120, 100)),
    "event_formats/nmnist_sample.bin": ("nmnist", 4_325, None),
    "event_formats/dvs_320x240.aedat4": ("aedat4", 111_954, None),
    "event_formats/dvs_320x240.es": ("es", 473_225, None),
    "event_formats/gen3_evt2.raw": ("evt2", 539_481, None),
    "event_formats/gen41_evt3.raw": ("evt3", 219_596, None),
    "event_formats/gen41_evt3_decoded.npz": ("npz", 219_596, (1280, 720)),
    "dvs_gesture_crops/gesture_01.bs2": ("nmnist", 63_471, (128, 128)),
    "dvs_gesture_crops/gesture_02.bs2": ("nmnist", 84_260, (128, 128)),
    "dvs_gesture_crops/gesture_03.bs2": ("nmnist", 113_063, (128, 128)),
    "dvs_gesture_crops/gesture_04.bs2": ("nmnist", 151_879, (128, 128)),
    "dvs_gesture_crops/gesture_05.bs2": ("nmnist", 181_179, (128, 128)),
    "dvs_gesture_crops/gesture_06.bs2": ("nmnist", 124_244, (128, 128)),
}
COLUMNS = ("t", "x", "y", "polarity")
WRITERS = {".dat": write_dat, ".bin": write_nmnist, ".npz": write_npz, ".csv": write_csv}


def same(a: Events, b: Events) -> bool:
    return a.sensor == b.sensor and all(np.array_equal(getattr(a, c), getattr(b, c)) for c in COLUMNS)


def joined(chunks: list[Events]) -> Events:
    return Events.of(*(np.concatenate([getattr(chunk, c) for chunk in chunks]) for c in COLUMNS), chunks[0].sensor)


def random_events(n: int, sensor=(34, 34), span: int = 8_000_000, seed: int = 0) -> Events:
    generator = np.random.default_rng(seed)
    x, y = (generator.integers(0, side, n) for side in sensor)
    return Events.of(np.sort(generator.integers(0, span, n)), x, y, generator.integers(0, 2, n), sensor)


@pytest.mark.parametrize("name", REAL)
def test_a_real_recording_has_its_events_whole_and_in_chunks(name, data_dir):
    format, count, sensor = REAL[name]
    recording = open_events(data_dir / name, sensor=sensor)
    whole = recording.read()
    assert (recording.format, len(whole)) == (format, count)
    Events.of(whole.t, whole.x, whole.y, whole.polarity, whole.sensor)

    assert same(joined(list(recording.chunks(count=5_000))), whole)
    windows = list(recording.chunks(duration_us=7_777))
    assert same(joined(windows), whole)
    for k in (0, len(windows) // 2, len(windows) - 1):
        opens = int(whole.t[0]) + 7_777 * k
        assert same(windows[k], whole.between(opens, opens + 7_777))


@pytest.mark.parametrize("name", ["gen3_evt2.raw", "gen41_evt3.raw", "dvs_320x240.es", "dvs_320x240.aedat4"])
def test_sensor_of_the_header_or_of_the_camera_it_names(name, data_dir):
    expected = {"gen3": (640, 480), "gen4": (1280, 720), "dvs_": (320, 240)}[name[:4]]
    assert open_events(data_dir / "event_formats" / name).sensor == expected
    assert open_events(data_dir / "event_formats" / name, sensor=(2000, 1000)).read().sensor == (2000, 1000)


def test_evt3_agrees_with_the_reference_decoding_event_for_event(data_dir):
    """x, y, polarity and order are equal. The reference takes each step back of the low clock for a turn of 4096 us.

    The words of the file refute it: the high clock, which counts 4096 us, rises by 2, so the recording lasts 8.8 ms and
    not 54. The low clock steps back 11 times: 2 are those turns, 9 are a glitch of the camera every 1000 us.
    """
    path = data_dir / "event_formats" / "gen41_evt3.raw"
    ours, reference = open_events(path).read(), np.load(data_dir / "event_formats" / "gen41_evt3_decoded.npz")
    assert all(np.array_equal(getattr(ours, c), reference[c]) for c in ("x", "y"))
    assert np.array_equal(ours.polarity, reference["p"])
    ahead = reference["t"] - ours.t
    assert ahead[0] == 0
    assert np.array_equal(np.unique(ahead), 4096 * np.arange(12))
    assert np.all(np.diff(ahead) >= 0)


@pytest.mark.parametrize("suffix", WRITERS)
def test_what_is_written_is_read_back(suffix, tmp_path):
    events = random_events(200_000)
    path = tmp_path / f"recording{suffix}"
    WRITERS[suffix](path, events)
    recording = open_events(path, sensor=(34, 34))
    assert same(recording.read(), events)
    assert same(joined(list(recording.chunks(count=65_537))), events)
    assert same(joined(list(recording.chunks(duration_us=1_000_000))), events)


def test_windows_are_counted_from_the_start_and_empty_where_nothing_happens(tmp_path):
    events = Events.of([5, 9, 10, 40], [0, 1, 2, 3], [0] * 4, [1] * 4, (4, 1))
    write_npz(tmp_path / "a.npz", events)
    recording = open_events(tmp_path / "a.npz")
    assert [chunk.t.tolist() for chunk in recording.chunks(duration_us=10)] == [[5, 9, 10], [], [], [40]]
    assert [chunk.t.tolist() for chunk in recording.chunks(duration_us=10, start_us=0)] == [[5, 9], [10], [], [], [40]]
    assert [chunk.t.tolist() for chunk in recording.chunks(duration_us=10, start_us=8)] == [[9, 10], [], [], [40]]
    assert [chunk.t.tolist() for chunk in recording.chunks(duration_us=10, start_us=41)] == []
    assert [chunk.t.tolist() for chunk in recording.chunks(count=2)] == [[5, 9], [10, 40]]


@pytest.mark.parametrize("ask", [{}, {"count": 1, "duration_us": 1}, {"count": 0}, {"count": 5, "start_us": 1}])
def test_chunks_need_one_size(ask, tmp_path):
    write_npz(tmp_path / "a.npz", random_events(5))
    with pytest.raises(ValueError, match="chunks"):
        open_events(tmp_path / "a.npz").chunks(**ask)


def test_reading_in_chunks_takes_constant_memory(tmp_path):
    path = tmp_path / "long.dat"
    part = random_events(1 << 20, (640, 480), span=1_000_000)
    write_dat(path, part)
    header_size = path.stat().st_size - 8 * len(part)
    words = np.fromfile(path, "<u4", offset=header_size).reshape(-1, 2)
    with path.open("ab") as file:
        for _ in range(23):
            words[:, 0] += 1_000_000
            file.write(words.tobytes())
    assert path.stat().st_size > 200e6
    tracemalloc.start()
    try:
        seen = sum(len(chunk) for chunk in open_events(path).chunks(duration_us=10_000))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        path.unlink()
    assert seen == 24 << 20
    assert peak < 8e6


def test_a_file_out_of_order_is_refused_and_sorted_on_request(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("t,x,y,p\n5,0,0,1\n3,1,0,1\n5,2,0,0\n")
    recording = open_events(path, sensor=(4, 4))
    with pytest.raises(EventFileError, match=r"a\.csv: event 1 \(line 3\) runs backwards in time: 3 us after 5 us"):
        recording.read()
    assert recording.read(sort=True).x.tolist() == [1, 0, 2]


def test_time_running_backwards_between_two_blocks_is_found(tmp_path):
    path = tmp_path / "a.dat"
    write_dat(path, random_events(1 << 16))
    raw = path.read_bytes()
    path.write_bytes(raw + raw[-8 * (1 << 16) :][:8])
    with pytest.raises(EventFileError, match=r"event 65536 \(byte \d+\) runs backwards"):
        open_events(path).read()


def test_a_far_future_time_is_an_error_and_no_endless_row_of_empty_windows(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("0,0,0,1\n900000000000000000,0,0,1\n")
    with pytest.raises(EventFileError, match="no event from 10 us until 900000000000000000 us"):
        list(open_events(path, sensor=(1, 1)).chunks(duration_us=10))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.dat", b"", r"is empty \(0 bytes\)"),
        ("a.xyz", b"1", "unknown suffix '.xyz', expected one of .raw"),
        ("a.aedat4", b"#!AER-DAT2.0\r\n", "begins with b'#!AER-DAT2.0"),
        ("a.es", b"Event stream", "begins with b'Event stream', expected b'Event Stream'"),
        ("a.npz", b"not a zip", "begins with b'no', expected b'PK'"),
        ("a.npz", b"PK not a zip", "not a readable .npz archive"),
        ("a.bin", bytes(7), "cut off: the last 2 of its 7 bytes, from byte 5 on"),
        ("a.bin", b"\x22\x00\x00\x00\x00", r"event 0 \(byte 0\) is at x=34, y=0, outside the 34x34 sensor"),
        ("a.bs2", bytes(5), "states no sensor size: pass sensor="),
        ("a.dat", b"% Version 2\n\x0c\x08" + bytes(9), "cut off: the last 1 of its 23 bytes, from byte 22"),
        ("a.dat", b"% Version 2\n\x0c\x10" + bytes(8), "byte 12 states events of type 12 and 16 bytes"),
        ("a.dat", b"% Version 7\n\x0c\x08" + bytes(8), "DAT version '7', expected 1 or 2"),
        ("a.dat", b"% Version 2\n% Width 0\n% Height 9\n\x0c\x08" + bytes(8), "sensor of 0x9 pixels"),
        ("a.dat", b"% Width 9\n% Height 9\n\x0c\x08" + bytes(7) + b"\x20", r"event 0 \(byte 23\) has polarity 2"),
        ("a.dat", b"% Version 2\n% Width 9\n% Height 9\n\x0c\x08", "holds no events"),
        ("a.raw", b"% evt 2.1\n", "encoding '2.1', expected a line '% evt 2.0'"),
        ("a.raw", bytes(64), "encoding ''"),
        ("a.raw", b"% evt 3.0\n% geometry 9x9\n\x00\x00\x01", "cut off: the last 1"),
        ("a.csv", b"\xff\xfe", "line 1 is not text"),
        ("a.csv", b"a,b\n", "line 1 is 'a,b', expected names of t, x, y and p"),
        ("a.csv", b"t,x,y,p\n1,2,3\n", "line 2 is '1,2,3"),
        ("a.csv", b"1,2,3,1\n1,2,3.5,0\n", "line 2 is '1,2,3.5,0"),
        ("a.csv", b"1,2,3,1\n\n1,2,3,0\n", "line 2 is ''"),
        ("a.csv", b"99999999999999999999,2,3,1\n", "line 1 is '9999"),
        ("a.csv", b"1,-2,3,1\n", r"event 0 \(line 1\) is at x=-2"),
        ("a.csv", b"t,x,y,p\n", "holds no events"),
    ],
)
def test_bad_files_are_refused_with_their_name_and_the_place(name, content, message, tmp_path):
    path = tmp_path / name
    path.write_bytes(content)
    sensor = (9, 9) if name == "a.csv" else None
    with pytest.raises(EventFileError, match=message) as caught:
        open_events(path, sensor=sensor).read()
    assert str(caught.value).startswith(f"{path}: ")


@pytest.mark.parametrize(
    "content",
    [
        "1;2;3;1\n4;5;6;0\n\n",
        "1 2 3 1\n4 5 6 0",
        "x\ty\ton\ttimestamp\r\n2\t3\t1\t1\r\n5\t6\t0\t4\r\n",
        " 1, 2, 3, 1\n+4,5,6,0\n",
    ],
)
def test_csv_of_other_tools(content, tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(content.encode())
    events = open_events(path, sensor=(9, 9)).read()
    assert [column.tolist() for column in (events.t, events.x, events.y, events.polarity)] == [
        [1, 4],
        [2, 5],
        [3, 6],
        [True, False],
    ]


def test_what_is_no_file_is_refused(tmp_path):
    with pytest.raises(EventFileError, match="no such file"):
        open_events(tmp_path / "none.dat")
    with pytest.raises(EventFileError, match="is a folder, expected one recording"):
        open_events(tmp_path)
    os.mkfifo(tmp_path / "pipe.dat")
    with pytest.raises(EventFileError, match="is not a plain file"):
        open_events(tmp_path / "pipe.dat")


def test_a_message_stays_short_and_printable():
    message = str(EventFileError.of("a.es", "got \x00\x1b[2J" + 1_000 * "y"))
    assert message.startswith("a.es: got \\x00\\x1b[2Jyyy")
    assert message.endswith("y...")
    assert len(message) < 400


def test_a_file_that_shrinks_while_it_is_read_is_an_error(tmp_path):
    path = tmp_path / "a.dat"
    write_dat(path, random_events(200_000))
    chunks = open_events(path).chunks(count=65_536)
    next(chunks)
    os.truncate(path, 700_000)
    with pytest.raises(EventFileError, match="something else has shortened it"):
        list(chunks)


def test_the_content_decides_before_the_suffix(tmp_path, data_dir):
    shutil.copy(data_dir / "event_formats" / "dvs_320x240.es", tmp_path / "renamed.dat")
    assert open_events(tmp_path / "renamed.dat").format == "es"


@pytest.mark.parametrize(
    ("write", "events", "message"),
    [
        (write_dat, Events.of([1 << 32], [0], [0], [0], (1, 1)), "times from 0 to 4294967295 us"),
        (write_dat, Events.of([-1], [0], [0], [0], (1, 1)), "times from 0"),
        (write_nmnist, Events.of([1 << 23], [0], [0], [0], (1, 1)), "times from 0 to 8388607 us"),
        (write_nmnist, Events.empty((257, 1)), "up to 256x256"),
    ],
)
def test_writers_refuse_what_their_format_cannot_hold(write, events, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        write(tmp_path / "a", events)
