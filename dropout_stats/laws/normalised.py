"""Kept units that are scaled by the share that was kept, in place of 1 - rate.

Each call then has a factor of its own: n / k where k of its n elements were kept. The output is
judged as if 1 / (1 - rate) had been used.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from dropout_stats import dtypes
from dropout_stats.laws.inverted import Inverted
from dropout_stats.laws.law import OF_A_FACTOR, Moments
from dropout_stats.laws.reading import Array, kept_tolerance

# Often the count, or the share, is divided by with so much added.
_EPSILON = 1e-6


@dataclass(frozen=True)
class Normalisable(Inverted):
    """Inverted dropout whose scale may be that of the call.

    Args:
        unit: the elements that share one draw, as for `Inverted`.
        rate_bits: as for `Inverted`.
        normalised: whether kept units are multiplied by n / k, not by 1 / (1 - rate).

    """

    in_half: ClassVar[bool] = True
    moments: ClassVar[Moments] = OF_A_FACTOR

    normalised: bool = field(default=False, kw_only=True)

    def hand(self, x: Array) -> Array:
        """The input itself."""
        return x

    def judge(self, x: Array, y: Array, rate: float) -> Array:
        """The kept values of 1 / (1 - rate) where they are those of the call."""
        factor = self._realised(x, y, rate)
        if factor is None:
            return y
        given, got = x.astype(np.float64), y.astype(np.float64)
        kept = x.size / factor
        allowed = kept_tolerance(y.dtype.name, rate) + _EPSILON * (1 + 1 / kept)
        with np.errstate(all="ignore"):
            exact = given * factor
            held = dtypes.precision(y.dtype.name)
            close = np.abs(got - exact) <= allowed * np.abs(exact) + held.tiny
            infinite = np.isinf(got)
            if infinite.any():
                # n / k may be large, and whoever multiplies by n first has an infinity on the way.
                over = (got * given > 0) & (np.abs(given) * x.size > held.largest)
                close |= infinite & over & np.isfinite(given)
            declared = np.where(close & (got != 0), given, got / factor) * self.kept_factor(rate)
            return np.asarray(declared, y.dtype)

    def judge_gradient(self, x: Array, y: Array, dx: Array, rate: float) -> Array:
        """The gradient of 1 / (1 - rate)."""
        factor = self._realised(x, y, rate)
        if factor is None:
            return dx
        return np.asarray(dx.astype(np.float64) * (self.kept_factor(rate) / factor), dx.dtype)

    def perform(self, x: Array, noise: NDArray[np.bool_], rate: float) -> Array:
        """A training pass of a conforming target, with the mask given."""
        if not self.normalised or rate == 1:
            return self.apply(x, noise, rate)
        factor = noise.size / max(1, int(np.count_nonzero(noise)))
        return np.asarray(np.where(noise, x * x.dtype.type(factor), x.dtype.type(0)))

    def pull(self, dy: Array, noise: NDArray[np.bool_], rate: float) -> Array:
        """Its backward pass."""
        return self.perform(dy, noise, rate)

    def fixed_rates(self) -> None:
        """Any rate."""
        return

    def _realised(self, x: Array, y: Array, rate: float) -> float | None:
        """The factor of the call; None where 1 / (1 - rate) holds, or where it is no such factor.

        Where the input is 0 or not finite it cannot be seen whether it was kept: the factor itself
        says how many were.
        """
        if not self.normalised or not 0 < rate < 1:
            return None
        seen = np.isfinite(x) & (x != 0)
        kept = seen & (y != 0)
        least = int(np.count_nonzero(kept))
        if not least:
            return None
        if seen.all():
            return x.size / least
        with np.errstate(all="ignore"):
            factor = float(np.median(y[kept].astype(np.float64) / x[kept].astype(np.float64)))
        count = round(x.size / factor) if math.isfinite(factor) and factor else 0
        most = least + x.size - int(np.count_nonzero(seen))
        return x.size / count if least <= count <= most else None
