"""Batches keep the samples and pad at the end."""

import doctest

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ranvier.data.datasets import batch, collate


def test_doctest():
    assert doctest.testmod(batch).failed == 0


@given(st.lists(st.integers(0, 5), min_size=1, max_size=4))
def test_every_sample_is_found_again_before_its_length(lengths):
    samples = [(torch.randn(length, 2, 3), i) for i, length in enumerate(lengths)]
    made = collate(samples)
    assert made.x.shape == (max(lengths), len(lengths), 2, 3)
    assert made.lengths.tolist() == lengths
    assert made.target.tolist() == list(range(len(lengths)))
    assert made.target.dtype == made.lengths.dtype == torch.int64
    for i, (x, _) in enumerate(samples):
        assert torch.equal(made.x[: len(x), i], x)
        assert not made.x[len(x) :, i].any()


def test_samples_of_different_sensors_are_refused():
    with pytest.raises(ValueError, match=r"differ in time only, got shapes \[\(2, 3\), \(2, 4\)\]"):
        collate([(torch.ones(2, 3), 0), (torch.ones(2, 4), 0)])
