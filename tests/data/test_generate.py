"""What is stored is what was made, made once, by any number of processes."""

import pickle

import numpy as np
import pytest
import torch

from ranvier.data.cache import cache_folder
from ranvier.data.generate import _write, fingerprint, generate
from ranvier.data.scene import Scene
from tests.data.made_scenes import MadeScenes


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("RANVIER_CACHE", str(tmp_path / "cache"))


def assert_same(a: Scene, b: Scene) -> None:
    for name in ("t", "x", "y", "polarity"):
        one, other = getattr(a.events, name), getattr(b.events, name)
        assert one.dtype == other.dtype
        assert np.array_equal(one, other)
    assert a.events.sensor == b.events.sensor
    assert len(a.boxes) == len(b.boxes)
    for one, other in zip(a.boxes, b.boxes, strict=True):
        assert one.label.dtype == other.label.dtype
        assert torch.equal(one.xywh, other.xywh)
        assert torch.equal(one.label, other.label)
    for name in ("labels", "grey", "disparity"):
        one, other = getattr(a, name), getattr(b, name)
        assert (one is None) == (other is None)
        assert one is None or (one.dtype == other.dtype and np.array_equal(one, other))


@pytest.mark.parametrize("grey", [False, True])
@pytest.mark.parametrize("processes", [1, 2])
def test_stored_scenes_are_the_made_ones(grey, processes):
    source = MadeScenes(grey=grey)
    for _ in ("made", "from disk"):
        stored = generate(source, processes=processes)
        assert (len(stored), stored.classes, stored.sensor) == (7, ("a", "b"), (8, 6))
        for i in range(7):
            assert_same(stored.scene(i), source.scene(i))


@pytest.mark.slow
def test_processes_that_are_not_forked_make_the_same(monkeypatch):
    monkeypatch.setattr("ranvier.data.generate.sys.platform", "darwin")
    stored = generate(MadeScenes(), processes=1)
    assert_same(stored.scene(5), MadeScenes().scene(5))


def test_progress_counts_and_what_is_on_disk_is_not_made_again():
    heard = []
    generate(MadeScenes(), processes=1, progress=lambda done, total: heard.append((done, total)))
    assert heard == [(i, 7) for i in range(1, 8)]
    generate(MadeScenes(), processes=1, progress=lambda done, total: pytest.fail("made again"))
    generate(MadeScenes(8), processes=1, progress=lambda done, total: heard.append((done, total)))
    assert heard[-1] == (8, 8)
    assert len(list(cache_folder().iterdir())) == 2


@pytest.mark.parametrize("damage", ["t", "index.json"])
def test_a_damaged_folder_is_made_again(damage):
    stored = generate(MadeScenes(), processes=1)
    path = stored.folder / damage
    path.write_bytes(path.read_bytes()[:-1])
    heard = []
    assert_same(generate(MadeScenes(), processes=1, progress=lambda *now: heard.append(now)).scene(6), stored.scene(6))
    assert len(heard) == 7


def test_other_processes_are_sent_the_place_and_not_the_data():
    stored = generate(MadeScenes(), processes=1)
    stored.scene(1)
    sent = pickle.dumps(stored)
    assert len(sent) < 1000
    assert_same(pickle.loads(sent).scene(6), stored.scene(6))


def test_scenes_without_a_box():
    assert_same(generate(MadeScenes(1), processes=1).scene(0), MadeScenes(1).scene(0))


def test_whoever_changes_a_scene_does_not_change_what_is_stored():
    stored = generate(MadeScenes(), processes=1)
    stored.scene(2).boxes[-1].xywh.add_(5)
    stored.scene(2).boxes[-1].label.add_(5)
    stored.scene(2).labels[:] = 7
    assert_same(stored.scene(2), MadeScenes().scene(2))


class Broken(MadeScenes):
    def scene(self, index: int) -> Scene:
        if index == 5:
            raise ValueError("scene 5 is broken")
        return super().scene(index)


def test_an_error_in_a_process_is_the_error_of_the_caller():
    with pytest.raises(ValueError, match="scene 5 is broken"):
        generate(Broken(), processes=2)
    assert not list(cache_folder().iterdir())


def test_fingerprints(tmp_path):
    file = tmp_path / "source.py"
    file.write_text("a = 1")
    array = np.arange(6)
    names = [fingerprint("x", [str(file)], *parts) for parts in ((array,), (array[::2],), (array, 1), (array, "1"))]
    file.write_text("a = 2")
    names.append(fingerprint("x", [str(file)], array))
    assert len(set(names)) == 5
    assert all(name.startswith("x-") for name in names)


def test_of_two_processes_that_make_the_same_scenes_the_first_wins(monkeypatch):
    first = []

    def overtaken(folder, scenes):
        _write(folder, scenes)
        if not first:
            first.append(None)
            generate(MadeScenes(), processes=1)

    monkeypatch.setattr("ranvier.data.generate._write", overtaken)
    stored = generate(MadeScenes(), processes=1)
    assert_same(stored.scene(5), MadeScenes().scene(5))
    assert [path.name for path in cache_folder().iterdir()] == [stored.key]
