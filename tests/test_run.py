"""The run folder: written in one piece, opened with clear errors."""

import errno
import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from ranvier import run as run_folder
from ranvier.recipes import load
from ranvier.run import append_metrics, cut_metrics, open_run, start_run, write_atomically


def test_start_and_open(tmp_path: Path) -> None:
    recipe = load("digits-conv-tiny")
    started = start_run(tmp_path / "a" / "b", recipe)
    assert open_run(tmp_path / "a" / "b") == started
    saved = json.loads((tmp_path / "a" / "b" / "config.json").read_text())
    assert (saved["schema"], saved["recipe"]) == (1, "digits-conv-tiny")


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no run at .*nowhere: expected a folder with config\.json"):
        open_run(tmp_path / "nowhere")
    run = start_run(tmp_path / "run", load("digits-conv-tiny"))
    with pytest.raises(FileNotFoundError, match=r"no result\.json: the run is not finished"):
        run.result  # noqa: B018
    with pytest.raises(FileNotFoundError, match=r"no weights\.safetensors: the run is not finished"):
        run.net()
    assert run.metrics == []


@pytest.mark.parametrize("content", ["{", "{}", '{"config": {"nonsense": 1}}', '{"config": 3}'])
def test_a_damaged_configuration_is_named(content: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(ValueError, match=r"cannot read .*config\.json"):
        open_run(tmp_path)


def test_a_start_that_was_killed_can_be_repeated(tmp_path: Path) -> None:
    (tmp_path / ".config.json.tmp").write_text("{")
    start_run(tmp_path, load("digits-conv-tiny"))
    assert [file.name for file in tmp_path.iterdir()] == ["config.json"]


def test_data_that_have_moved_do_not_hinder_a_run_from_going_on(tmp_path: Path) -> None:
    recipe = load("gen1-spikefpn")
    start_run(tmp_path, recipe)
    moved = replace(recipe, data=replace(recipe.data, root="/elsewhere"))  # type: ignore[call-arg]
    assert start_run(tmp_path, moved, resume=True).config == moved
    assert open_run(tmp_path).config == moved
    other = replace(moved, data=replace(moved.data, steps=7))  # type: ignore[call-arg]
    with pytest.raises(ValueError, match=r"other settings:\n  data\.steps: 3 -> 7\n"):
        start_run(tmp_path, other, resume=True)


def test_metrics_are_cut_and_a_broken_last_line_is_left_out(tmp_path: Path) -> None:
    run = start_run(tmp_path / "run", load("digits-conv-tiny"))
    append_metrics(run, [{"step": 1}, {"step": 2}, {"step": 3}])
    with open(run.path / "metrics.jsonl", "a") as file:
        file.write('{"step": 4, "lo')
    assert [line["step"] for line in run.metrics] == [1, 2, 3]
    cut_metrics(run, 2)
    assert (run.path / "metrics.jsonl").read_text() == '{"step": 1}\n{"step": 2}\n'


def test_a_failed_write_leaves_the_old_file_and_no_rubbish(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = start_run(tmp_path, load("digits-conv-tiny"))
    append_metrics(run, [{"step": 1}])
    file = tmp_path / "file"
    write_atomically(file, b"old")
    before = sorted(tmp_path.iterdir())

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(run_folder.os, "fsync", full)
    with pytest.raises(OSError, match=r"could not write file \(No space left on device\)") as failed:
        write_atomically(file, b"new")
    assert failed.value.errno == errno.ENOSPC
    assert file.read_bytes() == b"old"
    assert sorted(tmp_path.iterdir()) == before
    with pytest.raises(OSError, match=r"could not write metrics\.jsonl \(No space left on device\).*--resume"):
        append_metrics(run, [{"step": 2}])
