"""Mamba: the equations step by step, how it starts, and what is remembered."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from ranvier import Carry
from ranvier.layers.mamba import Mamba, mamba


def layer(**options) -> Mamba:
    torch.manual_seed(0)
    return Mamba(4, state=3, rank=2, **options).double()


def test_the_equations_step_by_step() -> None:
    """A loop over steps with the window and the modes held by hand, as a device would run it."""
    net = layer()
    x = torch.randn(9, 2, 4, dtype=torch.float64)
    window, h = torch.zeros(2, 4, 8, dtype=torch.float64), torch.zeros(2, 8, 3, dtype=torch.float64)
    a = -torch.exp(net.log_a)
    for x_t, y_t in zip(x, net(x), strict=True):
        u, z = (x_t @ net.inputs.weight.T).chunk(2, -1)
        window = torch.cat([window[:, 1:], u.unsqueeze(1)], 1)
        u = F.silu((window * net.taps.T).sum(1) + net.taps_bias)
        dt, b, c = (u @ net.select.weight.T).split([2, 3, 3], -1)
        dt = torch.log1p(torch.exp(dt @ net.steps.weight.T + net.steps.bias))
        h = torch.exp(dt.unsqueeze(-1) * a) * h + (dt * u).unsqueeze(-1) * b.unsqueeze(1)
        y = (h * c.unsqueeze(1)).sum(-1) + net.d * u
        torch.testing.assert_close(y_t, (y * z * torch.sigmoid(z)) @ net.outputs.weight.T)


def test_the_convolution_is_the_causal_depthwise_one() -> None:
    net = layer()
    u = torch.randn(7, 2, 8, dtype=torch.float64)
    conv = nn.Conv1d(8, 8, 4, groups=8, padding=3).double()
    conv.weight.data, conv.bias.data = net.taps.detach().unsqueeze(1), net.taps_bias.detach()
    expected = conv(u.permute(1, 2, 0))[..., :7].permute(2, 0, 1)
    window = torch.cat([torch.zeros(3, 2, 8, dtype=torch.float64), u])
    torch.testing.assert_close(net._convolve(window, 7), expected)


def test_it_starts_as_published() -> None:
    torch.manual_seed(0)
    net = Mamba(1024, state=16)
    assert net.rank == 64
    torch.testing.assert_close(net.log_a.exp()[7], torch.arange(1.0, 17))
    assert torch.equal(net.d, torch.ones(2048))
    dt = F.softplus(net.steps.bias).detach()
    assert 1e-3 * 0.999 <= float(dt.min()) < 1.1e-3
    assert 0.09 < float(dt.max()) <= 0.1 * 1.001
    assert float(dt.log().mean()) == pytest.approx(math.log(1e-2), abs=0.1)
    assert 0.99 / 8 < float(net.steps.weight.detach().abs().max()) <= 1 / 8
    short = Mamba(64, dt_range=(1e-6, 1e-5)).steps.bias.detach()
    assert float(F.softplus(short).min()) == pytest.approx(1e-4, rel=1e-3)


def test_parameters_and_state() -> None:
    d, e = 64, 128
    net, carry = Mamba(d), Carry()
    net(torch.zeros(2, 3, d), carry)
    assert sum(p.numel() for p in net.parameters()) == 2 * d * e + 5 * e + e * 36 + 4 * e + e + e * 16 + e + e * d
    assert {name: tuple(s.shape) for name, s in carry[net].items()} == {"u": (3, 3, e), "h": (3, e, 16)}
    assert sum(s[0].numel() for s in carry[net].values()) == 38 * d


def test_the_future_changes_nothing() -> None:
    net = layer()
    x = torch.randn(9, 1, 4, dtype=torch.float64)
    later = x.clone()
    later[5:] += 1
    assert torch.equal(net(later)[:5], net(x)[:5])
    assert not torch.allclose(net(later)[5:], net(x)[5:])


def test_its_rates_do_not_decay() -> None:
    from ranvier.recipes import Train
    from ranvier.tasks.optimise import optimizer

    net = mamba(4, 1)
    groups = optimizer(net, Train(weight_decay=0.1)).param_groups
    decay = {id(p): group["weight_decay"] for group in groups for p in group["params"]}
    block = net[0].body[1]
    assert [decay[id(p)] for p in (block.log_a, block.d, block.steps.bias, net[1].weight)] == [0, 0, 0, 0]
    assert decay[id(block.inputs.weight)] == 0.1


def test_memory_stays_precise_within_autocast() -> None:
    torch.manual_seed(0)
    net, x, carry = Mamba(8), torch.randn(20, 2, 8), Carry()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        first = net(x[:11], carry)
        second = net(x[11:], carry)
    assert carry[net]["h"].dtype == torch.float32
    torch.testing.assert_close(torch.cat([first, second]).float(), net(x), rtol=0.05, atol=0.02)


def test_other_channels_are_refused() -> None:
    with pytest.raises(ValueError, match=r"expected \[time, batch, 4 channels\], got \(5, 4\)"):
        layer()(torch.zeros(5, 4))
