"""Bins over TCP: every line is a bin, whatever is in it, and no client can bring the port down."""

import socket
import threading
import time
from collections.abc import Callable

import numpy as np
import pytest

from ranvier.data.neural.tcp import BUSY, Bin, Bins, counts_of, open_tcp

CHANNELS = 3


@pytest.fixture
def port():
    opened: list[Bins] = []
    # A test that waits for what never comes ends by this.
    watch = threading.Timer(20.0, lambda: [bins.close() for bins in opened])
    watch.start()

    def listening(**options) -> Bins:
        opened.append(open_tcp("tcp:0", channels=CHANNELS, **({"silence_s": 5.0} | options)))
        return opened[-1]

    yield listening
    watch.cancel()
    for bins in opened:
        bins.close()


def connect(bins: Bins) -> socket.socket:
    return socket.create_connection(("127.0.0.1", int(bins.address.rpartition(":")[2])), timeout=5)


def sent(bins: Bins, *texts: bytes) -> list[Bin]:
    """Send pieces one after the other, close, and return what arrived."""

    def send() -> None:
        with connect(bins) as client:
            for text in texts:
                client.sendall(text)

    sender = threading.Thread(target=send)
    sender.start()
    arrived = list(bins)
    sender.join()
    return arrived


def as_lists(arrived: list[Bin]) -> list[list[float] | None]:
    return [None if one.counts is None else np.nan_to_num(one.counts, nan=-1).tolist() for one in arrived]


def test_lines_are_bins_however_they_are_cut(port) -> None:
    bins = port()
    arrived = sent(bins, b"1 2", b" 3\n4,5, 6\r\nnan 0 ", b"1e1\n", b"-\n\n", b",,.5\n")
    assert as_lists(arrived) == [[1, 2, 3], [4, 5, 6], [-1, 0, 10], None, None, [-1, -1, 0.5]]
    assert (bins.refused, bins.reason, bins.clients, bins.turned_away) == (0, "", 1, 0)
    assert {one.client for one in arrived} == {1}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"1 2", "expected 3 counts, got 2"),
        (b"1,2,3,", "expected 3 counts, got 4"),
        (b"1 2 three", "expected counts from 0 on, got 'three'"),
        (b"1 -2 3", "got '-2'"),
        (b"1 inf 3", "got 'inf'"),
        (b"1 1_0 3", "got '1_0'"),
        (b"1 1e99 3", "got one without end"),
        (b"1, 2 3, 4", "got '2 3'"),
        (b"\xff\x00 \xfe 1", "got '\ufffd\\x00'"),
        (None, "too long, or without an end"),
    ],
)
def test_lines_that_make_no_sense(line, said) -> None:
    with pytest.raises(ValueError, match=r"expected|too long") as error:
        counts_of(line, CHANNELS)
    assert said in str(error.value)


def test_a_refused_line_is_a_bin_that_never_came(port) -> None:
    bins = port()
    arrived = sent(bins, b"1 2 3\n1 2\n" + b"9" * 5000 + b" 1 2\n4 5 6\n7 8")
    assert as_lists(arrived) == [[1, 2, 3], None, None, [4, 5, 6], None]
    assert bins.refused == 3
    assert bins.reason == "line 5: too long, or without an end"


def test_noise_is_counted_and_nothing_else(port) -> None:
    """Random bytes in random pieces between good lines: one bin a line, and the good ones arrive unharmed."""
    generator = np.random.default_rng(0)
    good, text = 0, bytearray()
    for _ in range(400):
        if generator.random() < 0.3:
            text += b"%d %d %d\n" % (good % 7, good, good % 5)
            good += 1
        else:
            noise = generator.bytes(int(generator.integers(0, 40) if generator.random() < 0.95 else 3000))
            text += b"!" + noise.replace(b"\n", b" ") + b"\n"
    cuts = np.sort(generator.integers(0, len(text), 100)).tolist()
    bins = port()
    arrived = sent(bins, *(bytes(text[a:b]) for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)))
    assert len(arrived) == 400
    assert bins.refused == 400 - good
    kept = [one.counts.tolist() for one in arrived if one.counts is not None]
    assert kept == [[i % 7, i, i % 5] for i in range(good)]


def test_a_line_without_an_end_takes_no_memory(port) -> None:
    bins = port()
    (only,) = sent(bins, *[b"1" * 100_000] * 20)
    assert only.counts is None
    assert bins.refused == 1


def test_answers_go_back_to_the_client(port) -> None:
    bins, got = port(), []

    def talk() -> None:
        with connect(bins) as client, client.makefile("rw", newline="\n") as lines:
            for text in ("1 2 3", "-"):
                print(text, file=lines, flush=True)
                got.append(lines.readline())

    client = threading.Thread(target=talk)
    client.start()
    for one in bins:
        bins.answer(np.array([0.5, -1.25]) if one.counts is None else one.counts)
    client.join()
    assert got == ["1 2 3\n", "0.5 -1.25\n"]


def test_a_client_that_reads_no_answers_is_given_up(port, monkeypatch) -> None:
    monkeypatch.setattr("ranvier.data.neural.tcp.PATIENCE_S", 0.1)
    bins = port()
    with connect(bins) as client:
        client.sendall(b"1 2 3\n")
        for _ in bins:
            for _ in range(200):
                bins.answer([1.0] * 20_000)
    assert bins.clients == 1


def test_a_second_client_is_told_and_counted(port) -> None:
    bins = port()
    with connect(bins) as first:
        first.sendall(b"1 2 3\n")
        arriving = iter(bins)
        assert next(arriving).client == 1
        with connect(bins) as second:
            first.sendall(b"4 5 6\n")
            assert as_lists([next(arriving)]) == [[4, 5, 6]]
            assert second.recv(100) == BUSY
            assert second.recv(100) == b""
    assert list(arriving) == []
    assert (bins.clients, bins.turned_away) == (1, 1)


def test_another_client_may_follow(port) -> None:
    bins = port(keep=True)
    arriving = iter(bins)
    for number in (1, 2):
        with connect(bins) as client:
            client.sendall(b"%d 0 0\n" % number)
            one = next(arriving)
            assert (one.client, as_lists([one])) == (number, [[number, 0, 0]])
    threading.Timer(0.2, bins.close).start()
    assert list(arriving) == []


@pytest.mark.parametrize("until", ["closed", "silent"])
def test_silence_and_close_end_a_source(port, until: str) -> None:
    bins = port(silence_s=0.3 if until == "silent" else 60.0)
    with connect(bins) as client:
        client.sendall(b"1 2 3\n")
        if until == "closed":
            threading.Timer(0.2, bins.close).start()
        begin = time.monotonic()
        assert len(list(bins)) == 1
        assert time.monotonic() - begin < 5
        assert client.recv(10) == b""


def test_close_ends_the_wait_for_a_client(port) -> None:
    bins = port()
    threading.Timer(0.2, bins.close).start()
    assert list(bins) == []


def test_this_machine_alone_is_listened_to_unless_asked(port) -> None:
    assert port().listener.getsockname()[0] == "127.0.0.1"
    with open_tcp("tcp://0.0.0.0:0", channels=1) as bins:
        assert bins.listener.getsockname()[0] == "0.0.0.0"


@pytest.mark.parametrize("address", ["tcp", "tcp:", "tcp:99999", "tcp://7777", "tcp://a:b:1", "udp://127.0.0.1:1"])
def test_addresses_of_another_form(address: str) -> None:
    with pytest.raises(ValueError, match=r"expected an address such as tcp:7777 or tcp://127.0.0.1:7777, got"):
        open_tcp(address, channels=1)


def test_a_port_that_is_taken(port: Callable[..., Bins]) -> None:
    bins = port()
    with pytest.raises(OSError, match="in use") as error:
        open_tcp(bins.address, channels=1)
    assert error.value.filename == bins.address
