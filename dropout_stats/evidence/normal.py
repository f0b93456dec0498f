"""Sequential evidence about independent draws that should be standard normal.

The data enter only as their number, their sum, their sum of squares and their largest absolute
value. As for success probabilities, each statement holds at every look (Ville's inequality):
against the null a mixture of likelihood ratios, half on the named departure and half spread over
all sizes (Robbins 1970); against a departure its likelihood ratio to the null.

There are four kinds of alternatives, each with a quarter of the evidence: another mean, another
deviation, both at once, and tails that are missing: no draw is farther out than some quantile.

Where a band is lawful, the likelihood under the null is replaced by that of the normal law in the
band under which it is largest.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from dropout_stats.evidence.numerics import log_sum_exp, smallest

_LARGEST = 64.0  # standard deviations, and factor of the deviation
_FINEST = 2.0**-40
# Probabilities of tails, 2 to the minus these: normal numbers that are made of 24 bits end beyond.
_TAILS = np.arange(1, 19.25, 0.5)


@dataclass(frozen=True)
class Sums:
    """How many draws, their sum, their sum of squares, and the largest absolute value.

    Those of merged runs add, but for the last.
    """

    draws: int = 0
    first: float = 0.0
    second: float = 0.0
    largest: float = 0.0

    def __add__(self, other: Sums) -> Sums:
        return Sums(
            self.draws + other.draws,
            self.first + other.first,
            self.second + other.second,
            max(self.largest, other.largest),
        )

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
        band: a shift of the mean, and a factor of the deviation of 1 + band or its inverse, that
            are lawful; less than half of the departure.

    """

    departure: float
    power: float = 0.99
    band: float = 0.0

    def __post_init__(self) -> None:
        if not 0 < self.departure < _LARGEST:
            raise ValueError(f"the departure must be positive, got {self.departure!r}")
        if not 0 <= self.band < self.departure / 2:
            raise ValueError(f"the band must be less than half the departure, got {self.band!r}")
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

    def log_e_both(self, sums: Sums) -> float:
        """Log e-value against a mean and a deviation that are off together, by as much evidence."""
        weights, sizes = self._sizes
        shifts, logs = sizes / math.sqrt(2), np.log1p(sizes / 2)
        parts = []
        for log_factor in (logs, -logs):
            inverse = np.exp(-2 * log_factor)
            for sign in (1, -1):
                about = sums.second - sign * 2 * shifts * sums.first + sums.draws * shifts**2
                ratio = (sums.second - about * inverse) / 2 - sums.draws * log_factor
                parts.append(weights - math.log(2) + ratio)
        return log_sum_exp(np.concatenate(parts))

    @cached_property
    def _tails(self) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Log weights, log probabilities of no tails, and the quantiles where these begin."""
        spread = 2**-_TAILS
        declared = max(self.departure / (1 + self.departure), spread[-1])
        chances = np.concatenate(([declared], spread))
        weights = np.concatenate(([0.5], np.full(len(spread), 0.5 / len(spread))))
        return np.log(weights), np.log1p(-chances), -ndtri(chances / 2)

    def log_e_tails(self, sums: Sums) -> float:
        """Log e-value against draws none of which is beyond some quantile; -inf where all are."""
        weights, chances, ends = self._tails
        missing = sums.largest <= ends
        return (
            log_sum_exp((weights - sums.draws * chances)[missing]) if missing.any() else -math.inf
        )

    def log_e(self, sums: Sums) -> float:
        """Log e-value against all of them: the mean of the four."""
        parts = [
            self.log_e_mean(sums),
            self.log_e_deviation(sums),
            self.log_e_both(sums),
            self.log_e_tails(sums),
        ]
        return log_sum_exp(np.array(parts)) - math.log(len(parts)) - self._surplus(sums)

    def _surplus(self, sums: Sums) -> float:
        """What the best law in the band gains over the null: both parts are largest there."""
        if not (self.band and sums.draws):
            return 0.0
        shift = min(max(sums.mean, -self.band), self.band)
        about = sums.second - 2 * shift * sums.first + sums.draws * shift**2
        factor = math.sqrt(max(about, 0.0) / sums.draws)
        factor = min(max(factor, 1 / (1 + self.band)), 1 + self.band)
        return (sums.second - about / factor**2) / 2 - sums.draws * math.log(factor)

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
        """The smallest shift that is excluded, beside what is lawful; inf for none."""
        excludes = partial(self.excludes_mean, sums)
        return smallest(excludes, _FINEST, _LARGEST / 2) + self.band

    def resolution_deviation(self, sums: Sums) -> float:
        """The smallest relative change of the deviation that is excluded, as of the mean."""
        excludes = partial(self.excludes_deviation, sums)
        return smallest(excludes, _FINEST, _LARGEST / 2) + self.band


@lru_cache(maxsize=256)
def normal_test(departure: float, power: float, band: float = 0.0) -> NormalTest:
    """The test of these numbers; made once."""
    return NormalTest(departure, power, band)
