"""How many trials a decision needs: the exact fixed-sample binomial test as the yardstick."""

from __future__ import annotations

import math
from functools import lru_cache

from scipy.stats import binom, norm

CAP_FACTOR = 1.30  # of the fixed sample: room for the sequential test's long tail
_UNDECIDED = 1e-3  # the most that a conforming run may end undecided, where 1.30 is not enough
CONFORMING_FACTOR = 0.25  # of the fixed sample: where conforming runs pass, on average


def fixed_test_power(trials: int, null: float, departure: float, alpha: float) -> float:
    """Power of the two-sided exact binomial test at the less favourable of null +- departure."""
    low = int(binom.ppf(alpha / 2, trials, null)) - 1
    while binom.cdf(low + 1, trials, null) <= alpha / 2:
        low += 1
    high = int(binom.isf(alpha / 2, trials, null)) + 1
    while binom.sf(high - 2, trials, null) <= alpha / 2:
        high -= 1
    edges = [p for p in (null - departure, null + departure) if 0 <= p <= 1]
    return min(float(binom.cdf(low, trials, p) + binom.sf(high - 1, trials, p)) for p in edges)


@lru_cache(maxsize=1024)
def fixed_sample(null: float, departure: float, alpha: float, power: float) -> int:
    """Trials that the two-sided exact binomial test needs for `departure` at `alpha` and `power`.

    Power is not quite monotone in the number of trials (the law is a lattice); the bisection finds
    a size at which it is reached, within one lattice step of the smallest.
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
    return high


def cap(null: float, departure: float, alpha: float, power: float) -> int:
    """Trials after which a sequential run gives up undecided.

    1.30 times the fixed sample, or what a conforming run needs to exclude both edges with
    probability 0.999 (normal approximation), where that is more: at large alpha or low power.
    """
    spread = float(norm.isf(_UNDECIDED / 2))
    standard = spread + math.sqrt(spread**2 - 2 * math.log1p(-power))
    to_pass = standard**2 * null * (1 - null) / departure**2
    return math.ceil(max(CAP_FACTOR * fixed_sample(null, departure, alpha, power), to_pass))
