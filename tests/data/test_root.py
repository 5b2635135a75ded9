"""Where data sets are looked for."""

import pytest

from ranvier.data.root import find


def test_a_given_path_is_the_data_set_or_holds_it(tmp_path):
    assert find(tmp_path, "mnist") == tmp_path
    (tmp_path / "mnist").mkdir()
    assert find(str(tmp_path), "mnist") == tmp_path / "mnist"
    assert find(tmp_path / "mnist", "mnist") == tmp_path / "mnist"
    (tmp_path / "mnist.zip").write_bytes(b"")
    assert find(tmp_path / "mnist.zip", "mnist") == tmp_path / "mnist.zip"


def test_without_a_path_it_is_below_the_folder_of_all(tmp_path, monkeypatch):
    monkeypatch.setenv("RANVIER_DATA", str(tmp_path))
    with pytest.raises(FileNotFoundError, match=rf"looked for {tmp_path}/mnist .*export RANVIER_DATA=FOLDER"):
        find(None, "mnist")
    (tmp_path / "mnist").mkdir()
    assert find(None, "mnist") == tmp_path / "mnist"


def test_a_path_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no mnist recordings at .*nowhere: pass --data\.root"):
        find(tmp_path / "nowhere", "mnist")
