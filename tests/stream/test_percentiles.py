import numpy as np
import pytest

from ranvier.stream import Latencies


@pytest.mark.parametrize("count", [1, 2, 7, 1000])
def test_percentiles_are_those_of_all_times_to_half_a_percent(count):
    seconds = 10 ** np.random.default_rng(0).uniform(-6, 4, count)
    latencies = Latencies()
    for one in seconds:
        latencies.add(one)
    assert latencies.count == count
    for percent in (0, 5, 50, 95, 100):
        exact = np.percentile(seconds, percent, method="inverted_cdf")
        assert latencies.percentile(percent) == pytest.approx(exact, rel=0.005)


def test_times_beyond_the_scale_are_counted():
    latencies = Latencies()
    for seconds in (0.0, 1e9):
        latencies.add(seconds)
    assert (latencies.count, latencies.percentile(50)) == (2, 1e-7)
    assert latencies.percentile(100) > 86_400


def test_no_times_have_no_percentile():
    with pytest.raises(ValueError, match="no percentile of no times"):
        Latencies().percentile(50)
