"""Sequential evidence about independent draws that should be standard normal.

The data enter only as their number, their sum and their sum of squares, which add. As for success
probabilities, each statement holds at every look (Ville's inequality): against the null a mixture
of likelihood ratios, half on the named departure and half spread over all sizes (Robbins 1970);
against a departure its likelihood ratio to the null.

The mean is tested with the deviation of the null, and the deviation with its mean: each is one half
of the evidence.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from dropout_stats.evidence.numerics import log_sum_exp, smallest

_LARGEST = 64.0  # standard deviations, and factor of the deviation
_FINEST = 2.0**-40


@dataclass(frozen=True)
class Sums:
    """How many draws, their sum and their sum of squares. Sums of merged runs add."""

    draws: int = 0
    first: float = 0.0
    second: float = 0.0

    def __add__(self, other: Sums) -> Sums:
        return Sums(self.draws + other.draws, self.first + other.first, self.second + other.second)

    @property
    def mean(self) -> float:
        """Mean of the draws; NaN before the first."""
        return self.first / self.draws if self.draws else math.nan

    @property
    def deviation(self) -> float:
        """Root mean square of the draws, about the mean of the null; NaN before the first."""
        return math.sqrt(self.second / self.draws) if self.draws else math.nan


def factor_ratio(sums: Sums, factor: float) -> float:
    """Log-likelihood ratio of draws with this deviation to the null."""
    return sums.second * (1 - factor**-2) / 2 - sums.draws * math.log(factor)


@dataclass(frozen=True)
class NormalTest:
    """Draws against the standard normal law, at every look.

    Args:
        departure: the shift of the mean, and the relative change of the deviation (1 + departure,
            or its inverse), that the test is tuned for and must exclude to pass.
        power: a departure at least as large slips through with probability at most 1 - power.

    """

    departure: float
    power: float = 0.99

    def __post_init__(self) -> None:
        if not 0 < self.departure < _LARGEST:
            raise ValueError(f"the departure must be positive, got {self.departure!r}")
        if not 0 < self.power < 1:
            raise ValueError(f"the power must lie inside (0, 1), got {self.power!r}")

    @cached_property
    def _sizes(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Log weights and sizes of the alternatives on one side."""
        steps = math.ceil(math.log2(_LARGEST / self.departure)) + 1
        sizes = np.concatenate(([self.departure], self.departure / 2 * 2.0 ** np.arange(steps)))
        weights = np.concatenate(([0.25], np.full(steps, 0.25 / steps)))
        return np.log(weights), sizes

    def log_e_mean(self, sums: Sums) -> float:
        """Log e-value against the mean."""
        weights, sizes = self._sizes
        quadratic = weights - sums.draws * sizes**2 / 2
        both = np.concatenate([quadratic + sizes * sums.first, quadratic - sizes * sums.first])
        return log_sum_exp(both)

    def log_e_deviation(self, sums: Sums) -> float:
        """Log e-value against the deviation."""
        weights, sizes = self._sizes
        logs, squares = np.log1p(sizes), (1 + sizes) ** -2.0
        wider = sums.second * (1 - squares) / 2 - sums.draws * logs
        narrower = sums.second * (1 - 1 / squares) / 2 + sums.draws * logs
        return log_sum_exp(np.concatenate([weights + wider, weights + narrower]))

    def log_e(self, sums: Sums) -> float:
        """Log e-value against mean and deviation: the mean of both."""
        parts = np.array([self.log_e_mean(sums), self.log_e_deviation(sums)])
        return log_sum_exp(parts) - math.log(2)

    def excludes_mean(self, sums: Sums, shift: float | None = None) -> bool:
        """Whether a shift of the mean by so much (default: the departure) is excluded."""
        shift = self.departure if shift is None else shift
        return shift * abs(sums.first) - sums.draws * shift**2 / 2 <= math.log1p(-self.power)

    def excludes_deviation(self, sums: Sums, change: float | None = None) -> bool:
        """Whether a factor of 1 + change, and its inverse, is excluded for the deviation."""
        factor = 1 + (self.departure if change is None else change)
        edges = (factor_ratio(sums, factor), factor_ratio(sums, 1 / factor))
        return max(edges) <= math.log1p(-self.power)

    def resolution_mean(self, sums: Sums) -> float:
        """The smallest shift that is excluded; inf for none."""
        return smallest(lambda size: self.excludes_mean(sums, size), _FINEST, _LARGEST / 2)

    def resolution_deviation(self, sums: Sums) -> float:
        """The smallest relative change of the deviation that is excluded; inf for none."""
        return smallest(lambda size: self.excludes_deviation(sums, size), _FINEST, _LARGEST / 2)


@lru_cache(maxsize=256)
def normal_test(departure: float, power: float) -> NormalTest:
    """The test of these numbers; made once."""
    return NormalTest(departure, power)
