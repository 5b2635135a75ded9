"""`ranvier data lra`: what of Long Range Arena is there, what is missing and where it belongs."""

import json

import pytest

from ranvier.cli import FAILED, OK, USAGE, main
from ranvier.data.sequences.arena import PLACES, check

TASKS = {"listops": 3, "text": 4, "retrieval": 3, "image": 1, "pathfinder": 2, "path-x": 2}


def put(root, place):
    """Put something where a place is looked for."""
    path = root / place.paths[0]
    if path.suffix == ".tsv":
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("something\n")
    else:
        path.mkdir(parents=True)
        (path / "0").write_text("something\n")
    return path


@pytest.fixture
def whole(tmp_path):
    for place in PLACES:
        put(tmp_path, place)
    return tmp_path


def test_all_six_tasks_are_looked_for(whole):
    findings = check(whole)
    counts = {task: sum(finding.place.task == task for finding in findings) for task in TASKS}
    assert (counts, len(findings)) == (TASKS, sum(TASKS.values()))
    assert all(finding.found == whole / finding.place.paths[0] for finding in findings)


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.paths[0].rpartition("/")[2])
def test_what_is_empty_is_missing(tmp_path, place):
    path = put(tmp_path, place)
    if path.is_dir():
        (path / "0").unlink()
    else:
        path.write_text("")
    assert [finding.found for finding in check(tmp_path)] == [None] * len(PLACES)


def test_one_form_of_the_images_is_enough(tmp_path):
    folder = tmp_path / "cifar10" / "cifar-10-batches-bin"
    folder.mkdir(parents=True)
    (folder / "test_batch.bin").write_bytes(b"x")
    (found,) = [finding.found for finding in check(tmp_path) if finding.place.task == "image"]
    assert found == folder


def test_the_command_says_that_all_is_there(whole, capsys):
    assert main(["data", "lra", "--root", str(whole)]) == OK
    shown = capsys.readouterr().out
    assert (shown.count("ok "), shown.count("missing")) == (len(PLACES), 0)


def test_the_command_says_what_is_missing_and_where_it_belongs(whole, capsys):
    path = whole / "listops" / "basic_val.tsv"
    path.unlink()
    assert main(["data", "lra", "--root", str(whole)]) == FAILED
    lines = capsys.readouterr().out.splitlines()
    (at,) = [i for i, line in enumerate(lines) if line.startswith("missing")]
    assert lines[at].split() == ["missing", "listops", str(path)]
    assert lines[at + 1].split() == ["from", "lra_release.gz,", "listops-1000/basic_val.tsv"]
    assert f"1 of {len(PLACES)} are missing" in " ".join(lines)


def test_a_script_reads_the_same(whole, capsys, monkeypatch):
    (whole / "listops" / "basic_val.tsv").unlink()
    monkeypatch.setenv("RANVIER_DATA", str(whole))
    assert main(["data", "lra", "--json"]) == FAILED
    findings = json.loads(capsys.readouterr().out)
    (missing,) = [finding for finding in findings if finding["found"] is None]
    assert missing["belongs"] == [str(whole / "listops" / "basic_val.tsv")]
    assert {finding["task"] for finding in findings} == set(TASKS)


def test_a_wrong_folder_or_collection_is_wrong_usage(tmp_path, capsys):
    assert main(["data", "lra", "--root", str(tmp_path / "nowhere")]) == USAGE
    assert "no folder" in capsys.readouterr().err
    assert main(["data", "imagenet"]) == USAGE
