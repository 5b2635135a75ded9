"""All six from the command line, each twice: the second time nothing is trained or measured."""

import json
from pathlib import Path

import pytest

from ranvier.cli import OK, USAGE, main
from ranvier.recipes import Cortex
from ranvier.recipes.protocols import PROTOCOLS
from ranvier.run import open_run
from tests.data.made_sessions import write_made_day

SAYS = {
    "single-session": ("day 1", "kalman", "to ridge"),
    "multi-session": ("of all days", "of 2"),
    "new-session": ("zero-shot", "from scratch", "0.2 min"),
    "inference-speed": ("step p50, ms", "MACs a step", "window"),
    "calibration-speed": ("95%, steps", "end, time"),
    "scaling": ("2 days", "exponent"),
}


def files(folder: Path) -> dict[Path, int]:
    """Return when each result below a folder was written, but for the table, which is written anew."""
    found = [*folder.rglob("*.json"), *folder.rglob("*.safetensors")]
    return {path: path.stat().st_mtime_ns for path in found if path.name != "table.json"}


@pytest.mark.parametrize("name", PROTOCOLS)
def test_a_table_a_picture_and_nothing_twice(name, tmp_path, capsys):
    cortex = [] if name == "inference-speed" else ["--data", "cortex"]
    typed = ["protocol", name, "--quick", *cortex, "--out", str(tmp_path)]
    assert main([*typed, "--json"]) == OK
    found = json.loads(capsys.readouterr().out)
    assert found["protocol"] == name
    assert found == json.loads((tmp_path / "table.json").read_text()) | {"folder": str(tmp_path)}
    assert (tmp_path / "table.png").read_bytes()[:4] == b"\x89PNG"
    before = files(tmp_path)
    assert before
    assert main(typed) == OK
    out = capsys.readouterr().out
    assert files(tmp_path) == before
    assert all(said in out for said in (*SAYS[name], f"wrote {tmp_path / 'table.png'}"))
    assert json.loads((tmp_path / "table.json").read_text())["rows"] == found["rows"]


def test_days_of_ones_own(tmp_path, capsys):
    days = Cortex(neurons=8, replaced=0, minutes=0.5)
    for day, name in enumerate(("monday", "tuesday")):
        write_made_day(tmp_path / f"{name}.npz", days, day)
    typed = ["protocol", "multi-session", "--quick", "--bin-ms", "50", "--data", str(tmp_path)]
    assert main([*typed, "--out", str(tmp_path / "out"), "--json"]) == OK
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert [row["day"] for row in rows] == ["monday", "tuesday"]
    assert open_run(tmp_path / "out" / "gru-0-day-2").config.data.days == ("tuesday",)
    runs = (str(tmp_path / "out" / f"gru-0-{which}") for which in ("day-1", "day-2", "together"))
    assert main(["table", *runs]) == OK
    assert capsys.readouterr().out.count("| per_day") == 1
    assert main(["protocol", "single-session", "--data", str(tmp_path / "none")]) == USAGE
    assert "none" in capsys.readouterr().err


def test_other_settings_are_measured_anew_or_refused(tmp_path, capsys):
    typed = ["protocol", "inference-speed", "--quick", "--backbones", "gru", "--out", str(tmp_path), "--json"]
    assert main(typed) == OK
    first = json.loads(capsys.readouterr().out)["rows"]
    assert main([*typed, "--steps", "30"]) == OK
    assert json.loads(capsys.readouterr().out)["rows"] != first
    trained = ["protocol", "single-session", "--quick", "--days", "1", "--data", "cortex", "--out", str(tmp_path)]
    assert main(trained) == OK
    assert main([*trained, "--width", "64"]) == USAGE
    assert "was started with other settings" in capsys.readouterr().err


def test_what_reads_no_recordings_says_so(capsys):
    assert main(["protocol", "inference-speed", "--data", "cortex"]) == USAGE
    assert "inference-speed reads no recordings: leave --data away" in capsys.readouterr().err


def test_they_are_listed(capsys):
    assert main(["protocol"]) == OK
    listed = capsys.readouterr().out
    assert all(name in listed for name in PROTOCOLS)
    assert main(["protocol", "multi"]) == USAGE
    assert "no protocol 'multi': expected one of single-session, " in capsys.readouterr().err


def test_what_needs_several_days_says_so(tmp_path, capsys):
    for name, said in {
        "multi-session": "expected two days or more, got 1: use --days",
        "new-session": "expected two days or more, got 1: use --days",
        "scaling": "expected 2 days, got 1: use --days",
    }.items():
        assert main(["protocol", name, "--quick", "--days", "1", "--out", str(tmp_path)]) == USAGE
        assert said in capsys.readouterr().err
    assert main(["protocol", "new-session", "--quick", "--calibration", "9", "--out", str(tmp_path)]) == USAGE
    assert "expected 540 s of every day, day 2 has 21 s: ask for less" in capsys.readouterr().err
