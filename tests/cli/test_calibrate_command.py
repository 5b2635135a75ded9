"""`ranvier calibrate`: a run for a new day, and what is refused."""

import json
from dataclasses import replace

import pytest
import torch
from safetensors.torch import save_file

from ranvier import models
from ranvier.cli import OK, USAGE, main
from ranvier.data import datasets
from ranvier.recipes import Cortex, load
from ranvier.run import Run, open_run, start_run
from tests.data.made_sessions import write_made_day

DAYS = Cortex(neurons=12, replaced=2, gain=0.5, minutes=2.0, bin_ms=50.0, steps=40, shares=(0.7, 0.1), days=2)


@pytest.fixture(scope="module")
def known(tmp_path_factory) -> Run:
    """A run of a decoder of two days that has learned nothing."""
    recipe = load("decode-gru")
    model = replace(recipe.model, in_channels=12, width=16, days=2, adapter="per_day", channel_dropout=0.0)
    run = start_run(tmp_path_factory.mktemp("known") / "run", replace(recipe, data=DAYS, model=model))
    torch.manual_seed(0)
    net = models.build(model)
    net.set_scale(*map(torch.from_numpy, datasets.build(DAYS, "train").scale()))
    save_file(net.state_dict(), run.path / "weights.safetensors")
    return run


def write_session(path, *, units=12, bins=2400):
    """The day that follows, as a session of one's own."""
    return write_made_day(path, replace(DAYS, neurons=units), 2, bins=bins)


def test_a_session_becomes_a_run_that_others_open(known, tmp_path, capsys):
    session, out = write_session(tmp_path / "tuesday.npz"), tmp_path / "calibrated"
    typed = ["calibrate", str(known.path), "--data", session, "--minutes", "0.5", "--out", str(out)]
    assert main([*typed, "--steps", "60", "--lr", "1e-2", "--json"]) == OK
    found = json.loads(capsys.readouterr().out)
    assert found["r2"] > found["calibration"]["r2_before"] + 0.3
    assert found["bins"] == 2400 - 600
    new = open_run(out)
    assert (new.config.model.days, new.config.data.root, new.result["r2"]) == (1, session, found["r2"])
    train, val = (datasets.build(new.config.data, split) for split in ("train", "val"))
    assert [len(part.stretches[0].x) for part in (train, val)] == [480, 120]
    assert main(["test", str(out), "--json"]) == OK
    assert json.loads(capsys.readouterr().out)["r2"] == pytest.approx(found["r2"])
    assert main(["info", str(out)]) == OK
    assert "decode-gru" in capsys.readouterr().out
    # From there on to another day.
    assert main(["calibrate", str(out), "--data", session, "--minutes", "0.5", "--steps", "2"]) == OK
    said = capsys.readouterr().out
    assert "before" in said
    assert f"wrote {tmp_path / 'calibrated-tuesday'}" in said


def test_a_made_cortex_has_another_day(known, tmp_path, capsys):
    assert (
        main(["calibrate", str(known.path), "--minutes", "0.5", "--steps", "2", "--out", str(tmp_path / "new")]) == OK
    )
    data = open_run(tmp_path / "new").config.data
    assert (data.first_day, data.days) == (2, 1)
    assert "a ridge fitted to them reaches" in capsys.readouterr().out


def test_what_is_refused_leaves_no_folder(known, tmp_path, capsys):
    short, other = write_session(tmp_path / "short.npz", bins=400), write_session(tmp_path / "other.npz", units=9)
    for typed, said in (
        (["--data", other], "cannot read the new day: other has 9 units, the decoder was trained on 12"),
        (["--data", short], "the session of short has 0.33 minutes, --minutes 1 leaves nothing to judge by"),
        (["--data", str(tmp_path)], "expected the session of one day"),
        (["--data", str(tmp_path / "none.npz")], "none.npz"),
        (["--minutes", "0"], "expected --minutes"),
    ):
        out = tmp_path / "refused"
        assert main(["calibrate", str(known.path), *typed, "--out", str(out)]) == USAGE
        assert said in capsys.readouterr().err
        assert not out.exists()
    assert main(["calibrate", str(known.path), "--out", str(known.path)]) == USAGE
    assert "is there already: choose another folder with --out" in capsys.readouterr().err


def test_a_run_of_something_else_is_refused(finished_run, tmp_path, capsys):
    assert main(["calibrate", str(finished_run.path), "--out", str(tmp_path / "new")]) == USAGE
    assert "expected a run of a decoder, such as decode-gru, got one of 'nmnist-conv-tiny'" in capsys.readouterr().err
