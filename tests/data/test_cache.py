"""Computed arrays are stored whole or not at all."""

from pathlib import Path

import numpy as np
import pytest

from ranvier.data.cache import cache_folder, cached


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("RANVIER_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def unexpected():
    raise AssertionError("computed although stored")


def test_computed_once(folder):
    arrays = {"a": np.arange(5), "b": np.ones((2, 3), np.float32)}
    assert cached("x", lambda: arrays) is arrays
    stored = cached("x", unexpected)
    assert all(np.array_equal(stored[name], arrays[name]) for name in arrays)
    assert [path.name for path in folder.iterdir()] == ["x.npz"]


@pytest.mark.parametrize("keep", [0, 10, 200])
def test_damaged_file_is_replaced(folder, keep):
    cached("x", lambda: {"a": np.arange(50)})
    whole = (folder / "x.npz").read_bytes()
    (folder / "x.npz").write_bytes(whole[:keep])
    assert cached("x", lambda: {"a": np.arange(50)})["a"].sum() == 1225
    assert (folder / "x.npz").read_bytes() == whole


def test_folder_that_cannot_be_written_is_no_error(folder):
    folder.write_text("a file where the folder should be")
    assert cached("x", lambda: {"a": np.arange(3)})["a"].tolist() == [0, 1, 2]


def test_a_failed_write_leaves_nothing(folder, monkeypatch):
    monkeypatch.setattr(np, "savez", lambda *a, **k: (_ for _ in ()).throw(OSError("disk full")))
    cached("x", lambda: {"a": np.arange(3)})
    assert list(folder.iterdir()) == []


def test_folder_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.delenv("RANVIER_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "ranvier"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder() == Path.home() / ".cache" / "ranvier"
