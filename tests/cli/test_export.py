"""`ranvier export`: a run becomes a file that says the same."""

import json
from dataclasses import replace

import pytest
import torch
from safetensors.torch import save_file

from ranvier import models
from ranvier.cli import FAILED, OK, USAGE, main
from ranvier.export import load_step
from ranvier.recipes import Cortex, load
from ranvier.run import Run, start_run


@pytest.fixture(scope="module")
def decoder(tmp_path_factory) -> Run:
    """A decoder of two days that has learned nothing."""
    recipe = load("decode-gru")
    recipe = replace(
        recipe,
        data=Cortex(neurons=20, minutes=1, replaced=3, days=2, bin_ms=20, steps=40),
        model=replace(recipe.model, in_channels=20, days=2, adapter="per_day", width=32, layers=1),
    )
    run = start_run(tmp_path_factory.mktemp("decoder") / "run", recipe)
    torch.manual_seed(0)
    save_file(models.build(recipe.model).state_dict(), run.path / "weights.safetensors")
    return run


def test_a_decoder_says_the_same_in_its_file(decoder, capsys) -> None:
    assert main(["export", str(decoder.path), "--day", "1", "--steps", "150"]) == OK
    out = capsys.readouterr().out
    path = decoder.path / "step.onnx"
    for said in (
        "x [1, 20] and the memory: backbone.h [1, 1, 32]",
        "150 held-out steps one by one",
        "0 % of the steps apart",
        "by the network, on these steps",
        f"wrote {path}",
    ):
        assert said in " ".join(out.split())
    about = load_step(path).about
    assert (about["recipe"], about["data.bin_ms"], about["day"]) == ("decode-gru", "20", "1")


def test_eight_bits_for_scripts(decoder, tmp_path, capsys) -> None:
    path = tmp_path / "small.onnx"
    command = ["export", str(decoder.path), "--day", "0", "--int8", "--out", str(path), "--steps", "150", "--json"]
    assert main(command) == OK
    found = json.loads(capsys.readouterr().out)
    assert found["path"] == str(path)
    assert found["bytes"] == path.stat().st_size
    assert found["steps"] == 150
    assert 0 < found["largest_difference"] < 0.05 * found["largest_answer"]
    assert found["r2_file"] == pytest.approx(found["r2_network"], abs=0.05)


def test_a_file_that_says_something_else_is_a_failure(decoder, tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.setattr("ranvier.export.agreement.TOLERANCE", -1.0)
    assert main(["export", str(decoder.path), "--day", "0", "--out", str(tmp_path / "a"), "--steps", "60"]) == FAILED
    assert "does not say what the network says" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "knows 2 recording days: say for which one, --day 0 to --day 1"),
        (["--day", "2"], "knows 2 recording days, numbered from 0; got --day 2"),
        (["--day", "0", "--steps", "0"], "--steps of 1 or more"),
    ],
)
def test_wrong_usage(decoder, arguments, said, capsys) -> None:
    assert main(["export", str(decoder.path), *arguments]) == USAGE
    assert said in capsys.readouterr().err


def test_days_are_for_decoders(finished_run, capsys) -> None:
    assert main(["export", str(finished_run.path), "--day", "0"]) == USAGE
    assert "knows 0 recording days" in capsys.readouterr().err
