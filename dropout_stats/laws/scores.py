"""From outputs to standard normal scores, for laws whose multiplier has a density.

In single and double precision the quotient of output and input is the multiplier, up to rounding
that is far below anything a test can see. In half precision it is not: an output stands for every
multiplier that rounds to it. Such a score is drawn at random between those of the ends of that
range, in proportion to the law (a randomised probability integral transform): exact for one
rounding of the product. Where multipliers have an end, which further roundings may pass, the scores
beside it are drawn anew, all alike.
"""

from __future__ import annotations

import hashlib
import math
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from dropout_stats import dtypes
from dropout_stats.laws.reading import Array, Reading, Violation, kept_tolerance, unravelled

BINS = 15  # an odd number: an even one has an edge at the median, where outputs may pile up
WIDE = float(ndtri(0.75))  # half of all scores are farther from 0
BINNED = 4  # one call of so many is sorted into bins: that takes longer than all the rest
_EDGES = ndtri(np.arange(1, BINS) / BINS).astype(np.float32)
_ROUNDINGS = 8  # of multipliers of one unit, in eps of the type
_LEAST = 2.0**-53

Numbers = NDArray[Any]


class Noise(Protocol):
    """A law with a density at one rate."""

    def score(self, multiplier: Numbers, rounding: float) -> Numbers:
        """The standard normal score; NaN where the multiplier cannot be.

        `rounding` is the relative error that a multiplier may have.
        """
        ...

    def cdf(self, multiplier: Numbers) -> Numbers:
        """The probability of a smaller multiplier."""
        ...

    def standardised(self, multiplier: Numbers) -> Numbers:
        """The multiplier less its mean, in standard deviations."""
        ...


def _rounded_to(y: Array) -> tuple[Numbers, Numbers]:
    """The ends of the range that rounds to y: half way to its neighbours; infinite beyond them."""
    value = y.astype(np.float64)
    below, above = (
        np.nextafter(y, y.dtype.type(way)).astype(np.float64) for way in (-np.inf, np.inf)
    )
    low = np.where(np.isposinf(value), below, (value + below) / 2)
    high = np.where(np.isneginf(value), above, (value + above) / 2)
    return low, high


def _powers(deviations: Numbers) -> NDArray[np.float64]:
    """How many have a finite square, and the sums of their first four powers."""
    flat = deviations.reshape(-1)
    squares = flat * flat
    second = squares.sum()
    if not math.isfinite(second):
        flat = flat[np.isfinite(squares)]
        squares = flat * flat
        second = squares.sum()
    # Not by BLAS, which would start threads.
    third, fourth = (np.einsum("i,i->", one, squares) for one in (flat, squares))
    sums = flat.sum(), second, third, fourth
    return np.array([flat.size, *sums], np.float64)


class ScoreReader:
    """Reads outputs for one input of a multiplicative law with a density.

    Args:
        x: the input: finite and nowhere zero.
        noise: the law at the rate.
        rate: the drop rate.
        dtype: name of the type of the output.
        shared: the axes along which elements share one draw.
        floor: multipliers of one unit are rounded as if they were at least so large.
        tails: probabilities below and above which scores are drawn anew: see `halves.Rounding`.

    """

    def __init__(
        self,
        x: Array,
        noise: Noise,
        rate: float,
        dtype: str,
        shared: tuple[int, ...] = (),
        *,
        floor: float = 0.0,
        tails: tuple[float, float] = (0.0, 0.0),
    ) -> None:
        self._given = x.astype(dtypes.working(dtype))
        self._inverse = 1 / self._given
        self._noise = noise
        self._dtype = dtype
        self._rounding = kept_tolerance(dtype, rate)
        self._shared, self._floor, self._tails = shared, floor, tails
        self._tolerance = _ROUNDINGS * dtypes.precision(dtype).eps
        self._first = tuple(0 if axis in shared else slice(None) for axis in range(x.ndim))
        # Apart from the target's and those of other inputs; the same wherever the input is.
        self._coins = np.random.default_rng(list(hashlib.sha256(x.tobytes()).digest()))
        self._calls = 0

    def read(self, y: Array) -> Reading:
        """Read one output, of the shape of the input and any real type."""
        with np.errstate(all="ignore"):
            multipliers = y.astype(self._given.dtype, copy=False) * self._inverse
            scores = self._scores(multipliers[self._first], y[self._first])
            powers = _powers(self._noise.standardised(multipliers[self._first]))
        torn = self._torn(multipliers)
        squares = float((scores * scores).sum())
        example, read = None, scores.size
        if not math.isfinite(squares):
            possible = np.isfinite(scores)
            read = int(np.count_nonzero(possible))
            example = self._explain(multipliers, y, possible)
            scores = np.where(possible, scores, 0).astype(scores.dtype)
            squares = float((scores * scores).sum())
        above, sizes = scores > 0, np.abs(scores)
        return Reading(
            units=scores.size,
            kept=int(np.count_nonzero(above)),
            packed=np.packbits(above, bitorder="little"),
            violations=scores.size - read,
            example=example,
            torn=int(np.count_nonzero(torn)),
            first_torn=unravelled(torn) if torn.any() else None,
            scores=(read, float(scores.sum()), squares, float(sizes.max(initial=0))),
            powers=powers,
            bins=self._binned(scores),
            wide=np.packbits(sizes > WIDE, bitorder="little"),
        )

    def _scores(self, multipliers: Numbers, y: Array) -> Numbers:
        exact = self._noise.score(multipliers, self._rounding)
        if self._dtype not in dtypes.HALVES:
            return exact
        given = self._given[self._first].astype(np.float64)
        chances = [self._noise.cdf(end / given) for end in _rounded_to(y)]
        low, high = np.minimum(*chances), np.maximum(*chances)
        place = low + self._coins.random(y.shape) * (high - low)
        drawn = high > low
        below, above = self._tails
        if below or above:
            coins = self._coins.random(y.shape)
            place = np.where(place < below, below * coins, place)
            place = np.where(place > 1 - above, 1 - above * coins, place)
            drawn |= np.isfinite(exact)
        return np.asarray(np.where(drawn, ndtri(np.clip(place, _LEAST, 1 - _LEAST)), exact))

    def _binned(self, scores: Numbers) -> NDArray[np.int64]:
        self._calls += 1
        if self._calls % BINNED:
            return np.zeros(BINS, np.int64)
        return np.bincount(np.searchsorted(_EDGES, scores.reshape(-1)), minlength=BINS)

    def _torn(self, multipliers: Numbers) -> NDArray[np.bool_]:
        if not self._shared:
            return np.zeros((), np.bool_)
        low, high = multipliers.min(axis=self._shared), multipliers.max(axis=self._shared)
        size = np.maximum(np.maximum(np.abs(low), np.abs(high)), self._floor)
        apart = ~(high - low <= self._tolerance * size)
        return np.asarray(apart)

    def _explain(self, multipliers: Numbers, y: Array, possible: NDArray[np.bool_]) -> Violation:
        index = unravelled(~possible)
        draws = iter(index)
        place = tuple(0 if axis in self._shared else next(draws) for axis in range(y.ndim))
        return Violation(
            place,
            float(self._given[place]),
            float(y[place]),
            f"a multiplier that the law allows; it is {float(multipliers[place]):.9g}",
        )
