"""What double precision does to a number, and sums whose error is known.

The model of every bound of this package (docs/explanation/gap.md, section 1): additions, products,
quotients and roots err by at most half a unit in the last place; the elementary functions of NumPy
and SciPy by at most `FUNCTION` times the unit roundoff, relative to the result, or absolutely for
sines and cosines, whose results are at most 1.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]

UNIT = 2.0**-53
FUNCTION = 8.0
SLACK = 1.001  # for the rounding of the bounds themselves, which have few operations
SMALLEST = 2.0**-1000  # more than underflow can cost in any of the sums here
VANISHED = 2.0**-1060  # more than underflow can take from a product of probabilities
_SPLITTER = 2.0**27 + 1
LARGEST = 2.0**500  # beyond, Dekker's product could overflow


class Interval(NamedTuple):
    """A number that is off by at most `halfwidth`."""

    value: float
    halfwidth: float

    def plus(self, other: Interval) -> Interval:
        """The sum; the rounding of the addition is in it."""
        return around(self.value + other.value, self.halfwidth + other.halfwidth)

    def minus(self, other: Interval) -> Interval:
        """The difference; the rounding of the subtraction is in it."""
        return around(self.value - other.value, self.halfwidth + other.halfwidth)


def around(value: float, halfwidth: float) -> Interval:
    """A value of one rounded operation, and the error that it had before."""
    return Interval(float(value), float(halfwidth) * SLACK + UNIT * abs(value))


def between(low: float, high: float) -> Interval:
    """The interval from low to high, which are proved bounds."""
    middle = low + (high - low) / 2
    return around(middle, max(high - middle, middle - low) * SLACK)


def two_sum(one: Floats, other: Floats) -> tuple[Floats, Floats]:
    """Sum and its rounding error, exactly (Knuth, TAOCP 2, 4.2.2, theorem B)."""
    total = one + other
    part = total - one
    return total, (one - (total - part)) + (other - part)


def two_product(one: Floats, other: Floats) -> tuple[Floats, Floats]:
    """Product and its rounding error, exactly where nothing under- or overflows (Dekker 1971)."""
    product = one * other
    high, low = _split(one)
    other_high, other_low = _split(other)
    rest = ((high * other_high - product) + high * other_low + low * other_high) + low * other_low
    return product, rest


def _split(number: Floats) -> tuple[Floats, Floats]:
    scaled = _SPLITTER * number
    high = scaled - (scaled - number)
    return high, number - high


def depth(length: int) -> int:
    """Additions that one term goes through in a tree over this many."""
    return math.ceil(math.log2(length)) if length > 1 else 0


def tree_sum(terms: Floats) -> Floats:
    """Sum over the first axis in a binary tree: its error is depth * UNIT * sum of |terms|."""
    while len(terms) > 1:
        half = len(terms) // 2
        paired = terms[:half] + terms[half : 2 * half]
        terms = paired if len(terms) % 2 == 0 else np.concatenate((paired, terms[-1:]))
    return np.asarray(terms[0], np.float64)


def prefix_sums(terms: Floats) -> Floats:
    """All sums of the first 0, 1, ..., n terms; each term goes through 2 depth(n) additions.

    A running sum would let it go through n, and its proved error would be as much larger. This is
    the parallel scan of Blelloch (1990).
    """
    return np.concatenate(([0.0], _scan(terms)))


def _scan(terms: Floats) -> Floats:
    if len(terms) <= 4:
        return np.asarray(np.cumsum(terms), np.float64)
    odd = len(terms) % 2
    even = terms[: len(terms) - odd]
    pairs = _scan(even[0::2] + even[1::2])
    out = np.empty(len(terms))
    out[1 : len(even) : 2] = pairs
    out[0] = terms[0]
    out[2 : len(even) : 2] = pairs[:-1] + terms[2 : len(even) : 2]
    if odd:
        out[-1] = pairs[-1] + terms[-1]
    return out
