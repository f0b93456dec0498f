"""identity, square and exp, whose expectations are finite formulas (gap.md, section 8)."""

from __future__ import annotations

import math

import numpy as np

from dropout_stats.errors import UsageError
from dropout_stats.gap.rounding import FUNCTION, SLACK, SMALLEST, UNIT, Floats, Interval, around
from dropout_stats.gap.unit import Unit

_EXPONENT = 500.0


def identity(unit: Unit, *, subtract: bool) -> Interval:
    """The gap of a linear function is 0."""
    return Interval(0.0, 0.0) if subtract else Interval(unit.mean, unit.mean_error)


def square(unit: Unit, *, subtract: bool) -> Interval:
    """Var[z] = chance (1 - chance) sum of steps^2."""
    squares = math.fsum((unit.counts * unit.steps**2).tolist())
    value = unit.chance * (1 - unit.chance) * squares
    rest = unit.rest * (2 * unit.deviation + unit.rest)
    gap = Interval(value, (8 * UNIT * value + rest) * SLACK + SMALLEST)
    if subtract:
        return gap
    off = unit.mean_error * (2 * abs(unit.mean) + unit.mean_error)
    return gap.plus(around(unit.mean**2, off + SMALLEST))


def exponential(unit: Unit, *, subtract: bool) -> Interval:
    """e^mean [exp(sum log(1 + s (e^c - 1)) - s c) - 1]."""
    s, c = unit.chance, unit.steps
    logs = _log_mgf(s, c)
    total = math.fsum((unit.counts * (logs - s * c)).tolist())
    terms = s * np.expm1(np.minimum(np.abs(c), 1.0)) + np.abs(s * c) + np.abs(logs)
    weight = float(unit.counts @ (terms + np.where(c < _EXPONENT, 0.0, 3 * c)))
    error = 4 * FUNCTION * UNIT * weight + 4 * UNIT * unit.total + unit.mean_error
    if not unit.mean + max(total, 0.0) < 700:
        raise UsageError(
            f"E exp(z) is about e^{unit.mean + total:.4g}, more than a double can hold: the "
            f"weights or the bias are too large for f='exp'"
        )
    if error > 1:
        return Interval(0.0, math.inf)
    at_mean, relative = math.exp(unit.mean), math.expm1(error + 3 * FUNCTION * UNIT)
    if total > 1 or not subtract:
        whole = math.exp(unit.mean + total)
        relative += 2 * UNIT * (abs(unit.mean) + abs(total))
        found = Interval(whole, relative * whole * SLACK + SMALLEST)
        return found.minus(Interval(at_mean, relative * at_mean)) if subtract else found
    grown = math.expm1(total)
    moved = relative * (math.exp(total) + abs(grown)) - 3 * FUNCTION * UNIT * math.exp(total)
    return Interval(at_mean * grown, at_mean * moved * SLACK + SMALLEST)


def _log_mgf(s: float, c: Floats) -> Floats:
    """log(1 + s (e^c - 1)), also where e^c is not a double."""
    usual = np.log1p(s * np.expm1(np.minimum(c, _EXPONENT)))
    return np.where(c < _EXPONENT, usual, c + math.log(s))
