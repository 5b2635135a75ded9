"""AEDAT4 and Event Stream, decoded by the library `faery` in a process of its own.

The library may panic, abort or hang on a damaged file (about one damaged AEDAT4 file in 500 aborts), and an abort ends
the process that it happens in. So a child decodes, a block on request, and is replaced when it dies or is late. An
idle child is kept: a start costs about 0.2 s, which a data set of small files would pay again and again.
"""

import atexit
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ranvier.data.formats.library_child import EVENT
from ranvier.data.formats.source import Block, EventFileError, Format, Source

CHILD = Path(__file__).with_name("library_child.py")
TIME_LIMIT_S = 30.0


class _ChildFault(Exception):
    """The child could not answer; the message says why."""


class _Child:
    def __init__(self) -> None:
        # -P: the folder of the script must not come before the standard library.
        command = [sys.executable, "-P", str(CHILD)]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        self.owner = os.getpid()
        self.late = False
        # False from a question to its whole answer: nobody else may ask in between, or after it was cut short.
        self.usable = True

    def ask(self, **request: str) -> tuple[dict, bytes]:
        """Send one request, and return the answer with the bytes that follow it."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.usable = False
        watchdog = threading.Timer(TIME_LIMIT_S, self._expire)
        watchdog.daemon = True
        watchdog.start()
        try:
            self.process.stdin.write(json.dumps(request).encode() + b"\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
            answer = json.loads(line) if line.endswith(b"\n") else None
            size = answer.get("events", 0) * EVENT.itemsize if answer else 0
            raw = self.process.stdout.read(size)
        except BrokenPipeError:
            answer, raw, size = None, b"", 0
        finally:
            watchdog.cancel()
        if answer is None or len(raw) != size:
            raise _ChildFault(f"took longer than {TIME_LIMIT_S:g} s" if self.late else "brought the decoder down")
        self.usable = not answer.get("panic", False)
        if "error" in answer:
            raise _ChildFault(answer["error"])
        return answer, raw

    def _expire(self) -> None:
        self.late = True
        self.process.kill()

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()


_idle: list[_Child] = []


def _take() -> _Child:
    while _idle:
        # A child belongs to the process that started it: a forked data-loader worker starts its own.
        if _idle[-1].owner != os.getpid():
            break
        child = _idle.pop()
        if child.process.poll() is None:
            return child
        child.close()
    return _Child()


def _give_back(child: _Child) -> None:
    if child.usable and not any(other.owner == os.getpid() for other in _idle):
        _idle.append(child)
    else:
        child.close()


@atexit.register
def _close_idle() -> None:
    for child in _idle:
        if child.owner == os.getpid():
            child.close()


def _open(child: _Child, path: Path, format: Format) -> tuple[int, int]:
    try:
        answer, _ = child.ask(open=os.path.abspath(path), format=format)
    except _ChildFault as fault:
        raise EventFileError.of(path, f"cannot be decoded as {format}: {fault}") from None
    return tuple(answer["sensor"])


def _source(path: Path, format: Format, sensor: tuple[int, int] | None) -> Source:
    child = _take()
    try:
        stated = _open(child, path, format)
    finally:
        _give_back(child)

    def blocks() -> Iterator[Block]:
        child = _take()
        seen = 0
        try:
            _open(child, path, format)
            while True:
                answer, raw = child.ask()
                if "events" not in answer:
                    return
                rows = np.frombuffer(raw, EVENT)
                yield Block(rows["t"], rows["x"], rows["y"], rows["on"])
                seen += len(rows)
        except _ChildFault as fault:
            raise EventFileError.of(path, f"cannot be decoded as {format} after event {seen}: {fault}") from None
        finally:
            _give_back(child)

    return Source(format, sensor or stated, blocks)


def open_aedat4(path: Path, sensor: tuple[int, int] | None) -> Source:
    """Open an AEDAT 4.0 file: its first stream of events. Where its time runs backwards the library holds it still."""
    return _source(path, "aedat4", sensor)


def open_es(path: Path, sensor: tuple[int, int] | None) -> Source:
    """Open an Event Stream file of type DVS or ATIS; it keeps no length, so a cut-off one is a shorter recording."""
    return _source(path, "es", sensor)
