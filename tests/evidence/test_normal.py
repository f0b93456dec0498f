"""The test of normal scores: valid, tuned, and honest about what it excludes."""

import math

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import chi2, norm

from dropout_stats.evidence.normal import NormalTest, Sums


def sums_of(z):
    return Sums(len(z), float(np.sum(z)), float(np.sum(np.square(z))), float(np.max(np.abs(z))))


def drawn(rng, draws, mean=0.0, deviation=1.0):
    """Sums of so many draws, without drawing them one by one."""
    first = rng.normal(mean * draws, deviation * math.sqrt(draws))
    second = deviation**2 * rng.chisquare(draws - 1) + first**2 / draws
    return Sums(draws, first, second, math.inf)  # no tail is taken for missing


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


def test_the_e_value_of_both_has_mean_one():
    test = NormalTest(0.25)

    def e_value(z):
        return math.exp(test.log_e_both(Sums(1, z, z**2)) + norm.logpdf(z))

    total = sum(quad(e_value, low, low + 4, limit=200)[0] for low in np.arange(-600, 600, 4))
    assert total == pytest.approx(1, rel=1e-4)


@pytest.mark.parametrize("draws", [1, 4])
def test_the_e_value_of_missing_tails_has_mean_one(draws):
    """It is a step function of the largest of them, whose law is known."""
    test = NormalTest(0.25)
    ends = np.concatenate(([0.0], np.sort(test._tails[2]), [math.inf]))
    chances = np.diff((2 * norm.cdf(ends) - 1) ** draws)
    places = np.concatenate((ends[1:-1], [50.0]))
    values = [math.exp(test.log_e_tails(Sums(draws, largest=place))) for place in places]
    assert values[-1] == 0
    assert np.dot(chances, values) == pytest.approx(1, rel=1e-9)


def test_tails_that_are_missing_are_found_and_others_are_not():
    rng, test = np.random.default_rng(5), NormalTest(2.0**-8)
    z = rng.standard_normal(40_000)
    assert test.log_e(sums_of(z)) < 5
    clipped = np.clip(z, -2.5, 2.5)
    assert test.log_e(sums_of(clipped)) > 100
    assert max(test.log_e_mean(sums_of(clipped)), test.log_e_deviation(sums_of(clipped))) < 20


def test_normal_numbers_of_24_bits_have_all_the_tails_that_are_looked_for():
    for departure in (0.25, 1e-9):  # also where much smaller shifts are looked for
        assert NormalTest(departure)._tails[2].max() < norm.ppf(1 - 2.0**-23)


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


@pytest.mark.parametrize(("mean", "deviation"), [(0.1, 1.0), (-0.1, 1.1), (0.0, 1 / 1.1)])
def test_with_a_band_no_law_in_it_has_an_e_value_of_more_than_one(mean, deviation):
    """Two draws, by their sum and difference. No tail is looked for: three parts of four."""

    def e_value(test, log_square, total):
        square = math.exp(log_square)
        sums = Sums(2, total, (total**2 + square) / 2, math.inf)
        chance = norm.logpdf(total, 2 * mean, deviation * math.sqrt(2))
        spread = chi2.logpdf(square / (2 * deviation**2), 1) - math.log(2 * deviation**2)
        return math.exp(test.log_e(sums) + chance + spread + log_square)

    def expected(band):
        test = NormalTest(0.25, band=band)
        totals, logs = np.arange(-150.0, 150.0), np.arange(-25, 11, 0.5)
        return 0.5 * sum(e_value(test, log, total) for total in totals for log in logs)

    assert 0.3 < expected(0.1) < 0.75
    assert deviation != 1 or expected(0.0) > 1


def test_a_band_takes_the_largest_likelihood_in_it():
    test, rng = NormalTest(0.25, band=0.1), np.random.default_rng(4)
    for mean, deviation in ((0.05, 1.02), (0.3, 1.0), (-0.4, 1.3), (0.0, 0.7)):
        z = rng.normal(mean, deviation, 50)
        sums = sums_of(z)
        shifts = np.linspace(-0.1, 0.1, 401)[:, None, None]
        factors = np.geomspace(1 / 1.1, 1.1, 401)[:, None]
        lawful = norm.logpdf(z).sum()
        best = max(
            (norm.logpdf(z, shift, factors[:, 0, None]).sum(axis=1) - lawful).max()
            for shift in shifts[:, 0, 0]
        )
        plain = NormalTest(0.25).log_e(sums)
        assert test.log_e(sums) == pytest.approx(plain - best, abs=1e-3)


@pytest.mark.parametrize("wrong", [-0.1, 0.125, math.nan])
def test_a_band_that_leaves_nothing_to_exclude_is_refused(wrong):
    with pytest.raises(ValueError, match="band"):
        NormalTest(0.25, band=wrong)
