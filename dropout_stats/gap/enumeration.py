"""Any f, few inputs: the sum over all masks (gap.md, section 6)."""

from __future__ import annotations

import math

import numpy as np

from dropout_stats.gap.activations import Activation
from dropout_stats.gap.fixed_point import FixedPoint, fixed_point, halves, sums
from dropout_stats.gap.rounding import SLACK, SMALLEST, UNIT, VANISHED, Floats, Interval, depth
from dropout_stats.gap.unit import Unit

_INNER = 64
_BLOCK = 1 << 16


def expectation(unit: Unit, f: Activation) -> Interval:
    """E f(z), proved for f with a Lipschitz constant (theorem 6).

    For other f, such as callables, it is proved if f is monotone or constant over distances of
    some units in the last place of the sums: then what f does between two doubles is bounded by
    its values at them.
    """
    point = fixed_point(unit)
    inner, outer = halves(unit, _INNER)
    few, many = sums(point, inner), sums(point, outer)
    starts = point.base + few.centre + many.centre + many.values
    value, size, moved = 0.0, 0.0, 0.0
    lipschitz = math.isfinite(f.lipschitz)
    rows = max(1, _BLOCK // len(few.values))
    values, sizes = [], []
    for start in range(0, len(starts), rows):
        part = slice(start, start + rows)
        z = starts[part, None] + few.values
        found = f.values(z)
        chances = many.chances[part]
        values.append(chances * (found @ few.chances))
        if not lipschitz:
            sizes.append(float(chances @ (np.abs(found) @ few.chances)))
            moved += float(chances @ (_between(f, z, found, point) @ few.chances))
            moved += float((VANISHED * np.abs(found)).sum())
    value = math.fsum(np.concatenate(values).tolist())
    if lipschitz:
        size = f.at(unit.mean, unit.mean_error).value
        size = abs(size) + f.lipschitz * (unit.deviation + point.off)
        moved = f.lipschitz * point.off
    else:
        size = sum(sizes)
    operations = len(few.values) + 3 + few.error + many.error + depth(len(starts))
    error = UNIT * ((operations + f.relative) * size + f.absolute)
    return Interval(value, (error + moved) * SLACK + UNIT * abs(value) + SMALLEST)


def _between(f: Activation, z: Floats, found: Floats, point: FixedPoint) -> Floats:
    """How far a monotone f can be from f(z) at the distance that z may be off."""
    away = math.ceil(point.surely_off / point.spacing) * point.spacing
    above, below = np.abs(f.values(z + away) - found), np.abs(f.values(z - away) - found)
    return np.maximum(above, below)
