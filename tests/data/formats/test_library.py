"""The child process that decodes: late, dead and reused children, and what the parent makes of them."""

import os
import subprocess
import sys

import numpy as np
import pytest
from faery.extension import aedat

from ranvier.data.formats import EventFileError, library, open_events
from ranvier.data.formats.library_child import EVENT


@pytest.fixture
def path(tmp_path, data_dir):
    """A small AEDAT4 file of four packets."""
    source = aedat.Decoder(data_dir / "event_formats" / "dvs_320x240.aedat4")
    with aedat.Encoder(tmp_path / "a.aedat4", source.description(), ("lz4", 1)) as encoder:
        for k in range(4):
            rows = np.zeros(100, EVENT)
            rows["t"] = 1_000 * k + np.arange(100)
            encoder.write(0, rows)
    return tmp_path / "a.aedat4"


def test_one_child_serves_one_file_after_the_other(path):
    open_events(path).read()
    (child,) = library._idle
    assert len(open_events(path).read()) == 400
    assert library._idle == [child]


def test_two_recordings_can_be_read_at_once(path):
    pairs = zip(open_events(path).chunks(count=100), open_events(path).chunks(count=100), strict=True)
    assert [a.t[0] == b.t[0] for a, b in pairs] == [True] * 4
    assert len(library._idle) == 1


def test_reading_may_stop_in_the_middle(path):
    chunks = open_events(path).chunks(count=10)
    next(chunks)
    chunks.close()
    assert len(open_events(path).read()) == 400


def test_a_child_that_dies_is_an_error_of_its_file_and_replaced(path):
    recording = open_events(path)
    (child,) = library._idle
    chunks = recording.chunks(count=100)
    next(chunks)
    child.process.kill()
    with pytest.raises(EventFileError, match="decoded as aedat4 after event 100: brought the decoder down"):
        list(chunks)
    assert len(recording.read()) == 400


def test_an_idle_child_that_has_died_is_no_error(path):
    recording = open_events(path)
    (child,) = library._idle
    child.process.kill()
    child.process.wait()
    assert len(recording.read()) == 400


def test_a_decoder_that_hangs_is_stopped(tmp_path, monkeypatch):
    # Nobody writes into this pipe: to open it never ends.
    os.mkfifo(tmp_path / "a.es")
    monkeypatch.setattr(library, "TIME_LIMIT_S", 0.3)
    with pytest.raises(EventFileError, match=r"a\.es: cannot be decoded as es: took longer than 0\.3 s"):
        library.open_es(tmp_path / "a.es", None)


def test_time_that_runs_backwards_in_an_aedat4_file_is_held_still_by_the_library(path):
    description = aedat.Decoder(path).description()
    with aedat.Encoder(path, description, None) as encoder:
        rows = np.zeros(5, EVENT)
        rows["t"] = 1_000_000_000 + np.arange(5)
        encoder.write(0, rows)
    raw = path.read_bytes()
    third, early = (t.to_bytes(8, "little") for t in (1_000_000_003, 1_000_000_000))
    assert raw.count(third) == 1
    path.write_bytes(raw.replace(third, early))
    assert (open_events(path).read().t - 1_000_000_000).tolist() == [0, 1, 2, 2, 4]


def test_a_child_that_answers_with_an_error_is_kept_and_one_that_panics_is_not(path, monkeypatch):
    open_events(path)
    (child,) = library._idle
    raw = path.read_bytes()
    path.write_bytes(raw[:-500])
    with pytest.raises(EventFileError):
        open_events(path).read()
    assert library._idle == [child]
    answer = {"error": "range start index 9 out of range", "panic": True}
    monkeypatch.setattr(library.json, "loads", lambda line: answer)
    with pytest.raises(EventFileError, match="range start index 9"):
        open_events(path)
    assert library._idle == []


def test_a_forked_process_starts_a_child_of_its_own(path):
    recording = open_events(path)
    (child,) = library._idle
    pid = os.fork()
    if pid == 0:
        os._exit(0 if len(recording.read()) == 400 and library._idle[-1] is not child else 1)
    assert os.waitpid(pid, 0)[1] == 0
    assert len(recording.read()) == 400


def test_no_child_outlives_a_program(path):
    program = (
        "import sys; from ranvier.data.formats import library, open_events; open_events(sys.argv[1]).read(); "
        "print(library._idle[0].process.pid)"
    )
    command = [sys.executable, "-W", "error", "-c", program, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    with pytest.raises(ProcessLookupError):
        os.kill(int(done.stdout), 0)
