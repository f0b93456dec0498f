"""The e-value, the pass rule and the confidence sequence hold what they promise, exactly."""

import math

import mpmath
import numpy as np
import pytest
from scipy.stats import binom

from dropout_stats.evidence.bernoulli import BernoulliTest, Counts, divergence

PROBABILITIES = (0.5, 0.3, 0.9, 0.02, 0.99)


def expected_e(test, trials, probability):
    """The mean of the e-value after so many trials, over all numbers of successes."""
    k = np.arange(trials + 1)
    log_e = [test.log_e(Counts(trials, int(successes))) for successes in k]
    return float(np.exp(binom.logpmf(k, trials, probability) + log_e).sum())


def reached(test, stop, probability, trials):
    """P(stop(counts) at some n <= trials), by stepping the law of the walk that has not stopped."""
    alive = np.array([1.0])
    stopped = 0.0
    for n in range(1, trials + 1):
        new = np.zeros(n + 1)
        new[:-1] += alive * (1 - probability)
        new[1:] += alive * probability
        for k in range(n + 1):
            if new[k] and stop(Counts(n, k)):
                stopped += new[k]
                new[k] = 0
        alive = new
    return stopped


@pytest.mark.parametrize("trials", [1, 7, 64, 400])
@pytest.mark.parametrize("null", PROBABILITIES)
def test_the_expected_e_value_under_the_null_is_one(null, trials):
    test = BernoulliTest(null, min(0.01, null / 3))
    assert expected_e(test, trials, null) == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize("shift", [-1, -0.5, 0, 0.5, 1])
@pytest.mark.parametrize("null", PROBABILITIES)
def test_the_expected_e_value_is_at_most_one_all_over_the_band(null, shift):
    band = 0.004
    test = BernoulliTest(null, 0.02, band=band)
    assert expected_e(test, 200, null + shift * band) <= 1 + 1e-9


def test_the_band_holds_for_probabilities_that_wander_inside_it():
    """An adversary that sees everything and picks the worst probability in the band each time."""
    null, band, steps = 0.5, 0.05, 12
    test = BernoulliTest(null, 0.2, band=band)
    value = {k: math.exp(test.log_e(Counts(steps, k))) for k in range(steps + 1)}
    for n in range(steps - 1, -1, -1):
        value = {
            k: max(p * value[k + 1] + (1 - p) * value[k] for p in (null - band, null + band))
            for k in range(n + 1)
        }
    assert value[0] <= 1 + 1e-12


@pytest.mark.parametrize("null", [0.5, 0.9])
def test_looking_after_every_trial_keeps_the_false_alarm_below_the_share(null):
    test, alpha = BernoulliTest(null, 0.1), 0.01
    rate = reached(test, lambda c: test.log_e(c) >= -math.log(alpha), null, 300)
    assert 0.1 * alpha < rate <= alpha


@pytest.mark.parametrize("sign", [-1, 1])
def test_a_declared_departure_passes_at_most_one_time_in_a_hundred(sign):
    test = BernoulliTest(0.7, 0.1, power=0.99)
    rate = reached(test, test.excludes_departures, 0.7 + sign * 0.1, 300)
    assert 0.0005 < rate <= 0.01


def test_a_conforming_run_passes():
    test = BernoulliTest(0.7, 0.1, power=0.99)
    assert reached(test, test.excludes_departures, 0.7, 700) > 0.97


@pytest.mark.parametrize("null", PROBABILITIES)
def test_the_interval_covers_and_is_the_set_that_is_not_rejected(null):
    test, error = BernoulliTest(null, min(0.02, null / 2)), 0.01
    misses = 0.0
    for k in range(151):
        low, high = test.interval(Counts(150, k), error)
        misses += binom.pmf(k, 150, null) * (not low <= null <= high)
    assert misses <= error
    low, high = test.interval(Counts(150, 150), error)
    assert low > 0.9
    assert high == pytest.approx(1)
    assert test.interval(Counts(), error) == (0.0, 1.0)


def test_the_interval_is_tight_far_from_the_null_too():
    low, high = BernoulliTest(0.999, 3e-5).interval(Counts(10**7, 10**4), 1e-7)
    assert 0.00092 < low < 0.001 < high < 0.00109


def test_resolution_is_the_smallest_departure_that_is_excluded():
    counts = Counts(20_000, 13_990)
    resolution = BernoulliTest(0.7, 0.05).resolution(counts)
    assert BernoulliTest(0.7, resolution * 1.0001).excludes_departures(counts)
    assert not BernoulliTest(0.7, resolution * 0.9999).excludes_departures(counts)


def test_nothing_is_excluded_before_the_first_trial():
    test = BernoulliTest(0.7, 0.05)
    assert not test.excludes_departures(Counts())
    assert test.resolution(Counts()) == math.inf
    assert test.resolution(Counts(50, 50)) == math.inf


def test_counts_of_parts_add_to_the_evidence_of_the_whole():
    test = BernoulliTest(0.3, 0.01)
    parts = [Counts(1000, 312), Counts(500, 160), Counts(1, 0)]
    assert test.log_e(sum(parts, Counts())) == test.log_e(Counts(1501, 472))


@pytest.mark.parametrize("trials", [10**4, 10**8, 10**12])
def test_the_e_value_agrees_with_fifty_digits(trials):
    test = BernoulliTest(0.7, 2.0**-12, band=2.0**-22)
    successes = round(trials * 0.7 + 3 * math.sqrt(trials * 0.21))
    weights, points, _, _ = test._alternatives
    with mpmath.workdps(50):
        total = mpmath.mpf(0)
        for weight, point in zip(weights, points, strict=True):
            edge = mpmath.mpf(0.7) + (1 if point > 0.7 else -1) * mpmath.mpf(2) ** -22
            t = mpmath.mpf(point)
            total += mpmath.e**weight * mpmath.exp(
                successes * mpmath.log(t / edge)
                + (trials - successes) * mpmath.log((1 - t) / (1 - edge))
            )
        exact = float(mpmath.log(total))
    assert test.log_e(Counts(trials, successes)) == pytest.approx(exact, abs=1e-4, rel=1e-9)


def test_divergence_is_the_gain_of_the_best_constant_probability():
    assert divergence(Counts(10, 7), 0.7) == pytest.approx(0)
    assert divergence(Counts(10, 10), 0.5) == pytest.approx(10 * math.log(2))
    assert divergence(Counts(), 0.5) == 0


@pytest.mark.parametrize(
    "bad", [{"null": 0.0}, {"null": 1.0}, {"band": 0.2}, {"power": 1.0}, {"departure": 0.0}]
)
def test_senseless_parameters_are_refused(bad):
    with pytest.raises(ValueError, match=r"must"):
        BernoulliTest(**{"null": 0.5, "departure": 0.1, **bad})
