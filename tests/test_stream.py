import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ranvier.carry import Carry, State, Temporal
from ranvier.data.events import Events
from ranvier.data.representations import frames
from ranvier.stream import stream, windows


def recording(seed: int = 0, n: int = 500, span: int = 10_000) -> Events:
    generator = np.random.default_rng(seed)
    t = np.sort(generator.integers(300, 300 + span, n))
    return Events.of(t, generator.integers(0, 6, n), generator.integers(0, 4, n), generator.integers(0, 2, n), (6, 4))


def parts(events: Events, cuts: list[int]) -> list[Events]:
    edges = [0, *cuts, len(events)]
    return [events[a:b] for a, b in zip(edges, edges[1:], strict=False)]


class Leaky(Temporal):
    """A leaky sum over all pixels; binary fractions, so that float32 is exact."""

    def rest(self, batch: int, like: Tensor) -> State:
        return {"v": like.new_zeros(batch, 1)}

    def forward(self, x: Tensor, carry: Carry | None = None) -> Tensor:
        state = carry.read(self, x) if carry is not None else None
        v = (state or self.rest(x.shape[1], x[0]))["v"]
        outputs = []
        for current in x.flatten(2).sum(2, keepdim=True).unbind(0):
            v = torch.round(v / 2 + current)
            outputs.append(v)
        if carry is not None:
            carry.write(self, {"v": v})
        return torch.stack(outputs)


@pytest.mark.parametrize("cuts", [[], [100, 101, 350], [0, 0, 7, 499, 500], list(range(1, 500, 3))])
@pytest.mark.parametrize("chunk", [1, 3, 64])
@pytest.mark.parametrize("steps", [None, 5, 11, 12])
def test_windows_of_any_parts_are_the_frames_of_the_whole(cuts, chunk, steps):
    events = recording()
    whole = frames(events, window_us=1000, steps=steps)
    chunks = list(windows(parts(events, cuts), window_us=1000, chunk=chunk, steps=steps))
    assert torch.equal(torch.cat([x for _, x in chunks]).squeeze(1), whole)
    assert [t for t, _ in chunks] == [
        int(events.t[0]) + 1000 * min(k + chunk, len(whole)) for k in range(0, len(whole), chunk)
    ]


def test_a_gap_gives_empty_windows():
    events = Events.of([0, 5_500], [0, 1], [0, 0], [1, 1], (2, 1))
    chunks = list(windows([events[:1], events[1:]], window_us=1000))
    assert [float(x.sum()) for _, x in chunks] == [1, 0, 0, 0, 0, 1]


def test_a_recording_without_events():
    empty = Events.empty((4, 2))
    assert list(windows([empty], window_us=10)) == []
    assert [x.shape for _, x in windows([empty, empty], window_us=10, steps=2)] == [(1, 1, 2, 2, 4)] * 2


def test_windows_read_no_further_than_they_need():
    read = []

    def source():
        for part in parts(recording(), [100, 200, 300, 400]):
            read.append(len(part))
            yield part

    list(windows(source(), window_us=1000, chunk=2, steps=3))
    assert len(read) == 2


def test_memory_does_not_grow_with_the_recording():
    import tracemalloc

    def endless(count: int):
        base = recording(n=2000)
        for k in range(count):
            yield Events(base.t + k * 10_000, base.x, base.y, base.polarity, base.sensor)

    peaks = []
    for count in (5, 50):
        tracemalloc.start()
        for _ in windows(endless(count), window_us=1000):
            pass
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.5 * peaks[0]


def test_the_last_answer_is_the_answer_to_the_whole():
    events = recording()
    net = Leaky().eval()
    whole = net(frames(events, window_us=1000).unsqueeze(1)).mean(0)
    steps = list(stream(net, windows(parts(events, [50, 300]), window_us=1000, chunk=2)))
    assert torch.equal(steps[-1].answer, whole)
    assert all(step.latency_s > 0 for step in steps)


def test_a_stream_goes_on_from_a_carry():
    net = Leaky().eval()
    chunks = list(windows([recording()], window_us=1000))
    carry = Carry()
    first = list(stream(net, chunks[:4], carry=carry))
    rest = list(stream(net, chunks[4:], carry=carry))
    whole = list(stream(net, chunks))
    assert all(torch.equal(a.output, b.output) for a, b in zip(first + rest, whole, strict=True))


def test_errors_say_what_to_do():
    with pytest.raises(ValueError, match=r"net.eval\(\)"):
        next(stream(Leaky(), []))
    with pytest.raises(ValueError, match="time runs backwards between two parts"):
        list(windows([recording(), recording()], window_us=1000))
    with pytest.raises(ValueError, match="window_us=0"):
        list(windows([], window_us=0))
    with pytest.raises(StopIteration):
        next(stream(nn.Identity().eval(), []))
