"""Intervals of mean and variance that hold at every look, for draws that are not normal."""

import math

import numpy as np
import pytest
from scipy.stats import binomtest, kurtosis

from dropout_stats.evidence.powers import Powers


def powers_of(z, kurtosis=3.0):
    return Powers.of(np.array([z.size, *(np.sum(z**power) for power in (1, 2, 3, 4))]), kurtosis)


def test_sums_say_what_the_draws_do():
    z = np.random.default_rng(1).gamma(3.0, size=500)
    powers = powers_of(z)
    assert powers.mean == pytest.approx(z.mean())
    assert powers.variance == pytest.approx(z.var())
    assert powers._spread == pytest.approx((kurtosis(z, fisher=False) - 1) * z.var() ** 2)


def test_nothing_is_known_before_the_first_draw():
    powers = Powers.of(np.zeros(5), 3.0)
    assert math.isnan(powers.mean)
    assert powers.interval_mean(0.01, 0.1) == (-math.inf, math.inf)
    assert powers.interval_variance(0.01, 0.1) == (-math.inf, math.inf)


@pytest.mark.parametrize(
    ("draw", "fourth"),
    [
        (lambda rng, size: rng.standard_normal(size), 3.0),
        (lambda rng, size: rng.uniform(-math.sqrt(3), math.sqrt(3), size), 1.8),
        (lambda rng, size: rng.exponential(1.0, size) - 1, 9.0),
    ],
    ids=["normal", "uniform", "exponential"],
)
def test_they_hold_at_all_looks_at_once(draw, fourth):
    """Looked at 100 times, from 2,000 draws on; the share of runs that are ever wrong."""
    alpha, runs, rng = 0.1, 400, np.random.default_rng(2)
    wrong = np.zeros(2, int)
    for _ in range(runs):
        z = draw(rng, 40_000).reshape(100, 400)
        sums = np.cumsum([(z**power).sum(axis=1) for power in (1, 2, 3, 4)], axis=1).T
        looks = [Powers(400 * n, tuple(sums[n - 1]), fourth) for n in range(5, 101)]
        intervals = [
            (p.interval_mean(alpha, 0.01), p.interval_variance(alpha, 0.01)) for p in looks
        ]
        wrong += [
            any(not low <= truth <= high for low, high in (both[which] for both in intervals))
            for which, truth in enumerate((0.0, 1.0))
        ]
    for found in wrong:
        assert binomtest(int(found), runs, alpha, alternative="greater").pvalue > 1e-4


def test_they_close_in_on_what_is_there():
    z = np.random.default_rng(3).normal(0.1, 1.2, 400_000)
    powers = powers_of(z)
    (low, high), (least, most) = (
        powers.interval_mean(1e-6, 0.02),
        powers.interval_variance(1e-6, 0.02),
    )
    assert 0.08 < low < 0.1 < high < 0.12
    assert 1.39 < least < 1.44 < most < 1.49


def test_draws_that_carry_the_variance_may_be_missing():
    """Seen are draws of a tenth of the deviation; under the law rare ones make up the rest."""
    z = np.random.default_rng(4).normal(0, 0.1, 10_000)
    assert powers_of(z, 3.0).interval_variance(1e-6, 0.05)[1] < 1
    assert powers_of(z, 30_000.0).interval_variance(1e-6, 0.05)[1] > 1
