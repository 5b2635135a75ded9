import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ranvier.carry import Carry, State, Temporal
from ranvier.data.events import Events
from ranvier.data.formats import Recording, open_events, write_npz
from ranvier.data.representations import frames
from ranvier.stream import stream, windows


def recording(seed: int = 0, n: int = 500, span: int = 10_000) -> Events:
    generator = np.random.default_rng(seed)
    t = np.sort(generator.integers(300, 300 + span, n))
    return Events.of(t, generator.integers(0, 6, n), generator.integers(0, 4, n), generator.integers(0, 2, n), (6, 4))


@pytest.fixture
def opened(tmp_path: Path) -> Callable[[Events], Recording]:
    def write(events: Events) -> Recording:
        write_npz(tmp_path / "recording.npz", events)
        return open_events(tmp_path / "recording.npz")

    return write


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


@pytest.mark.parametrize("chunk", [1, 3, 64])
@pytest.mark.parametrize("steps", [None, 5, 11, 12])
def test_windows_are_the_frames_of_the_whole(opened, chunk, steps):
    events = recording()
    whole = frames(events, window_us=1000, steps=steps)
    chunks = list(windows(opened(events), window_us=1000, chunk=chunk, steps=steps))
    assert torch.equal(torch.cat([x for _, x in chunks]).squeeze(1), whole)
    assert [t for t, _ in chunks] == [
        int(events.t[0]) + 1000 * min(k + chunk, len(whole)) for k in range(0, len(whole), chunk)
    ]


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
    whole = frames(recording(), window_us=1000, start=start)
    chunks = list(windows(opened(recording()), window_us=1000, chunk=4, start_us=start))
    assert torch.equal(torch.cat([x for _, x in chunks]).squeeze(1), whole)
    assert chunks[0][0] == start + 4000


def test_windows_read_no_further_than_they_need(opened):
    whole = opened(recording(n=300_000, span=300_000))
    blocks = []

    def counted():
        for block in whole.source.blocks():
            blocks.append(block)
            yield block

    watched = dataclasses.replace(whole, source=dataclasses.replace(whole.source, blocks=counted))
    list(windows(watched, window_us=1000, chunk=2, steps=3))
    assert len(blocks) == 1


def test_the_last_answer_is_the_answer_to_the_whole(opened):
    events = recording()
    net = Leaky().eval()
    whole = net(frames(events, window_us=1000).unsqueeze(1)).mean(0)
    steps = list(stream(net, windows(opened(events), window_us=1000, chunk=2)))
    assert torch.equal(steps[-1].answer, whole)
    assert all(step.latency_s > 0 for step in steps)


def test_a_stream_goes_on_from_a_carry(opened):
    net = Leaky().eval()
    chunks = list(windows(opened(recording()), window_us=1000))
    carry = Carry()
    first = list(stream(net, chunks[:4], carry=carry))
    rest = list(stream(net, chunks[4:], carry=carry))
    whole = list(stream(net, chunks))
    assert all(torch.equal(a.output, b.output) for a, b in zip(first + rest, whole, strict=True))


def test_memory_is_that_of_one_chunk_and_the_carry(opened):
    net = Leaky().eval()
    carry = Carry()
    sizes = []
    for _ in stream(net, windows(opened(recording()), window_us=1000), carry=carry):
        sizes.append(sum(t.numel() for t in carry.state_dict(net).values()))
    assert sizes == [1] * len(sizes)


def test_errors_say_what_to_do(opened):
    with pytest.raises(ValueError, match=r"net.eval\(\)"):
        next(stream(Leaky(), []))
    with pytest.raises(ValueError, match="window_us=0"):
        next(windows(opened(recording()), window_us=0))
    assert list(stream(nn.Identity().eval(), [])) == []
