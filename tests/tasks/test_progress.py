"""What a training shows on a terminal and elsewhere."""

import sys

import pytest

from ranvier.recipes import Classify
from ranvier.tasks.progress import show_training

LINE = {"epoch": 0, "step": 4, "split": "val", "loss": 1.0, "accuracy": 0.25, "seconds": 3.0}


def test_a_terminal_gets_one_moving_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "120")
    with show_training(steps=8, first=2, epochs=2, task=Classify(), enabled=True) as show:
        show.measured(LINE)
        show.step(5, epoch=1, loss=0.5)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "epoch 2/2  loss 0.500  val accuracy 25.0 %" in shown.err


def test_a_file_gets_one_line_a_measurement(capsys: pytest.CaptureFixture[str]) -> None:
    with show_training(steps=8, first=0, epochs=2, task=Classify(), enabled=True) as show:
        show.step(5, epoch=1, loss=0.5)
        show.measured(LINE)
    assert capsys.readouterr().err == "epoch 1/2  val loss 1.0000  accuracy 25.0 %  3 s\n"


def test_silence(capsys: pytest.CaptureFixture[str]) -> None:
    with show_training(steps=8, first=0, epochs=2, task=Classify(), enabled=False) as show:
        show.step(5, epoch=1, loss=0.5)
        show.measured(LINE)
    assert capsys.readouterr() == ("", "")
