"""Sliding-window attention: the equations, the law of chunks, and an hour of it."""

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from ranvier import Carry
from ranvier.layers.attention import Attention, TransformerBlock

# Of whole decoders by d and L, the input layer from 96 channels and the readout of 2 among them (spec, 4.5).
TOTALS = {(64, 2): 106_434, (64, 4): 206_402, (128, 2): 409_474, (256, 4): 3_184_898, (512, 4): 12_661_250}


def layer(window: int = 7, **options) -> Attention:
    torch.manual_seed(0)
    return Attention(8, window=window, heads=2, **options).double().eval()


def signal(steps: int, *, batch: int = 2, channels: int = 8, seed: int = 1, dtype=torch.float64) -> Tensor:
    return torch.randn(steps, batch, channels, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def plain(net: Attention, x: Tensor, *, first: int) -> Tensor:
    """Masked attention of all steps with all, queries and keys turned by absolute positions from `first` on."""
    size = net.channels // net.heads
    position = torch.arange(first, first + len(x), dtype=x.dtype)
    angle = position[:, None] * net.base ** (-torch.arange(0, size, 2, dtype=x.dtype) / size)
    cos, sin = angle.cos()[:, None, None], angle.sin()[:, None, None]

    def turned(z: Tensor) -> Tensor:
        a, b = z[..., 0::2], z[..., 1::2]
        return torch.stack((a * cos - b * sin, a * sin + b * cos), -1).flatten(-2)

    q, k, v = (z.unflatten(-1, (net.heads, size)) for z in net.qkv(x).chunk(3, -1))
    scores = torch.einsum("tbhc,ibhc->bhti", turned(q), turned(k)) / size**0.5
    distance = position[:, None] - position
    scores = scores.masked_fill((distance < 0) | (distance >= net.window), -torch.inf)
    return net.out(torch.einsum("bhti,ibhc->tbhc", scores.softmax(-1), v).flatten(2))


@pytest.mark.parametrize("first", [0, 1000])
@pytest.mark.parametrize("window", [1, 2, 7, 23, 40])
def test_it_is_masked_attention_with_rotary_positions(window: int, first: int) -> None:
    net, x = layer(window, base=100.0), signal(23)
    torch.testing.assert_close(net(x), plain(net, x, first=first), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("sizes", [[50], [1] * 50, [20, 30], [3, 0, 1, 1, 21, 6, 7, 8, 3]], ids=len)
@pytest.mark.parametrize("window", [1, 7, 64])
def test_chunks_longer_and_shorter_than_the_window_equal_the_whole(window: int, sizes: list[int]) -> None:
    net, carry, found = layer(window), Carry(), []
    whole, pieces = (lambda x: plain(net, x, first=0)), (lambda x: torch.cat([net(c, carry) for c in x.split(sizes)]))
    for run in (whole, pieces):
        x = signal(50).requires_grad_()
        y = run(x)
        weight = torch.linspace(-1, 1, y.numel(), dtype=y.dtype).view_as(y)
        found.append((y, *torch.autograd.grad((y * weight).sum(), [x, *net.parameters()])))
    for expected, mine in zip(*found, strict=True):
        torch.testing.assert_close(mine, expected, rtol=1e-10, atol=1e-11)


def test_lanes_that_began_at_different_times_share_a_batch() -> None:
    net, carry = layer(), Carry()
    net(signal(4), carry)
    carry.reset([1])
    assert carry[net]["filled"].tolist() == [4, 0]
    x = signal(12, seed=2)
    y = torch.cat([net(chunk, carry) for chunk in x.split([1, 2, 9])])
    torch.testing.assert_close(y[:, 1:], net(x[:, 1:]), rtol=1e-10, atol=1e-12)
    going_on = net(torch.cat((signal(4), x)))[4:]
    torch.testing.assert_close(y[:, :1], going_on[:, :1], rtol=1e-10, atol=1e-12)


def test_an_hour_of_bins_costs_no_digits() -> None:
    torch.manual_seed(0)
    net, carry, window = Attention(32, window=100).eval(), Carry(), 100
    x = signal(3 * window, batch=1, channels=32, dtype=torch.float32)
    with torch.inference_mode():
        for _ in range(36):
            net(signal(10_000, batch=1, channels=32, dtype=torch.float32), carry)
        late = torch.cat([net(chunk, carry) for chunk in x.split([2 * window, *[1] * window])])
        fresh = net(x)
    torch.testing.assert_close(late[window:], fresh[window:], rtol=0, atol=1e-5)
    assert not torch.allclose(late[:window], fresh[:window], rtol=0, atol=1e-3)


def test_a_step_depends_on_its_window_and_on_nothing_else() -> None:
    net, x = layer(5), signal(20)
    y = net(x)
    for step in range(20):
        other = x.clone()
        other[step] += 3
        changed = (net(other) != y).flatten(1).any(1)
        assert changed.nonzero().flatten().tolist() == list(range(step, min(step + 5, 20))), step


@pytest.mark.parametrize(("channels", "layers"), TOTALS)
def test_parameters_are_those_of_the_specification(channels: int, layers: int) -> None:
    block = sum(p.numel() for p in TransformerBlock(channels).parameters())
    assert block == 4 * channels**2 + 4 * channels + 8 * channels**2 + 5 * channels + 4 * channels
    shell = (96 * channels + channels) + 2 * channels + (2 * channels + 2)
    assert layers * block + shell == TOTALS[channels, layers]


def test_the_memory_is_two_windows_of_channels_for_ever() -> None:
    net, carry = TransformerBlock(64, window=10), Carry()
    with torch.inference_mode():
        for steps in (1, 1, 3, 25, 1):
            net(signal(steps, batch=3, channels=64, dtype=torch.float32), carry)
            state = carry[net.attention]
            assert state["kv"].shape == (3, 10, 2 * 64)
            assert state["kv"].untyped_storage().nbytes() == 3 * 2 * 10 * 64 * 4
    assert state["filled"].tolist() == [10] * 3
    assert state["filled"].dtype == torch.long


def test_a_long_sequence_makes_no_square_of_its_length() -> None:
    class Largest(TorchDispatchMode):
        numel = 0

        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            out = func(*args, **(kwargs or {}))
            tensors = [y for y in torch.utils._pytree.tree_leaves(out) if isinstance(y, Tensor)]
            self.numel = max([self.numel, *(y.numel() for y in tensors)])
            return out

    net, steps = layer(4), 200
    with Largest() as largest:
        net(signal(steps).requires_grad_()).sum().backward()
    assert largest.numel == steps * 2 * 3 * net.channels


def test_angles_stay_exact_when_the_weights_have_been_short() -> None:
    net, x = layer().float().double(), signal(30)
    torch.testing.assert_close(net(x), plain(net, x, first=0), rtol=1e-10, atol=1e-12)


def test_sixteen_bits_keep_the_angles_in_float32() -> None:
    net = layer().to(torch.bfloat16)
    assert net.turns.dtype == torch.float32
    x = signal(20, dtype=torch.bfloat16)
    assert net(x).dtype == torch.bfloat16
    full = layer().float()
    with torch.autocast("cpu", torch.bfloat16):
        y = full(signal(20, dtype=torch.float32))
    torch.testing.assert_close(y.float(), full(signal(20, dtype=torch.float32)), rtol=0.1, atol=0.02)


def test_what_cannot_work_is_refused() -> None:
    with pytest.raises(ValueError, match="expected channels in multiples of 32, got 48: say how many heads="):
        Attention(48)
    with pytest.raises(ValueError, match="expected heads of an even number of channels, got 2 heads of 6 channels"):
        Attention(6, heads=2)
    with pytest.raises(ValueError, match="got 0 heads of 32 channels"):
        Attention(32, heads=0)
    with pytest.raises(ValueError, match="expected a window of 1 step or more, got 0"):
        TransformerBlock(32, window=0)
    with pytest.raises(ValueError, match=r"expected \[time, batch, 8 channels\], got \(4, 8\)"):
        layer()(torch.zeros(4, 8))
    with pytest.raises(ValueError, match=r"expected \[time, batch, 8 channels\], got \(4, 1, 9\)"):
        layer()(torch.zeros(4, 1, 9))
