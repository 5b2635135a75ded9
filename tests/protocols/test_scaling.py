"""The power law that fits."""

import numpy as np
import pytest

from ranvier.protocols.scaling import fit_power_law


def test_a_law_is_found_again():
    n = np.array([1, 2, 5, 10, 20, 30])
    law = fit_power_law(n, 0.15 + 0.4 * n**-0.7)
    assert law == pytest.approx((0.15, 0.4, 0.7), rel=0.02)


def test_neither_part_is_negative():
    # Errors that grow, and errors that fall faster and faster, would have laws below zero.
    for error in ([0.2, 0.3, 0.4], [0.5, 0.4, 0.1]):
        law = fit_power_law([1, 2, 3], error)
        assert law.floor >= 0
        assert law.factor >= 0
