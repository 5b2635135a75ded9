"""A recording read window by window is the stack of the whole, for every stacking and on every sensor."""

import dataclasses

import pytest
import torch
from torch import nn

from ranvier.data.events import Events
from ranvier.data.formats import open_events
from ranvier.data.representations import frames, stack
from ranvier.layers import Stack, conv_block
from ranvier.neurons import LIF
from ranvier.stream import Pace, cut, stacked, stream, timed, windows
from tests.stream.conftest import made_up

STACKINGS = [
    {"stacking": "counts", "window_us": 1000},
    {"stacking": "binary", "window_us": 1000},
    {"stacking": "signed", "window_us": 1000},
    {"stacking": "sbt", "window_us": 1000, "bins": 3},
    {"stacking": "sbn", "bins": 3, "events_per_bin": 11},
]
by_stacking = pytest.mark.parametrize("options", STACKINGS, ids=lambda options: options["stacking"])


@by_stacking
@pytest.mark.parametrize("chunk", [1, 3, 64])
@pytest.mark.parametrize("steps", [None, 5, 30])
def test_windows_are_the_stack_of_the_whole(opened, options, chunk, steps):
    events = made_up()
    whole = stack(events, steps=steps, **options)
    chunks = list(windows(opened(events), chunk=chunk, steps=steps, **options))
    assert torch.equal(torch.cat([x for _, x in chunks]).squeeze(1), whole)
    assert [len(x) for _, x in chunks[:-1]] == [chunk] * (len(chunks) - 1)


def test_chunks_by_time_end_at_their_right_edge(opened):
    events = made_up()
    count = events.duration // 1000 + 1
    chunks = list(windows(opened(events), window_us=1000, chunk=3))
    assert [t for t, _ in chunks] == [int(events.t[0]) + 1000 * min(k + 3, count) for k in range(0, count, 3)]


def test_chunks_by_number_end_after_their_last_event(opened):
    events = made_up()
    edges = [t for t, _ in windows(opened(events), stacking="sbn", events_per_bin=50, bins=2, steps=7)]
    assert edges == [int(events.t[min(k * 100, 500) - 1]) + 1 for k in range(1, 8)]


def test_a_gap_gives_empty_windows(opened):
    events = Events.of([0, 5_500], [0, 1], [0, 0], [1, 1], (2, 1))
    assert [float(x.sum()) for _, x in windows(opened(events), window_us=1000)] == [1, 0, 0, 0, 0, 1]


def test_a_short_recording_is_padded(opened):
    events = Events.of([7], [0], [0], [1], (2, 1))
    assert [(t, float(x.sum())) for t, x in windows(opened(events), window_us=10, steps=3)] == [
        (17, 1),
        (27, 0),
        (37, 0),
    ]


@pytest.mark.parametrize("start", [0, 250, 4_321])
def test_windows_start_where_they_are_told(opened, start):
    whole = frames(made_up(), window_us=1000, start=start)
    chunks = list(windows(opened(made_up()), window_us=1000, chunk=4, start_us=start))
    assert torch.equal(torch.cat([x for _, x in chunks]).squeeze(1), whole)
    assert chunks[0][0] == start + 4000


def test_windows_read_no_further_than_they_need(opened):
    whole = opened(made_up(n=300_000, span=300_000))
    blocks = []

    def counted():
        for block in whole.source.blocks():
            blocks.append(block)
            yield block

    watched = dataclasses.replace(whole, source=dataclasses.replace(whole.source, blocks=counted))
    list(windows(watched, window_us=1000, chunk=2, steps=3))
    assert len(blocks) == 1


@by_stacking
@pytest.mark.parametrize("multiple", [1, 4, 32])
def test_any_sensor_fits_a_network_of_large_strides(opened, options, multiple):
    plain = windows(opened(made_up()), **options)
    padded = windows(opened(made_up()), multiple=multiple, **options)
    for (_, x), (_, y) in zip(plain, padded, strict=True):
        assert y.shape[-2:] == (max(4, multiple), -(-6 // multiple) * multiple)
        assert torch.equal(y[..., :4, :6], x)
        assert y.abs().sum() == x.abs().sum()


def test_windows_can_be_cut_and_stacked_by_hand(opened):
    pace = Pace()
    parts = timed(cut(opened(made_up()), window_us=1000, steps=4), pace)
    by_hand = list(stacked(parts, stacking="sbt", chunk=2))
    whole = list(windows(opened(made_up()), window_us=1000, steps=4, stacking="sbt", chunk=2))
    assert all(torch.equal(x, y) and s == t for (s, x), (t, y) in zip(by_hand, whole, strict=True))
    pace.answered()
    assert (pace.processed, pace.dropped) == (4, 0)
    assert pace.recorded_s == pytest.approx(0.004)
    assert pace.real_time_factor == pytest.approx(0.004 / pace.busy_s)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"window_us": 0}, "window_us of 1 or more, got 0"),
        ({"window_us": 10, "steps": 0}, "steps of 1 or more, got 0"),
        ({"window_us": 10, "chunk": 0}, "chunk=0"),
        ({"window_us": 10, "multiple": 0}, "multiple=0"),
        ({"stacking": "sbn", "bins": 0}, "bins=0"),
        ({"stacking": "sbn", "start_us": 0}, "chunks by count have none"),
        ({"stacking": "sbt"}, "one of duration_us and count"),
    ],
)
def test_wrong_numbers_are_named_at_once(opened, options, message):
    with pytest.raises(ValueError, match=message):
        windows(opened(made_up()), **options)


class TestRealSensors:
    """A network of strides 2 and 4, trained at no size, on each sensor as it is."""

    files = pytest.mark.parametrize(
        ("name", "window_us", "sensor", "padded"),
        [
            ("gen3_evt2.raw", 10_000, (640, 480), (640, 480)),
            ("gen41_evt3.raw", 2_000, (1280, 720), (1280, 736)),
            ("dvs_320x240.aedat4", 30_000, (320, 240), (320, 256)),
            ("dvs_320x240.es", 30_000, (320, 240), (320, 256)),
        ],
    )

    @files
    @pytest.mark.parametrize(
        "options",
        [
            {"stacking": "counts"},
            {"stacking": "sbt", "bins": 3},
            {"stacking": "sbn", "bins": 3, "events_per_bin": 8_000},
        ],
        ids=lambda options: options["stacking"],
    )
    def test_the_clip_and_its_single_windows_say_the_same(self, data_dir, name, window_us, sensor, padded, options):
        options = options | {"window_us": window_us}
        recording = open_events(data_dir / "event_formats" / name)
        assert recording.sensor == sensor
        net = tiny(2 if options["stacking"] == "counts" else 3)
        ((t_end, clip),) = windows(recording, chunk=4, steps=4, multiple=32, **options)
        assert clip.flatten(1).any(1).all()
        assert clip.shape[-2:] == padded[::-1]
        # Exact: the inputs are small integers and the weights small multiples of 2^-8.
        whole = stack(recording.read(), steps=4, **options)
        assert torch.equal(clip.squeeze(1)[..., : sensor[1], : sensor[0]], whole)
        with torch.inference_mode():
            expected = net(clip)
        steps = list(stream(net, windows(recording, steps=4, multiple=32, **options)))
        assert torch.equal(torch.cat([step.output for step in steps]), expected)
        assert steps[-1].t_us == t_end
        assert 0.0001 < expected.mean() < 0.5


def tiny(channels: int) -> nn.Module:
    """Two spiking blocks with weights that float32 adds without rounding."""
    torch.manual_seed(0)
    net = Stack(
        conv_block(channels, 4, LIF(decay=0.5, v_threshold=0.25), stride=2, norm=None),
        conv_block(4, 4, LIF(decay=0.5, v_threshold=0.25), stride=2, norm=None),
    )
    with torch.no_grad():
        for weight in net.parameters():
            weight.copy_((weight * 256).round() / 256)
    return net.eval()
