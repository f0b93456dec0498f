"""All sums of a unit, exactly: its steps rounded to multiples of one spacing (gap.md, section 6).

Sums of such multiples are doubles, so the lists below hold no rounding errors at all, and the order
of two sums is beyond doubt. What the rounding of the steps changes has the mean 0, since the mean
of z is restored, and a standard deviation of about a half spacing times sqrt(n chance).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from dropout_stats.gap.rounding import SLACK, SMALLEST, UNIT, Floats, two_product
from dropout_stats.gap.unit import Unit


@dataclass(frozen=True, eq=False)
class FixedPoint:
    """z' = base + sum of counts_i copies of steps_i x, all multiples of `spacing`.

    Args:
        spacing: a power of two.
        base: z' where no x is 1.
        steps: as those of the unit, rounded.
        off: at least E|z - z'| for a suitable z' of this law.
        surely_off: at least max |z - z'|.

    """

    unit: Unit
    spacing: float
    base: float
    steps: Floats
    off: float
    surely_off: float


def fixed_point(unit: Unit, room: float = 0.0) -> FixedPoint:
    """The unit in fixed point; `room` is how far from 0 other multiples must reach."""
    largest = abs(unit.mean) + 2 * unit.total + room
    spacing = math.ldexp(1.0, math.frexp(max(largest, SMALLEST))[1] - 52)
    steps = np.rint(unit.steps / spacing) * spacing
    rounded = unit.steps - steps
    main, low = two_product(
        np.float64(unit.chance),  # type: ignore[arg-type]
        np.float64(unit.counts @ steps),  # type: ignore[arg-type]
    )
    base = math.fsum([unit.mean, unit.mean_rest, -float(main), -float(low)])
    base = round(base / spacing) * spacing
    shift = spacing / 2 + unit.mean_error
    wobble = math.sqrt(unit.chance * float(unit.counts @ rounded**2)) + unit.rest
    most = float(unit.counts @ np.abs(rounded)) + 4 * UNIT * unit.total
    return FixedPoint(
        unit, spacing, base, steps, (shift + wobble) * SLACK, (shift + most) * SLACK + unit.rest
    )


@dataclass(frozen=True, eq=False)
class Sums:
    """Sums of some of the steps, less `centre`, and their probabilities.

    Args:
        values: exact.
        chances: of each value, with a relative error of at most `error` times UNIT.
        centre: what was taken off each value, a multiple of the spacing.
        error: see chances.

    """

    values: Floats
    chances: Floats
    centre: float
    error: float


def sums(point: FixedPoint, chosen: slice, *, ordered: bool = False) -> Sums:
    """The sums of the chosen steps; where `ordered`, from the smallest to the largest."""
    counts, steps = point.unit.counts[chosen], point.steps[chosen]
    single = counts == 1
    values, ones = _subsets(steps[single], ordered=ordered)
    table = _powers(point.unit.chance, int(single.sum()))
    chances = table[ones]
    for step, count in zip(steps[~single], counts[~single], strict=True):
        values = (values[:, None] + step * np.arange(count + 1)).ravel()
        chances = (chances[:, None] * _binomial(point.unit.chance, int(count))).ravel()
    if ordered and not single.all():
        order = np.argsort(values, kind="stable")
        values, chances = values[order], chances[order]
    mean = point.unit.chance * float(counts @ steps)
    centre = round(mean / point.spacing) * point.spacing
    return Sums(values - centre, chances, centre, 1.0 + 2 * float((~single).sum()))


def _subsets(steps: Floats, *, ordered: bool) -> tuple[Floats, np.ndarray]:
    """Sums of all subsets, and the size of each subset."""
    values, ones = np.zeros(1), np.zeros(1, np.intp)
    for step in steps:
        values = np.concatenate((values, values + step))
        ones = np.concatenate((ones, ones + 1))
        if ordered:  # two ordered runs: a stable sort merges them
            order = np.argsort(values, kind="stable")
            values, ones = values[order], ones[order]
    return values, ones


def _powers(chance: float, number: int) -> Floats:
    """chance^k (1 - chance)^(number - k) for k = 0, ..., number, each rounded once."""
    s = Fraction(chance)
    return np.array([float(s**k * (1 - s) ** (number - k)) for k in range(number + 1)])


def _binomial(chance: float, count: int) -> Floats:
    """Probabilities of the binomial law, each rounded once."""
    s = Fraction(chance)
    return np.array(
        [float(math.comb(count, k) * s**k * (1 - s) ** (count - k)) for k in range(count + 1)]
    )


def halves(unit: Unit, first: float | None = None) -> tuple[slice, slice]:
    """Two parts of the steps with about equally many sums, or at most `first` in the first."""
    number = np.cumprod(unit.counts + 1)
    limit = math.sqrt(unit.states) if first is None else first
    cut = int(np.searchsorted(number, limit * (1 + 1e-9), side="right"))
    return slice(0, cut), slice(cut, None)
