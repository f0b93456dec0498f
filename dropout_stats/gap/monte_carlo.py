"""Any f: Monte Carlo with control variates whose moments are exact (gap.md, section 13).

f(z) is regressed on z and z^2 in a first batch; the rest estimates E f(z) from what they leave,
since E z and E z^2 are known. The interval is an asymptotic confidence sequence (Waudby-Smith,
Arbour, Sinha, Kennedy and Ramdas 2024): it holds at all looks together, as the number
of draws grows, so it is never `certified`.
"""

from __future__ import annotations

import math

import numpy as np

from dropout_stats.gap.activations import Activation
from dropout_stats.gap.rounding import SLACK, Floats, Interval
from dropout_stats.gap.unit import Unit

CONFIDENCE = 1 - 1e-6
_PILOT = 4096
_DRAWS = 1 << 18
_BLOCK = 1 << 20
_SEED = 0xD809


def expectation(unit: Unit, f: Activation, tolerance: float) -> Interval:
    """E f(z), by up to 2^18 draws: fewer where the tolerance is reached before."""
    rng = np.random.default_rng(_SEED)
    basis, found = _draw(unit, f, rng, _PILOT)
    design = np.column_stack((np.ones(_PILOT), *basis))
    _, *slopes = np.linalg.lstsq(design, found, rcond=None)[0].tolist()
    draws, mean, squares = 0, 0.0, 0.0
    size = max(256, min(_DRAWS // 16, _BLOCK // len(unit.steps)))
    halfwidth = math.inf
    while draws < _DRAWS and halfwidth > tolerance:
        basis, found = _draw(unit, f, rng, size)
        left = found - sum(slope * part for slope, part in zip(slopes, basis, strict=True))
        draws, mean, squares = _merged(draws, mean, squares, left)
        halfwidth = _halfwidth(draws, math.sqrt(squares / draws))
    return Interval(mean, halfwidth * SLACK)


def _draw(
    unit: Unit, f: Activation, rng: np.random.Generator, size: int
) -> tuple[tuple[Floats, Floats], Floats]:
    """Z - E z and (z - E z)^2 - Var z, which have the mean 0, and f(z)."""
    if (unit.counts == 1).all():
        ones = (rng.random((size, len(unit.steps))) < unit.chance).astype(float)
    else:
        ones = rng.binomial(unit.counts.astype(int), unit.chance, (size, len(unit.steps)))
    away = (ones - unit.chance * unit.counts) @ unit.steps
    variance = unit.chance * (1 - unit.chance) * float(unit.counts @ unit.steps**2)
    return (away, away**2 - variance), f.values(unit.mean + away)


def _merged(draws: int, mean: float, squares: float, new: Floats) -> tuple[int, float, float]:
    """Number, mean and sum of squares about it, of the old draws and the new."""
    number = draws + len(new)
    change = float(new.mean()) - mean
    squares += float(((new - new.mean()) ** 2).sum()) + change**2 * draws * len(new) / number
    return number, mean + change * len(new) / number, squares


def _halfwidth(draws: int, deviation: float) -> float:
    """Of the sequence whose mixture is tuned for as many draws as there may be."""
    error = 1 - CONFIDENCE
    tuned = (-2 * math.log(error) + math.log(1 - 2 * math.log(error))) / _DRAWS
    inside = draws * tuned + 1
    logarithm = math.log(inside / error**2)
    return deviation * math.sqrt(inside / (draws**2 * tuned) * logarithm)
