"""Every closed form of every law, confirmed exactly by going through all masks."""

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import dropout_stats as ds

LAWS = [ds.laws.Inverted(), ds.laws.TestScaled()]

by_law = pytest.mark.parametrize("law", LAWS, ids=lambda law: law.name)
magnitudes = st.floats(2.0**-20, 2.0**20)
activations = st.lists(
    st.tuples(magnitudes, st.sampled_from((-1.0, 1.0))).map(lambda pair: pair[0] * pair[1]),
    min_size=1,
    max_size=16,
)
rates = st.floats(0, 0.999)


def all_masks(units):
    """Every keep mask of so many units; shape (2^units, units)."""
    return (np.arange(2**units)[:, None] >> np.arange(units)) & 1 == 1


def moments(law, a, rate):
    """E[A] and Var[A] over all masks, through the law's own `apply`."""
    masks = all_masks(a.size)
    kept = masks.sum(axis=1)
    chance = rate ** (a.size - kept) * (1 - rate) ** kept
    outputs = law.apply(a, masks, rate)
    mean = expectation(chance, outputs)
    return mean, expectation(chance, (outputs - mean) ** 2)


def expectation(chance, values):
    """Sum of chance * value over all masks, without the rounding of a running sum."""
    return np.array([math.fsum(column) for column in (chance[:, None] * values).T])


@by_law
@settings(max_examples=40, deadline=None)
@given(values=activations, rate=rates)
def test_mean_noise_and_variance_over_all_masks(law, values, rate):
    a = np.array(values)
    mean, variance = moments(law, a, rate)
    rounding = 2.0**-46
    np.testing.assert_allclose(mean, law.mean(rate) * a, rtol=rounding)
    np.testing.assert_allclose(mean, law.evaluate(a, rate), rtol=rounding)
    largest = law.kept_factor(rate) ** 2 * a**2
    assert (np.abs(variance - law.variance(rate) * a**2) <= rounding * largest).all()


def test_inverted_is_unbiased_and_has_the_known_variance_for_sixteen_units():
    a = np.array([(-1) ** i * 1.7**i for i in range(16)])
    mean, variance = moments(ds.laws.Inverted(), a, 0.3)
    np.testing.assert_allclose(mean, a, rtol=2.0**-46)
    np.testing.assert_allclose(variance, a**2 * 0.3 / 0.7, rtol=2.0**-46)


def test_test_scaled_keeps_the_fraction_keep_prob_for_sixteen_units():
    a = np.array([(-1) ** i * 1.7**i for i in range(16)])
    mean, variance = moments(ds.laws.TestScaled(), a, 0.3)
    np.testing.assert_allclose(mean, 0.7 * a, rtol=2.0**-46)
    np.testing.assert_allclose(variance, a**2 * 0.3 * 0.7, rtol=2.0**-46)


@by_law
@settings(max_examples=60, deadline=None)
@given(
    values=st.lists(st.fractions(-100, 100, max_denominator=97), min_size=1, max_size=6),
    rate=st.fractions(0, Fraction(99, 100), max_denominator=100),
)
def test_the_closed_forms_hold_in_rational_arithmetic(law, values, rate):
    """No rounding at all: the identities themselves."""
    keep, factor = 1 - rate, Fraction(law.kept_factor(rate))
    mean = [Fraction(0)] * len(values)
    square = [Fraction(0)] * len(values)
    for mask in itertools.product((0, 1), repeat=len(values)):
        chance = keep ** sum(mask) * rate ** (len(values) - sum(mask))
        for i, (bit, a) in enumerate(zip(mask, values, strict=True)):
            mean[i] += chance * bit * factor * a
            square[i] += chance * (bit * factor * a) ** 2
    for i, a in enumerate(values):
        assert mean[i] == law.mean(rate) * a == Fraction(law.evaluation_factor(rate)) * a
        assert square[i] - mean[i] ** 2 == law.variance(rate) * a**2


@by_law
def test_limits_of_the_rate(law):
    x = np.array([1.5, -2.0])
    everything, nothing = np.ones(2, bool), np.zeros(2, bool)
    assert law.support(0.0) == (1.0,)
    assert law.support(1.0) == (0.0,)
    assert law.mean(1.0) == law.variance(1.0) == 0
    np.testing.assert_array_equal(law.apply(x, everything, 0.0), x)
    np.testing.assert_array_equal(law.apply(x, everything, 1.0), 0 * x)
    np.testing.assert_array_equal(law.apply(x, nothing, 0.4), 0 * x)


@by_law
@settings(max_examples=50, deadline=None)
@given(rate=st.floats(0.01, 0.99), seed=st.integers(0, 2**32), units=st.integers(1, 200))
def test_reading_undoes_applying(law, rate, seed, units):
    rng = np.random.default_rng(seed)
    x = rng.choice((-1.0, 1.0), units) * rng.uniform(0.1, 8, units)
    mask = law.sample(rng, x.shape, rate)
    reading = law.read(x, law.apply(x, mask, rate), rate)
    np.testing.assert_array_equal(reading.mask(), mask)
    assert (reading.units, reading.kept, reading.violations) == (units, mask.sum(), 0)
