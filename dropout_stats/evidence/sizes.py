"""How many trials a decision needs: the exact fixed-sample binomial test as the yardstick."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import binom, norm

Powers: TypeAlias = NDArray[np.float64]

CAP_FACTOR = 1.30  # of the fixed sample: room for the sequential test's long tail
_UNDECIDED = 1e-3  # the most that a conforming run may end undecided, where 1.30 is not enough
_SCANNED = 20_000
CONFORMING_FACTOR = 0.25  # of the fixed sample: where conforming runs pass, on average


def fixed_test_power(trials: ArrayLike, null: float, departure: float, alpha: float) -> Powers:
    """Power of the two-sided exact binomial test at the less favourable of null +- departure."""
    n = np.atleast_1d(trials)
    low = np.asarray(binom.ppf(alpha / 2, n, null)) - 1
    low += binom.cdf(low + 1, n, null) <= alpha / 2  # the quantile may be off by its rounding
    high = np.asarray(binom.isf(alpha / 2, n, null)) + 1
    high -= binom.sf(high - 2, n, null) <= alpha / 2
    edges = [p for p in (null - departure, null + departure) if 0 <= p <= 1]
    powers = [np.asarray(binom.cdf(low, n, p) + binom.sf(high - 1, n, p)) for p in edges]
    return np.asarray(np.min(powers, axis=0), np.float64)


@lru_cache(maxsize=1024)
def fixed_sample(null: float, departure: float, alpha: float, power: float) -> int:
    """Trials that the two-sided exact binomial test needs for `departure` at `alpha` and `power`.

    Power is not quite monotone in the number of trials (the law is a lattice). Up to 20,000 trials
    it is the smallest size of all; beyond, where the teeth are below 0.5 %, that of a bisection.
    """
    if not any(0 <= p <= 1 for p in (null - departure, null + departure)):
        raise ValueError(f"no probability differs from {null!r} by {departure!r}")
    high = 8
    while fixed_test_power(high, null, departure, alpha) < power:
        high *= 2
    low = high // 2
    while high - low > max(1, high // 100_000):
        middle = (low + high) // 2
        if fixed_test_power(middle, null, departure, alpha) >= power:
            high = middle
        else:
            low = middle
    if high > _SCANNED:
        return high
    sizes = np.arange(max(1, int(high * 0.9)), high + 1)
    return int(sizes[fixed_test_power(sizes, null, departure, alpha) >= power][0])


def cap(null: float, departure: float, alpha: float, power: float) -> int:
    """Trials after which a sequential run gives up undecided.

    1.30 times the fixed sample, or what a conforming run needs to exclude both edges with
    probability 0.999 (normal approximation), where that is more: at large alpha or low power.
    """
    spread = float(norm.isf(_UNDECIDED / 2))
    standard = spread + math.sqrt(spread**2 - 2 * math.log1p(-power))
    to_pass = standard**2 * null * (1 - null) / departure**2
    return math.ceil(max(CAP_FACTOR * fixed_sample(null, departure, alpha, power), to_pass))
