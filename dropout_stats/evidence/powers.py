"""Mean and variance of draws of any law, from the sums of their powers, at every look.

The intervals are asymptotic confidence sequences (Waudby-Smith, Arbour, Sinha, Kennedy & Ramdas,
Time-uniform central limit theory and asymptotic confidence sequences, 2024): what they leave out
is refuted at all looks at once as far as sums are as good as normal. So they may say *what* is
wrong with draws that have been refuted already; they refute nothing by themselves.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Interval = tuple[float, float]
NOWHERE: Interval = (-math.inf, math.inf)


@dataclass(frozen=True)
class Powers:
    """What the sums of the first four powers of draws say.

    The draws are in units in which their law has mean 0 and variance 1.

    Args:
        number: of draws.
        sums: of their powers 1, 2, 3 and 4.
        kurtosis: the fourth moment under the law: rare draws that carry the variance may be
            missing among those that were seen.

    """

    number: int
    sums: tuple[float, float, float, float]
    kurtosis: float

    @classmethod
    def of(cls, powers: NDArray[np.float64], kurtosis: float) -> Powers:
        """From the number and the sums; shape (5,)."""
        number, *sums = (float(value) for value in powers)
        return cls(int(number), (sums[0], sums[1], sums[2], sums[3]), kurtosis)

    @property
    def mean(self) -> float:
        """Of the draws; NaN before the first."""
        return self.sums[0] / self.number if self.number else math.nan

    @property
    def variance(self) -> float:
        """Of the draws, about their own mean; NaN before the first."""
        return self.sums[1] / self.number - self.mean**2 if self.number else math.nan

    @property
    def _spread(self) -> float:
        """The variance of the squared distance from the mean."""
        first, second, third, fourth = (total / self.number for total in self.sums)
        central = fourth - 4 * first * third + 6 * first**2 * second - 3 * first**4
        return central - self.variance**2

    def interval_mean(self, alpha: float, departure: float) -> Interval:
        """Confidence sequence of the mean, the narrowest where it is `departure` wide."""
        if not self.number:
            return NOWHERE
        return _around(self.mean, max(self.variance, 1.0), self.number, alpha, departure)

    def interval_variance(self, alpha: float, departure: float) -> Interval:
        """The same of the variance."""
        if not self.number:
            return NOWHERE
        spread = max(self._spread, self.kurtosis - 1)
        return _around(self.variance, spread, self.number, alpha, departure)


def _around(
    centre: float, variance: float, number: int, alpha: float, departure: float
) -> Interval:
    planned = number * departure**2
    factor = 2 * (planned + 1) / planned * math.log(math.sqrt(planned + 1) / alpha)
    reach = math.sqrt(factor * variance / number)
    return (centre - reach, centre + reach) if math.isfinite(reach) else NOWHERE
