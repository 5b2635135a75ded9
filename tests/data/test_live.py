"""Live sources, for real: packets sent by the library `faery` to a port of this machine."""

import socket
import sys
import threading
import time
import types
from collections.abc import Callable
from itertools import islice

import numpy as np
import pytest
import torch
from faery import udp_encoder
from faery.events_stream import EVENTS_DTYPE

from ranvier.data.events import Events
from ranvier.data.live import Live, open_live
from ranvier.data.representations import frames, stack
from ranvier.stream import Pace, cut, paced, stacked, windows

pytestmark = [
    # The sender of the library leaves its sockets to the garbage collector.
    pytest.mark.filterwarnings("ignore:unclosed <socket.socket:ResourceWarning"),
    # How much a system holds is its own affair.
    pytest.mark.filterwarnings("ignore:the system holds:RuntimeWarning"),
]

SENSOR = (64, 48)
# Long for a sender in a thread of a busy machine; a test that knows how many events come does not wait for it.
SILENCE_S = 1.0
LAYOUTS = ("t64_x16_y16_on8", "t32_x16_y15_on1")


def made_up(n: int = 3000, start: int = 5_000_000, span: int = 100_000) -> Events:
    generator = np.random.default_rng(0)
    t = start + np.sort(generator.integers(0, span, n))
    x, y = generator.integers(0, SENSOR[0], n), generator.integers(0, SENSOR[1], n)
    return Events.of(t, x, y, generator.integers(0, 2, n), SENSOR)


def as_rows(events: Events) -> np.ndarray:
    rows = np.empty(len(events), EVENTS_DTYPE)
    rows["t"], rows["x"], rows["y"], rows["on"] = events.t, events.x, events.y, events.polarity
    return rows


def joined(parts) -> list[list[int]]:
    parts = list(parts)
    return [np.concatenate([getattr(part, name) for part in parts]).tolist() for name in ("t", "x", "y", "polarity")]


def columns(events: Events) -> list[list[int]]:
    return joined([events])


@pytest.fixture
def address() -> str:
    """A port that was free just now."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return f"udp://127.0.0.1:{probe.getsockname()[1]}"


def target(address: str) -> tuple[str, int]:
    host, port = address.partition("?")[0].removeprefix("udp://").split(":")
    return host, int(port)


def send(address: str, *packets: Events, layout: str = LAYOUTS[0]) -> None:
    # By the library, which shares no code with our receiver; slowly enough for the smallest buffer of any system.
    for packet in packets:
        udp_encoder.encode([as_rows(packet)], target(address), format=layout)  # type: ignore[arg-type]
        time.sleep(0.001)


@pytest.fixture
def listening(address) -> Callable[..., Live]:
    """Open the port; what the test sends arrives, and silence ends it."""
    return lambda **options: open_live(address, **({"sensor": SENSOR, "silence_s": SILENCE_S} | options))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_windows_over_the_network_are_those_of_the_recording(address, layout):
    events = made_up()
    with open_live(f"{address}?format={layout}", sensor=SENSOR, silence_s=SILENCE_S) as live:
        packets = [events[i : i + 100] for i in range(0, len(events), 100)]
        sender = threading.Thread(target=send, args=(address, *packets), kwargs={"layout": layout})
        sender.start()
        chunks = list(windows(live, stacking="sbt", window_us=20_000, chunk=2))
        sender.join()
    assert torch.equal(torch.cat([x for _, x in chunks]).squeeze(1), stack(events, stacking="sbt", window_us=20_000))
    assert [t - int(events.t[0]) for t, _ in chunks] == [40_000, 80_000, 100_000]
    assert live.late == 0


def test_windows_arrive_while_the_sender_goes_on(address, listening):
    """The first answer must not wait for the end of the source."""
    events = made_up()
    with listening() as live:
        arriving = iter(cut(live, window_us=20_000))
        send(address, events.between(5_000_000, 5_030_000))
        first = next(arriving)
        send(address, events.between(5_030_000, 6_000_000))
        rest = list(arriving)
    assert joined([first.events, *(window.events for window in rest)]) == columns(events)


def test_a_paced_network_follows_a_sender(address, listening):
    events = made_up()
    pace = Pace()
    with listening() as live:
        sender = threading.Thread(target=send, args=(address, *(events[i : i + 50] for i in range(0, 3000, 50))))
        sender.start()
        parts = paced(cut(live, window_us=10_000), pace, policy="queue", speed=None)
        total = 0
        for _, x in stacked(parts):
            total = total + x
            pace.answered()
        sender.join()
    assert torch.equal(total[0, 0], frames(events, window_us=200_000)[0])
    assert (pace.processed, pace.dropped) == (10, 0)
    assert pace.recorded_s == pytest.approx(0.1)


def test_the_short_clock_is_counted_on_over_its_turn(address):
    events = made_up(start=(1 << 32) - 50_000)
    with open_live(f"{address}?format={LAYOUTS[1]}", sensor=SENSOR, silence_s=SILENCE_S) as live:
        send(address, *(events[i : i + 100] for i in range(0, 3000, 100)), layout=LAYOUTS[1])
        assert joined(islice(live.chunks(count=1000), 3)) == columns(events)


def test_packets_of_the_past_are_left_out_and_counted(address, listening):
    first, second, third = (made_up(n=100, start=t, span=1000) for t in (0, 10_000, 20_000))
    with listening() as live:
        send(address, first, third, second, third)
        arrived = columns(next(live.chunks(count=200 + int((third.t == third.t[-1]).sum()))))
    assert arrived[0] == [*first.t, *third.t, *third.t[third.t >= third.t[-1]]]
    assert live.late == 100 + int((third.t < third.t[-1]).sum())


def test_a_single_leap_ahead_is_left_out(address, listening):
    """Ten minutes ahead: without the rule 30,000 empty windows, and everything after it late."""
    first, second = (made_up(n=100, start=5_000_000 + t, span=1000) for t in (0, 20_000))
    with listening() as live:
        stray = made_up(n=1, start=600_000_000)
        send(address, first, stray, second, stray)
        parts = list(live.chunks(duration_us=20_000))
    assert len(parts) == 2
    assert joined(parts) == joined([first, second])
    # Nothing comes after the last one to believe it.
    assert (live.late, live.stray) == (0, 1)


def test_a_pause_of_the_world_is_no_leap():
    first, second = (made_up(n=100, start=t, span=1000) for t in (5_000_000, 8_000_000))
    rows = as_rows(first), as_rows(second)[:1], as_rows(second)[1:]
    live = Live("made up", SENSOR, iter(rows), lambda: None)
    assert joined(live.chunks(count=150)) == joined([first, second])
    assert (live.late, live.stray) == (0, 0)


def test_a_leap_is_recognised_wherever_blocks_end():
    events, rows = made_up(n=100), as_rows(made_up(n=100))
    rows = np.concatenate([rows[:50], rows[50:51], rows[50:]])
    rows["t"][50] += 600_000_000
    for cuts in ([50], [51], [50, 51], [49, 52]):
        live = Live("made up", SENSOR, iter(np.split(rows, cuts)), lambda: None)
        assert joined(live.chunks(count=1000)) == columns(events)
        assert (live.late, live.stray) == (0, 1)


def test_a_restarted_sender_is_an_error(address, listening):
    with listening() as live:
        send(address, made_up(n=100, start=9_000_000, span=1), made_up(n=100, start=5_500_000, span=1))
        with pytest.raises(ValueError, match=r"udp://.*: the clock ran back by 3\.5 s: was the sender restarted\?"):
            list(live.chunks(count=10))


def test_half_an_event_at_the_end_of_a_packet_is_left_out(address, listening):
    events = made_up(n=10)
    with listening() as live, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(as_rows(events).tobytes() + b"\x01\x02\x03", target(address))
        sender.sendto(b"", target(address))
        assert columns(next(live.chunks(count=10))) == columns(events)


@pytest.mark.parametrize(("sent", "expected"), [LAYOUTS, LAYOUTS[::-1]])
def test_packets_of_the_other_layout_are_recognised(address, sent, expected):
    with open_live(f"{address}?format={expected}", sensor=SENSOR, silence_s=SILENCE_S) as live:
        # 10 events: 130 or 80 bytes, which the other layout cannot have.
        send(address, made_up(n=10), layout=sent)
        with pytest.raises(ValueError, match=rf"are these {sent}\? add \?format={sent} to {address}$"):
            next(live.chunks(count=1))


def test_a_small_buffer_of_the_system_is_told(address, listening, monkeypatch):
    monkeypatch.setattr("ranvier.data.udp.SYSTEM_BUFFER", 1 << 30)
    with pytest.warns(RuntimeWarning, match=r"holds \d+ bytes of what arrives, 1073741824 were asked for"):
        listening().close()


def test_silence_ends_the_source_and_frees_its_port(address, listening):
    with listening(silence_s=0.2) as live:
        send(address, made_up(n=10))
        begun = time.monotonic()
        assert len(list(live.chunks(count=1000))) == 1
        assert time.monotonic() - begun >= 0.2
    listening().close()


def test_nothing_at_all_is_an_error(listening):
    with (
        listening(silence_s=0.2) as live,
        pytest.raises(TimeoutError, match=r"no packet within 0\.2 s: is the sender on"),
    ):
        next(live.chunks(count=1))


def test_closing_ends_a_silent_source(listening):
    live = listening(silence_s=3600)
    ended = threading.Event()

    def read():
        list(live.chunks(count=1))
        ended.set()

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    live.close()
    assert ended.wait(10)


def test_an_event_outside_the_sensor_is_an_error(address, listening):
    with listening(sensor=(32, 48)) as live:
        send(address, made_up(n=10))
        with pytest.raises(ValueError, match=r"udp://127.0.0.1:\d+: event \d is at x=\d+, y=\d+, outside the 32x48"):
            next(live.chunks(count=10))


def test_a_port_in_use_is_named(address, listening):
    with listening(), pytest.raises(OSError, match=r"in use.*udp://127.0.0.1"):
        listening()


def test_an_unknown_host_is_named():
    with pytest.raises(OSError, match=r"udp://no\.such\.host\.invalid:7777"):
        open_live("udp://no.such.host.invalid:7777", sensor=SENSOR)


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("tcp://127.0.0.1:7777", "expected camera or udp://HOST:PORT, got 'tcp://127.0.0.1:7777'"),
        ("udp://127.0.0.1", "such as udp://0.0.0.0:7777"),
        ("udp://127.0.0.1:65536", "such as udp://0.0.0.0:7777"),
        ("udp://127.0.0.1:7777?format=t8", "one of t64_x16_y16_on8 t32_x16_y15_on1"),
    ],
)
def test_addresses_of_another_form_are_errors(address, message):
    with pytest.raises(ValueError, match=message.replace("?", r"\?").replace(".", r"\.")):
        open_live(address, sensor=SENSOR)


def test_a_network_source_needs_its_sensor(address):
    with pytest.raises(ValueError, match=r"states no sensor size: pass sensor=\(width, height\)"):
        open_live(address)


def test_no_camera_is_one_sentence():
    with pytest.raises(ValueError, match="no camera found: ") as caught:
        open_live("camera")
    assert "\n" not in str(caught.value)


def test_a_camera_is_read_as_the_library_hands_it_out(monkeypatch):
    """The driver is a stand-in; what lies between it and the events is the real library."""
    events = made_up(n=1000)
    names = types.SimpleNamespace(
        INIVATION_DVXPLORER="dvx", PROPHESEE_EVK4="evk4", PROPHESEE_EVK3_HD="evk3", INIVATION_DAVIS346="davis"
    )

    class Device:
        def __enter__(self):
            return self

        def __exit__(self, *_):
            return None

        def __iter__(self):
            for i in range(0, 1000, 100):
                yield None, types.SimpleNamespace(polarity_events=as_rows(events[i : i + 100]))
                yield None, types.SimpleNamespace(polarity_events=None)

    driver = types.ModuleType("neuromorphic_drivers")
    driver.list_devices = lambda: [types.SimpleNamespace(name="davis")]  # type: ignore[attr-defined]
    driver.open = Device  # type: ignore[attr-defined]
    driver.generated = types.SimpleNamespace(enums=types.SimpleNamespace(Name=names))  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "neuromorphic_drivers", driver)
    with open_live("camera") as live:
        assert live.sensor == (346, 260)
        assert joined(live.chunks(count=300)) == columns(events)
    with open_live("camera") as live:
        parts = live.chunks(count=10)
        assert len(next(parts)) == 10
        live.close()
        assert sum(len(part) for part in parts) == 90
