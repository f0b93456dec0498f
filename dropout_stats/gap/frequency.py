"""The characteristic function of a unit, less 1, with a proved error (gap.md, section 4).

For z - mean = sum of n_j copies of c_j (x - s_j), it is at a frequency t

    product over j of (1 + e_j)^(n_j) e^(-i t c_j s_j n_j) - 1,   e_j = s_j (e^(i t c_j) - 1).

The product of factors 1 + a and 1 + b is kept as a + b + ab, never as 1 + a + b + ab: where all
factors are near 1, as for tiny weights, what they differ by keeps its leading digits. No factor is
larger than 1, so that no error grows.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dropout_stats.gap.rounding import UNIT, Floats, depth

Complexes = NDArray[np.complex128]

ENDS = 80.0  # lemma 4.1: of the factors and of the centring, in units of UNIT
JOIN = 6.0  # lemma 4.2: of one product
_CHUNK = 1 << 15
_TABLED = 40  # frequencies from which tables pay
_LARGEST_TABLE = 1 << 20


class Weighted(NamedTuple):
    """Independent steps: `counts` copies of `steps` (x - chances), each chance at most 1/2.

    `relative` bounds the relative error of the chances, in units of UNIT.
    """

    steps: Floats
    chances: Floats
    counts: Floats
    relative: float = 0.0

    @property
    def weight(self) -> float:
        """Sum of chance |step|, which every rounding error is proportional to."""
        return float((self.counts * self.chances) @ np.abs(self.steps))


class Excess(NamedTuple):
    """The characteristic function less 1: real and imaginary part, and a bound of the error."""

    real: Floats
    imag: Floats
    error: Floats


def excess(unit: Weighted, t: Floats) -> Excess:
    """The characteristic function less 1 at exact frequencies t > 0."""
    found = np.concatenate([_product(unit, factors) for factors in _factors(unit, t)])
    centre = t * math.fsum((unit.counts * unit.chances * unit.steps).tolist())
    found = _join(found, _turn(-centre / 2, 1.0))
    return Excess(found.real, found.imag, _error(unit, t))


def _factors(unit: Weighted, t: Floats) -> Iterator[Complexes]:
    """All factors less 1, of shape (steps, frequencies), in blocks of some frequencies."""
    together = max(1, _CHUNK // max(1, len(unit.steps)))
    pays = len(t) >= _TABLED and len(unit.steps) * math.isqrt(len(t)) <= _LARGEST_TABLE
    if pays and (t == t[0] * (2.0 * np.arange(len(t)) + 1)).all():
        yield from _tabled(unit, t, together)
        return
    for start in range(0, max(1, len(t)), together):  # no frequencies are one empty block
        part = t[start : start + together]
        yield _turn(np.multiply.outer(unit.steps / 2, part), unit.chances[:, None])


def _tabled(unit: Weighted, t: Floats, together: int) -> Iterator[Complexes]:
    """The same at odd multiples of t[0], from two short tables (lemma 4.4)."""
    columns = math.isqrt(len(t))
    starts = 2.0 * columns * t[0] * np.arange(-(-len(t) // columns))
    near = _turn(np.multiply.outer(t[:columns], unit.steps / 2), unit.chances)
    far = _turn(np.multiply.outer(starts, unit.steps / 2), 1.0)
    turned = near + unit.chances
    rows, left = max(1, together // columns), len(t)
    for start in range(0, len(starts), rows):
        factors = far[start : start + rows, None] * turned
        factors += near
        yield np.ascontiguousarray(factors.reshape(-1, len(unit.steps))[:left].T)
        left -= rows * columns


def _product(unit: Weighted, factors: Complexes) -> Complexes:
    """The product of all factors, less 1, in a binary tree."""
    if (unit.counts != 1).any():
        factors = _powers(factors, unit.counts.astype(np.int64))
    while len(factors) > 1:
        half = len(factors) // 2
        joined = _join(factors[:half], factors[half : 2 * half])
        factors = joined if len(factors) % 2 == 0 else np.concatenate((joined, factors[-1:]))
    return np.asarray(factors[0], np.complex128)


def _turn(half: Floats, chance: Floats | float) -> Complexes:
    """The factor chance (e^(2 i half) - 1), without cancellation."""
    sine = np.sin(half)
    weighted = 2 * chance * sine
    out = np.empty(half.shape, np.complex128)
    np.multiply(-weighted, sine, out=out.real)
    np.multiply(weighted, np.cos(half), out=out.imag)
    return out


def _join(one: Complexes, other: Complexes) -> Complexes:
    """(1 + one)(1 + other) - 1."""
    out = one * other
    out += one
    out += other
    return out


def _powers(factors: Complexes, counts: NDArray[np.int64]) -> Complexes:
    """(1 + factor)^count - 1 by squaring."""
    out = np.zeros_like(factors)
    while counts.any():
        odd = (counts & 1).astype(bool)
        out[odd] = _join(out[odd], factors[odd])
        factors = _join(factors, factors)
        counts = counts >> 1
    return out


def _error(unit: Weighted, t: Floats) -> Floats:
    """Bound of the error of the product (lemma 4.3)."""
    joins = depth(len(unit.steps)) + 2 * depth(int(unit.counts.max()) + 1)
    error = UNIT * (ENDS + JOIN * joins + unit.relative) * unit.weight * 1.02 * t
    return error if error.max(initial=0.0) < 0.01 else np.where(error < 0.01, error, 3.0)
