"""Any convex f: a smaller and a larger law in the convex order (gap.md, section 12).

z_low <= z <= z_high in the convex order means E g(z_low) <= E g(z) <= E g(z_high) for every convex
g (Shaked and Shanthikumar 2007, chapter 3). The larger law spreads each step over the two nearest
points of a grid, keeping its mean; the smaller one gathers the running law in cells and puts each
cell's probability at its mean. One pair of laws serves all convex f.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from dropout_stats.errors import UsageError
from dropout_stats.gap.activations import Activation
from dropout_stats.gap.rounding import SLACK, SMALLEST, UNIT, Floats, Interval, between
from dropout_stats.gap.unit import Unit

_POINTS = 1 << 13


class _Law(NamedTuple):
    places: Floats
    chances: Floats


def gap(unit: Unit, f: Activation) -> Interval:
    """E f(z) - f(mean) for convex f (theorem 12)."""
    spacing = math.ldexp(1.0, math.frexp(max(unit.total, 1e-300))[1]) / _POINTS
    steps = np.repeat(unit.steps, unit.counts.astype(int))
    level = f.at(unit.mean, 0.0).value
    ends = []
    for law in (_gathered(unit, steps, spacing), _spread(unit, steps, spacing)):
        changes = f.values(law.places) - level
        value = math.fsum((law.chances * changes).tolist())
        size = float(law.chances @ np.abs(changes))
        ends.append((value, _error(unit, f, law, size, len(steps))))
    (low, low_error), (high, high_error) = ends
    if low - low_error > high + high_error:
        raise UsageError(f"f={f.name!r} is not convex, which this method takes on trust")
    return between(low - low_error, high + high_error)


def _error(unit: Unit, f: Activation, law: _Law, size: float, number: int) -> float:
    """Rounding: of the places, times the steepest slope of f; of the chances; of f."""
    places = np.array([law.places.min(), law.places.max()])
    aside = np.maximum(1.0, np.abs(places) * 2.0**-20)
    outer = f.values(places + aside * [-1, 1])
    slope = float((np.abs(outer - f.values(places)) / aside).max())
    scale = abs(unit.mean) + 4 * unit.total
    off = UNIT * (8 * number + 8) * scale + 3 * unit.mean_error + unit.rest
    level = abs(f.at(unit.mean, 0.0).value)
    relative = UNIT * (8 * number + 4 + 2 * f.relative)
    error = slope * off + relative * (size + 2 * level * UNIT) + _f_error(f, size, level)
    return error * SLACK + SMALLEST


def _f_error(f: Activation, size: float, level: float) -> float:
    return UNIT * ((2 * f.relative + 2) * (size + 2 * level) + 2 * f.absolute)


def _spread(unit: Unit, steps: Floats, spacing: float) -> _Law:
    """Each step goes to the grid points around it; the law of their sum."""
    s, low = unit.chance, np.floor(steps / spacing)
    share = steps / spacing - low
    law = np.ones(1)
    lowest = 0
    for first, part in zip(low.astype(int).tolist(), share.tolist(), strict=True):
        left, right = min(first, 0), max(first + 1, 0)
        longer = np.zeros(len(law) + right - left)
        size = len(law)
        for place, chance in ((0, 1 - s), (first, s * (1 - part)), (first + 1, s * part)):
            longer[place - left : place - left + size] += chance * law
        law, lowest = longer, lowest + left
    places = unit.mean - s * float(unit.counts @ unit.steps)
    return _Law(places + spacing * (np.arange(len(law)) + lowest), law)


def _gathered(unit: Unit, steps: Floats, spacing: float) -> _Law:
    """The running law, gathered in cells after each step."""
    s = unit.chance
    places: Floats = np.zeros(1)
    chances: Floats = np.ones(1)
    for step in steps.tolist():
        both = np.concatenate((places, places + step))
        weights = np.concatenate((chances * (1 - s), chances * s))
        cells = np.floor(both / spacing).astype(np.int64)
        cells -= cells.min()
        total = np.asarray(np.bincount(cells, weights), np.float64)
        there = total > 0
        middle = np.bincount(cells, weights * (both - step / 2))[there] / total[there] + step / 2
        places, chances = middle, total[there]
    return _Law(unit.mean - s * float(unit.counts @ unit.steps) + places, chances)
