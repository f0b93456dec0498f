"""f of pieces, up to some 44 inputs: meet in the middle (gap.md, section 7).

z = y + v, where y runs through the sums of one half of the inputs and v through those of the other,
in order (Horowitz and Sahni 1974). For one y each piece of f holds a run of the v, and on it f is a
combination of 1, v, v^2 and e^v, whose sums over runs are differences of prefix sums: 2^(n/2) steps
instead of 2^n.
"""

from __future__ import annotations

import math

import numpy as np

from dropout_stats.gap.activations import Activation
from dropout_stats.gap.fixed_point import Sums, fixed_point, halves, sums
from dropout_stats.gap.pieces import Pieces
from dropout_stats.gap.rounding import (
    FUNCTION,
    SLACK,
    SMALLEST,
    UNIT,
    Floats,
    Interval,
    depth,
    prefix_sums,
    tree_sum,
)
from dropout_stats.gap.unit import Unit


def expectation(unit: Unit, f: Activation, pieces: Pieces) -> Interval:
    """E f(z) (theorem 7)."""
    furthest = max(abs(end) for end in pieces.ends)
    point = fixed_point(unit, room=2 * furthest)
    first, second = halves(unit)
    one, other = sums(point, first, ordered=True), sums(point, second, ordered=True)
    y = point.base + one.centre + other.centre + one.values
    total = _total(y, one, other, pieces)
    operations = 4 * depth(len(other.values)) + depth(len(y)) + 2 * FUNCTION + 16
    operations += one.error + other.error
    error = UNIT * operations * _size(y, one, other, pieces)
    moved = f.lipschitz * (point.off + 8 * UNIT * furthest)
    return Interval(total, (error + moved) * SLACK + UNIT * abs(total) + SMALLEST)


def _total(y: Floats, one: Sums, other: Sums, pieces: Pieces) -> float:
    v, chances = other.values, other.chances
    powers = [chances, chances * v]
    if any(row[2] for row in pieces.coefficients):
        powers.append(chances * v * v)
    prefixes = [prefix_sums(power) for power in powers]
    cuts = [np.searchsorted(v, end - y, side="left") for end in pieces.ends]
    bounds = [np.zeros(1, np.intp), *cuts, np.full(1, len(v))]
    found = np.zeros(len(y))
    for row, low, high in zip(pieces.coefficients, bounds[:-1], bounds[1:], strict=True):
        if not any(row):
            continue
        moments = [prefix[high] - prefix[low] for prefix in prefixes]
        found += row[0] * moments[0]
        if row[1]:
            found += row[1] * (y * moments[0] + moments[1])
        if row[2]:
            found += row[2] * (y * (y * moments[0] + 2 * moments[1]) + moments[2])
        if row[3]:  # the first piece alone: its runs begin at the smallest v
            found += row[3] * np.exp(y) * prefix_sums(chances * np.exp(v))[high]
    return float(tree_sum(one.chances * found))


def _size(y: Floats, one: Sums, other: Sums, pieces: Pieces) -> float:
    """Bound of what the terms of the total add up to without their signs."""
    outer, inner = float(one.chances @ np.abs(y)), float(other.chances @ np.abs(other.values))
    outer2, inner2 = float(one.chances @ y**2), float(other.chances @ other.values**2)
    size = 0.0
    for row in pieces.coefficients:
        size += abs(row[0]) + abs(row[1]) * (outer + inner) + abs(row[3])
        size += abs(row[2]) * (outer2 + 2 * outer * inner + inner2)
    return size * SLACK


def has_room(unit: Unit, pieces: Pieces) -> bool:
    """Whether e^y and e^v are doubles, where a piece has them."""
    return not any(row[3] for row in pieces.coefficients) or (
        abs(unit.mean) + 2 * unit.total < math.log(2.0) * 500
    )
