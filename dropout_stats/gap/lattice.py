"""Integer weights and inputs: the exact law of z on its lattice (gap.md, section 11).

Where all products of weights and inputs are multiples of one number, as in quantised layers, z has
few values, and their probabilities follow one input after the other. Everything that is added is
positive, so that rounding errors stay relative.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from dropout_stats.gap.activations import Activation
from dropout_stats.gap.rounding import SLACK, SMALLEST, UNIT, Floats, Interval
from dropout_stats.gap.unit import Layer, Unit


class Lattice(NamedTuple):
    """The products as integers times `unit`, a double."""

    integers: np.ndarray
    unit: float

    @property
    def points(self) -> float:
        """How many values z can have; a float, since it may be more than an integer type holds."""
        return float(np.abs(self.integers.astype(np.float64)).sum()) + 1


def lattice_of(layer: Layer) -> Lattice | None:
    """The lattice of the products, or None where their common divisor is too small."""
    high, low = layer.products
    if low.any() or not len(high):
        return None
    smallest = float(np.abs(high).min())
    exponent = math.frexp(smallest)[1] - 53
    scaled = np.ldexp(high, -exponent)
    if float(np.abs(scaled).max()) >= 2.0**62:
        return None
    whole = scaled.astype(np.int64)
    divisor = int(np.gcd.reduce(np.abs(whole)))
    return Lattice(whole // divisor, math.ldexp(float(divisor), exponent))


def work(lattice: Lattice) -> float:
    """Additions that the law takes."""
    return len(lattice.integers) * lattice.points


def gap(layer: Layer, unit: Unit, f: Activation) -> Interval:
    """E f(z) - f(mean) for the f and mean as doubles (theorem 11)."""
    lattice = lattice_of(layer)
    assert lattice is not None  # noqa: S101 - the table of methods has asked
    keep = layer.keep_prob[0]
    law = _law(np.sort(lattice.integers), layer.rate, keep)
    low = int(np.minimum(lattice.integers, 0).sum())
    spacing = lattice.unit / (keep if layer.strategy == "inverted" else 1.0)
    expected = math.fsum((keep * lattice.integers).tolist())
    z = unit.mean + spacing * (np.arange(len(law)) + low - expected)
    away = UNIT * (abs(unit.mean) + 8 * spacing * lattice.points) + 2 * unit.mean_error
    changes = f.values(z) - float(f.values(np.array([unit.mean]))[0])
    size = float(law @ np.abs(changes))
    level = float(f.values(np.array([unit.mean]))[0])
    value = math.fsum((law * changes).tolist())
    error = (3 * len(lattice.integers) + 4) * UNIT * size + f.lipschitz * away
    error += UNIT * ((2 * f.relative + 1) * (size + 2 * abs(level)) + 2 * f.absolute)
    return Interval(value, error * SLACK + UNIT * abs(value) + SMALLEST)


def _law(integers: np.ndarray, rate: float, keep: float) -> Floats:
    """Probabilities of low, ..., high: each step keeps or drops one input."""
    law = np.ones(1)
    for integer in integers.tolist():
        longer = np.zeros(len(law) + abs(integer))
        kept, dropped = (0, -integer) if integer < 0 else (integer, 0)
        longer[kept : kept + len(law)] = keep * law
        longer[dropped : dropped + len(law)] += rate * law
        law = longer
    return law
