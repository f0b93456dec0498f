"""Arrays of numbers with proved errors, through a layer (gap-of-networks.md, section 2)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from dropout_stats.errors import UsageError
from dropout_stats.gap.activations import Activation
from dropout_stats.gap.rounding import SLACK, SMALLEST, UNIT, Floats


class Intervals(NamedTuple):
    """Numbers, each off by at most its halfwidth; arrays of one shape."""

    value: Floats
    halfwidth: Floats

    def plus(self, other: Intervals) -> Intervals:
        """The sums, with the rounding of the additions."""
        return rounded(self.value + other.value, self.halfwidth + other.halfwidth)

    def minus(self, other: Intervals) -> Intervals:
        """The differences, with the rounding of the subtractions."""
        return rounded(self.value - other.value, self.halfwidth + other.halfwidth)


def exactly(value: Floats) -> Intervals:
    """Numbers that are what they are."""
    return Intervals(value, np.zeros_like(value))


def rounded(value: Floats, halfwidth: Floats) -> Intervals:
    """Values of one rounded operation, and the errors that they had before."""
    return Intervals(value, halfwidth * SLACK + UNIT * np.abs(value))


def linear(x: Intervals, weights: Floats, bias: Floats | float = 0.0) -> Intervals:
    """X @ weights.T + bias: a sum of n products and one more term, in any order."""
    with np.errstate(over="ignore", invalid="ignore"):
        value = x.value @ weights.T + bias
        size = np.abs(x.value) @ np.abs(weights).T + np.abs(bias)
        moved = x.halfwidth @ np.abs(weights).T
        error = (weights.shape[1] + 2) * UNIT * size + moved
        return Intervals(value, error * SLACK + SMALLEST)


def scaled(x: Intervals, factor: float, *, divide: bool) -> Intervals:
    """X times or over 1 - rate, of which `factor` is the nearest double."""
    value = x.value / factor if divide else x.value * factor
    moved = x.halfwidth / factor if divide else x.halfwidth * factor
    return Intervals(value, (moved + 3 * UNIT * np.abs(value)) * SLACK + SMALLEST)


def through(f: Activation, z: Intervals) -> Intervals:
    """f(z), by its slope, or where that has no bound by its values at both ends of z.

    The ends bound what is between for monotone and for convex f; of a callable that is assumed
    over the error of z, some units in its last place, as by theorem 6 of gap.md.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        value = f.values(z.value)
        error = UNIT * (f.relative * np.abs(value) + f.absolute)
        if math.isfinite(f.lipschitz):
            return Intervals(value, (error + f.lipschitz * z.halfwidth) * SLACK)
        away = 2 * (z.halfwidth + UNIT * np.abs(z.value))
        above, below = f.values(z.value + away), f.values(z.value - away)
        moved = np.maximum(np.abs(above - value), np.abs(below - value))
        ends = np.maximum(np.abs(above), np.abs(below))
        computed = UNIT * (f.relative * ends + f.absolute)
        return Intervals(value, (error + moved + computed) * SLACK)


def stacked(rows: Sequence[Intervals], width: int) -> Intervals:
    """Rows of this width, one below the other."""
    values, halfwidths = [one.value for one in rows], [one.halfwidth for one in rows]
    return Intervals(np.reshape(values, (-1, width)), np.reshape(halfwidths, (-1, width)))


def held(what: str, found: Intervals) -> Intervals:
    """The same, or a UsageError where doubles are too small for it."""
    if not (np.isfinite(found.value).all() and np.isfinite(found.halfwidth).all()):
        raise UsageError(
            f"{what} is more than a double can hold: the weights, the bias or the inputs are too "
            f"large"
        )
    return found
