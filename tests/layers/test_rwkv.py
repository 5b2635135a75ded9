"""RWKV-4: the published equations, sizes and initialisation."""

import math

import pytest
import torch
from torch import Tensor, nn

from ranvier import Carry
from ranvier.layers import Stack
from ranvier.layers.rwkv import ChannelMix, TimeMix, rwkv, rwkv_block


def learned(net: nn.Module, dtype: torch.dtype = torch.float64) -> nn.Module:
    """Blocks begin as the identity: move every parameter."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator), alpha=0.3)
    return net.to(dtype)


@pytest.mark.parametrize(
    ("width", "layers", "parameters"),
    [
        (64, 2, 114_498),
        (64, 4, 222_402),
        (128, 2, 441_986),
        (128, 4, 870_786),
        (256, 2, 1_735_938),
        (256, 4, 3_445_506),
        (512, 4, 13_706_754),
    ],
)
def test_sizes_are_those_of_the_table(width: int, layers: int, parameters: int) -> None:
    shell = Stack(nn.Linear(96, width), rwkv(width, layers), nn.Linear(width, 2))
    assert sum(p.numel() for p in shell.parameters()) == parameters


@pytest.mark.parametrize(("width", "layers"), [(64, 2), (16, 1)])
def test_a_lane_remembers_five_numbers_for_each_channel_and_layer(width: int, layers: int) -> None:
    net, carry = rwkv(width, layers), Carry()
    net(torch.zeros(3, 2, width), carry)
    assert sum(tensor[0].numel() for state in carry.values() for tensor in state.values()) == 5 * width * layers


def sigmoid(x: Tensor) -> Tensor:
    return 1 / (1 + torch.exp(-x))


def test_a_block_is_the_published_block() -> None:
    """One lane, step by step and as the equations are written: two sums of exponentials, and the step before."""
    block = learned(rwkv_block(6, layer=1, layers=3))
    time, channel = block[0].body, block[1].body
    norm_1, mix, norm_2, feed = time[0], time[1], channel[0], channel[1]
    x = torch.randn(12, 1, 6, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    before_1 = before_2 = torch.zeros(6, dtype=torch.float64)
    keys: list[Tensor] = []
    values: list[Tensor] = []
    w, expected = -torch.exp(mix.decay), []
    for x_t in x[:, 0]:
        z = norm_1(x_t)
        xk, xv, xr = (mu * z + (1 - mu) * before_1 for mu in (mix.mu_k, mix.mu_v, mix.mu_r))
        before_1 = z
        k, v, r = mix.key.weight @ xk, mix.value.weight @ xv, sigmoid(mix.receptance.weight @ xr)
        weights = [torch.exp((len(keys) - 1 - i) * w + key) for i, key in enumerate(keys)] + [torch.exp(mix.bonus + k)]
        keys.append(k)
        values.append(v)
        average = sum(a * b for a, b in zip(weights, values, strict=True)) / sum(weights)
        x_t = x_t + mix.output.weight @ (r * average)
        z = norm_2(x_t)
        xk, xr = (mu * z + (1 - mu) * before_2 for mu in (feed.mu_k, feed.mu_r))
        before_2 = z
        hidden = (feed.key.weight @ xk).clamp(min=0) ** 2
        expected.append(x_t + sigmoid(feed.receptance.weight @ xr) * (feed.value.weight @ hidden))
    torch.testing.assert_close(block(x)[:, 0], torch.stack(expected), rtol=1e-11, atol=1e-12)


def test_it_starts_as_published() -> None:
    width, layers = 8, 3
    net = rwkv(width, layers)
    for layer in range(layers):
        mix, feed = net[1 + layer][0].body[1], net[1 + layer][1].body[1]
        for c in range(width):
            ratio, depth, height = c / width, layer / (layers - 1), 1 - layer / layers
            expected = {
                "mu_k": ratio**height,
                "mu_v": ratio**height + 0.3 * depth,
                "mu_r": ratio ** (0.5 * height),
                "decay": -5 + 8 * (c / (width - 1)) ** (0.7 + 1.3 * depth),
                "bonus": math.log(0.3) + 0.5 * ((c + 1) % 3 - 1),
            }
            assert {name: getattr(mix, name)[c].item() for name in expected} == pytest.approx(expected, abs=1e-6)
            assert (feed.mu_k[c].item(), feed.mu_r[c].item()) == pytest.approx((ratio**height,) * 2, abs=1e-6)
        for zero in (mix.key, mix.receptance, mix.output, feed.value, feed.receptance):
            assert not zero.weight.any()
        eye = torch.eye(width)
        torch.testing.assert_close(mix.value.weight.T @ mix.value.weight, eye, rtol=0, atol=1e-5)
        torch.testing.assert_close(feed.key.weight.T @ feed.key.weight, 4 * eye, rtol=0, atol=1e-5)


def test_a_block_starts_as_the_identity() -> None:
    x = torch.randn(5, 2, 8)
    assert torch.equal(rwkv_block(8)(x), x)


def test_one_layer_begins_like_the_first_of_many() -> None:
    assert torch.equal(TimeMix(4).decay, TimeMix(4, layer=0, layers=2).decay)
    assert TimeMix(4).mu_k.isfinite().all()


def test_the_future_changes_nothing() -> None:
    net, x = learned(rwkv(6, 2)), torch.randn(9, 2, 6, dtype=torch.float64)
    y, other = net(x), x.clone()
    other[5:] += 1
    assert torch.equal(net(other)[:5], y[:5])
    assert not torch.equal(net(other)[5:], y[5:])


def test_autocast_averages_in_float32() -> None:
    net, x, carry = learned(rwkv(8, 2), torch.float32), torch.randn(20, 2, 8), Carry()
    with torch.autocast("cpu", torch.bfloat16):
        y = net(x, carry)
    torch.testing.assert_close(y.float(), net(x), rtol=0, atol=0.2)
    mix = next(module for module in net.modules() if isinstance(module, TimeMix))
    assert {carry[mix][name].dtype for name in "abp"} == {torch.float32}


def test_a_network_of_16_bits_remembers_in_float32() -> None:
    net, carry = learned(rwkv(8, 1), torch.float16), Carry()
    net(torch.randn(4, 2, 8, dtype=torch.float16), carry)
    carry.reset([1])
    mix = next(module for module in net.modules() if isinstance(module, TimeMix))
    assert carry[mix]["p"].dtype == torch.float32
    assert carry[mix]["p"][1].eq(torch.tensor(-1e38)).all()
    assert net(torch.randn(4, 2, 8, dtype=torch.float16), carry).isfinite().all()


def test_a_long_stream_stays_finite() -> None:
    net, carry = learned(rwkv(4, 1), torch.float32), Carry()
    with torch.inference_mode():
        for _ in range(10):
            y = net(20 * torch.randn(4000, 1, 4), carry)
    assert y.isfinite().all()


def test_what_cannot_work_is_refused() -> None:
    with pytest.raises(ValueError, match="expected a width of 2 or more, got 1"):
        rwkv(1, 1)
    with pytest.raises(ValueError, match="expected a layer from 0 to 1, got 2"):
        ChannelMix(4, layer=2, layers=2)
    for mix in (TimeMix(4), ChannelMix(4)):
        with pytest.raises(ValueError, match=r"expected \[time, batch, 4 channels\], got \(3, 2, 5\)"):
            mix(torch.zeros(3, 2, 5))
