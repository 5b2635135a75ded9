"""The spiking state-space block."""

import torch
from torch import nn

from ranvier import Carry
from ranvier.layers import folded
from ranvier.layers.spiking_ssm import NormedResidual, SpikingS4D, tied_dropout
from ranvier.layers.ssm import S4D
from ranvier.neurons import LIF


def block(neuron: nn.Module | None = None, **options) -> SpikingS4D:
    torch.manual_seed(0)
    neuron = neuron or LIF(decay=0.125, surrogate="triangle", temperature=1.0, gradient="detached")
    return SpikingS4D(S4D(4, state=4), neuron, **options).double().eval()


X = torch.randn(30, 3, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def test_it_is_modes_then_neurons_then_a_gated_mix() -> None:
    net = block()
    s = net.neuron(net.s4d(X))
    assert 0 < s.mean() < 1
    value, gate = (s @ net.mix.weight.t() + net.mix.bias).chunk(2, -1)
    torch.testing.assert_close(net(X), value * gate.sigmoid())


def test_a_learned_threshold_is_that_of_the_neuron() -> None:
    net = block()
    net.ln_threshold.data = torch.tensor([0.0, 0.5, -0.3, 1.0], dtype=torch.float64).mul(0.7)
    currents = net.s4d(X)
    plain = LIF(decay=0.125, v_threshold=net.ln_threshold.exp().detach())
    spikes = []
    net.neuron.register_forward_hook(lambda module, inputs, y: spikes.append(y))
    net(X)
    assert torch.equal(spikes[0], plain(currents))


def test_higher_thresholds_fire_less() -> None:
    torch.manual_seed(0)
    neuron = LIF(decay=0.125)
    x = torch.randn(2000, 1, 64)
    assert 0.148 < neuron(x).mean() < 0.156
    assert 0.022 < neuron(x / 2).mean() < 0.025


def test_who_learns_a_threshold() -> None:
    assert block(threshold="channel").ln_threshold.shape == (4,)
    assert block(threshold="shared").ln_threshold.shape == (1,)
    assert block(threshold="fixed").ln_threshold is None
    shared = block(threshold="shared")
    shared(X).sum().backward()
    assert shared.ln_threshold.grad.abs() > 0


def test_folded_it_streams_alike() -> None:
    net = block()
    net.ln_threshold.data.fill_(0.25)
    fast, slow_memory, fast_memory = folded(net), Carry(), Carry()
    assert fast.ln_threshold is None
    for chunk in X.split(7):
        torch.testing.assert_close(fast(chunk, fast_memory), net(chunk, slow_memory))


def test_dropout_silences_whole_channels() -> None:
    torch.manual_seed(0)
    y = tied_dropout(torch.ones(20, 5, 40), 0.25, training=True)
    assert torch.equal(y, y[:1].expand_as(y))
    assert set(y.unique().tolist()) == {0.0, 4 / 3} or torch.allclose(y.unique(), torch.tensor([0.0, 4 / 3]))
    assert torch.equal(tied_dropout(X, 0.5, training=False), X)


def test_where_the_norm_is_placed() -> None:
    body, norm = block(nn.GELU()), nn.LayerNorm(4).double()
    nn.init.normal_(norm.weight)
    before, after, released = (NormedResidual(body, norm, placed=p)(X) for p in ("before", "after", "released"))
    torch.testing.assert_close(before, X + body(norm(X)))
    torch.testing.assert_close(after, norm(X + body(X)))
    torch.testing.assert_close(released, X + body(X))
