"""`ranvier train sdn-small`, shortened: it learns, and every command works on what it leaves."""

import json
from pathlib import Path

import pytest

from ranvier.cli import main
from ranvier.run import Run, open_run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("imitate") / "run"
    few = ["--data.steps=128", "--data.count=1024", "--data.held-out=64", "--train.batch-size=16", "--train.epochs=2"]
    assert main(["train", "sdn-small", "--data.tau", "0.5", *few, "--run", str(folder), "--json"]) == 0
    return open_run(folder)


def test_it_learns_more_than_to_forget(run: Run) -> None:
    result = run.result
    assert run.config.data.tau == 0.5  # type: ignore[union-attr]
    assert result["memoryless"] + 0.01 < result["accuracy"] < 1
    assert result["f1"] > 0.8
    assert result["samples"] == 64
    assert result["firing_rate"] == {}


def test_every_command_works_on_it(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    path, accuracy = str(run.path), run.result["accuracy"]
    assert main(["test", path, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["probes"] == run.result["probes"]
    assert main(["test", path]) == 0
    shown = capsys.readouterr().out
    assert f"spike accuracy {100 * accuracy:.1f} %" in shown
    assert all(f"constant {current}:" in shown for current in ("0.88", "0.90", "0.95"))
    assert main(["info", path]) == 0
    assert "currents" in capsys.readouterr().out
    assert main(["audit", path, "--samples", "2", "--json"]) == 0
    audited = json.loads(capsys.readouterr().out)
    assert audited["parameters"] == 193
    assert audited["uncounted"] == []
    page = (run.path / "report.html").read_text()
    assert "What it predicts" in page
    assert f"{accuracy:.3%}" in page


def test_a_run_without_events_is_not_streamed(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recording = tmp_path / "events.csv"
    recording.write_text("t,x,y,p\n1,1,1,1\n2,1,1,0\n")
    assert main(["stream", str(run.path), str(recording), "--sensor", "2", "2"]) == 2
    assert "currents" in capsys.readouterr().err
