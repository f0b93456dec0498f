"""How far a unit strays from its mean, by the bounds of Hoeffding and of Bernstein (gap.md, 5)."""

from __future__ import annotations

import math

import numpy as np

from dropout_stats.gap.rounding import SLACK, SMALLEST, Floats
from dropout_stats.gap.unit import Unit

_ROOM = 1e-3  # of 1 - slope * rate, below which Bernstein's bound is not used


def log_moment(unit: Unit, rates: Floats) -> Floats:
    """Bound of log E e^(rate (z - mean)) and of log E e^(rate (mean - z)), rates > 0."""
    (hoeffding, _), (variance, slope) = _tails(unit)
    room = 1 - slope * rates
    bernstein = np.where(room > _ROOM, variance / np.maximum(room, _ROOM), np.inf)
    quadratic = np.minimum(hoeffding, bernstein) * rates**2 / 2
    return np.asarray(np.minimum(quadratic, unit.reach * rates), np.float64)


def excursion(unit: Unit, radius: float) -> float:
    """Bound of E(|z - mean| - radius)_+ (lemma 5.3)."""
    if radius >= unit.reach:
        return 0.0
    bounds = []
    for spread, slope in _tails(unit):
        rate = radius / (spread + slope * radius)
        exponent = radius * rate / 2
        bounds.append(2 * math.exp(-exponent) / (math.e * rate) if rate > 0 else math.inf)
    return min(*bounds, unit.deviation) * SLACK


def _tails(unit: Unit) -> tuple[tuple[float, float], tuple[float, float]]:
    """Two pairs v, m so that both log moments are at most v rate^2 / 2 (1 - m rate)."""
    hoeffding = float(unit.counts @ unit.steps**2) / 4 * SLACK
    variance = unit.deviation**2
    return (hoeffding + SMALLEST, 0.0), (variance + SMALLEST, unit.largest / 3)


def radius_for(unit: Unit, allowed: float) -> float:
    """A radius beyond which |z - mean| is on average at most `allowed`, nearly the smallest."""
    logarithm = max(1.0, math.log(4 * unit.deviation / allowed))
    radii = [
        slope * logarithm + math.sqrt((slope * logarithm) ** 2 + 2 * spread * logarithm)
        for spread, slope in _tails(unit)
    ]
    return min(*radii, unit.reach)
