"""The GRU: the equations, PyTorch's own module, and what is remembered."""

import pytest
import torch
from torch import nn

from ranvier import Carry
from ranvier.layers.gru import GRU


def test_it_is_the_gru_of_torch_with_the_same_weights() -> None:
    torch.manual_seed(0)
    net, torchs = GRU(3, 5, layers=2), nn.GRU(3, 5, 2)
    net.load_state_dict(torchs.state_dict())
    x, carry = torch.randn(7, 2, 3), Carry()
    y, h = torchs(x)
    torch.testing.assert_close(net(x, carry), y)
    torch.testing.assert_close(carry[net]["h"].transpose(0, 1), h)


def test_the_equations() -> None:
    torch.manual_seed(0)
    net = GRU(3, 4).double()
    x, h = torch.randn(6, 2, 3, dtype=torch.float64), torch.zeros(2, 4, dtype=torch.float64)
    y = net(x)
    w, u, b, c = (tensor.chunk(3) for tensor in net.parameters())
    for x_t, y_t in zip(x, y, strict=True):
        r, z = (torch.sigmoid(x_t @ w[i].T + b[i] + h @ u[i].T + c[i]) for i in (0, 1))
        n = torch.tanh(x_t @ w[2].T + b[2] + r * (h @ u[2].T + c[2]))
        h = (1 - z) * n + z * h
        torch.testing.assert_close(y_t, h)


def test_dropout_between_layers_is_for_training() -> None:
    torch.manual_seed(0)
    net, x = GRU(3, 8, layers=2, dropout=0.5), torch.randn(5, 2, 3)
    assert not torch.equal(net(x), net(x))
    net.eval()
    assert torch.equal(net(x), net(x))


def test_parameters_and_state() -> None:
    net, carry = GRU(96, 128, layers=3), Carry()
    net(torch.zeros(2, 4, 96), carry)
    assert sum(p.numel() for p in net.parameters()) == 3 * 128 * (96 + 128) + 2 * 3 * 128 * 256 + 3 * 6 * 128
    assert carry[net]["h"].shape == (4, 3, 128)


def test_low_precision_goes_through_the_weights_precision() -> None:
    torch.manual_seed(0)
    net, x = GRU(3, 4), torch.randn(5, 2, 3)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y = net(x.bfloat16(), Carry())
    assert y.dtype == torch.bfloat16
    torch.testing.assert_close(y.float(), net(x), rtol=0, atol=0.02)


def test_other_features_are_refused() -> None:
    with pytest.raises(ValueError, match=r"expected \[time, batch, 3 features\], got \(5, 2, 4\)"):
        GRU(3, 4)(torch.zeros(5, 2, 4))
