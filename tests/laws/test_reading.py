"""Every value that a law cannot produce is found, at its place; none other is."""

import numpy as np
import pytest

import dropout_stats as ds
from dropout_stats.laws.reading import kept_tolerance

LAW = ds.laws.Inverted()
RATE = 0.3


def passed(dtype=np.float32):
    x = np.array([[1.5, -0.25, 3.0], [-2.0, 0.75, 5.0]]).astype(dtype)
    mask = np.array([[True, False, True], [True, True, False]])
    return x, LAW.apply(x, mask, RATE), mask


@pytest.mark.parametrize("impossible", [0.1, -1.0, np.nan, np.inf, 1e-30, 1.5])
def test_an_impossible_value_is_reported_with_its_place_and_numbers(impossible):
    x, y, _ = passed()
    y[1, 0] = impossible
    reading = LAW.read(x, y, RATE)
    assert reading.violations == 1
    assert reading.example.index == (1, 0)
    assert reading.example.given == -2.0
    assert reading.example.expected == "0 (dropped) or -2.85714293 (kept)"
    np.testing.assert_equal(reading.example.got, float(np.float32(impossible)))
    assert "(1, 0)" in str(reading.example)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_rounding_inside_the_tolerance_is_spared_and_beyond_it_reported(dtype):
    from dropout_stats.dtypes import as_dtype

    x = np.full(4, 1.5).astype(as_dtype(dtype))
    exact = 1.5 / 0.7
    tolerance = kept_tolerance(dtype, RATE)
    inside = np.array([exact, exact * (1 + 0.4 * tolerance), exact * (1 - 0.4 * tolerance), 0.0])
    outside = np.full(4, exact * (1 + 3 * tolerance))
    assert LAW.read(x, inside.astype(as_dtype(dtype)), RATE).violations == 0
    assert LAW.read(x, outside.astype(as_dtype(dtype)), RATE).violations == 4


def test_the_tolerance_is_two_eps_and_two_float32_eps_over_keep_prob():
    eps32 = 2.0**-23
    assert kept_tolerance("float32", 0.5) == 2 * eps32 + 4 * eps32
    assert kept_tolerance("float64", 0.999) == pytest.approx(2 * eps32 / 0.001)
    assert kept_tolerance("float16", 0.0) == pytest.approx(2 * 2.0**-10 + 2 * eps32)


def test_minus_zero_is_dropped():
    x, y, mask = passed()
    y[y == 0] = -0.0
    reading = LAW.read(x, y, RATE)
    assert reading.violations == 0
    np.testing.assert_array_equal(reading.mask(), mask.reshape(-1))


def test_one_wrong_factor_shows_as_equal_ratios():
    x, _, mask = passed(np.float64)
    reading = LAW.read(x, np.where(mask, x / 0.3, 0), RATE)
    low, high = reading.ratios
    assert low == pytest.approx(1 / 0.3) == high


def test_digests_tell_masks_apart():
    x, y, _ = passed()
    other = y.copy()
    other[0, 1] = x[0, 1] / np.float32(0.7)
    same = LAW.read(x, y.copy(), RATE).digest
    assert LAW.read(x, y, RATE).digest == same
    assert LAW.read(x, other, RATE).digest != same
