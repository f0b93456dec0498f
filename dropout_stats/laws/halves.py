"""How far scores may be from normal because a target computed its noise in half precision.

One rounding of the product is no matter: scores are drawn within the range that it leaves. A target
that draws, scales and shifts its noise in half precision rounds several times, and its multiplier
lies on a coarse grid. It is the best that the type allows, so what that may change is not held
against it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.special import ndtri

from dropout_stats import dtypes
from dropout_stats.laws.continuous import Multiplicative, Numbers
from dropout_stats.laws.law import AnyLaw
from dropout_stats.laws.scores import BINS, WIDE


@dataclass(frozen=True)
class Rounding:
    """What roundings may change.

    Args:
        moments: the shift of the mean of scores, and the relative change of their deviation.
        bins: the probability of each interval of scores.
        wide: the probability of a score farther out than half of them.
        bit: the probability of a score above 0.

    """

    moments: float = 0.0
    bins: tuple[float, ...] = (0.0,) * BINS
    wide: float = 0.0
    bit: float = 0.0

    def bits(self, departure: float) -> tuple[float, ...]:
        """Lawful probabilities of a score above 0, the law's first.

        One but where roundings may change more than the departure to resolve. A multiplier falls to
        the nearest number of the type on either side of the median, whose distances differ by half
        at most: that changes an eighth of the band. A quarter is covered, in steps of a departure
        if they are not too many.
        """
        reach = self.bit / 4
        steps = min(math.floor(reach / departure), _MOST_STEPS)
        ways = sorted(range(-steps, steps + 1), key=abs)
        return tuple(0.5 + reach * way / max(steps, 1) for way in ways)


_NONE = Rounding()
_MOST_STEPS = 16
_MOST = 8.0  # beyond that nothing is told of scores: the noise vanishes beside its mean


def rounding_of(law: AnyLaw, rate: float, *names: str) -> Rounding:
    """What may be changed by roundings to these types; nothing but under a law with a density."""
    halves = [dtypes.precision(name).eps for name in names if name in dtypes.HALVES]
    if not halves or not isinstance(law, Multiplicative):
        return _NONE
    return _rounding(law, rate, max(halves))


@lru_cache(maxsize=256)
def _rounding(law: Multiplicative, rate: float, eps: float) -> Rounding:
    mean, deviation = law.mean(rate), math.sqrt(law.variance(rate))
    edges = _moved(law, rate, eps, np.asarray(ndtri(np.arange(1, BINS) / BINS)))
    ends = np.concatenate(([0.0], edges, [0.0]))
    return Rounding(
        # A scale of two roundings, and a mean of one.
        moments=min(eps * (1 + abs(mean) / deviation / 2), _MOST),
        bins=tuple((ends[:-1] + ends[1:]).tolist()),
        wide=float(_moved(law, rate, eps, np.array([-WIDE, WIDE])).sum()),
        bit=float(_moved(law, rate, eps, np.zeros(1))[0]),
    )


def _moved(law: Multiplicative, rate: float, eps: float, scores: Numbers) -> Numbers:
    """The probability that roundings may move over each of these scores, on one side of it."""
    edges = np.asarray(law.multiplier(scores, rate), np.float64)
    reach = eps * (np.abs(edges) + np.abs(edges - law.mean(rate)))
    below, at, above = (law.cdf(edges + way * reach, rate) for way in (-1, 0, 1))
    return np.asarray(np.maximum(at - below, above - at))
