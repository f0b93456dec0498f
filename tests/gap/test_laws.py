"""What is true of the gap whatever the unit: the laws that every method must obey."""

import math
from itertools import pairwise

import numpy as np
import pytest
from gap.exact import CONVEX
from hypothesis import example, given, settings
from hypothesis import strategies as st

import dropout_stats as ds

numbers = st.floats(-3, 3, allow_nan=False)
units = st.lists(st.tuples(numbers, numbers), min_size=1, max_size=14)
rates = st.sampled_from([0.05, 0.3, 0.5, 0.75, 0.9])
few = settings(max_examples=20, deadline=None)


def split(pairs):
    return [pair[0] for pair in pairs], [pair[1] for pair in pairs]


def close(one, other, factor=1.0):
    room = one.halfwidth + factor * other.halfwidth + 1e-15 * abs(other.value)
    assert abs(one.value - factor * other.value) <= room


@few
@given(units, numbers, rates)
@example([(1e-160, 1e-300)], 0.0, 0.05)  # the product of both underflows
def test_a_linear_layer_has_no_gap(pairs, bias, rate):
    for strategy in ("inverted", "test-scaled"):
        found = ds.gap.neuron("identity", *split(pairs), bias=bias, rate=rate, strategy=strategy)
        assert (found.value, found.halfwidth) == (0.0, 0.0)


@few
@given(units, rates, st.sampled_from(["relu", "leaky_relu", "abs"]))
def test_homogeneous_f_without_bias_scales_with_keep_prob(pairs, rate, name):
    inverted = ds.gap.neuron(name, *split(pairs), rate=rate)
    scaled = ds.gap.neuron(name, *split(pairs), rate=rate, strategy="test-scaled")
    close(scaled, inverted, 1 - rate)


@few
@given(units, numbers, rates, st.sampled_from(CONVEX))
def test_convex_f_has_a_gap_of_at_least_0(pairs, bias, rate, name):
    found = ds.gap.neuron(name, *split(pairs), bias=bias, rate=rate)
    assert found.high >= 0


@few
@given(units, numbers, st.sampled_from(CONVEX))
def test_the_gap_of_inverted_dropout_grows_with_the_rate_for_convex_f(pairs, bias, name):
    found = [ds.gap.neuron(name, *split(pairs), bias=bias, rate=rate) for rate in (0.1, 0.3, 0.6)]
    for lower, higher in pairwise(found):
        assert lower.low <= higher.high


def test_the_gap_of_test_scaled_dropout_does_not_grow_with_the_rate():
    rng = np.random.default_rng(1)
    weights, inputs = rng.normal(size=10), np.ones(10)
    gaps = [
        ds.gap.neuron("softplus", weights, inputs, rate=rate, strategy="test-scaled").value
        for rate in (0.1, 0.5, 0.95)
    ]
    assert gaps[0] < gaps[1] > gaps[2]


@few
@given(units, numbers, rates)
def test_parity(pairs, bias, rate):
    weights, inputs = split(pairs)
    negative = [-weight for weight in weights]
    for name, sign in (("relu", 1), ("gelu", 1), ("silu", 1), ("softplus", 1), ("abs", 1)):
        one = ds.gap.neuron(name, weights, inputs, bias=bias, rate=rate)
        close(ds.gap.neuron(name, negative, inputs, bias=-bias, rate=rate), one, sign)
    for name in ("sigmoid", "tanh", "hardtanh"):
        one = ds.gap.neuron(name, weights, inputs, bias=bias, rate=rate)
        other = ds.gap.neuron(name, negative, inputs, bias=-bias, rate=rate)
        assert abs(one.value + other.value) <= one.halfwidth + other.halfwidth


@few
@given(units, numbers, rates)
def test_one_input_after_the_other(pairs, bias, rate):
    """E of n inputs is the mean of two E of n - 1 inputs: kept or dropped."""
    (weight, value), *rest = pairs
    options = {"rate": rate, "strategy": "test-scaled"}
    whole = ds.gap.expectation("gelu", *split(pairs), bias=bias, **options)
    dropped = ds.gap.expectation("gelu", *split(rest), bias=bias, **options)
    kept = ds.gap.expectation("gelu", *split(rest), bias=bias + weight * value, **options)
    mixed = rate * dropped.value + (1 - rate) * kept.value
    room = whole.halfwidth + dropped.halfwidth + kept.halfwidth + 1e-14
    assert abs(whole.value - mixed) <= room


@pytest.mark.parametrize("strategy", ["inverted", "test-scaled"])
def test_the_gap_of_a_sigmoid_is_its_mean_less_the_normalised_geometric_mean(strategy):
    """The normalised weighted geometric mean of a sigmoid is its value at E z (Baldi 2013)."""
    rng = np.random.default_rng(2)
    weights, inputs, rate = rng.normal(size=10), rng.random(10), 0.3
    kept = (np.arange(2**10)[:, None] >> np.arange(10) & 1).astype(float)
    chances = np.prod(np.where(kept == 1, 1 - rate, rate), axis=1)
    z = 0.2 + kept @ (weights * inputs) / (1 - rate if strategy == "inverted" else 1.0)
    yes = math.exp(-(chances @ np.logaddexp(0, -z)))
    no = math.exp(-(chances @ np.logaddexp(0, z)))
    options = {"bias": 0.2, "rate": rate, "strategy": strategy}
    mean = ds.gap.expectation("sigmoid", weights, inputs, **options)
    gap = ds.gap.neuron("sigmoid", weights, inputs, **options)
    assert math.isclose(mean.value - yes / (yes + no), gap.value, abs_tol=1e-13)


def test_the_derivative_of_softplus_in_the_bias_is_that_of_sigmoid():
    rng = np.random.default_rng(3)
    weights, inputs, step = rng.normal(size=40), rng.random(40), 1e-4
    above, below = (
        ds.gap.neuron("softplus", weights, inputs, bias=0.2 + move, rate=0.4).value
        for move in (step, -step)
    )
    slope = ds.gap.neuron("sigmoid", weights, inputs, bias=0.2, rate=0.4).value
    assert math.isclose((above - below) / (2 * step), slope, abs_tol=1e-7)


def test_variance_bounds_the_gap():
    rng = np.random.default_rng(4)
    weights, inputs = 0.3 * rng.normal(size=30), rng.random(30)
    variance = ds.gap.neuron("square", weights, inputs, rate=0.5).value
    bounds = {"sigmoid": 1 / (6 * math.sqrt(3)), "tanh": 4 / (3 * math.sqrt(3)), "softplus": 0.25}
    for name, curvature in bounds.items():
        gap = ds.gap.neuron(name, weights, inputs, rate=0.5)
        assert abs(gap.value) <= curvature * variance / 2
