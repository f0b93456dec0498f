"""The logarithm of one input's characteristic function as two polynomials (gap.md, section 14).

For a step d and a chance s, at theta = t d,

    log(1 + s (e^(i theta) - 1)) - i s theta = theta^2 A(theta^2) + i theta^3 B(theta^2),

so that over many inputs it is a combination of power sums of the steps. A and B are fitted on
|theta| <= `MOST` and what the fits are off by is bounded afterwards, from their values at Chebyshev
nodes and from the disc in which A and B are analytic.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.polynomial import Chebyshev, Polynomial
from numpy.polynomial.polynomial import polyval

from dropout_stats.gap.rounding import SLACK, UNIT, Floats

MOST = 2.2  # |theta| of an input that the power sums take; below 3, the radius of the disc
_NODES = 32
_TERMS = 20  # of a polynomial, at most
_CELLS = 20_000  # of [0, 2 pi]
_FIRST = 500  # of them, where 1 - |factor|^2 is taken as a square
_ANGLES = (2 * np.arange(_NODES) + 1) * np.pi / (4 * _NODES)
_SINES = np.sin(_ANGLES)  # the nodes
_BOUND = 96.0  # of |A| and |B| over the chance, on |theta| = 3


class Exponent(NamedTuple):
    """x^2 sum even_j x^2j + i x^3 sum odd_j x^2j, at x = theta / MOST with |x| <= 1.

    Args:
        even: of the real part.
        odd: of the imaginary part; none where it is 0.
        error: it is off by at most this times x^2.
        decay: the real part of the truth is at most -decay x^2.

    """

    even: Floats
    odd: Floats
    error: float
    decay: float

    def size(self, most: float) -> float:
        """At least what all |terms| are over x^2 for |x| <= most."""
        powers = most ** (2.0 * np.arange(_TERMS))
        even, odd = (np.abs(part) @ powers[: len(part)] for part in (self.even, self.odd))
        return float(even + most * odd) * SLACK


@lru_cache(maxsize=256)
def exponent(chance: float, wanted: float) -> Exponent:
    """The polynomials of fewest terms that are off by at most about `wanted`."""
    theta = MOST * _SINES
    even, error = _fit(_real_part(chance, theta) / _SINES**2, wanted / 2, 2.0**16 * chance)
    odd: Floats = np.zeros(0)
    if chance != 0.5:  # the symmetric law has none
        values = _imaginary_part(chance, theta) / (_SINES**2 * _SINES)
        odd, more = _fit(values, wanted / 2, 2.0**19 * chance)
        error += more
    error += _beyond(chance)
    return Exponent(even, odd, error, MOST**2 * float(decays(chance, np.array([MOST]))[0]))


def _real_part(chance: float, theta: Floats) -> Floats:
    return np.asarray(np.log1p(-_lost(chance, theta)) / 2, np.float64)


def _imaginary_part(chance: float, theta: Floats) -> Floats:
    along = 1 - 2 * chance * np.sin(theta / 2) ** 2
    return np.asarray(np.arctan2(chance * np.sin(theta), along) - chance * theta, np.float64)


def _lost(chance: float, theta: Floats) -> Floats:
    """1 - |1 + chance (e^(i theta) - 1)|^2."""
    return np.asarray(4 * chance * (1 - chance) * np.sin(theta / 2) ** 2, np.float64)


def _fit(values: Floats, wanted: float, rounding: float) -> tuple[Floats, float]:
    """A polynomial in x^2 from values at the nodes, and its error at all x (lemma 14.1)."""
    series = _chebyshev(values)
    left = np.cumsum(np.abs(series[::-1]))[::-1]
    terms = min(max(1, int(np.count_nonzero(left > wanted / 2))), _TERMS)
    fitted = Chebyshev(series[:terms], domain=[0, 1])
    powers = fitted.convert(kind=Polynomial, domain=[-1, 1])
    coefficients = np.asarray(powers.coef, np.float64)
    rest = _chebyshev(values - polyval(_SINES**2, coefficients))
    size = (40 + 28 * np.arange(len(coefficients))) @ np.abs(coefficients)
    rounding += 2 * _NODES * float(size)
    return coefficients, (float(np.abs(rest).sum()) + rounding * UNIT) * SLACK


def _chebyshev(values: Floats) -> Floats:
    """Coefficients of the interpolant in T_k(2 x^2 - 1)."""
    waves = np.cos(np.multiply.outer(np.arange(_NODES), math.pi - 2 * _ANGLES))
    found = 2 / _NODES * waves @ values
    found[0] /= 2
    return np.asarray(found, np.float64)


def _beyond(chance: float) -> float:
    """At least twice all coefficients that 32 nodes do not see."""
    middle = 18 / MOST**2 - 1
    ratio = middle + math.sqrt(middle**2 - 1)
    return MOST**3 * 4 * _BOUND * chance * ratio**-_NODES / (1 - 1 / ratio)


def decays(chance: float, most: Floats) -> Floats:
    """For each `most` a c with |1 + chance (e^(i theta) - 1)| <= e^(-c theta^2) up to there."""
    ends, least = _decay_table(chance)
    return np.append(least, 0.0)[np.searchsorted(ends, most)]


@lru_cache(maxsize=64)
def _decay_table(chance: float) -> tuple[Floats, Floats]:
    """The right ends of cells, and the c of all cells up to each.

    The modulus falls up to pi and rises to 2 pi: on a cell it is at most that at one of its ends.
    Near 0, where cells are wide for that, sin(theta / 2) / theta falls.
    """
    ends = np.linspace(0, 2 * math.pi, _CELLS + 1)[1:] * (1 - 1e-12)
    lost = _lost(chance, ends)
    least = np.minimum(lost[1:], lost[:-1])
    each = -np.log1p(-least) / 2 / ends[1:] ** 2
    first = lost[:_FIRST] / 2 / ends[:_FIRST] ** 2
    return ends, np.minimum.accumulate(np.concatenate((first, each[_FIRST - 1 :]))) / SLACK
