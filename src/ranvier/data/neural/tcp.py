"""Bins of counts over TCP, a line of text for each: from the rig that records, on this machine unless told otherwise.

    0 2 1 0 nan 3           counts of one bin; nan, or nothing between two commas, where one is missing
    0,2,1,0,,3              the same
    -                       a bin that never came; an empty line says the same

`nc 127.0.0.1 7777` is a sender.
"""

import re
import select
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

LOOPBACK = "127.0.0.1"
COUNT = re.compile(rb"(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.IGNORECASE)
# A count with 17 digits, its exponent and a space take fewer; a line without a count may still be a remark.
BYTES_A_COUNT, SHORTEST_LIMIT = 24, 256
LARGEST_READ = 1 << 16
# How soon a source that was closed ends, and how long a client may take to make room for an answer.
GLANCE_S, PATIENCE_S = 0.1, 1.0
BUSY = b"busy: one client at a time\n"


class Bin(NamedTuple):
    """Counts of one bin `[channels]`, NaN where one is missing, or `None` for all of them; `client` counts from 1."""

    client: int
    counts: NDArray[np.float32] | None


@dataclass
class Bins:
    """A port where one client at a time sends a line for each bin.

    `refused` counts lines that made no sense, and `reason` says what was wrong with the last one: each of them took the
    time of a bin, and is a bin that never came. `turned_away` counts clients that came while there was one.
    """

    address: str
    channels: int
    listener: socket.socket
    silence_s: float
    keep: bool
    refused: int = 0
    reason: str = ""
    clients: int = 0
    turned_away: int = 0
    _client: socket.socket | None = field(default=None, init=False, repr=False)
    _closed: bool = field(default=False, init=False, repr=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[Bin]:
        """Yield what arrives, until the client has left or is silent for too long, or `close` is called.

        With `keep`, the next client is waited for instead. Whatever it sends, nothing is raised.
        """
        with self.listener:
            while (self.keep or not self.clients) and self._welcome():
                yield from self._of_client()

    def answer(self, values: Sequence[float] | NDArray) -> None:
        """Send a line of numbers to the client; one that takes no answers for 1 s is given up."""
        if self._client is None:
            return
        try:
            self._client.sendall(b" ".join(b"%.9g" % float(value) for value in values) + b"\n")
        except OSError:
            self._leave()

    def close(self) -> None:
        """End the source, also while another thread waits for a bin."""
        self._closed = True
        self._leave()
        self.listener.close()

    def _welcome(self) -> bool:
        """Wait for a client; return whether there is one."""
        while not self._closed:
            if self._ready(self.listener):
                with suppress(OSError):
                    self._client, _ = self.listener.accept()
                    self._client.settimeout(PATIENCE_S)
                    # An answer must not wait for the next one to fill a packet.
                    self._client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    self.clients += 1
                    return True
        return False

    def _of_client(self) -> Iterator[Bin]:
        lines, number, heard = _Lines(max(SHORTEST_LIMIT, BYTES_A_COUNT * self.channels)), 0, time.monotonic()
        while (client := self._client) is not None and time.monotonic() - heard < self.silence_s:
            try:
                text = client.recv(LARGEST_READ) if self._ready(client) else None
            except OSError:
                text = b""
            # Only now is it known that the first client has not left: another one may have its place then.
            if text != b"":
                self._turn_away()
            if text is None:
                continue
            for line in lines.add(text) if text else lines.end():
                number += 1
                yield Bin(self.clients, self._counts(line, number))
            if not text:
                break
            heard = time.monotonic()
        self._leave()

    def _counts(self, line: bytes | None, number: int) -> NDArray[np.float32] | None:
        try:
            return counts_of(line, self.channels)
        except ValueError as error:
            self.refused += 1
            self.reason = f"line {number}: {error}"
            return None

    def _turn_away(self) -> None:
        if self._ready(self.listener, wait_s=0.0):
            with suppress(OSError):
                other, _ = self.listener.accept()
                with other:
                    other.settimeout(0.0)
                    other.sendall(BUSY)
                self.turned_away += 1

    def _ready(self, source: socket.socket, *, wait_s: float = GLANCE_S) -> bool:
        # One that another thread has closed meanwhile has no number any more.
        with suppress(OSError, ValueError):
            return bool(select.select([source], [], [], wait_s)[0])
        return False

    def _leave(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            client.close()


def open_tcp(address: str, *, channels: int, silence_s: float = 10.0, keep: bool = False) -> Bins:
    """Listen at `tcp:PORT`, which this machine alone can reach, or at `tcp://HOST:PORT`.

    Whoever can reach the port may send: a host other than 127.0.0.1 opens it to a network. Port 0 is any free one;
    `Bins.address` says which.

    Args:
        channels: counts of a bin.
        silence_s: a client that sends nothing for so many seconds is taken for lost.
        keep: wait for another client when one has left.

    Raises:
        ValueError: an address of another form.
        OSError: nobody may listen there.
    """
    form = re.fullmatch(r"tcp:(?://(\[[^\]]+\]|[^:/?\[\]]+):)?(\d+)", address)
    if not form or int(form[2]) >= 1 << 16:
        raise ValueError(f"expected an address such as tcp:7777 or tcp://127.0.0.1:7777, got {address!r}")
    host = (form[1] or LOOPBACK).strip("[]")
    try:
        family, kind, protocol, _, where = socket.getaddrinfo(host, int(form[2]), type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
        try:
            # A port that was closed a moment ago is free.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(where)
            listener.listen()
            # A client that has gone again must not be waited for.
            listener.setblocking(False)
        except OSError:
            listener.close()
            raise
    except OSError as error:
        raise OSError(error.errno, error.strerror, address) from None
    port = listener.getsockname()[1]
    return Bins(f"tcp://{form[1] or LOOPBACK}:{port}", channels, listener, silence_s, keep)


def counts_of(line: bytes | None, channels: int) -> NDArray[np.float32] | None:
    """Return the counts of a line, or `None` for a bin that never came.

    Raises:
        ValueError: no line, but what was too long for one; or one that is not a count of each channel.

    >>> counts_of(b"0,2,,1", 4), counts_of(b"-", 4)
    (array([ 0.,  2., nan,  1.], dtype=float32), None)
    """
    if line is None:
        raise ValueError("too long, or without an end")
    line = line.strip()
    if line in (b"", b"-"):
        return None
    parts = [part.strip() for part in line.split(b",")] if b"," in line else line.split()
    if len(parts) != channels:
        raise ValueError(f"expected {channels} counts, got {len(parts)}")
    for part in parts:
        if part and part.lower() != b"nan" and not COUNT.fullmatch(part):
            raise ValueError(f"expected counts from 0 on, got {part[:20].decode(errors='replace')!r}")
    with np.errstate(over="ignore"):
        counts = np.array([float(part or b"nan") for part in parts]).astype(np.float32)
    if np.isinf(counts).any():
        raise ValueError("expected counts from 0 on, got one without end")
    return counts


@dataclass
class _Lines:
    """Cuts what arrives into lines of `limit` bytes at most, and holds no more than that; a longer one is `None`."""

    limit: int
    _held: bytes = b""
    _skipping: bool = False

    def add(self, text: bytes) -> Iterator[bytes | None]:
        *whole, rest = (self._held + text).split(b"\n")
        for line in whole:
            skipped, self._skipping = self._skipping, False
            yield None if skipped or len(line) > self.limit else line
        self._skipping |= len(rest) > self.limit
        self._held = b"" if self._skipping else rest

    def end(self) -> Iterator[bytes | None]:
        """Yield the beginning of a line whose end never came."""
        if self._held or self._skipping:
            yield None
