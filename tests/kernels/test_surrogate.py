import math

import pytest
import torch

from ranvier.kernels.surrogate import SURROGATES, derivative, spike

U = torch.tensor([0.05, 0.1, 0.3, 0.5, 0.7, 0.9, 0.95], dtype=torch.float64)

# Printed in the SpikeDHS and SpikeFPN specifications: (temperature, threshold) -> ds/du at U.
TANH = {
    (1, 0.5): [0.88939, 0.92578, 1.03983, 1.08198, 1.03983, 0.92578, 0.88939],
    (3, 0.5): [0.39115, 0.50548, 1.17922, 1.65719, 1.17922, 0.50548, 0.39115],
    (5, 0.5): [0.11014, 0.17902, 1.06418, 2.53392, 1.06418, 0.17902, 0.11014],
    (3, 0.3): [0.98865, 1.17922, 1.65719, 1.17922, 0.50548, 0.17162, 0.12891],
}


@pytest.mark.parametrize(("b", "threshold"), TANH)
def test_tanh_matches_the_published_values(b: float, threshold: float) -> None:
    expected = torch.tensor(TANH[b, threshold], dtype=torch.float64)
    found = derivative(U, threshold, surrogate="tanh", temperature=b)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


def test_tanh_is_zero_outside_its_window() -> None:
    outside = torch.tensor([-0.1, 0.0, 1.0, 1.1])
    assert not derivative(outside, 0.5, surrogate="tanh", temperature=3).any()


@pytest.mark.parametrize("surrogate", SURROGATES)
@pytest.mark.parametrize("b", [1.0, 2.5, 4.0])
def test_area_is_one(surrogate: str, b: float) -> None:
    v = torch.linspace(-400, 400, 8_000_001, dtype=torch.float64)
    area = torch.trapezoid(derivative(v, 0.5, surrogate=surrogate, temperature=b), v).item()
    assert area == pytest.approx(1, abs=2e-3)  # the tails of atan beyond 400 hold 1e-3


def test_peaks() -> None:
    peaks = {"triangle": 3, "rectangle": 3, "atan": 1.5, "sigmoid": 0.75, "tanh": 1.5 / math.tanh(1.5)}
    for surrogate, peak in peaks.items():
        at = derivative(torch.tensor(0.5), 0.5, surrogate=surrogate, temperature=3.0)
        assert at.item() == pytest.approx(peak)


def test_threshold_gradient_is_the_negative() -> None:
    v = torch.randn(50, dtype=torch.float64, requires_grad=True)
    theta = torch.full((50,), 0.3, dtype=torch.float64, requires_grad=True)
    spike(v, theta, surrogate="atan", temperature=2.0).sum().backward()
    assert torch.equal(v.grad, -theta.grad)


def test_unknown_name() -> None:
    with pytest.raises(ValueError, match="expected a surrogate of triangle"):
        derivative(U, 0.5, surrogate="gauss", temperature=1)
