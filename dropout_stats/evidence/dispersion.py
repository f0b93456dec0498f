"""Does a count that should be binomial vary as a binomial does?

The alternatives are Conway-Maxwell-binomial laws (Shmueli et al. 2005): the binomial probabilities
raised to a power nu and renormalised. nu < 1 spreads the counts (variance about 1/nu times the
binomial's), nu > 1 gathers them, nu = 0 makes all counts equally likely.

Neither direction assumes the success probability. Against the law, the e-value is divided by the
likelihood of the best constant probability, so that a wrong probability alone never rejects. For
the law, every success probability of the departure must be excluded (universal inference,
Wasserman, Ramdas and Balakrishnan 2020), by a numerator that is half the declared law and half a
Beta(1/2, 1/2) mixture of binomials.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaln, gammaln

from dropout_stats.evidence.bernoulli import Counts, divergence, log_likelihood
from dropout_stats.evidence.numerics import dot, log_sum_exp

_SPREADS = (4.0, 16.0, 64.0, 256.0, 1024.0, math.inf)  # 1/nu: over-dispersion of all sizes
_GATHERINGS = (1 / 4, 1 / 16, 1 / 64, 1 / 1024)  # likewise below 1: exact counts and the like
_CANDIDATE_FACTORS = tuple(1.5 * 2 ** (step / 2) for step in range(21))
_NATS_TO_PASS = 10.0  # log(1/(1 - power)) at 0.99, the numerator's half, and room for chance


@dataclass(frozen=True)
class CountDispersion:
    """Counts of successes in groups of `size` trials, against their binomial variance.

    Args:
        size: trials in each group.
        null: success probability under the law.
        factor: the variance factor (over and under) that must be excluded to pass.
        power: such a factor slips through with probability at most 1 - power.

    """

    size: int
    null: float
    factor: float
    power: float = 0.99

    @cached_property
    def _log_coefficients(self) -> NDArray[np.float64]:
        k = np.arange(self.size + 1)
        return np.asarray(
            gammaln(self.size + 1) - gammaln(k + 1) - gammaln(self.size - k + 1), np.float64
        )

    @cached_property
    def log_pmf(self) -> NDArray[np.float64]:
        """The law of one count, as logarithms; shape (size + 1,)."""
        k = np.arange(self.size + 1)
        odds = k * math.log(self.null) + (self.size - k) * math.log1p(-self.null)
        return np.asarray(self._log_coefficients + odds, np.float64)

    @cached_property
    def _alternatives(self) -> tuple[NDArray[np.float64], ...]:
        """Log weights, powers nu and log normalisers of the mixture against the law."""
        declared = self.factor if math.isfinite(self.factor) else _CANDIDATE_FACTORS[-1]
        factors = (declared, 1 / declared, *_SPREADS, *_GATHERINGS)
        weights = [0.25, 0.25] + [0.5 / (len(factors) - 2)] * (len(factors) - 2)
        powers = np.array([1 / factor for factor in factors])
        normalisers = np.array([log_sum_exp(power * self.log_pmf) for power in powers])
        return np.log(weights), powers, normalisers

    def log_e(self, histogram: NDArray[np.int64]) -> float:
        """Log e-value against binomial counts with any constant success probability.

        Args:
            histogram: how many groups had 0, 1, ..., size successes; shape (size + 1,).

        """
        groups, counts = self._totals(histogram)
        if not groups:
            return 0.0
        weights, powers, normalisers = self._alternatives
        log_law = dot(histogram, self.log_pmf)
        gained = log_sum_exp(weights + (powers - 1) * log_law - groups * normalisers)
        return float(gained) - divergence(counts, self.null)

    def excludes(self, histogram: NDArray[np.int64], factor: float) -> bool:
        """Whether a variance factor of this size, over and under, has been excluded."""
        groups, counts = self._totals(histogram)
        if not (0 < counts.successes < counts.trials):
            return False
        bound = math.log1p(-self.power) + self._log_numerator(histogram, counts)
        return all(
            self.best_fit(power, histogram, groups, counts.successes) <= bound
            for power in (1 / factor, factor)
        )

    def excludes_departures(self, histogram: NDArray[np.int64]) -> bool:
        """Whether the declared variance factor has been excluded."""
        return self.excludes(histogram, self.factor)

    def resolution(self, histogram: NDArray[np.int64]) -> float:
        """The smallest variance factor (above 1) that these counts exclude; inf for none."""
        # The widest factors are too narrow on their other side for a lattice to say anything.
        tried = sorted({*_CANDIDATE_FACTORS, self.factor} - {math.inf})
        excluded = next((f for f in tried if self.excludes(histogram, f)), math.inf)
        if math.isinf(excluded):
            return math.inf
        low, high = 0.0, math.log(excluded)
        for _ in range(10):
            middle = (low + high) / 2
            if self.excludes(histogram, math.exp(middle)):
                high = middle
            else:
                low = middle
        return math.exp(high)

    def variance_factor(self, histogram: NDArray[np.int64]) -> float:
        """Variance of the counts over the binomial variance at the observed share; NaN if none."""
        groups, counts = self._totals(histogram)
        spread = counts.share * (1 - counts.share) * self.size if groups else 0.0
        if groups < 2 or spread == 0:
            return math.nan
        k = np.arange(self.size + 1)
        mean = counts.successes / groups
        return dot(histogram, (k - mean) ** 2) / (groups - 1) / spread

    def _totals(self, histogram: NDArray[np.int64]) -> tuple[int, Counts]:
        groups = int(histogram.sum())
        return groups, Counts(groups * self.size, int((histogram * np.arange(self.size + 1)).sum()))

    def _log_numerator(self, histogram: NDArray[np.int64], counts: Counts) -> float:
        mixture = betaln(counts.successes + 0.5, counts.failures + 0.5) - betaln(0.5, 0.5)
        either = np.logaddexp(log_likelihood(counts, self.null), mixture) - math.log(2)
        return dot(histogram, self._log_coefficients) + float(either)

    def best_fit(
        self, power: float, histogram: NDArray[Any], groups: float, successes: float
    ) -> float:
        """Maximum over the tilt of the log-likelihood at this power: concave, so Newton's steps."""
        k = np.arange(self.size + 1.0)
        base = power * self._log_coefficients
        target = successes / groups
        tilt = power * math.log(target / (self.size - target))
        for _ in range(50):
            exponents = base + tilt * k
            top = float(exponents.max())
            weight = np.exp(exponents - top)
            total = float(weight.sum())
            mean = dot(weight, k) / total
            variance = dot(weight, (k - mean) ** 2) / total
            log_normaliser = top + math.log(total)
            if abs(target - mean) <= 1e-7 * math.sqrt(variance):
                break
            if variance == 0:
                return math.inf  # narrower than the lattice: Newton's steps lead nowhere
            tilt += (target - mean) / variance
            if not math.isfinite(tilt):
                return math.inf
        else:
            return math.inf  # the maximum was not reached: nothing may be excluded
        return dot(histogram, base) + groups * (tilt * target - log_normaliser)


@lru_cache(maxsize=64)
def count_dispersion(size: int, null: float, factor: float, power: float) -> CountDispersion:
    """Return the test for these parameters; its tables are built once."""
    return CountDispersion(size, null, factor, power)


@lru_cache(maxsize=256)
def resolvable_factor(size: int, null: float, groups: int) -> float:
    """The smallest variance factor, at least 1.5, that `groups` counts can be expected to exclude.

    A factor is resolvable when the groups carry enough information between the binomial and both
    of its departures: groups * KL(binomial || departure) >= 10 nats; inf where none is.
    """
    test = CountDispersion(size, null, 1.5)
    chance = np.exp(test.log_pmf)
    lawful = dot(chance, test.log_pmf)
    for factor in _CANDIDATE_FACTORS:
        information = min(
            lawful - test.best_fit(power, chance, 1.0, size * null)
            for power in (1 / factor, factor)
        )
        if groups * information >= _NATS_TO_PASS:
            return factor
    return math.inf
