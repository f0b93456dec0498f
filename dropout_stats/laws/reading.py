"""From outputs back to noise: which units were kept, and every value that the law cannot produce.

The mask is recovered from (input, output) alone. Inputs are never zero, so a zero output means
dropped; every other output must be the kept value, within the rounding that a correct
implementation may incur.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from dropout_stats import dtypes

Array: TypeAlias = NDArray[Any]  # of a floating-point type, bfloat16 included
Note: TypeAlias = Literal["off by rounding", "the kept value of another unit"]

_HALF_ROUNDING = 2.0**-7  # a value, or its scale, rounded to bfloat16
_FLOAT32_EPS = float(np.finfo(np.float32).eps)


def kept_tolerance(dtype: str, rate: float) -> float:
    """Relative tolerance of a kept value.

    2 eps of the type for the scale and the product, and 2 eps of float32 over 1 - rate, since the
    rate often travels through float32 (seen in most frameworks).
    """
    travelled = 2 * _FLOAT32_EPS / (1 - rate) if rate < 1 else 0.0
    return 2 * dtypes.precision(dtype).eps + travelled


@dataclass(frozen=True, slots=True)
class Violation:
    """One output that the law cannot produce.

    Args:
        index: its place in the array.
        given: the input there.
        got: the output.
        expected: what would do, in words.
        note: what such values are, where that can be told.

    """

    index: tuple[int, ...]
    given: float
    got: float
    expected: str
    note: Note | None = None

    def __str__(self) -> str:
        note = f", {self.note}" if self.note else ""
        return (
            f"at index {self.index} the input {self.given:.9g} became {self.got:.9g}{note}; "
            f"expected {self.expected}"
        )


class Reading(NamedTuple):
    """What one training pass says about its noise.

    Args:
        units: units read.
        kept: how many of them were kept; under a law with a density, whose multipliers are above
            the median; under one of several values, whose value is one of some.
        packed: the same unit by unit, 8 a byte, the first unit in the lowest bit: the keep mask.
        violations: how many outputs the law cannot produce.
        example: the first of them.
        ratios: smallest and largest output/input over the kept units, read only where there are
            violations: equal ends mean one wrong factor for all.
        torn: how many units have elements that were kept and elements that were dropped.
        first_torn: the first of them, by the index of its draw.
        scores: number, sum, sum of squares and largest absolute value of the normal scores of
            multipliers that are possible, under a law with a density.
        powers: number and sums of the first four powers of (M - E[M]) / sd(M), the multipliers as
            they are in units of the law, under a law with a density.
        bins: how many scores lie in each of `BINS` intervals of equal probability.
        wide: bits as in `packed`: whether a score is farther from 0 than half of them are.
        drawn: the mask itself and its entries, where `packed` holds what was made of it.
        log_chance: no less than its log-probability; None: that of independent units.
        miscount: what is wrong with the number of kept units, where that is fixed.
        values: how many units took each value, under a law of several.

    """

    units: int
    kept: int
    packed: NDArray[np.uint8]
    violations: int = 0
    example: Violation | None = None
    ratios: tuple[float, float] | None = None
    torn: int = 0
    first_torn: tuple[int, ...] | None = None
    scores: tuple[int, float, float, float] | None = None
    powers: NDArray[np.float64] | None = None
    bins: NDArray[np.int64] | None = None
    wide: NDArray[np.uint8] | None = None
    drawn: tuple[NDArray[np.uint8], int] | None = None
    log_chance: float | None = None
    miscount: str | None = None
    values: NDArray[np.int64] | None = None

    @property
    def digest(self) -> bytes:
        """160 bits that identify the mask."""
        packed, _ = self.drawn or (self.packed, self.units)
        return hashlib.sha1(packed.tobytes(), usedforsecurity=False).digest()

    def mask(self) -> NDArray[np.bool_]:
        """The keep mask, flat."""
        packed, entries = self.drawn or (self.packed, self.units)
        return np.unpackbits(packed, count=entries, bitorder="little").astype(np.bool_)


class AnyReader(Protocol):
    """Reads the outputs for one input."""

    def read(self, y: Array) -> Reading:
        """Read one output, of the shape of the input and any real type."""
        ...


def unravelled(wrong: NDArray[np.bool_]) -> tuple[int, ...]:
    """The index of the first true value."""
    return tuple(int(i) for i in np.unravel_index(int(np.argmax(wrong)), wrong.shape))


class Reader:
    """Reads outputs for one input of a two-valued law; what depends on the input is done once.

    Args:
        x: the input: finite and nowhere zero.
        factor: output/input of a kept unit.
        tolerance: relative tolerance of a kept value.
        dtype: name of the type of the output.
        shared: the axes along which elements share one draw.

    """

    def __init__(
        self,
        x: Array,
        factor: float,
        tolerance: float,
        dtype: str,
        shared: tuple[int, ...] = (),
    ) -> None:
        self._shared = shared
        work = dtypes.working(dtype)
        exact = np.asarray(x, np.float64) * factor
        self._given = np.asarray(x, np.float64)
        self._kept_value = exact.astype(work)
        allowed = np.abs(exact) * tolerance + dtypes.precision(dtype).tiny
        self._allowed = allowed.astype(work)
        self._distance = np.empty(x.shape, work)
        self._close = np.empty(x.shape, np.bool_)
        self._kept = np.empty(x.shape, np.bool_)
        # Kept outputs that were within the tolerance before: the same bits need no second look.
        self._verified = np.full(x.shape, np.nan, work)

    def read(self, y: Array) -> Reading:
        """Read one output, of the shape of the input and any real type."""
        values = y.astype(self._distance.dtype, copy=False)
        np.not_equal(values, 0, out=self._kept)
        np.equal(values, self._verified, out=self._close)
        kept = int(np.count_nonzero(self._kept))
        is_verified = kept == int(np.count_nonzero(self._close))  # equal counts: equal masks
        if self._shared:
            reading = self._whole_units()
        else:
            packed = np.packbits(self._kept, bitorder="little")
            reading = Reading(values.size, kept, packed)
        return reading if is_verified else self._compare(values, kept, reading)

    def _whole_units(self) -> Reading:
        """The draws, whatever the kept values are; a unit that is kept in parts counts as kept."""
        draws, whole = self._kept.any(axis=self._shared), self._kept.all(axis=self._shared)
        kept, packed = int(np.count_nonzero(draws)), np.packbits(draws, bitorder="little")
        split = draws != whole
        torn = int(np.count_nonzero(split))
        first = unravelled(split) if torn else None
        return Reading(draws.size, kept, packed, torn=torn, first_torn=first)

    def _compare(self, values: Array, kept: int, reading: Reading) -> Reading:
        with np.errstate(invalid="ignore", over="ignore"):
            np.subtract(values, self._kept_value, out=self._distance)
            np.abs(self._distance, out=self._distance)
            np.less_equal(self._distance, self._allowed, out=self._close)
        # A kept value is never within its tolerance of zero, so `close` lies inside `kept`. NaN is
        # kept and never close.
        violations = kept - int(np.count_nonzero(self._close))
        np.copyto(self._verified, values, where=self._close)
        if not violations:
            return reading
        example, ratios = self._explain(values)
        return reading._replace(violations=violations, example=example, ratios=ratios)

    def _explain(self, values: Array) -> tuple[Violation, tuple[float, float] | None]:
        wrong = self._kept & ~self._close
        index = unravelled(wrong)
        example = Violation(
            index,
            float(self._given[index]),
            float(values[index]),
            f"0 (dropped) or {float(self._kept_value[index]):.9g} (kept)",
            _note(values[wrong], self._kept_value, self._kept_value[wrong]),
        )
        ratios = np.asarray(values, np.float64)[self._kept] / self._given[self._kept]
        if not np.isfinite(ratios).all():
            return example, None
        return example, (float(ratios.min()), float(ratios.max()))


def _note(got: Array, kept_values: Array, expected: Array) -> Note | None:
    """Say what wrong values are: nearly right, or right in another place."""
    with np.errstate(all="ignore"):
        if (np.abs(got / expected - 1) <= _HALF_ROUNDING).all():
            return "off by rounding"
    distinct = np.unique(kept_values)
    if distinct.size == kept_values.size and np.isin(got, distinct).mean() > 0.5:
        return "the kept value of another unit"
    return None
