"""Write animated pictures frame by frame, in constant memory: PNG, GIF, and MP4 where the program `ffmpeg` is there.

Pillow encodes each frame; its own animations would hold all of them until the last has come.
"""

import errno
import io
import os
import shutil
import struct
import subprocess
import tempfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from itertools import count
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

RGB = NDArray[np.uint8]
PNG = b"\x89PNG\r\n\x1a\n"


@contextmanager
def animation(path: Path | str, *, duration_ms: float) -> Iterator[Callable[[RGB], None]]:
    """Open an animated picture, and give the function that adds a frame uint8 `[H, W, 3]`, shown for `duration_ms`.

    The suffix says the format: `.png` or `.apng`, `.gif` (256 colours; times are multiples of 10 ms, and at least 20),
    or `.mp4`. The file is replaced in one piece when the block ends, or, after an error, not at all.

    Raises:
        ValueError: another suffix, no `ffmpeg` for `.mp4`, a duration not above 0, no frame, or frames of two sizes.
        OSError: the file cannot be written; most of it is known at the start.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in WRITERS:
        raise ValueError(f"expected a picture whose name ends in one of {' '.join(WRITERS)}, got {path}")
    if suffix == ".mp4" and not shutil.which("ffmpeg"):
        raise ValueError(f"{path} needs the program ffmpeg, which is not there: install it, or write a .gif or .png")
    if not duration_ms > 0:
        raise ValueError(f"expected a duration above 0 ms, got {duration_ms}")
    temporary = path.with_name(f".{path.name}.tmp")
    _check_writable(path, temporary)
    shape = None
    try:
        with WRITERS[suffix](temporary, duration_ms) as write:

            def add(image: RGB) -> None:
                nonlocal shape
                if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
                    raise ValueError(f"expected a frame uint8 [H, W, 3], got {image.dtype} {list(image.shape)}")
                if shape not in (None, image.shape):
                    raise ValueError(f"expected frames of one size, got {list(image.shape)} after {list(shape)}")
                shape = image.shape
                write(Image.fromarray(image))

            yield add
            if shape is None:
                raise ValueError(f"nothing to write to {path}: no frame was added")
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _check_writable(path: Path, temporary: Path) -> None:
    """Begin the temporary file: what hinders it is said of the picture, and before there is a frame to lose."""
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    try:
        temporary.touch()
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from None


Write = Callable[[Image.Image], None]


@contextmanager
def _png(path: Path, duration_ms: float) -> Iterator[Write]:
    """Write an animated PNG: the chunks of single ones, the data of later frames in numbered chunks of their own.

    Source: W3C, "Portable Network Graphics (PNG) Specification (Third Edition)", sections 11.3.6 and 13.
    """
    numbers = count()
    frames = 0
    with path.open("wb") as file:

        def write(image: Image.Image) -> None:
            nonlocal frames
            for kind, content in _png_chunks(image):
                if kind == b"IHDR":
                    if not frames:
                        file.write(PNG + _chunk(kind, content) + _plays(0))
                    delay = (max(1, min(round(duration_ms), 0xFFFF)), 1000)
                    control = struct.pack(">5I2H2B", next(numbers), *image.size, 0, 0, *delay, 0, 0)
                    file.write(_chunk(b"fcTL", control))
                elif kind == b"IDAT" and not frames:
                    file.write(_chunk(kind, content))
                elif kind == b"IDAT":
                    file.write(_chunk(b"fdAT", struct.pack(">I", next(numbers)) + content))
            frames += 1

        yield write
        file.write(_chunk(b"IEND", b""))
        # How many frames there are comes before them all, behind the header of 25 bytes.
        file.seek(len(PNG) + 25)
        file.write(_plays(frames))


def _plays(frames: int) -> bytes:
    return _chunk(b"acTL", struct.pack(">2I", frames, 0))


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def _png_chunks(image: Image.Image) -> Iterator[tuple[bytes, bytes]]:
    """Encode a single PNG, and yield the kind and the content of each of its chunks."""
    buffer = io.BytesIO()
    image.save(buffer, "png", compress_level=3)
    data = buffer.getvalue()
    at = len(PNG)
    while at < len(data):
        size = int.from_bytes(data[at : at + 4])
        yield data[at + 4 : at + 8], data[at + 8 : at + 8 + size]
        at += size + 12


@contextmanager
def _gif(path: Path, duration_ms: float) -> Iterator[Write]:
    """Write an animated GIF: the images of single ones, each with a palette of its own.

    Source: CompuServe, "Graphics Interchange Format, Version 89a", sections 18 to 27.
    """
    started = False
    # In hundredths of a second; browsers take 1 for 10.
    delay = max(2, min(round(duration_ms / 10), 0xFFFF))
    with path.open("wb") as file:

        def write(image: Image.Image) -> None:
            nonlocal started
            if not started:
                # A screen without a palette, then the block that repeats the pictures for ever.
                file.write(b"GIF89a" + struct.pack("<2H3B", *image.size, 0x70, 0, 0))
                file.write(b"!\xff\x0bNETSCAPE2.0\x03\x01\x00\x00\x00")
                started = True
            file.write(b"!\xf9" + struct.pack("<2BH2B", 4, 0, delay, 0, 0) + _gif_image(image))

        yield write
        file.write(b";")


def _gif_image(image: Image.Image) -> bytes:
    """Encode a single GIF, and return its image with its palette in it."""
    buffer = io.BytesIO()
    image.quantize(256, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE).save(buffer, "gif", interlace=0)
    data = buffer.getvalue()
    size = data[10] & 7
    at = 13 + 3 * (2 << size)
    palette = data[13:at]
    # An extension is its mark, its kind, and blocks that each begin with their length, up to one of length 0.
    while data[at : at + 1] == b"!":
        at += 2
        while data[at]:
            at += 1 + data[at]
        at += 1
    return data[at : at + 9] + bytes([0x80 | size]) + palette + data[at + 10 : -1]


@contextmanager
def _mp4(path: Path, duration_ms: float) -> Iterator[Write]:
    """Write an MP4 with the program `ffmpeg`, which is fed frame by frame."""
    process: subprocess.Popen[bytes] | None = None
    # Not a pipe: nobody reads what it says until it has ended.
    with tempfile.TemporaryFile() as said:

        def write(image: Image.Image) -> None:
            nonlocal process
            if process is None:
                # Players want colours at half the resolution, and so even sides.
                process = subprocess.Popen(
                    [
                        *("ffmpeg", "-loglevel", "error", "-y", "-f", "rawvideo", "-pix_fmt", "rgb24"),
                        *("-s", f"{image.width}x{image.height}", "-r", f"{1000 / duration_ms:.6f}", "-i", "-"),
                        *("-vf", "pad=ceil(iw/2)*2:ceil(ih/2)*2", "-pix_fmt", "yuv420p", "-f", "mp4", str(path)),
                    ],
                    stdin=subprocess.PIPE,
                    stderr=said,
                    # Ctrl-C on a terminal goes to a whole group of processes, and what has been drawn shall be written.
                    process_group=0,
                )
            assert process.stdin is not None
            try:
                process.stdin.write(image.tobytes())
            except BrokenPipeError:
                process.wait()
                raise _fault(said) from None

        try:
            yield write
            if process is not None:
                process.communicate()
                if process.returncode:
                    raise _fault(said)
        finally:
            # Of a process that has ended this closes what it was fed through.
            if process is not None:
                process.kill()
                process.communicate()


def _fault(said: IO[bytes]) -> OSError:
    said.seek(0)
    return OSError(f"ffmpeg could not write the picture: {' '.join(said.read().decode(errors='replace').split())}")


WRITERS: dict[str, Callable[[Path, float], AbstractContextManager[Write]]] = {
    ".png": _png,
    ".apng": _png,
    ".gif": _gif,
    ".mp4": _mp4,
}
