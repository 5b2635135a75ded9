"""The neuron that a spike does not reset."""

import torch

from ranvier.neurons import LIF, LIFWithoutReset


def test_the_membrane_is_a_leaky_sum() -> None:
    x = torch.randn(30, 2, 3, dtype=torch.float64)
    s, v = LIFWithoutReset(decay=0.5)(x, return_v=True)
    expected, membranes = torch.zeros(2, 3, dtype=torch.float64), []
    for x_t in x:
        expected = 0.5 * expected + x_t
        membranes.append(expected)
    torch.testing.assert_close(v, torch.stack(membranes))
    assert torch.equal(s, (v >= 1).double())


def test_more_fire_than_with_a_reset() -> None:
    torch.manual_seed(0)
    x = torch.randn(500, 1, 20)
    assert LIFWithoutReset(decay=0.5)(x).mean() > 1.1 * LIF(decay=0.5)(x).mean()


def test_it_learns_through_time() -> None:
    x = torch.full((3, 1, 1), 0.4, requires_grad=True)
    LIFWithoutReset(decay=0.5, surrogate="triangle", temperature=1.0)(x)[2].sum().backward()
    torch.testing.assert_close(x.grad.flatten(), 0.7 * torch.tensor([0.25, 0.5, 1.0]))


def test_sixteen_bits_are_summed_in_thirty_two() -> None:
    x = torch.rand(50, 1, 2).bfloat16()
    assert torch.equal(LIFWithoutReset(decay=0.9)(x).float(), LIFWithoutReset(decay=0.9)(x.float()))
