import pytest
import torch
from torch import nn

from ranvier.layers import PerStep, Residual, Stack, conv_block, last_step, mean_over_time
from ranvier.layers.stack import join
from ranvier.neurons import LIF


def test_plain_modules_see_time_in_the_batch() -> None:
    seen = []

    class Spy(nn.Module):
        def forward(self, x):
            seen.append(tuple(x.shape))
            return x

    y = Stack(Spy(), LIF(tau=2.0), nn.Flatten(), Spy())(torch.ones(5, 2, 3, 4))
    assert seen == [(10, 3, 4), (10, 12)]
    assert y.shape == (5, 2, 12)


def test_stack_is_a_sequence() -> None:
    neuron = LIF(tau=2.0)
    net = Stack(nn.Linear(2, 2), neuron)
    assert len(net) == 2
    assert net[1] is neuron
    assert list(net)[-1] is neuron


def test_a_plain_module_that_hides_a_temporal_one_is_refused() -> None:
    with pytest.raises(TypeError, match=r"a plain Sequential .* holds a LIF.*use Stack in place of nn.Sequential"):
        Stack(nn.Sequential(nn.Linear(2, 2), LIF(tau=2.0)))
    with pytest.raises(TypeError, match="expected modules, got list in place 0"):
        Stack([nn.Linear(2, 2)])


def test_wrong_axes_are_named() -> None:
    with pytest.raises(ValueError, match=r"expected \[time, batch, features...\], got \(5, 2\)"):
        Stack(nn.Linear(2, 2))(torch.ones(5, 2))
    conv = Stack(nn.Conv2d(2, 3, 3))
    with pytest.raises(ValueError, match=r"channels, height, width\], got \(8, 2, 9, 9\): add a batch axis"):
        conv(torch.ones(8, 2, 9, 9))
    with pytest.raises(ValueError, match=r"expected 2 features on axis 2, got 7 in \(2, 1, 7, 9, 9\): time is axis 0"):
        conv(torch.ones(2, 1, 7, 9, 9))
    with pytest.raises(ValueError, match="expected 4 features on axis -1, got 5"):
        Stack(nn.Linear(4, 2))(torch.ones(3, 2, 5))


def test_batch_norm_over_all_steps_and_per_step() -> None:
    torch.manual_seed(0)
    x = torch.randn(4, 8, 3, 5, 5) * torch.arange(1, 5.0).view(4, 1, 1, 1, 1)
    joint = Stack(nn.BatchNorm2d(3))(x)
    each = PerStep(nn.BatchNorm2d(3))(x)
    assert joint.flatten(0, 1).var((0, 2, 3)).sub(1).abs().max() < 1e-2
    assert joint[0].var() < 0.5
    for step in each:
        assert step.var((0, 2, 3)).sub(1).abs().max() < 1e-2


def test_per_step_in_evaluation_is_one_call() -> None:
    norm = nn.BatchNorm2d(3).eval()
    norm.running_mean.fill_(0.3)
    x = torch.randn(4, 2, 3, 5, 5)
    assert torch.equal(PerStep(norm).eval()(x), Stack(norm).eval()(x))


def test_residual() -> None:
    x = torch.randn(3, 2, 4)
    body = nn.Linear(4, 4)
    torch.testing.assert_close(Residual(body)(x), body(x) + x)
    shortcut = nn.Linear(4, 6)
    wide = nn.Linear(4, 6)
    torch.testing.assert_close(Residual(wide, shortcut=shortcut)(x), wide(x) + shortcut(x))


@pytest.mark.parametrize(("norm", "kinds"), [("batch", 3), ("per_step", 3), (None, 2)])
def test_conv_block(norm, kinds: int) -> None:
    block = conv_block(2, 6, LIF(tau=2.0), kernel_size=5, stride=2, norm=norm)
    assert len(block) == kinds
    assert (block[0].bias is None) == (norm is not None)
    y = block(torch.randn(3, 2, 2, 9, 9))
    assert y.shape == (3, 2, 6, 5, 5)
    assert set(y.unique().tolist()) <= {0.0, 1.0}
    with pytest.raises(ValueError, match="odd kernel_size"):
        conv_block(2, 6, LIF(tau=2.0), kernel_size=4)


def test_readouts_ignore_padding() -> None:
    y = torch.arange(12.0).view(4, 3, 1)
    lengths = torch.tensor([4, 2, 1])
    padded = y.clone()
    padded[2:, 1] = torch.nan
    padded[1:, 2] = torch.nan
    assert torch.equal(mean_over_time(padded, lengths).flatten(), torch.tensor([4.5, 2.5, 2.0]))
    assert torch.equal(last_step(padded, lengths).flatten(), torch.tensor([9.0, 4.0, 2.0]))
    assert torch.equal(mean_over_time(y), y.mean(0))
    assert torch.equal(last_step(y), y[-1])
    for readout in (mean_over_time, last_step):
        with pytest.raises(ValueError, match=r"in 1..4, got \[5, 1, 1\]"):
            readout(y, torch.tensor([5, 1, 1]))


def test_maps_are_joined_in_the_memory_order_that_they_have() -> None:
    a, b = torch.rand(6, 3, 4, 5), torch.rand(6, 2, 4, 5)
    for order in (torch.contiguous_format, torch.channels_last):
        parts = [x.contiguous(memory_format=order).unflatten(0, (3, 2)) for x in (a, b)]
        joined = join(parts)
        assert torch.equal(joined, torch.cat(parts, 2))
        assert joined.flatten(0, 1).is_contiguous(memory_format=order)
