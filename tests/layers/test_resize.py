"""Sizes follow the published rule in both directions, and nearest keeps what it copies."""

import pytest
import torch
from torch.nn.functional import interpolate

from ranvier.layers.resize import resize, scaled


@pytest.mark.parametrize(
    ("length", "scale", "expected"),
    [
        (346, 0.5, 173),
        (173, 0.5, 87),
        (87, 2, 173),
        (200, 0.5, 100),
        (50, 2, 100),
        (1, 0.5, 1),
        (32, 1, 32),
        (33, 1, 33),
    ],
)
def test_size_rule(length: int, scale: float, expected: int) -> None:
    assert scaled(length, scale) == expected


def test_nearest_halves_by_taking_every_other_pixel_and_doubles_by_repeating() -> None:
    x = torch.arange(24.0).view(1, 1, 1, 4, 6)
    assert torch.equal(resize(x, (2, 3)), x[..., ::2, ::2])
    assert torch.equal(resize(x, (8, 12)), x.repeat_interleave(2, -1).repeat_interleave(2, -2))


def test_bilinear_keeps_the_corners() -> None:
    x = torch.rand(2, 3, 4, 5, 7)
    y = resize(x, (3, 4), mode="bilinear")
    assert torch.equal(y[..., 0, 0], x[..., 0, 0])
    torch.testing.assert_close(y, x[..., ::2, ::2])


def test_the_same_size_is_the_same_tensor() -> None:
    x = torch.rand(2, 3, 4, 5, 7)
    assert resize(x, (5, 7), mode="bilinear") is x


@pytest.mark.parametrize("size", [(12, 8), (6, 8), (4, 2), (5, 3), (24, 16), (12, 32)])
def test_nearest_is_that_of_torch_in_the_memory_order_that_came(size: tuple[int, int]) -> None:
    x = torch.rand(6, 5, 12, 16)
    for order in (torch.contiguous_format, torch.channels_last):
        y = resize(x.contiguous(memory_format=order).unflatten(0, (3, 2)), size).flatten(0, 1)
        assert torch.equal(y, interpolate(x, size))
        assert y.is_contiguous(memory_format=order)
