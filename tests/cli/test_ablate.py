"""Comparisons are listed, trained once, and end in one table."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from ranvier.cli import OK, USAGE, main
from ranvier.recipes import ablations, load
from ranvier.recipes.ablations import ABLATIONS, Ablation
from ranvier.run import Run


@pytest.fixture
def small(finished_run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A comparison of two tiny classifiers on made-up recordings."""
    recipe = replace(load("nmnist-conv-tiny"), data=finished_run.config.data)
    narrow = replace(recipe, model=replace(recipe.model, channels=(1, 1)))
    monkeypatch.setitem(ABLATIONS, "width", lambda: Ablation("wide is better", {"wide": recipe, "narrow (1)": narrow}))


def test_one_table_and_no_training_twice(small: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ablate", "width", "--run", str(tmp_path), "--seeds", "2", "--json"]) == OK
    found = json.loads(capsys.readouterr().out)
    assert found["claim"] == "wide is better"
    assert [(row["variant"], row["runs"]) for row in found["variants"]] == [("wide", 2), ("narrow (1)", 2)]
    folders = sorted(path.name for path in tmp_path.iterdir())
    assert folders == ["narrow-1-0", "narrow-1-1", "wide-0", "wide-1"]
    result = json.loads((tmp_path / "wide-1" / "result.json").read_text())
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("weights.safetensors")}
    assert main(["ablate", "width", "--run", str(tmp_path), "--seeds", "2"]) == OK
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("weights.safetensors")} == before
    said = capsys.readouterr().out
    assert "claim: wide is better" in said
    assert "| variant " in said
    assert "accuracy, % ↑" in said
    assert "time |" in said
    scores = [json.loads((tmp_path / f"wide-{k}" / "result.json").read_text())["accuracy"] for k in (0, 1)]
    assert found["variants"][0]["mean"] == pytest.approx(sum(scores) / 2)
    assert result["accuracy"] == scores[1]


def test_without_a_name_they_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ablate"]) == OK
    listed = capsys.readouterr().out
    assert all(name in listed for name in ABLATIONS)
    assert main(["ablate", "stm"]) == USAGE
    assert "no comparison 'stm': expected one of stem, " in capsys.readouterr().err


@pytest.mark.parametrize("name", ABLATIONS)
def test_variants_of_a_comparison_differ_in_what_it_names(name: str) -> None:
    ablation = ablations.ABLATIONS[name]()
    assert ablation.claim
    assert len(ablation.variants) >= 2
    assert len(set(ablation.variants.values())) == len(ablation.variants)
    assert len({recipe.train for recipe in ablation.variants.values()}) <= 2
