"""The event-driven copy of a network answers as the network does, and says which way each layer went."""

import pytest
import torch
from torch import Tensor, nn

from ranvier.carry import Carry
from ranvier.kernels import gather, native
from ranvier.layers import Stack, conv_block
from ranvier.layers.event_driven import EventConv2d, EventLinear, event_driven
from ranvier.neurons import LIF
from tests.layers.test_fold import settled

needs_c = pytest.mark.skipif(native.load()[0] is None, reason=f"no C kernels: {native.load()[1]}")


class Threshold(nn.Module):
    """Fires where the input is above `at`."""

    def __init__(self, at: float) -> None:
        super().__init__()
        self.at = at

    def forward(self, x: Tensor) -> Tensor:
        return (x > self.at).float()


class TwoBranches(nn.Module):
    """Children are not called in the order in which they are registered."""

    def __init__(self) -> None:
        super().__init__()
        self.second, self.norm = nn.Conv2d(4, 4, 3, padding="same"), nn.BatchNorm2d(4)
        self.first = nn.Conv2d(3, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.second(self.norm(self.first(x)))


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def test_a_convolutional_network_answers_alike() -> None:
    net = nn.Sequential(
        nn.Conv2d(2, 16, 3, padding=1), nn.BatchNorm2d(16), Threshold(1.5),
        nn.Conv2d(16, 32, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(32), Threshold(2.0),
        nn.Flatten(), nn.Linear(32 * 8 * 8, 512), Threshold(0.2), nn.Linear(512, 10),
    )  # fmt: skip
    settled(net, torch.randn(4, 2, 16, 16))
    fast, x = event_driven(net), torch.randn(1, 2, 16, 16)
    with gather.trace() as calls:
        y = fast(x)
    torch.testing.assert_close(y, net(x), rtol=1e-4, atol=1e-4)
    assert [type(m).__name__ for m in fast][:3] == ["EventConv2d", "Identity", "Threshold"]
    assert [call.kind for call in calls] == ["conv2d", "conv2d", "linear", "linear"]
    assert (calls[0].path, calls[0].density) == ("dense", None)
    if native.load()[0] is not None:
        assert (calls[2].path, calls[3].reason) == ("gather", "too small")
        assert calls[2].density is not None
        assert 0 < calls[2].density < 0.6


def test_the_network_itself_is_left_alone() -> None:
    net = nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.Sequential(nn.Conv2d(3, 2, 1)))
    settled(net, torch.randn(2, 2, 5, 5))
    before = {name: value.clone() for name, value in net.state_dict().items()}
    fast = event_driven(net)
    with torch.no_grad():
        for parameter in fast.parameters():
            parameter.add_(1)
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert all(p.requires_grad for p in net.parameters())
    assert not any(p.requires_grad for p in fast.parameters())
    assert not fast.training


def test_a_single_layer_is_replaced() -> None:
    assert type(event_driven(nn.Linear(3, 2))) is EventLinear
    assert type(event_driven(nn.Conv2d(3, 2, 1))) is EventConv2d


def test_only_a_norm_known_to_follow_is_folded() -> None:
    net = settled(TwoBranches(), torch.randn(2, 3, 6, 6))
    fast, x = event_driven(net), torch.randn(1, 3, 6, 6)
    torch.testing.assert_close(fast(x), net(x))
    assert type(fast.norm) is nn.BatchNorm2d
    assert type(fast.first) is EventConv2d
    assert type(fast.second) is nn.Conv2d


def test_unusual_layers_stay_what_they_are() -> None:
    kinds = [nn.Conv2d(2, 2, 3, padding="same"), nn.Conv2d(2, 2, 3, padding=1, padding_mode="circular")]
    hooked = nn.Linear(4, 4)
    hooked.register_forward_hook(lambda module, inputs, output: output + 1)
    fast = event_driven(nn.Sequential(*kinds, hooked, nn.Bilinear(2, 2, 2)))
    assert [type(module) for module in fast] == [nn.Conv2d, nn.Conv2d, nn.Linear, nn.Bilinear]


def test_inference_only() -> None:
    with pytest.raises(RuntimeError, match="have no gradient"):
        event_driven(nn.Linear(3, 2))(torch.ones(1, 3, requires_grad=True))


@needs_c
def test_a_spiking_network_streams_alike() -> None:
    # 40 channels of 16 x 16 make convolutions that are worth gathering.
    net = Stack(
        conv_block(2, 40, LIF(tau=2.0, v_threshold=1.5)),
        conv_block(40, 40, LIF(tau=2.0, v_threshold=1.5)),
        nn.Flatten(),
        nn.Linear(40 * 256, 10),
    )
    settled(net, torch.randn(3, 2, 2, 16, 16))
    fast, x = event_driven(net), torch.randn(6, 1, 2, 16, 16)
    with torch.inference_mode(), gather.trace() as calls:
        whole, expected, carry = fast(x), net(x), Carry()
        pieces = torch.cat([fast(chunk, carry) for chunk in x.split(2)])
    torch.testing.assert_close(whole, expected, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(pieces, whole, rtol=1e-4, atol=1e-4)
    assert {call.path for call in calls if call.weight_shape[1] == 40} == {"gather"}
    saved, restored = carry.state_dict(fast), Carry()
    restored.load_state_dict(net, saved)
    assert restored.state_dict(net).keys() == saved.keys()
    assert len(saved) > 0
