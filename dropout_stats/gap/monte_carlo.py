"""Any f: Monte Carlo with control variates whose moments are exact (gap.md, section 13).

f(z) is regressed on z and z^2 in a first batch; the rest estimates E f(z) from what they leave,
since E z and E z^2 are known.
"""

from __future__ import annotations

import math

import numpy as np

from dropout_stats.gap.activations import Activation
from dropout_stats.gap.rounding import SLACK, Floats, Interval
from dropout_stats.gap.sequence import Running
from dropout_stats.gap.unit import Unit

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
    seen, halfwidth = Running(_DRAWS), math.inf
    size = max(256, min(_DRAWS // 16, _BLOCK // len(unit.steps)))
    while seen.draws < _DRAWS and halfwidth > tolerance:
        basis, found = _draw(unit, f, rng, size)
        seen.add(found - sum(slope * part for slope, part in zip(slopes, basis, strict=True)))
        halfwidth = float(seen.halfwidth)
    return Interval(float(seen.mean), halfwidth * SLACK)


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
