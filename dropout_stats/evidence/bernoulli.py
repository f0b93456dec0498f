"""Sequential evidence about the success probability of independent trials.

The data enter only as integer counts, so evidence of merged runs is the evidence of the added
counts. Every statement holds at every look (Ville's inequality), however the run was stopped:

* against the null, a mixture of likelihood ratios: half of it on the departure that the caller
  named, half spread over all sizes (method of mixtures, Robbins 1970; e-processes, Ramdas et al.
  2023);
* against a departure, the likelihood ratio of the departure to the null: once it is at most
  1 - power, a departure of that size would have been excluded with probability `power`;
* the confidence sequence is the mixture inverted: the probabilities that it does not reject.

The null is a band |p - null| <= band. Each side of the mixture is divided by the likelihood of the
nearer end of the band, which keeps it a supermartingale for every predictable p inside the band.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import betaln, expit

from dropout_stats.evidence.numerics import log_sum_exp

_SMALLEST = 1e-12  # a likelihood ratio needs alternatives strictly inside (0, 1)
_WIDEST_LOG_ODDS = 24.0


@dataclass(frozen=True)
class Counts:
    """How many trials, and how many of them were successes. Counts of merged runs add."""

    trials: int = 0
    successes: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(self.trials + other.trials, self.successes + other.successes)

    @property
    def failures(self) -> int:
        """Trials that were not successes."""
        return self.trials - self.successes

    @property
    def share(self) -> float:
        """Successes per trial; NaN before the first trial."""
        return self.successes / self.trials if self.trials else math.nan


def log_likelihood(counts: Counts, probability: float) -> float:
    """Log-likelihood of the counts (no binomial coefficient) under one success probability."""
    total = 0.0
    for number, chance in ((counts.successes, probability), (counts.failures, 1 - probability)):
        if number:
            total += number * math.log(chance) if chance > 0 else -math.inf
    return total


def divergence(counts: Counts, null: float) -> float:
    """Trials * KL(share || null): the most that any constant probability gains over the null."""
    return log_likelihood(counts, counts.share) - log_likelihood(counts, null)


@dataclass(frozen=True)
class BernoulliTest:
    """Trials against one success probability, at every look.

    Args:
        null: the success probability under the law, inside (0, 1).
        departure: the absolute difference that the test is tuned for and must exclude to pass.
        power: a departure at least as large slips through with probability at most 1 - power.
        band: the null is every probability within this distance of `null`.

    """

    null: float
    departure: float
    power: float = 0.99
    band: float = 0.0

    def __post_init__(self) -> None:
        if not 0 < self.null < 1:
            raise ValueError(f"the null probability must lie inside (0, 1), got {self.null!r}")
        if not self.band < self.departure:
            raise ValueError(
                f"the departure {self.departure!r} must exceed the band {self.band!r} of the null"
            )
        if not 0 < self.power < 1:
            raise ValueError(f"the power must lie inside (0, 1), got {self.power!r}")

    @cached_property
    def _alternatives(self) -> tuple[NDArray[np.float64], ...]:
        """Log weights, alternatives, and the log ratios of a success and of a failure."""
        columns = [self._side(sign) for sign in (1, -1)]
        return tuple(np.concatenate(parts) for parts in zip(*columns, strict=True))

    def _side(self, sign: int) -> tuple[NDArray[np.float64], ...]:
        edge = min(max(self.null + sign * self.band, _SMALLEST), 1 - _SMALLEST)
        log_odds = math.log(self.null / (1 - self.null))
        smallest = self.departure / (self.null * (1 - self.null)) / 2
        steps = max(1, math.ceil(math.log2(_WIDEST_LOG_ODDS / smallest)))
        grid = expit(log_odds + sign * smallest * 2.0 ** np.arange(steps))
        points = np.concatenate(([self.null + sign * self.departure], grid))
        points = np.clip(points, _SMALLEST, 1 - _SMALLEST)
        beyond = sign * (points - edge) > 0
        weights = np.concatenate(([0.25], np.full(steps, 0.25 / steps)))[beyond]
        points = points[beyond]
        success = np.log1p((points - edge) / edge)
        failure = np.log1p((edge - points) / (1 - edge))
        return np.log(weights), points, success, failure

    def log_e(self, counts: Counts) -> float:
        """Natural logarithm of the e-value against the null; its mean under the null is <= 1."""
        weights, _, success, failure = self._alternatives
        return float(log_sum_exp(weights + counts.successes * success + counts.failures * failure))

    def excludes_departures(self, counts: Counts) -> bool:
        """Whether every departure of at least the declared size has been excluded."""
        edges = (self.null - self.departure, self.null + self.departure)
        bound = math.log1p(-self.power)
        return counts.trials > 0 and all(
            self._log_ratio(counts, edge) <= bound for edge in edges if 0 <= edge <= 1
        )

    def _log_ratio(self, counts: Counts, probability: float) -> float:
        probability = min(max(probability, _SMALLEST), 1 - _SMALLEST)
        change = probability - self.null
        return counts.successes * math.log1p(change / self.null) + counts.failures * math.log1p(
            -change / (1 - self.null)
        )

    def resolution(self, counts: Counts) -> float:
        """The smallest departure that these counts exclude; inf if even the largest is not.

        A departure of size d is still reported as excluded with probability at most 1 - power, at
        any stopping time: a time-uniform upper bound for the departure at confidence `power`.
        """
        if not counts.trials:
            return math.inf
        bound = math.log1p(-self.power)
        reach = []
        for end in (_SMALLEST, 1 - _SMALLEST):
            start = (max if end > self.null else min)(self.null, counts.share)
            if self._log_ratio(counts, end) > bound:
                return math.inf
            root = brentq(lambda p: self._log_ratio(counts, p) - bound, start, end, xtol=1e-15)
            reach.append(abs(float(root) - self.null))
        return max(reach)

    def interval(self, counts: Counts, error: float) -> tuple[float, float]:
        """Confidence sequence for the success probability, with coverage 1 - error at every look.

        It is the set of probabilities that a mixture does not reject, widened by the band. Nine
        tenths are the mixture of the test, sharp near the null; one tenth is Beta(1/2, 1/2), good
        everywhere.
        """
        if not counts.trials:
            return 0.0, 1.0
        weights, points, _, _ = self._alternatives
        near = log_sum_exp(
            weights + counts.successes * np.log(points) + counts.failures * np.log1p(-points)
        )
        anywhere = betaln(counts.successes + 0.5, counts.failures + 0.5) - betaln(0.5, 0.5)
        evidence = np.logaddexp(near + math.log(0.9), anywhere + math.log(0.1))
        threshold = float(evidence) + math.log(error)
        share = counts.share

        def excess(probability: float) -> float:
            return log_likelihood(counts, probability) - threshold

        low, high = 0.0, 1.0
        if excess(_SMALLEST) < 0:
            low = float(brentq(excess, _SMALLEST, share, xtol=1e-15))
        if excess(1 - _SMALLEST) < 0:
            high = float(brentq(excess, share, 1 - _SMALLEST, xtol=1e-15))
        return max(low - self.band, 0.0), min(high + self.band, 1.0)


@lru_cache(maxsize=256)
def bernoulli_test(null: float, departure: float, power: float, band: float) -> BernoulliTest:
    """Return the test for these parameters; its mixture is built once."""
    return BernoulliTest(null, departure, power, band)
