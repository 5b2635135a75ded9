"""Events in UDP packets, in the two layouts of the library `faery`.

Its command `faery input ... output udp HOST:PORT` is a sender. The receiver is our own, because that of the library
cannot end while nothing arrives, looks only every 20 ms, and lets what it has not handed on grow without bound.
"""

import re
import socket
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress

import numpy as np
from numpy.typing import NDArray

ROW = np.dtype([("t", "<u8"), ("x", "<u2"), ("y", "<u2"), ("on", "u1")])
SHORT = np.dtype([("t", "<u4"), ("x", "<u2"), ("y_on", "<u2")])
LAYOUTS = {"t64_x16_y16_on8": ROW, "t32_x16_y15_on1": SHORT}

LARGEST_PACKET = 1 << 16
# A burst of packets becomes one block of at most so many bytes, which is far cheaper than as many blocks.
LARGEST_BLOCK = 1 << 20
# What the system may hold for us while another thread computes; it gives less where it has a limit.
SYSTEM_BUFFER = 1 << 23
# How soon a receiver that was closed ends.
GLANCE_S = 0.1


def open_udp(address: str, *, silence_s: float) -> tuple[Iterator[NDArray], Callable[[], None]]:
    """Listen at `udp://HOST:PORT`, perhaps with `?format=` and a layout; return blocks of `ROW`, and what ends them.

    They also end when nothing has arrived for `silence_s` seconds. The 32-bit clock of the short layout turns over
    after 71 minutes and is counted on.

    A warning says where the system holds less for us than a burst may need.

    Raises:
        ValueError: an address of another form; or, while reading, packets of the other layout.
        OSError: nobody may listen there; or, while reading, `TimeoutError`: nothing has arrived at all.
    """
    form = re.fullmatch(r"udp://(\[[^\]]+\]|[^:/?\[\]]+):(\d+)(?:\?format=(\w+))?", address)
    if not form or int(form[2]) >= 1 << 16 or (form[3] and form[3] not in LAYOUTS):
        raise ValueError(
            f"expected an address such as udp://0.0.0.0:7777, perhaps with ?format= one of {' '.join(LAYOUTS)} at its "
            f"end, got {address!r}"
        )
    try:
        receiver = _listen(form[1].strip("[]"), int(form[2]))
    except OSError as error:
        raise OSError(error.errno, error.strerror, address) from None
    layout = form[3] or "t64_x16_y16_on8"
    packets = _of_layout(_receive(receiver, address, silence_s), layout, address)
    return _rows(packets) if LAYOUTS[layout] is ROW else _expanded(packets), receiver.close


def _listen(host: str, port: int) -> socket.socket:
    family, kind, protocol, _, where = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
    receiver = socket.socket(family, kind, protocol)
    try:
        receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SYSTEM_BUFFER)
        receiver.bind(where)
    except OSError:
        receiver.close()
        raise
    if (held := receiver.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)) < SYSTEM_BUFFER:
        message = (
            f"the system holds {held} bytes of what arrives, {SYSTEM_BUFFER} were asked for: packets of a burst may be "
            f"lost (on Linux: sysctl -w net.core.rmem_max={SYSTEM_BUFFER})"
        )
        warnings.warn(message, RuntimeWarning, stacklevel=4)
    return receiver


def _receive(receiver: socket.socket, address: str, silence_s: float) -> Iterator[list[bytes]]:
    """Yield the packets that have arrived, until the receiver is closed or silent for too long."""
    heard = time.monotonic()
    anything = False
    with receiver:
        while time.monotonic() - heard < silence_s:
            try:
                packets = _arrived(receiver)
            except TimeoutError:
                continue
            except OSError:
                if receiver.fileno() < 0:
                    return
                raise
            yield packets
            heard, anything = time.monotonic(), True
    if not anything:
        raise TimeoutError(f"{address}: no packet within {silence_s:g} s: is the sender on, and is this its target?")


def _arrived(receiver: socket.socket) -> list[bytes]:
    """Wait for a packet, and take those behind it too."""
    receiver.settimeout(GLANCE_S)
    packets = [receiver.recv(LARGEST_PACKET)]
    receiver.setblocking(False)
    size = len(packets[0])
    with suppress(BlockingIOError):
        while size < LARGEST_BLOCK:
            packets.append(receiver.recv(LARGEST_PACKET))
            size += len(packets[-1])
    return packets


def _of_layout(arrived: Iterator[list[bytes]], layout: str, address: str) -> Iterator[list[bytes]]:
    """Hand on the packets, if the first one may be of this layout."""
    (other,) = LAYOUTS.keys() - {layout}
    size, others = LAYOUTS[layout].itemsize, LAYOUTS[other].itemsize
    for number, packets in enumerate(arrived):
        length = len(packets[0])
        if not number and length % size and not length % others:
            raise ValueError(
                f"{address}: a packet of {length} bytes holds no whole number of events of {size} bytes, but of "
                f"{others}: are these {other}? add ?format={other} to {address.partition('?')[0]}"
            )
        yield packets


def _records(packets: list[bytes], record: np.dtype) -> NDArray:
    """Return the whole records of each packet, in the order in which they came."""
    size = record.itemsize
    return np.frombuffer(b"".join(packet[: len(packet) // size * size] for packet in packets), record)


def _rows(arrived: Iterator[list[bytes]]) -> Iterator[NDArray]:
    return (_records(packets, ROW) for packets in arrived)


def _expanded(arrived: Iterator[list[bytes]]) -> Iterator[NDArray]:
    latest = None
    for packets in arrived:
        short = _records(packets, SHORT)
        if not len(short):
            continue
        latest = int(short["t"][0]) if latest is None else latest
        # A difference of 32 bits, with its sign, is right also across a turn of the clock.
        steps = np.diff(short["t"], prepend=np.uint32(latest & 0xFFFFFFFF)).astype(np.int32)
        rows = np.empty(len(short), ROW)
        rows["t"] = latest + np.cumsum(steps, dtype=np.int64)
        rows["x"], rows["y"], rows["on"] = short["x"], short["y_on"] >> 1, short["y_on"] & 1
        latest = int(rows["t"][-1])
        yield rows
