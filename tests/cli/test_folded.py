"""`--folded`: the network that answers is the folded one."""

import json
from pathlib import Path

import pytest

from ranvier.cli import OK, main
from ranvier.data.formats import write_npz
from ranvier.layers import fold
from ranvier.run import Run
from tests.data.made_scenes import MadeScenes


@pytest.mark.parametrize("folded", ["float32", "bfloat16"])
def test_a_stream_and_a_test_fold_first(
    finished_detector: Run, few_scenes: None, folded: str, tmp_path: Path, capsys, monkeypatch
) -> None:
    shortened = []
    original = fold._shorten
    monkeypatch.setattr(fold, "_shorten", lambda net, dtype: (shortened.append(dtype), original(net, dtype)))
    recording, run = tmp_path / "scene.npz", str(finished_detector.path)
    write_npz(recording, MadeScenes().scene(3).events)
    assert main(["stream", run, str(recording), "--folded", folded, "--json"]) == OK
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["chunks"] > 0
    assert main(["test", run, "--folded", folded, "--json"]) == OK
    found = json.loads(capsys.readouterr().out)
    assert found["map50"] == pytest.approx(finished_detector.result["map50"], abs=0.2)
    assert [str(dtype) for dtype in shortened] == 2 * [f"torch.{folded}"]
