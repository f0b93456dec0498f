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
from typing import Protocol, cast

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from dropout_stats import dtypes
from dropout_stats.laws.law import AnyLaw
from dropout_stats.laws.scores import BINS, WIDE, Numbers

Vector = NDArray[np.float64]

_NEAR_STEPS, _FAR_STEPS = 16, 12
_FAR = 7.5  # a score beyond which nothing is
_SCORES = np.linspace(-_FAR, _FAR, 601)
_NO_TAIL = 1e-4
_LEAST = 2.0**-53


class Density(Protocol):
    """A law with a density."""

    def __hash__(self) -> int:
        """What is computed of it is remembered."""
        ...

    def mean(self, rate: float) -> float:
        """E[M]."""
        ...

    def multiplier(self, score: Numbers, rate: float) -> Numbers:
        """The multiplier with this score."""
        ...

    def cdf(self, multiplier: Numbers, rate: float) -> Numbers:
        """The probability of a smaller multiplier."""
        ...

    def reach(self, multiplier: Numbers, rate: float, eps: float) -> Numbers:
        """How far roundings may move a multiplier, `eps` being the distance from 1 to the next."""
        ...


@dataclass(frozen=True)
class Rounding:
    """What roundings may change.

    Args:
        moments: the shift of the mean of scores, and the relative change of their deviation.
        bins: the probability of each interval of scores.
        wide: the probability of a score farther out than half of them.
        bit: the probability of a score above 0.
        tails: the probabilities below and above which scores are not told apart: at an end of the
            multipliers, over which roundings may move many.

    """

    moments: float = 0.0
    bins: tuple[float, ...] = (0.0,) * BINS
    wide: float = 0.0
    bit: float = 0.0
    tails: tuple[float, float] = (0.0, 0.0)

    @property
    def hides_noise(self) -> bool:
        """Whether the noise is finer than the numbers of the type: outputs do not show it."""
        return self.moments >= 0.5

    def bits(self, departure: float) -> tuple[float, ...]:
        """Lawful probabilities of a score above 0, the law's first.

        One but where roundings may change more than the departure to resolve. Steps are of a
        departure if they are not too many; of those, most lie in a quarter of the band: near the
        median the numbers of the type lie twice as far apart on one side as on the other at most,
        which changes an eighth.
        """
        quarter, rest = self.bit / 4, self.bit * 3 / 4
        near = np.linspace(0, quarter, 1 + min(math.floor(quarter / departure), _NEAR_STEPS))
        far = quarter + rest * np.linspace(0, 1, 1 + min(math.floor(rest / departure), _FAR_STEPS))
        sizes = np.unique(np.concatenate((near, far if len(far) > 1 else near))).tolist()
        return tuple(dict.fromkeys(0.5 + way * size for size in sizes for way in (1, -1)))


_NONE = Rounding()


def rounding_of(law: AnyLaw, rate: float, *names: str) -> Rounding:
    """What may be changed by roundings to these types; nothing but under a law with a density."""
    halves = [dtypes.precision(name).eps for name in names if name in dtypes.HALVES]
    if not halves or law.kind != "continuous" or not 0 < rate < 1:
        return _NONE
    return _rounding(cast("Density", law), rate, max(halves))


def lawful_shares(law: AnyLaw, rate: float, *names: str) -> tuple[float, ...]:
    """The keep probabilities of a bit; their ends, where roundings to these types may move it."""
    bit = rounding_of(law, rate, *names).bit
    return (0.5, 0.5 - bit, 0.5 + bit) if bit else law.keep_probs(rate)


@lru_cache(maxsize=256)
def _rounding(law: Density, rate: float, eps: float) -> Rounding:
    edges = _moved(law, rate, eps, np.asarray(ndtri(np.arange(1, BINS) / BINS)))
    ends = np.concatenate(([0.0], edges, [0.0]))
    low, high = (2 * float(part) for part in _moved(law, rate, eps, np.array([-_FAR, _FAR])))
    if low + high > 0.5:
        return Rounding(moments=math.inf)
    tails = low if low > _NO_TAIL else 0.0, high if high > _NO_TAIL else 0.0
    return Rounding(
        moments=_moments(law, rate, eps, tails),
        bins=tuple((ends[:-1] + ends[1:]).tolist()),
        wide=float(_moved(law, rate, eps, np.array([-WIDE, WIDE])).sum()),
        bit=float(_moved(law, rate, eps, np.zeros(1))[0]),
        tails=tails,
    )


def _moved(law: Density, rate: float, eps: float, scores: Vector) -> Vector:
    """The probability that roundings may move over each of these scores, on one side of it."""
    edges = np.asarray(law.multiplier(scores, rate), np.float64)
    reach = law.reach(edges, rate, eps)
    below, at, above = (law.cdf(edges + way * reach, rate) for way in (-1, 0, 1))
    return np.asarray(np.maximum(at - below, above - at), np.float64)


def _moments(law: Density, rate: float, eps: float, tails: tuple[float, float]) -> float:
    """The most that a move of all multipliers by their reach does to mean and deviation.

    All up, all down, and away from the mean or towards it.
    """
    given = np.asarray(law.multiplier(_SCORES, rate), np.float64)
    reach, away = law.reach(given, rate, eps), np.sign(given - law.mean(rate))
    inward = np.minimum(reach, np.abs(given - law.mean(rate)))
    mean, deviation = _read(law.cdf(given, rate), tails)
    moves = (reach, -reach, away * reach, -away * inward)
    moved = [_read(law.cdf(given + move, rate), tails) for move in moves]
    factors = [max(other, _LEAST) / deviation for _, other in moved]
    shifts = [abs(other - mean) for other, _ in moved]
    return max(*shifts, *(max(factor, 1 / factor) - 1 for factor in factors))


def _read(places: Numbers, tails: tuple[float, float]) -> tuple[float, float]:
    """Mean and deviation of the scores that are read at these places; in a tail of any of it."""
    low, high = tails
    place = np.clip(np.asarray(places, np.float64), _LEAST, 1 - _LEAST)
    first = np.asarray(ndtri(place))
    second = first**2
    for in_tail, chance, sign in ((place < low, low, -1), (place > 1 - high, high, 1)):
        if chance:
            end = -float(ndtri(chance))
            mean = math.exp(-(end**2) / 2) / math.sqrt(2 * math.pi) / chance
            first = np.where(in_tail, sign * mean, first)
            second = np.where(in_tail, 1 + end * mean, second)
    weights = np.exp(-(_SCORES**2) / 2)
    weights /= weights.sum()
    mean_seen = float(weights @ first)
    return mean_seen, math.sqrt(float(weights @ second))
