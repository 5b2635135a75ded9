import pytest
import torch
from torch import Tensor, nn

from ranvier.carry import Carry, State, Temporal
from ranvier.data.representations import frames
from ranvier.stream import stream, windows
from tests.stream.conftest import made_up


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


def test_the_last_answer_is_the_answer_to_the_whole(opened):
    events = made_up()
    net = Leaky().eval()
    whole = net(frames(events, window_us=1000).unsqueeze(1)).mean(0)
    steps = list(stream(net, windows(opened(events), window_us=1000, chunk=2)))
    assert torch.equal(steps[-1].answer, whole)
    assert all(step.latency_s > 0 for step in steps)


def test_the_last_step_can_be_read_out_instead(opened):
    steps = list(stream(Leaky().eval(), windows(opened(made_up()), window_us=1000, chunk=3), readout="last"))
    assert all(torch.equal(step.answer, step.output[-1]) for step in steps)


def test_each_step_shows_what_it_answers(opened):
    chunks = list(windows(opened(made_up()), window_us=1000, chunk=2))
    steps = list(stream(Leaky().eval(), chunks))
    assert all(step.x is x and step.t_us == t for step, (t, x) in zip(steps, chunks, strict=True))


def test_a_stream_goes_on_from_a_carry(opened):
    net = Leaky().eval()
    chunks = list(windows(opened(made_up()), window_us=1000))
    carry = Carry()
    first = list(stream(net, chunks[:4], carry=carry))
    rest = list(stream(net, chunks[4:], carry=carry))
    whole = list(stream(net, chunks))
    assert all(torch.equal(a.output, b.output) for a, b in zip(first + rest, whole, strict=True))


def test_memory_is_that_of_one_chunk_and_the_carry(opened):
    net = Leaky().eval()
    carry = Carry()
    sizes = []
    for _ in stream(net, windows(opened(made_up()), window_us=1000), carry=carry):
        sizes.append(sum(t.numel() for t in carry.state_dict(net).values()))
    assert sizes == [1] * len(sizes)


def test_errors_say_what_to_do():
    with pytest.raises(ValueError, match=r"net.eval\(\)"):
        next(stream(Leaky(), []))
    assert list(stream(nn.Identity().eval(), [])) == []
