"""Batches keep the samples and pad at the end."""

import doctest

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ranvier.data.datasets import collate as function
from ranvier.data.datasets.collate import Batch


def test_doctest():
    import sys

    assert doctest.testmod(sys.modules[Batch.__module__]).failed == 0


@given(st.lists(st.integers(0, 5), min_size=1, max_size=4))
def test_every_sample_is_found_again_before_its_length(lengths):
    samples = [(torch.randn(length, 2, 3), i) for i, length in enumerate(lengths)]
    batch = function(samples)
    assert batch.x.shape == (max(lengths), len(lengths), 2, 3)
    assert batch.lengths.tolist() == lengths
    assert batch.target.tolist() == list(range(len(lengths)))
    assert batch.target.dtype == batch.lengths.dtype == torch.int64
    for i, (x, _) in enumerate(samples):
        assert torch.equal(batch.x[: len(x), i], x)
        assert not batch.x[len(x) :, i].any()


def test_samples_of_different_sensors_are_refused():
    with pytest.raises(ValueError, match=r"differ in time only, got shapes \[\(2, 3\), \(2, 4\)\]"):
        function([(torch.ones(2, 3), 0), (torch.ones(2, 4), 0)])
