"""`ranvier table` on folders of runs, finished and not."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from ranvier.cli import FAILED, OK, USAGE, main
from ranvier.recipes.saved import to_plain
from ranvier.run import Run, write_json


@pytest.fixture
def folder(finished_run: Run, tmp_path: Path) -> Path:
    """Two seeds, one of them in a folder within, and a run that is not finished."""
    recipe = finished_run.config
    for place, seed in (("one", 0), ("more/two", 1), ("early", 2)):
        shutil.copytree(finished_run.path, tmp_path / place)
        other = replace(recipe, train=replace(recipe.train, seed=seed))
        write_json(tmp_path / place / "config.json", {"config": to_plain(other)})
    (tmp_path / "early" / "result.json").unlink()
    return tmp_path


def test_a_folder_of_runs_is_one_table(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["table", str(folder), str(folder / "one"), "--samples", "2"]) == OK
    printed = capsys.readouterr()
    rows = [line for line in printed.out.splitlines() if line.startswith("|")]
    assert len(rows) == 3
    assert "± 0.00 |    2 |" in rows[2]
    assert printed.err == f"left out: {folder / 'early'}: not finished\n"


def test_it_is_written_to_a_file(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = folder / "table.tex"
    command = ["table", str(folder), "--samples", "0", "--format", "latex", "--out", str(out)]
    assert main(command) == OK
    assert capsys.readouterr().out == f"wrote {out}\n"
    assert r"\toprule" in out.read_text()


def test_json_says_every_score(folder: Path, finished_run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["table", str(folder), "--samples", "0", "--json"]) == OK
    (((row,),)) = json.loads(capsys.readouterr().out)["tables"]
    assert row["folders"] == [str(folder / "more/two"), str(folder / "one")]
    assert row["scores"] == [finished_run.result["accuracy"]] * 2
    assert (row["sd"], row["energy_pj"], row["firing_rate"]) == (0, None, None)


def test_what_is_left_out_is_said(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(folder / "one", folder / "same")
    (folder / "early" / "config.json").write_text("{}")
    assert main(["table", str(folder), "--samples", "0"]) == OK
    said = capsys.readouterr().err
    assert f"left out: {folder / 'early'}: cannot read" in said
    assert f"left out: {folder / 'same'}: same settings and seed as {folder / 'one'}\n" in said


def test_nothing_to_tabulate(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["table", str(folder / "early")]) == FAILED
    assert capsys.readouterr().err.endswith("ranvier: no finished run: nothing to tabulate\n")
    for arguments, message in (
        ([], "expected folders of runs"),
        ([str(tmp_path / "nowhere")], "no run at"),
        ([str(folder), "--samples", "-1"], "expected --samples of 0 or more, got -1"),
    ):
        assert main(["table", *arguments]) == USAGE
        assert message in capsys.readouterr().err


def test_weights_of_another_network_are_named(folder: Path, finished_run: Run, capsys) -> None:
    recipe = finished_run.config
    wide = replace(recipe, model=replace(recipe.model, channels=(9, 9)))
    write_json(folder / "one" / "config.json", {"config": to_plain(wide)})
    assert main(["table", str(folder / "one")]) == USAGE
    assert "weights.safetensors does not fit the network of config.json" in capsys.readouterr().err
