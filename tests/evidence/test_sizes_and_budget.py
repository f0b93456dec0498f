import math

import numpy as np
import pytest
from scipy.stats import binom

from dropout_stats.evidence.budget import Share, split
from dropout_stats.evidence.sizes import cap, fixed_sample, fixed_test_power


@pytest.mark.parametrize(
    ("null", "departure", "expected"),
    [(0.5, 0.1, 1291), (0.5, 0.02, 32_593), (0.9, 0.02, 12_635), (0.5, 1 / 512, 3_416_071)],
)
def test_the_fixed_sample_is_that_of_the_exact_test(null, departure, expected):
    """Against sizes computed elsewhere; the lattice leaves room of a few steps."""
    assert fixed_sample(null, departure, 1e-6, 0.99) == pytest.approx(expected, rel=0.006)


@pytest.mark.parametrize(("null", "departure"), [(0.5, 0.1), (0.9, 0.05), (0.999, 0.0005)])
def test_the_fixed_test_has_its_size_and_power(null, departure):
    alpha, size = 1e-4, fixed_sample(null, departure, 1e-4, 0.99)
    assert fixed_test_power(size, null, departure, alpha) >= 0.99
    assert fixed_test_power(int(size * 0.9), null, departure, alpha) < 0.99
    k = np.arange(-1, size + 2)
    low = k[binom.cdf(k, size, null) <= alpha / 2].max()
    high = k[binom.sf(k - 1, size, null) <= alpha / 2].min()
    power = min(
        binom.cdf(low, size, p) + binom.sf(high - 1, size, p)
        for p in (null - departure, null + departure)
        if p <= 1
    )
    assert fixed_test_power(size, null, departure, alpha) == pytest.approx(power)


@pytest.mark.parametrize(("null", "departure"), [(0.5, 0.1), (0.9, 0.1), (0.9, 0.02)])
def test_no_smaller_size_has_the_power(null, departure):
    size = fixed_sample(null, departure, 1e-6, 0.99)
    smaller = np.arange(1, size)
    assert fixed_test_power(size, null, departure, 1e-6) >= 0.99
    assert (fixed_test_power(smaller, null, departure, 1e-6) < 0.99).all()


def test_the_cap_is_one_point_three_times_the_fixed_sample():
    assert cap(0.5, 0.02, 1e-6, 0.99) == math.ceil(1.3 * fixed_sample(0.5, 0.02, 1e-6, 0.99))


def test_a_departure_that_no_probability_has_is_refused():
    with pytest.raises(ValueError, match=r"no probability differs"):
        fixed_sample(0.5, 0.6, 1e-6, 0.99)


def test_shares_add_up_to_the_total():
    assert 7 * split(1e-3, 7).probability == pytest.approx(1e-3)
    assert Share(1e-6).log_threshold == pytest.approx(math.log(1e6))


@pytest.mark.parametrize("total", [0, 1, -0.1, math.nan])
def test_a_senseless_total_is_refused(total):
    with pytest.raises(ValueError, match=r"inside \(0, 1\)"):
        split(total, 3)
