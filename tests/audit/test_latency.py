import torch
from torch import nn

from ranvier.audit import latency
from ranvier.kernels import native
from ranvier.layers import Stack
from ranvier.neurons import LIF


def test_both_ways_are_timed_and_the_path_of_each_layer_is_told():
    torch.manual_seed(0)
    net = Stack(nn.Linear(64, 2048), LIF(decay=0.5, v_threshold=2.0), nn.Linear(2048, 2048))
    x = torch.randn(4, 3, 1, 64)[:, :, 0]
    found = latency(net, x, repeats=2)
    assert found.dense > 0
    assert found.event_driven > 0
    assert found.paths["0"] == {"dense": 4}
    if native.load()[0] is not None:
        assert found.paths["2"] == {"gather": 4}


def test_the_network_is_left_as_it_was():
    net = Stack(nn.Linear(8, 8), LIF(decay=0.5)).train()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    latency(net, torch.ones(2, 1, 8), repeats=1)
    assert net.training
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())
    assert not any(module._forward_hooks for module in net.modules())
