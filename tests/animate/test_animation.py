"""Animated pictures, read again by Pillow, which shares no code with what joins their frames."""

import os
import shutil
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageSequence

from ranvier.animate import animation, event_image
from ranvier.data.formats import open_events
from ranvier.stream import windows


def frames(count: int, height: int = 24, width: int = 32) -> list[np.ndarray]:
    """A square of changing colour that wanders over a dark ground."""
    images = []
    for k in range(count):
        image = np.full((height, width, 3), (18, 21, 28), np.uint8)
        image[k : k + 8, 2 * k : 2 * k + 8] = (255 - 20 * k, 100, 20 * k)
        images.append(image)
    return images


def write(path: Path, images, duration_ms: float = 50) -> Path:
    with animation(path, duration_ms=duration_ms) as add:
        for image in images:
            add(image)
    return path


@pytest.mark.parametrize("suffix", [".png", ".apng", ".gif", ".PNG"])
@pytest.mark.parametrize("count", [1, 2, 7])
def test_every_frame_is_there_for_as_long_as_it_should(tmp_path, suffix, count):
    images = frames(count)
    with Image.open(write(tmp_path / f"film{suffix}", images)) as film:
        assert film.n_frames == count
        assert film.info.get("loop", 0) == 0
        for image, frame in zip(images, ImageSequence.Iterator(film), strict=True):
            assert frame.info["duration"] == 50
            assert (np.asarray(frame.convert("RGB")) == image).all()
    assert [file.name for file in tmp_path.iterdir()] == [f"film{suffix}"]


def test_real_events_survive_both_formats(data_dir, tmp_path):
    recording = open_events(data_dir / "event_formats" / "dvs_320x240.es")
    images = [event_image(x[0, 0], stacking="sbt") for _, x in windows(recording, stacking="sbt", window_us=100_000)]
    assert len(images) == 10
    with Image.open(write(tmp_path / "film.png", images)) as film:
        read = [np.asarray(frame.convert("RGB")) for frame in ImageSequence.Iterator(film)]
    assert all((a == b).all() for a, b in zip(images, read, strict=True))
    with Image.open(write(tmp_path / "film.gif", images)) as film:
        read = [np.asarray(frame.convert("RGB")).astype(int) for frame in ImageSequence.Iterator(film)]
    assert max(np.abs(a - b).mean() for a, b in zip(images, read, strict=True)) < 1


@pytest.mark.parametrize(("asked", "shown"), [(1, 20), (16.7, 20), (33.3, 30), (100, 100)])
def test_a_gif_rounds_times_to_what_is_shown(tmp_path, asked, shown):
    with Image.open(write(tmp_path / "film.gif", frames(2), asked)) as film:
        assert film.info["duration"] == shown


@pytest.mark.parametrize("suffix", [".png", ".gif"])
def test_memory_does_not_grow_with_the_film(tmp_path, suffix):
    image = np.random.default_rng(0).integers(0, 256, (256, 256, 3), np.uint8)
    peaks = []
    for count in (4, 40):
        tracemalloc.start()
        write(tmp_path / f"film{suffix}", (np.roll(image, k, 0) for k in range(count)))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.2 * peaks[0]


@pytest.mark.parametrize("suffix", [".png", ".gif"])
def test_after_an_error_the_old_picture_is_intact(tmp_path, suffix):
    path = write(tmp_path / f"film{suffix}", frames(2))
    old = path.read_bytes()

    def interrupted():
        yield from frames(1)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write(path, interrupted())
    assert path.read_bytes() == old
    assert list(tmp_path.iterdir()) == [path]


def test_errors_say_what_to_do(tmp_path):
    with pytest.raises(ValueError, match=r"ends in one of .png .apng .gif .mp4, got .*film.avi"):
        write(tmp_path / "film.avi", frames(1))
    with pytest.raises(ValueError, match="above 0 ms, got 0"):
        write(tmp_path / "film.png", frames(1), 0)
    with pytest.raises(ValueError, match=r"film.png: no frame was added"):
        write(tmp_path / "film.png", [])
    with pytest.raises(ValueError, match=r"one size, got \[24, 33, 3\] after \[24, 32, 3\]"):
        write(tmp_path / "film.png", [*frames(1), *frames(1, width=33)])
    with pytest.raises(ValueError, match=r"uint8 \[H, W, 3\], got float64 \[2, 2\]"):
        write(tmp_path / "film.png", [np.zeros((2, 2))])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("suffix", [".png", ".gif", ".mp4"])
def test_a_picture_that_cannot_be_written_is_named_before_its_first_frame(tmp_path, suffix, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda _: "ffmpeg")
    absent, taken = tmp_path / "nowhere" / f"film{suffix}", tmp_path / f"film{suffix}"
    taken.mkdir()
    for path, error in ((absent, FileNotFoundError), (taken, IsADirectoryError)):
        with pytest.raises(error) as caught, animation(path, duration_ms=50):
            pytest.fail("opened")
        assert caught.value.filename == str(path)
    assert list(tmp_path.iterdir()) == [taken]


class TestFfmpeg:
    def test_without_it_another_format_is_named(self, tmp_path, monkeypatch):
        monkeypatch.setenv("PATH", str(tmp_path))
        with pytest.raises(ValueError, match=r"film.mp4 needs the program ffmpeg.* write a .gif or .png"):
            write(tmp_path / "film.mp4", frames(1))

    @pytest.mark.skipif(not shutil.which("ffmpeg"), reason="the program ffmpeg is not there")
    @pytest.mark.parametrize("size", [(24, 32), (23, 31)])
    def test_a_film_has_its_frames(self, tmp_path, size):
        path = write(tmp_path / "film.mp4", frames(7, *size), 40)
        raw = subprocess.run(
            ["ffmpeg", "-loglevel", "error", "-i", path, "-f", "rawvideo", "-pix_fmt", "rgb24", "-"],
            capture_output=True,
            check=True,
        ).stdout
        read = np.frombuffer(raw, np.uint8).reshape(7, 24, 32, 3)[:, : size[0], : size[1]].astype(int)
        assert np.abs(read - np.stack(frames(7, *size))).mean() < 8

    def stand_in(self, folder: Path, monkeypatch, code: str) -> None:
        program = folder / "bin" / "ffmpeg"
        program.parent.mkdir()
        program.write_text(f"#!{sys.executable}\nimport sys\n{code}\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")

    def test_it_is_fed_every_frame(self, tmp_path, monkeypatch):
        code = "open(sys.argv[-1], 'wb').write(sys.stdin.buffer.read())"
        self.stand_in(tmp_path, monkeypatch, code)
        path = write(tmp_path / "film.mp4", frames(5))
        assert path.read_bytes() == np.stack(frames(5)).tobytes()

    def test_it_does_not_hear_ctrl_c(self, tmp_path, monkeypatch):
        """A terminal sends it to the whole group of processes: what has been drawn would be lost."""
        code = "import os\nsys.stdin.buffer.read()\nopen(sys.argv[-1], 'w').write(str(os.getpgrp()))"
        self.stand_in(tmp_path, monkeypatch, code)
        assert int(write(tmp_path / "film.mp4", frames(1)).read_text()) != os.getpgrp()

    @pytest.mark.parametrize("reads", ["sys.stdin.buffer.read()", "sys.stdin.buffer.read(10)"])
    def test_what_it_complains_of_is_told(self, tmp_path, monkeypatch, reads):
        self.stand_in(tmp_path, monkeypatch, f"{reads}\nsys.exit('no space left')")
        with pytest.raises(OSError, match="ffmpeg could not write the picture: no space left"):
            write(tmp_path / "film.mp4", (frames(1, 200, 300)[0] for _ in range(100)))
        assert [file.name for file in tmp_path.iterdir()] == ["bin"]

    def test_it_ends_with_an_error_of_ours(self, tmp_path, monkeypatch):
        self.stand_in(tmp_path, monkeypatch, "sys.stdin.buffer.read()")
        with pytest.raises(ValueError, match="one size"):
            write(tmp_path / "film.mp4", [*frames(1), *frames(1, width=33)])
        assert [file.name for file in tmp_path.iterdir()] == ["bin"]
