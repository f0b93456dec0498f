"""`BernoulliTest` for many runs at once, held to the library at some points."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from dropout_stats.evidence.bernoulli import BernoulliTest, Counts

Numbers = NDArray[np.float64]
Integers = NDArray[np.int64]
_SMALLEST = 1e-12  # as the library: a likelihood ratio needs probabilities inside (0, 1)


def log_e(test: BernoulliTest, trials: int, successes: Integers) -> Numbers:
    """Log e-values of runs of the same length."""
    weights, _, success, failure = test._alternatives
    exponents = weights + np.outer(successes, success) + np.outer(trials - successes, failure)
    top = exponents.max(axis=1)
    return top + np.log(np.exp(exponents - top[:, np.newaxis]).sum(axis=1))


def excludes_departures(test: BernoulliTest, trials: int, successes: Integers) -> NDArray[np.bool_]:
    """Whether each run excludes the declared departure on both sides."""
    excluded = np.ones(successes.shape, np.bool_)
    for edge in (test.null - test.departure, test.null + test.departure):
        if 0 <= edge <= 1:
            change = min(max(edge, _SMALLEST), 1 - _SMALLEST) - test.null
            success = math.log1p(change / test.null)
            failure = math.log1p(-change / (1 - test.null))
            log_ratio = successes * success + (trials - successes) * failure
            excluded &= log_ratio <= math.log1p(-test.power)
    return excluded


def assert_same_as_library(test: BernoulliTest, trials: int, successes: Integers) -> None:
    """Compare a few runs with what the library says of them."""
    values = log_e(test, trials, successes)
    passes = excludes_departures(test, trials, successes)
    for place in np.linspace(0, len(successes) - 1, 5).astype(int):
        counts = Counts(trials, int(successes[place]))
        expected = test.log_e(counts)
        assert math.isclose(values[place], expected, rel_tol=1e-9, abs_tol=1e-9), (
            values[place],
            expected,
        )
        assert bool(passes[place]) == test.excludes_departures(counts)
