"""The facts of `ranvier info`, against counts by hand."""

import json

import numpy as np
import pytest

from ranvier.data.describe import describe
from ranvier.data.events import Events
from ranvier.data.formats import EventFileError, open_events, write_npz


def test_facts_of_five_events(tmp_path):
    path = tmp_path / "a.npz"
    events = Events.of([100, 200, 10_099, 10_100, 40_100], [1, 1, 1, 3, 2], [0, 0, 0, 1, 1], [1, 1, 0, 1, 0], (6, 4))
    write_npz(path, events)
    facts = describe(path)
    assert facts.pop("bytes") == path.stat().st_size
    assert facts == {
        "path": str(path),
        "format": "npz",
        "sensor": [6, 4],
        "seen": [4, 2],
        "events": 5,
        "first_us": 100,
        "last_us": 40_100,
        "duration_us": 40_000,
        "on_share": 0.6,
        "rate_mean": 125.0,
        "rate_peak": 300.0,
        "active_pixels": 3,
        "busiest": [
            {"x": 1, "y": 0, "events": 3, "share": 0.6},
            {"x": 2, "y": 1, "events": 1, "share": 0.2},
            {"x": 3, "y": 1, "events": 1, "share": 0.2},
        ],
    }
    json.dumps(facts)


def test_one_moment_has_no_mean_rate(tmp_path):
    write_npz(tmp_path / "a.npz", Events.of([5], [0], [0], [1], (1, 1)))
    assert describe(tmp_path / "a.npz")["rate_mean"] is None


def test_peak_of_a_real_recording_over_many_chunks(data_dir):
    path = data_dir / "event_formats" / "dvs_320x240.es"
    facts = describe(path)
    recording = open_events(path)
    windows = [len(chunk) for chunk in recording.chunks(duration_us=10_000)]
    assert (facts["events"], facts["rate_peak"]) == (sum(windows), max(windows) * 100)
    pixels = np.zeros((240, 320), int)
    whole = recording.read()
    np.add.at(pixels, (whole.y, whole.x), 1)
    assert facts["busiest"][0]["events"] == pixels.max()
    assert facts["active_pixels"] == (pixels > 0).sum()


def test_a_silent_header_is_an_error_that_says_what_to_pass(data_dir):
    path = data_dir / "event_formats" / "ncars_sample_td.dat"
    with pytest.raises(EventFileError, match="pass sensor="):
        describe(path)
    assert describe(path, sensor=(120, 100))["seen"] == [78, 42]
