"""`ranvier info` on session files."""

import json

import numpy as np
import pytest

from ranvier.cli import OK, USAGE, main
from tests.data.made_sessions import write_matlab


@pytest.fixture
def session(tmp_path):
    path = tmp_path / "indy_20160630_01.mat"
    t = 0.5 + 0.004 * np.arange(600)
    finger = np.stack([0 * t, np.sin(t), np.cos(t)], 1)
    write_matlab(path, [[[0.6, 0.7, 99.0], [], [1.0]], [[0.8], [], []]], t=t, finger=finger)
    return path


def test_facts_and_a_raster(session, tmp_path, capsys):
    picture = tmp_path / "raster.png"
    assert main(["info", str(session), "--picture", str(picture)]) == OK
    out = capsys.readouterr().out
    for said in (
        "3, 1 of them silent: M1 002",
        "4 times; 1 more are outside the clock",
        "0.500 to 2.896 s, steps of 4 ms",
        "one, without a gap",
        "2 axes, standard deviation",
        f"wrote {picture}",
    ):
        assert said in out
    assert picture.read_bytes()[:4] == b"\x89PNG"


def test_json_for_scripts(session, capsys):
    assert main(["info", str(session), "--json"]) == OK
    found = json.loads(capsys.readouterr().out)
    assert (found["path"], found["units"], found["dead"]) == (str(session), 3, ["M1 002"])


def test_an_npz_of_counts_is_told_from_one_of_events(data_dir, capsys):
    assert main(["info", str(data_dir / "neural_reach" / "m1_chewie_center_out_trials.npz")]) == OK
    out = capsys.readouterr().out
    assert "174, 11 of them silent" in out
    assert "counted in bins of 100 ms" in out
    assert "159, median 1 s" in out


def test_a_damaged_session_is_one_line(tmp_path, capsys):
    (tmp_path / "a.mat").write_bytes(b"nonsense")
    assert main(["info", str(tmp_path / "a.mat")]) == USAGE
    assert "a.mat: damaged" in capsys.readouterr().err
    assert main(["info", str(tmp_path / "absent.nwb")]) == USAGE
    assert "absent.nwb: no such file" in capsys.readouterr().err
