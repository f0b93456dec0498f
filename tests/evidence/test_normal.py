"""The test of normal scores: valid, tuned, and honest about what it excludes."""

import math

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import chi2, norm

from dropout_stats.evidence.normal import NormalTest, Sums


def sums_of(z):
    return Sums(len(z), float(np.sum(z)), float(np.sum(np.square(z))))


def drawn(rng, draws, mean=0.0, deviation=1.0):
    """Sums of so many draws, without drawing them one by one."""
    first = rng.normal(mean * draws, deviation * math.sqrt(draws))
    return Sums(draws, first, deviation**2 * rng.chisquare(draws - 1) + first**2 / draws)


def test_sums_add_and_describe():
    one, two = np.array([1.0, -2.0, 0.5]), np.array([3.0])
    both = sums_of(one) + sums_of(two)
    assert both == sums_of(np.concatenate([one, two]))
    assert both.mean == pytest.approx(0.625)
    assert math.isnan(Sums().mean)
    assert math.isnan(Sums().deviation)


@pytest.mark.parametrize("draws", [1, 5])
def test_the_e_value_of_the_mean_has_mean_one(draws):
    """Given their number, only the sum counts; it is normal."""
    test = NormalTest(0.25)

    def e_value(first):
        return math.exp(
            test.log_e_mean(Sums(draws, first, 0.0)) + norm.logpdf(first, 0, draws**0.5)
        )

    # The widest alternative is 64 deviations: far beyond any number that a sum takes.
    total = sum(quad(e_value, low, low + 8, limit=200)[0] for low in np.arange(-640, 640, 8))
    assert total == pytest.approx(1, rel=1e-6)


@pytest.mark.parametrize("draws", [2, 6])
def test_the_e_value_of_the_deviation_has_a_mean_of_one(draws):
    test = NormalTest(0.25)

    def e_value(log_second):
        second = math.exp(log_second)
        chance = chi2.logpdf(second, draws) + log_second
        return math.exp(test.log_e_deviation(Sums(draws, 0.0, second)) + chance)

    total = sum(quad(e_value, low, low + 0.5, limit=200)[0] for low in np.arange(-30, 14, 0.5))
    assert total == pytest.approx(1, rel=1e-4)


@pytest.mark.parametrize(("mean", "deviation"), [(0.02, 1.0), (0.0, 1.02), (0.0, 1 / 1.02)])
def test_a_departure_is_rejected_near_the_limit_and_not_excluded(mean, deviation):
    rng, test, alpha = np.random.default_rng(7), NormalTest(0.02), 1e-6
    gain = mean**2 / 2 + (deviation**2 - 1) / 2 - math.log(deviation)
    limit = math.log(1 / alpha) / gain
    stops, excluded = [], 0
    for _ in range(300):
        sums, passed = Sums(), False
        while test.log_e(sums) < math.log(1 / alpha):
            sums += drawn(rng, int(limit / 60), mean, deviation)
            excludes = test.excludes_mean if mean else test.excludes_deviation
            passed |= excludes(sums)
        stops.append(sums.draws)
        excluded += passed
    error = np.std(stops) / math.sqrt(len(stops)) / limit
    assert np.mean(stops) / limit < 1.5 - 3 * error
    assert excluded <= 9  # 1 % of 300, and three standard deviations


def test_conforming_draws_pass_and_are_hardly_ever_accused():
    rng, test = np.random.default_rng(8), NormalTest(0.05)
    accused = passed = 0
    for _ in range(2000):
        sums, worst, done = Sums(), -math.inf, False
        for _ in range(60):
            sums += drawn(rng, 200)
            worst = max(worst, test.log_e(sums))
            done |= test.excludes_mean(sums) and test.excludes_deviation(sums)
        accused += worst >= math.log(20)
        passed += done
    assert accused <= 0.05 * 2000
    assert passed >= 0.95 * 2000


def test_what_is_resolved_is_what_is_excluded():
    test, sums = NormalTest(0.02), drawn(np.random.default_rng(3), 40_000)
    mean, deviation = test.resolution_mean(sums), test.resolution_deviation(sums)
    assert test.excludes_mean(sums, mean * 1.01)
    assert not test.excludes_mean(sums, mean * 0.99)
    assert test.excludes_deviation(sums, deviation * 1.01)
    assert not test.excludes_deviation(sums, deviation * 0.99)
    assert test.resolution_mean(Sums()) == math.inf


@pytest.mark.parametrize("wrong", [0.0, -1.0, math.nan, math.inf])
def test_a_departure_that_is_none_is_refused(wrong):
    with pytest.raises(ValueError, match="departure"):
        NormalTest(wrong)
    with pytest.raises(ValueError, match="power"):
        NormalTest(0.1, power=1.0)
