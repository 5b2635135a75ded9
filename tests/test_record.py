import torch
from torch import nn

from ranvier.layers import Stack
from ranvier.neurons import LI, LIF
from ranvier.record import record


def test_every_layer_of_neurons_is_heard():
    net = Stack(nn.Linear(4, 8), LIF(decay=0.5), Stack(nn.Linear(8, 3), LI(decay=0.5)))
    x = torch.randn(5, 2, 4)
    y, said = record(net, x)
    assert list(said) == ["1", "2.1"]
    assert said["1"].shape == (5, 2, 8)
    assert torch.equal(said["2.1"], y)
    assert torch.equal(y, net(x))
    assert not y.requires_grad
    assert not any(module._forward_hooks for module in net.modules())
