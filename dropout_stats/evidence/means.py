"""Evidence about the mean of values from a finite set, against a mean that is known.

For a bet b, the product of 1 + b (y - m) over the values is an e-value where each of them, given
those before it, has a mean of at most m, for b > 0, or of at least m, for b < 0, as long as no
factor is negative: at every look, and from the numbers of the values alone, whatever their order
(Waudby-Smith & Ramdas 2024). Nothing else is assumed of their law.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from dropout_stats.evidence.numerics import log_sum_exp, smallest

_Floats = NDArray[np.float64]
_Counts = NDArray[np.int64] | NDArray[np.float64]

_LEAST_FACTOR = 0.5  # what is left after the worst of all values
# Standard deviations by which chance may hold the evidence back at the planned end.
_BY_CHANCE = 4.0
_SIZES = 2.0**-12, 8.0  # of a shift, that are told apart
_WITHIN = 1.01


@dataclass(frozen=True, eq=False)
class MeanTest:
    """The mean of values, each given those before it, against bounds that it is known to lie in.

    Args:
        values: what one of them can be; shape (k,).
        low: the least that their mean is under the law.
        high: the most.
        deviation: their standard deviation under the law, the unit of `size`; a guide alone.
        size: the shift of the mean, from the middle of the bounds, that the test is tuned for, and
            must exclude to pass.
        power: a shift of that size slips through with probability at most 1 - power.

    """

    values: _Floats
    low: float
    high: float
    deviation: float
    size: float
    power: float = 0.99

    @cached_property
    def _mixture(self) -> tuple[_Floats, _Floats]:
        """Log weights of bets, and the log factor of each value; shape (values, bets)."""
        sizes = [self.size / 2 * 2.0**step for step in range(8)]
        weights = [0.25, *(0.25 / len(sizes) for _ in sizes)]
        factors = [
            self._log_factors(sign, size, bound)
            for sign, bound in ((1, self.high), (-1, self.low))
            for size in (self.size, *sizes)
        ]
        return np.log(weights + weights), np.transpose(factors)

    def _log_factors(self, sign: int, size: float, mean: float) -> _Floats:
        """Of each value, for the bet that their mean is `size` above (-1: below) this one.

        The bet is Kelly's for values that spread as widely, and small enough that the worst of all
        leaves half.
        """
        excess = self.values - mean
        worst = float((-sign * excess).max())
        bet = size / (1 + size**2) / self.deviation
        if worst > 0:
            bet = min(bet, (1 - _LEAST_FACTOR) / worst)
        return np.log1p(sign * bet * excess)

    def log_e(self, counts: _Counts) -> float:
        """Log e-value for a mean within the bounds.

        Args:
            counts: how often each value was seen; shape (k,). What lies between two values may be
                counted at both, in shares that have its mean: the log of a factor is concave, so
                that the evidence is understated.

        """
        weights, factors = self._mixture
        return log_sum_exp(weights + counts @ factors)

    def excludes_shift(self, counts: _Counts) -> bool:
        """Whether a shift of the declared size has been excluded, on both sides."""
        enough = -math.log1p(-self.power)
        return all(float(counts @ factors) >= enough for factors in self._declared)

    @cached_property
    def _declared(self) -> list[_Floats]:
        return self.edges(self.size)

    def edges(self, size: float) -> list[_Floats]:
        """Log factors against means that are shifted so far: the truth lies on the other side."""
        middle, shift = (self.low + self.high) / 2, size * self.deviation
        return [
            self._log_factors(-1, size, middle + shift),
            self._log_factors(1, size, middle - shift),
        ]

    def is_wide(self, size: float) -> bool:
        """Whether a shift of this size is well beyond the bounds: others are not to be excluded."""
        return size * self.deviation > self.high - self.low

    def interval(self, counts: _Counts, chance: float) -> tuple[float, float]:
        """Means that the counts do not refute, at this chance of being wrong over all looks."""
        mean = float(counts @ self.values) / max(float(counts.sum()), 1.0)
        width = self.high - self.low

        def stays(size: float, sign: int) -> bool:
            centre = mean + sign * size * self.deviation
            moved = MeanTest(
                self.values, centre - width / 2, centre + width / 2, self.deviation, self.size
            )
            return moved.log_e(counts) < -math.log(chance)

        def end(sign: int) -> float:
            found = smallest(lambda size: not stays(size, sign), *_SIZES, _WITHIN)
            limit = float(self.values.max() if sign > 0 else self.values.min())
            return limit if math.isinf(found) else mean + sign * found * self.deviation

        return end(-1), end(1)


def resolvable_shift(test: MeanTest, chances: _Floats, number: float) -> float:
    """The smallest shift that so many values can be expected to exclude; inf where none is.

    Args:
        test: the test, whatever its size.
        chances: of each value under the law.
        number: how many values there will be.

    """

    def is_resolved(size: float) -> bool:
        if not test.is_wide(size):
            return False
        for factors in test.edges(size):
            mean = float(chances @ factors)
            spread = math.sqrt(max(float(chances @ factors**2) - mean**2, 0.0))
            if number * mean - _BY_CHANCE * math.sqrt(number) * spread < -math.log1p(-test.power):
                return False
        return True

    return smallest(is_resolved, *_SIZES, _WITHIN)
