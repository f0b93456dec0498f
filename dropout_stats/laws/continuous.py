"""Laws whose multiplier has a density: Gaussian, uniform and log-normal multiplicative noise.

Each turns a multiplier into a standard normal score, by its own distribution function. So one set
of questions serves all of them: are the scores standard normal, and does their sign, or their size,
depend on anything?
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from dropout_stats import dtypes
from dropout_stats.laws.halves import rounding_of
from dropout_stats.laws.law import Kind, parameters_of
from dropout_stats.laws.reading import AnyReader, Array, Reader, Reading, kept_tolerance
from dropout_stats.laws.scores import ScoreReader
from dropout_stats.laws.sharing import Sharing, Unit

Numbers = NDArray[Any]


@dataclass(frozen=True)
class Multiplicative:
    """A = a * M, where M has mean 1, variance rate / (1 - rate) and a density; A = a in evaluation.

    E[A] = a, the noise A - a has mean zero, and Var[A] = a^2 rate / (1 - rate), as for inverted
    dropout of the same rate.

    Args:
        unit: the elements that share one draw, as for `Inverted`.

    """

    name: ClassVar[str]
    kind: ClassVar[Kind] = "continuous"
    is_normal: ClassVar[bool] = False

    unit: Unit = "element"

    def __post_init__(self) -> None:
        Sharing(self.unit)  # refuses what is none

    def __str__(self) -> str:
        return f"{type(self).__name__}({parameters_of(self)})"

    @property
    def sharing(self) -> Sharing:
        """Which elements share one draw."""
        return Sharing(self.unit)

    def keep_probs(self, rate: float) -> tuple[float, ...]:  # noqa: ARG002 - the same at every rate
        """A unit's bit says whether its multiplier is above the median: half of them are."""
        return (0.5,)

    def evaluation_factor(self, rate: float) -> float:  # noqa: ARG002 - as above
        """1: the evaluation pass is the identity."""
        return 1.0

    def mean(self, rate: float) -> float:  # noqa: ARG002 - as above
        """E[M] = 1."""
        return 1.0

    def variance(self, rate: float) -> float:
        """Var[M] = rate / (1 - rate)."""
        return rate / (1 - rate)

    def kurtosis(self, rate: float) -> float:
        """The fourth moment of (M - E[M]) / sd(M)."""
        raise NotImplementedError

    def score(self, multiplier: Numbers, rate: float, rounding: float = 0.0) -> Numbers:
        """The standard normal score of a multiplier; NaN for one that cannot be.

        `rounding` is the relative error that a multiplier may have.
        """
        raise NotImplementedError

    def multiplier(self, score: Numbers, rate: float) -> Numbers:
        """The inverse of `score`."""
        raise NotImplementedError

    def cdf(self, multiplier: Numbers, rate: float) -> Numbers:
        """The probability of a smaller multiplier."""
        return np.asarray(ndtr(self.score(multiplier, rate)))

    def reach(self, multiplier: Numbers, rate: float, eps: float) -> Numbers:
        """How far roundings may move a multiplier, `eps` being the distance from 1 to the next.

        Of noise that is drawn, scaled and added to its mean.
        """
        return np.asarray(eps * (np.abs(multiplier) + np.abs(multiplier - self.mean(rate))))

    def median(self, rate: float) -> float:
        """The multiplier whose score is 0."""
        return float(self.multiplier(np.zeros(()), rate))

    def sample(self, rng: np.random.Generator, shape: tuple[int, ...], rate: float) -> Numbers:
        """Draw the multipliers of a call of this shape; they broadcast to it."""
        units = self.sharing.kept_dims(shape)
        if rate == 0:
            return np.ones(units)
        return self.multiplier(rng.standard_normal(units), rate)

    def apply(self, x: Array, noise: Numbers, rate: float) -> Array:  # noqa: ARG002 - it is in M
        """Multiply, and round once to the type of x."""
        work = dtypes.working(x.dtype.name)
        return np.asarray((x.astype(work) * noise.astype(work)).astype(x.dtype))

    def evaluate(self, x: Array, rate: float) -> Array:  # noqa: ARG002
        """The identity."""
        return x.copy()

    def reader(self, x: Array, rate: float, dtype: str, *, peers: bool = False) -> AnyReader:
        """Prepare the reading of outputs of type `dtype`; at rate 0 the output is the input."""
        shared = self.sharing.of_peers(x.ndim, peers=peers)
        if rate == 0:
            return Reader(x, 1.0, kept_tolerance(dtype, 0.0), dtype, shared)
        return ScoreReader(
            x,
            _AtRate(self, rate),
            rate,
            dtype,
            shared,
            floor=self.floor(x, rate),
            tails=rounding_of(self, rate, dtype).tails,
        )

    def floor(self, x: Array, rate: float) -> float:  # noqa: ARG002 - a law of sums needs them
        """Multipliers are rounded as if they were at least so large."""
        return 0.0

    def read(self, x: Array, y: Array, rate: float) -> Reading:
        """Recover the scores from x (finite, nowhere 0) and y."""
        return self.reader(x, rate, y.dtype.name).read(y)

    def bits(self, x: Array, y: Array, rate: float) -> NDArray[np.bool_]:
        """Where the multiplier is above the median."""
        given, got = x.astype(np.float64), y.astype(np.float64)
        return np.asarray(np.sign(given) * got > np.abs(given) * self.median(rate))


class _AtRate(NamedTuple):
    """A law at one rate."""

    law: Multiplicative
    rate: float

    def score(self, multiplier: Numbers, rounding: float) -> Numbers:
        """The score of a multiplier."""
        return self.law.score(multiplier, self.rate, rounding)

    def cdf(self, multiplier: Numbers) -> Numbers:
        """Its probability."""
        return self.law.cdf(multiplier, self.rate)

    def standardised(self, multiplier: Numbers) -> Numbers:
        """How many standard deviations it is from its mean."""
        distance = np.asarray(multiplier - self.law.mean(self.rate))
        distance *= 1 / math.sqrt(self.law.variance(self.rate))
        return distance


@dataclass(frozen=True)
class GaussianMultiplicative(Multiplicative):
    """M is normal (Srivastava et al. 2014, section 10; Wang and Manning 2013)."""

    name: ClassVar[str] = "gaussian-multiplicative"
    is_normal: ClassVar[bool] = True

    def kurtosis(self, rate: float) -> float:  # noqa: ARG002 - the same at every rate
        """3."""
        return 3.0

    def score(self, multiplier: Numbers, rate: float, rounding: float = 0.0) -> Numbers:  # noqa: ARG002
        """(M - 1) / sd."""
        return (multiplier - 1) * (1 / math.sqrt(self.variance(rate)))

    def multiplier(self, score: Numbers, rate: float) -> Numbers:
        """1 + sd * score."""
        return 1 + math.sqrt(self.variance(rate)) * score


@dataclass(frozen=True)
class UniformMultiplicative(Multiplicative):
    """M is uniform on 1 +- sqrt(3 rate / (1 - rate))."""

    name: ClassVar[str] = "uniform-multiplicative"

    def _half(self, rate: float) -> float:
        return math.sqrt(3 * self.variance(rate))

    def kurtosis(self, rate: float) -> float:  # noqa: ARG002 - the same at every rate
        """9/5."""
        return 1.8

    def score(self, multiplier: Numbers, rate: float, rounding: float = 0.0) -> Numbers:
        """The normal quantile of the place in the interval; NaN beyond its ends."""
        width = 2 * self._half(rate)
        place = (multiplier - 1) / width + 0.5
        beyond = np.abs(place - 0.5) - 0.5
        inside = (beyond <= rounding * np.abs(multiplier) / width) & np.isfinite(multiplier)
        smallest = np.finfo(place.dtype).epsneg
        return np.asarray(np.where(inside, ndtri(np.clip(place, smallest, 1 - smallest)), np.nan))

    def reach(self, multiplier: Numbers, rate: float, eps: float) -> Numbers:
        """Of noise that goes from one rounded end to the other: its middle is no number of them."""
        return super().reach(multiplier, rate, eps) + eps * self._half(rate) / 2

    def cdf(self, multiplier: Numbers, rate: float) -> Numbers:
        """The place in the interval."""
        return np.asarray(np.clip((multiplier - 1) / (2 * self._half(rate)) + 0.5, 0, 1))

    def multiplier(self, score: Numbers, rate: float) -> Numbers:
        """The place in the interval of the normal distribution function."""
        return 1 + self._half(rate) * (2 * ndtr(score) - 1)


@dataclass(frozen=True)
class LogNormalMultiplicative(Multiplicative):
    """log M is normal, with the mean and the deviation that give M its own."""

    name: ClassVar[str] = "log-normal-multiplicative"

    def _square(self, rate: float) -> float:
        return math.log1p(self.variance(rate))

    def kurtosis(self, rate: float) -> float:
        """w^4 + 2 w^3 + 3 w^2 - 3, where w is the mean of M^2."""
        w = 1 + self.variance(rate)
        return w**4 + 2 * w**3 + 3 * w**2 - 3

    def score(self, multiplier: Numbers, rate: float, rounding: float = 0.0) -> Numbers:  # noqa: ARG002
        """The standardised logarithm; NaN for a multiplier that is not positive."""
        square = self._square(rate)
        with np.errstate(all="ignore"):
            return np.asarray((np.log(multiplier) + square / 2) / math.sqrt(square))

    def cdf(self, multiplier: Numbers, rate: float) -> Numbers:
        """0 for what is not positive."""
        return super().cdf(np.maximum(multiplier, np.finfo(np.float64).tiny), rate)

    def reach(self, multiplier: Numbers, rate: float, eps: float) -> Numbers:
        """Of noise whose logarithm is drawn, scaled and added to its mean."""
        square = self._square(rate)
        logs = np.abs(np.log(np.maximum(multiplier, np.finfo(np.float64).tiny)) + square / 2)
        return np.asarray(eps * np.abs(multiplier) * (1 + logs + square / 2))

    def multiplier(self, score: Numbers, rate: float) -> Numbers:
        """Exp of the logarithm with that score."""
        square = self._square(rate)
        return np.asarray(np.exp(math.sqrt(square) * score - square / 2))
