"""The e-value of a known mean: its mean over all outcomes, and what a pass excludes."""

import itertools
import math

import numpy as np
import pytest

from dropout_stats.evidence.means import MeanTest, resolvable_shift

VALUES = np.array([-0.3, 0.0, 0.1, 2.5])
CHANCES = np.array([0.4, 0.3, 0.2, 0.1])
MEAN = float(CHANCES @ VALUES)
DEVIATION = math.sqrt(float(CHANCES @ (VALUES - MEAN) ** 2))


def judge(low=MEAN, high=MEAN, size=0.2, power=0.99):
    return MeanTest(VALUES, low, high, DEVIATION, size, power)


def mean_e(one, chances, number=4):
    """Over all outcomes of so many values."""
    total = 0.0
    for outcome in itertools.product(range(len(VALUES)), repeat=number):
        counts = np.bincount(outcome, minlength=len(VALUES))
        total += math.prod(chances[list(outcome)]) * math.exp(one.log_e(counts))
    return total


@pytest.mark.parametrize("size", [0.001, 0.2, 3.0])
def test_the_mean_of_the_e_value_is_one_where_the_mean_is_known(size):
    assert mean_e(judge(size=size), CHANCES) == pytest.approx(1, rel=1e-12)


@pytest.mark.parametrize("size", [0.001, 0.2, 3.0])
def test_the_mean_of_the_e_value_is_at_most_one_for_any_law_with_a_mean_within_the_bounds(size):
    one = judge(MEAN - 0.01, MEAN + 0.02, size)
    for moved in (-0.01, 0.0, 0.02):  # of the mean, by what moves between two of the values
        chances = CHANCES + np.array([-1, 0, 0, 1]) * moved / (VALUES[3] - VALUES[0])
        assert chances @ VALUES == pytest.approx(MEAN + moved)
        assert 0.2 < mean_e(one, chances) <= 1 + 1e-12


def test_the_mean_of_the_e_value_is_larger_where_the_mean_lies_outside():
    chances = CHANCES + np.array([-1, 0, 0, 1]) * 0.3 / (VALUES[3] - VALUES[0])
    assert mean_e(judge(MEAN - 0.01, MEAN + 0.02), chances) > 1.01


def test_a_shift_of_the_declared_size_is_excluded_by_chance_at_most():
    """The bet against a shifted mean is an e-value for every law with such a mean."""
    one = judge(size=0.3, power=0.9)
    shift = 0.3 * DEVIATION
    for sign in (-1, 1):
        chances = CHANCES + sign * np.array([-1, 0, 0, 1]) * shift / (VALUES[3] - VALUES[0])
        edge = one.edges(0.3)[0 if sign > 0 else 1]
        assert chances @ np.exp(edge) == pytest.approx(1, rel=1e-12)
    rng = np.random.default_rng(5)
    chances = CHANCES + np.array([-1, 0, 0, 1]) * shift / (VALUES[3] - VALUES[0])
    passed = 0
    for _ in range(400):  # looked at after every ten values, as long as it may take
        counts = np.cumsum(rng.multinomial(10, chances, 60), axis=0)
        passed += any(one.excludes_shift(row) for row in counts)
    assert passed / 400 <= 0.1 + 3.1 * math.sqrt(0.1 * 0.9 / 400)


def test_a_wrong_mean_is_refuted_and_a_right_one_is_confirmed():
    one = judge(size=resolvable_shift(judge(), CHANCES, 5000))
    counts = np.rint(5000 * CHANCES).astype(np.int64)
    assert one.log_e(counts) < 0
    assert one.excludes_shift(counts)
    low, high = one.interval(counts, 1e-6)
    assert low < MEAN < high
    assert high - low < 20 * DEVIATION / math.sqrt(5000)
    moved = np.rint(5000 * (CHANCES + np.array([-0.06, 0, 0, 0.06]))).astype(np.int64)
    assert one.log_e(moved) > math.log(1e6)
    assert not one.excludes_shift(moved)
    low, high = one.interval(moved, 1e-6)
    assert MEAN < low < float(moved @ VALUES) / 5000 < high


def test_so_few_values_exclude_nothing():
    assert math.isinf(resolvable_shift(judge(), CHANCES, 3))
    shifts = [resolvable_shift(judge(), CHANCES, number) for number in (100, 1000, 10_000)]
    assert shifts == sorted(shifts, reverse=True)
    assert shifts[-1] < 16 / math.sqrt(10_000)
    low, high = judge().interval(np.array([1, 1, 0, 0]), 1e-6)
    assert low == VALUES.min()
    assert high == VALUES.max()


def test_the_worst_of_all_values_leaves_something():
    for size in (1e-3, 1.0, 50.0):
        counts = np.array([0, 0, 0, 10])
        assert math.isfinite(judge(size=size).log_e(counts))


def test_no_shift_that_the_bounds_allow_is_said_to_be_excluded():
    wide = judge(MEAN - 0.1, MEAN + 0.1)
    assert resolvable_shift(wide, CHANCES, 10**9) * DEVIATION > 0.2
    assert resolvable_shift(judge(), CHANCES, 10**9) * DEVIATION < 0.01
