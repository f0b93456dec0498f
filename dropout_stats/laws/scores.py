"""From outputs to standard normal scores, for laws whose multiplier has a density."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from dropout_stats import dtypes
from dropout_stats.laws.reading import Array, Reading, Violation, unravelled

BINS = 15  # an odd number: an even one has an edge at the median, where outputs may pile up
WIDE = float(ndtri(0.75))  # half of all scores are farther from 0
_EDGES = ndtri(np.arange(1, BINS) / BINS)
_ROUNDINGS = 8  # of multipliers of one unit, in eps of the type


class ScoreReader:
    """Reads outputs for one input of a multiplicative law with a density.

    Args:
        x: the input: finite and nowhere zero.
        score: from multipliers to standard normal scores; NaN for those that cannot be.
        dtype: name of the type of the output.
        shared: the axes along which elements share one draw.

    """

    def __init__(
        self,
        x: Array,
        score: Callable[[NDArray[Any]], NDArray[Any]],
        dtype: str,
        shared: tuple[int, ...] = (),
    ) -> None:
        self._given = x.astype(dtypes.working(dtype))
        self._score = score
        self._shared = shared
        self._tolerance = _ROUNDINGS * dtypes.precision(dtype).eps
        ndim = range(x.ndim)
        self._first = tuple(0 if axis in shared else slice(None) for axis in ndim)
        # Where the multiplier is the median itself, the place decides, not the noise.
        self._ties = np.arange(x[self._first].size).reshape(x[self._first].shape) % 2 == 0

    def read(self, y: Array) -> Reading:
        """Read one output, of the shape of the input and any real type."""
        with np.errstate(all="ignore"):
            multipliers = y.astype(self._given.dtype, copy=False) / self._given
            scores = self._score(multipliers[self._first])
        torn = self._torn(multipliers)
        possible = np.isfinite(scores)
        violations = scores.size - int(np.count_nonzero(possible))
        example = self._explain(multipliers, y, possible) if violations else None
        scores = np.where(possible, scores, 0) if violations else scores
        above = (scores > 0) | ((scores == 0) & self._ties)
        flat = scores.reshape(-1).astype(np.float64)
        return Reading(
            units=scores.size,
            kept=int(np.count_nonzero(above)),
            packed=np.packbits(above, bitorder="little"),
            violations=violations,
            example=example,
            torn=int(np.count_nonzero(torn)),
            first_torn=unravelled(torn) if torn.any() else None,
            scores=(math.fsum([float(flat.sum())]), float(flat @ flat)),
            bins=np.bincount(np.searchsorted(_EDGES, flat), minlength=BINS),
            wide=np.packbits(np.abs(scores) > WIDE, bitorder="little"),
        )

    def _torn(self, multipliers: NDArray[Any]) -> NDArray[np.bool_]:
        if not self._shared:
            return np.zeros((), np.bool_)
        low, high = multipliers.min(axis=self._shared), multipliers.max(axis=self._shared)
        apart = ~(high - low <= self._tolerance * np.maximum(np.abs(low), np.abs(high)))
        return np.asarray(apart)

    def _explain(
        self, multipliers: NDArray[Any], y: Array, possible: NDArray[np.bool_]
    ) -> Violation:
        index = unravelled(~possible)
        draws = iter(index)
        place = tuple(0 if axis in self._shared else next(draws) for axis in range(y.ndim))
        return Violation(
            place,
            float(self._given[place]),
            float(y[place]),
            f"a multiplier that the law allows; it is {float(multipliers[place]):.9g}",
        )
