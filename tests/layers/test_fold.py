"""A folded copy answers as the network does; with 16 bits it takes and returns the same types, and streams alike."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from ranvier import models
from ranvier.carry import Carry
from ranvier.layers import PerStep, Stack, conv_block, folded
from ranvier.neurons import LI, LIF, Neuron
from ranvier.recipes import SpikeFPN, SpikingEDN

FPN = SpikeFPN(genotype=replace(SpikeFPN().genotype, path=(0, 1, 1, 2), filters=4), size=(32, 64), scales=2)
EDN = SpikingEDN(
    genotype=replace(SpikingEDN().genotype, filters=2, path=(0, 1, 1, 0)),
    event_channels=3,
    stem_channels=4,
    depth=8,
    low_channels=4,
    dilations=(1, 2),
    pool_momentum=0.1,
    size=(32, 46),
)
PUBLISHED = {
    "SpikeFPN": FPN,
    "SpikingEDN": EDN,
    "SpikingEDN, nearest": replace(EDN, resize="nearest"),
    "SpikingEDN, frames": replace(EDN, fusion="ssam", frame_channels=1, event_channels=2),
}


def settled(net: nn.Module, x: Tensor) -> nn.Module:
    """Give batch norms statistics and affine parameters that are not their first ones."""
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias)
            module.momentum = None
    net.train()(x)
    return net.eval()


def published(name: str) -> tuple[nn.Module, Tensor]:
    config = PUBLISHED[name]
    torch.manual_seed(0)
    x = torch.randint(0, 3, (4, 2, 3, *config.size)).float()
    return settled(models.build(config), x).requires_grad_(False), x


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_networks_answer_alike(name: str) -> None:
    net, x = published(name)
    fast = folded(net)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in fast.modules())
    # Rounding may move a spike; answers follow the few that it moves.
    assert float(((fast(x) - net(x)).abs() > 1e-3).float().mean()) < 0.02


@pytest.mark.parametrize("name", PUBLISHED)
def test_in_16_bits_spikes_stay_short_and_the_answer_is_whole(name: str) -> None:
    net, x = published(name)
    fast = folded(net, dtype=torch.bfloat16)
    neurons = {n: m for n, m in fast.named_modules() if isinstance(m, Neuron)}
    inputs: dict[str, Tensor] = {}
    for layer, module in neurons.items():
        module.register_forward_pre_hook(lambda _, x, layer=layer: inputs.__setitem__(layer, x[0]))
    carry = Carry()
    assert fast(x, carry).dtype == torch.float32
    assert {v.dtype for v in inputs.values()} == {torch.bfloat16}
    assert {state.dtype for module in neurons.values() for state in carry[module].values()} == {torch.float32}


def test_16_bits_move_few_spikes_of_a_layer() -> None:
    x = (torch.rand(4, 2, 16, 24, 24) < 0.2).float()
    net = settled(conv_block(16, 32, LIF(decay=0.2, v_threshold=0.3)), x).requires_grad_(False)
    spikes = net(x)
    assert 0.1 < float(spikes.mean()) < 0.9
    assert float((folded(net)(x) != spikes).float().mean()) < 1e-4
    assert float((folded(net, dtype=torch.bfloat16)(x) != spikes).float().mean()) < 0.01


@pytest.mark.parametrize("name", PUBLISHED)
def test_channels_last_maps_are_never_rearranged(name: str) -> None:
    net, x = published(name)
    fast = folded(net)
    order: dict[str, bool] = {}
    for layer, module in fast.named_modules():
        if isinstance(module, nn.Conv2d) and module.in_channels > 3 and module.weight.shape[2] > 1:
            module.register_forward_pre_hook(
                lambda _, x, layer=layer: order.__setitem__(
                    layer, x[0].is_contiguous(memory_format=torch.channels_last)
                )
            )
    fast(x)
    assert len(order) > 5
    assert all(order.values()), [layer for layer, kept in order.items() if not kept]


@pytest.mark.parametrize("dtype", [None, torch.bfloat16])
@pytest.mark.parametrize("name", ["SpikeFPN", "SpikingEDN"])
def test_a_stream_is_the_clip(name: str, dtype: torch.dtype | None) -> None:
    net, x = published(name)
    fast, carry = folded(net, dtype=dtype), Carry()
    whole = fast(x)
    pieces = torch.cat([fast(chunk, carry) for chunk in x.split((1, 2, 1))])
    assert float(((pieces - whole).abs() > 1e-3).float().mean()) < 0.02
    saved, restored = carry.state_dict(fast), Carry()
    restored.load_state_dict(net, saved)
    assert restored.state_dict(net).keys() == saved.keys()


def test_the_network_itself_is_left_alone() -> None:
    x = torch.randn(2, 1, 2, 5, 5)
    net = settled(Stack(conv_block(2, 3, LIF(tau=2.0)), nn.Conv2d(3, 2, 1)), x).train()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    fast = folded(net, dtype=torch.bfloat16)
    with torch.no_grad():
        for parameter in fast.parameters():
            parameter.add_(1)
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert net.training
    assert not fast.training
    assert all(p.requires_grad for p in net.parameters())
    assert not any(p.requires_grad for p in fast.parameters())


def test_layers_behind_the_last_neuron_keep_their_precision() -> None:
    net = Stack(nn.Conv2d(2, 4, 3), LIF(tau=2.0), nn.Flatten(), nn.Linear(36, 8), nn.ReLU(), nn.Linear(8, 3))
    fast = folded(net, dtype=torch.bfloat16)
    assert [p.dtype for p in fast.parameters()] == 4 * [torch.bfloat16] + 2 * [torch.float32]
    assert fast(torch.rand(2, 1, 2, 5, 5)).dtype == torch.float32


def test_a_last_neuron_that_is_the_answer_keeps_its_precision() -> None:
    net = Stack(nn.Linear(4, 8), LIF(tau=2.0), nn.Linear(8, 3), LI(tau=2.0))
    fast, x = folded(net, dtype=torch.bfloat16), torch.rand(2, 1, 4)
    assert [p.dtype for p in fast.parameters()] == 2 * [torch.bfloat16] + 2 * [torch.float32]
    assert fast(x).dtype == net(x).dtype


def test_convolutions_of_other_ranks_are_left_as_they_are() -> None:
    net, x = nn.Sequential(nn.Conv3d(2, 2, 3)), torch.randn(1, 2, 4, 4, 4)
    torch.testing.assert_close(folded(net)(x), net(x))


def test_a_norm_per_step_is_folded_too() -> None:
    x = torch.randn(4, 2, 2, 6, 6)
    net = settled(conv_block(2, 5, LIF(tau=2.0, v_threshold=1.0), norm="per_step"), x)
    fast = folded(net)
    assert [type(module).__name__ for module in fast.children()] == ["Conv2d", "Identity", "LIF"]
    assert torch.equal(fast(x), net(x))
    assert 0 < float(fast(x).mean()) < 1


def test_a_shared_convolution_stays_shared_and_is_not_folded() -> None:
    conv, x = nn.Conv2d(2, 2, 3, padding=1), torch.randn(2, 2, 6, 6)
    net = settled(nn.Sequential(conv, nn.BatchNorm2d(2), nn.ReLU(), conv, nn.BatchNorm2d(2)), x)
    fast = folded(net)
    torch.testing.assert_close(fast(x), net(x))
    assert fast[0] is fast[3]
    assert type(fast[1]) is nn.BatchNorm2d


def test_a_norm_without_running_statistics_is_not_folded() -> None:
    net = nn.Sequential(nn.Conv2d(2, 3, 1), nn.BatchNorm2d(3, track_running_stats=False)).eval()
    x = torch.randn(2, 2, 4, 4)
    torch.testing.assert_close(folded(net)(x), net(x))


def test_a_norm_that_somebody_listens_to_is_not_folded() -> None:
    x = torch.randn(2, 2, 4, 4)
    net = settled(nn.Sequential(nn.Conv2d(2, 3, 1), nn.BatchNorm2d(3)), x)
    net[1].register_forward_hook(lambda module, inputs, output: output + 1)
    torch.testing.assert_close(folded(net)(x), net(x))
    x = torch.randn(3, 2, 2, 4, 4)
    net = settled(Stack(nn.Conv2d(2, 3, 1), PerStep(nn.BatchNorm2d(3))), x)
    net[1].register_forward_hook(lambda module, inputs, output: output + 1)
    torch.testing.assert_close(folded(net)(x), net(x))
