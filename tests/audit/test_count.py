"""Every number here was counted by hand."""

import copy
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from ranvier import models
from ranvier.audit import Energy, alone, audit
from ranvier.carry import Carry, State, Temporal
from ranvier.layers import Stack
from ranvier.layers.attention import TransformerBlock
from ranvier.layers.gru import GRU
from ranvier.layers.mamba import Mamba
from ranvier.layers.rwkv import rwkv_block
from ranvier.layers.spiking_block import spiking_block
from ranvier.recipes import Decoder, SpikingSSM


class Threshold(Temporal):
    """Fires where the input is positive; remembers nothing worth keeping."""

    def rest(self, batch: int, like: Tensor) -> State:
        return {"v": torch.zeros_like(like)}

    def forward(self, x: Tensor, carry: Carry | None = None) -> Tensor:
        return (x > 0).to(x.dtype)


class Fold(nn.Module):
    """Runs plain modules with time folded into the batch."""

    def __init__(self, *modules: nn.Module) -> None:
        super().__init__()
        self.inner = nn.Sequential(*modules)

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x.flatten(0, 1)).unflatten(0, x.shape[:2])


def test_linear_with_binary_input():
    x = torch.zeros(4, 2, 10)
    x[0, 0, :3] = 1
    x[3, 1, 9] = 1
    cost = audit(nn.Sequential(nn.Linear(10, 5)), x)
    (layer,) = cost.layers
    assert (layer.macs, layer.parameters, layer.input_rate) == (50, 55, 4 / 80)
    assert layer.multiplication_free
    assert layer.accumulates == 4 * 5 / 8
    assert cost.energy_pj == pytest.approx(2.5 * 0.9)
    assert cost.ann_energy_pj == pytest.approx(50 * 4.6)


def test_linear_with_real_input_pays_its_macs():
    cost = audit(nn.Sequential(nn.Linear(10, 5)), torch.full((4, 2, 10), 0.5))
    assert not cost.layers[0].multiplication_free
    assert cost.accumulates == 0
    assert cost.energy_pj == cost.ann_energy_pj == pytest.approx(230)


def test_convolution_groups_stride_and_padding():
    # 8 maps of 4x4, each output over 2 of 4 input maps and a 3x3 window.
    net = Fold(nn.Conv2d(4, 8, 3, stride=2, padding=1, groups=2, bias=False))
    x = torch.zeros(3, 2, 4, 8, 8)
    x[..., ::2] = 1
    (layer,) = audit(net, x).layers
    assert layer.macs == 8 * 4 * 4 * 2 * 9
    assert layer.input_rate == 0.5
    assert layer.accumulates == layer.macs / 2


def test_batch_norm_folds_behind_a_convolution_only():
    conv = nn.Conv2d(1, 2, 1, bias=False)
    net = Fold(conv, nn.BatchNorm2d(2), nn.ReLU(inplace=True), nn.BatchNorm2d(2))
    cost = audit(net, torch.ones(1, 1, 1, 3, 3))
    assert [(layer.name, layer.macs, layer.folded) for layer in cost.layers] == [
        ("inner.0", 18, "inner.1"),
        ("inner.3", 18, None),
    ]
    assert cost.layers[0].multiplication_free
    assert not cost.layers[1].multiplication_free
    assert cost.energy_pj == pytest.approx(18 * 0.9 + 18 * 4.6)
    assert cost.uncounted == ()


def test_activation_in_place_keeps_a_norm_from_folding():
    cost = audit(Fold(nn.Conv2d(1, 2, 1), nn.ReLU(inplace=True), nn.BatchNorm2d(2)), torch.ones(1, 1, 1, 3, 3))
    assert [layer.folded for layer in cost.layers] == [None, None]


def test_neurons_are_counted_and_cost_one_mac_each():
    net = nn.Sequential(nn.Linear(4, 4, bias=False), Threshold(), nn.Linear(4, 2, bias=False))
    with torch.no_grad():
        net[0].weight.copy_(torch.diag(torch.tensor([1.0, 1.0, -1.0, -1.0])))
    cost = audit(net, torch.full((2, 3, 4), 0.5))
    (neuron,) = cost.neurons
    assert (neuron.name, neuron.kind, neuron.neurons, neuron.firing_rate) == ("1", "Threshold", 4, 0.5)
    assert cost.membrane_pj == pytest.approx(4 * 4.6)
    assert [layer.accumulates for layer in cost.layers] == [0, 4]
    assert cost.energy_pj == pytest.approx(16 * 4.6 + 4 * 0.9)


def test_constants_are_an_argument():
    assert audit(nn.Sequential(nn.Linear(2, 1)), torch.ones(1, 1, 2), energy=Energy(accumulate=2.0)).energy_pj == 4


def test_a_layer_used_twice_counts_twice():
    linear = nn.Linear(4, 4)
    assert audit(nn.Sequential(linear, linear), torch.ones(1, 1, 4)).macs == 32


def test_padding_does_not_count():
    torch.manual_seed(0)
    short, long = ((torch.rand(steps, 1, 2, 4, 4) < 0.3).float() for steps in (2, 6))
    padded = torch.zeros(6, 2, 2, 4, 4)
    padded[:2, :1], padded[:, 1:] = short, long
    # The padding of the second layer is not silent.
    net = nn.Sequential(Threshold(), Fold(nn.Conv2d(2, 3, 3, padding=1)), Threshold(), Fold(nn.Conv2d(3, 1, 4)))
    nn.init.ones_(net[1].inner[0].bias)
    found, alone = audit(net, padded, lengths=torch.tensor([2, 6])), [audit(net, x) for x in (short, long)]
    assert found.steps == 4
    assert found.macs == alone[0].macs == alone[1].macs
    for name in ("accumulates", "energy_pj", "firing_rate"):
        expected = (2 * getattr(alone[0], name) + 6 * getattr(alone[1], name)) / 8
        assert getattr(found, name) == pytest.approx(expected), name
        assert getattr(audit(net, padded), name) != pytest.approx(expected), name


class Mean(nn.Module):
    """Says one thing about a recording, and must be told how long it is."""

    uses_lengths = True

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(3, 5)

    def forward(self, x: Tensor, *, lengths: Tensor) -> Tensor:
        return self.head(x.sum(0) / lengths[:, None])


def test_what_is_said_once_a_recording_is_shared_by_its_steps():
    cost = audit(Mean(), torch.ones(6, 2, 3), lengths=torch.tensor([2, 6]))
    assert cost.macs * cost.steps == 15


def test_unknown_parameters_are_named():
    cost = audit(nn.Sequential(nn.Linear(4, 4), nn.LayerNorm(4)), torch.ones(1, 1, 4))
    assert cost.uncounted == ("1",)
    assert cost.parameters == 20 + 8


def test_nothing_is_left_behind():
    net = nn.Sequential(nn.Linear(4, 4), nn.Dropout(), Threshold()).train()
    net[1].eval()
    before = copy.deepcopy(net.state_dict())
    modes = [module.training for module in net.modules()]
    audit(net, torch.ones(2, 1, 4))
    assert [module.training for module in net.modules()] == modes
    assert not any(module._forward_hooks for module in net.modules())
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())


def test_errors_say_what_was_expected():
    with pytest.raises(ValueError, match=r"\[time, batch, ...\]"):
        audit(nn.Linear(4, 4), torch.ones(2, 4))
    with pytest.raises(ValueError, match="nothing to audit"):
        audit(nn.ReLU(), torch.ones(2, 1, 4))


@pytest.mark.parametrize("lengths", [[3], [0, 3], [3, 5]])
def test_lengths_belong_to_the_lanes(lengths):
    with pytest.raises(ValueError, match="expected 2 lengths from 1 to 4, one for each lane"):
        audit(nn.Linear(2, 3), torch.ones(4, 2, 2), lengths=torch.tensor(lengths))


def test_as_dict_is_plain():
    import json

    plain = json.loads(json.dumps(audit(nn.Sequential(nn.Linear(2, 2)), torch.ones(1, 1, 2)).as_dict()))
    assert plain["totals"]["macs"] == 4
    assert plain["layers"][0]["multiplication_free"] is True


def test_a_state_space_network_is_counted_whole():
    config = SpikingSSM(vocabulary=5, classes=3, layers=1, width=4, state=6, norm="batch")
    cost = audit(models.build(config), torch.randint(5, (7, 2)))
    macs = {layer.name.rpartition(".")[2]: layer.macs for layer in cost.layers}
    # Each of 3 complex modes a channel: 4 multiplications for its state, 2 for its output; and D.
    assert macs["s4d"] == 4 * (3 * 6 + 1)
    assert macs["mix"] == 4 * 8
    assert macs["decoder"] == 4 * 3
    assert cost.uncounted == ()
    both = audit(models.build(replace(config, bidirectional=True)), torch.randint(5, (7, 2)))
    assert {layer.name.rpartition(".")[2]: layer.macs for layer in both.layers}["s4d"] == 4 * (2 * 3 * 6 + 1)


def test_attention_is_counted_with_a_full_window():
    net = TransformerBlock(8, window=5, heads=2)
    cost = audit(net, torch.randn(7, 2, 8))
    rows = {layer.name: (layer.macs, layer.parameters) for layer in cost.layers}
    assert rows["attention"] == (2 * 5 * 8, 0)
    assert rows["attention.qkv"] == (3 * 8 * 8, 3 * 8 * 8 + 3 * 8)
    assert cost.macs == 12 * 8**2 + 2 * 5 * 8
    assert cost.neurons == ()
    assert cost.uncounted == ("attention_norm", "mlp_norm")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        # 6 d^2 and three products of gates for each unit and layer.
        (lambda: GRU(8, 8, layers=2), 2 * (6 * 64 + 3 * 8)),
        # 13 d^2 in seven linear layers; shifts, averages and gates beside them.
        (lambda: rwkv_block(8), 13 * 64 + 18 * 8),
        # 2 d e + e (R + 2 N) + R e + e d in linear layers; window of 4, 4 N + 1 in the modes, skip and gate.
        (lambda: Mamba(8, state=3, rank=2), 2 * 8 * 16 + 16 * 8 + 2 * 16 + 16 * 8 + 16 * (4 + 13 + 2)),
    ],
)
def test_layers_with_products_of_their_own_say_how_many(body, expected):
    assert audit(Stack(body()), torch.randn(3, 1, 8)).macs == expected


def test_the_matrix_of_a_spiking_block_only_adds():
    torch.manual_seed(0)
    norm, layer = audit(Stack(spiking_block(8)), 10 * torch.rand(20, 1, 8)).layers
    assert norm.macs == 8
    assert layer.multiplication_free
    assert 0 < layer.input_rate < 1


def test_a_decoder_of_several_days_is_counted_as_that_of_the_last():
    net = models.build(Decoder(in_channels=5, width=8, days=3, adapter="per_day"))
    cost = audit(alone(net), torch.ones(4, 1, 5))
    assert {layer.name: layer.macs for layer in cost.layers}["adapter"] == 5 * 8
    assert cost.parameters == sum(p.numel() for p in net.parameters()) - 2 * (5 * 8 + 8)
