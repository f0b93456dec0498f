"""Sums of powers of the steps of every unit, by matrix products (gap.md, section 14).

A step is light where the polynomials of `exponent.py` take it, that is up to 1 after scaling, and
otherwise heavy, and left for its own characteristic function. An input that is heavy in some unit
is still in the products if its steps are not beyond `most`; there the heavy steps are subtracted.
Where they are, the products leave it out, and its light steps are added one by one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from dropout_stats.gap.rounding import SLACK, UNIT, Floats

LIGHT = 1 - 2.0**-40  # what is computed as this is at most 1
_SQUARES = 2.0  # `most` for squares, whose sums lose few digits to it
_TOGETHER = 1 << 20

Places = NDArray[np.intp]


class Heavy(NamedTuple):
    """Heavy steps, ordered by unit: flat places among the units, steps, and their inputs' reach."""

    units: Places
    steps: Floats
    reach: Floats


class PowerSums(NamedTuple):
    """Over the light steps x of each unit: sums of x^(2 j + 2) and of x^(2 j + 3).

    Shapes (terms, samples, neurons). `squares` is the sum of x^2 over all that went into them.
    """

    even: Floats
    odd: Floats
    squares: Floats


def heavy_steps(reach: Floats, shares: Floats) -> Heavy:
    """All heavy ones among the steps reach[b, i] * shares[i, j]."""
    found = []
    for rows, inputs in _pairs(np.abs(reach) > LIGHT, shares.shape[1]):
        far = reach[rows, inputs]
        places, neurons = np.nonzero(_are_heavy(far, shares[inputs]))
        steps = far[places] * shares[inputs[places], neurons]
        found.append(Heavy(rows[places] * shares.shape[1] + neurons, steps, far[places]))
    if not found:
        return Heavy(np.empty(0, np.intp), np.empty(0), np.empty(0))
    units, steps, far = (np.concatenate(parts) for parts in zip(*found, strict=True))
    order = np.argsort(units, kind="stable")
    return Heavy(units[order], steps[order], far[order])


def _are_heavy(reach: Floats, shares: Floats) -> NDArray[np.bool_]:
    """Which steps of some inputs are heavy: one rule, so that no step is counted twice."""
    return np.abs(shares) > (LIGHT / np.abs(reach))[:, None]


def _pairs(chosen: NDArray[np.bool_], neurons: int) -> Iterator[tuple[Places, Places]]:
    """The samples and inputs that are chosen, so many at once that their steps can be held."""
    rows, inputs = np.nonzero(chosen)
    block = max(1, _TOGETHER // max(1, neurons))
    for start in range(0, len(rows), block):
        yield rows[start : start + block], inputs[start : start + block]


def least_squares(reach: Floats, shares: Floats, heavy: Heavy) -> Floats:
    """At most the sum of the squares of the light steps of each unit."""
    squares = np.where(np.abs(reach) <= _SQUARES, reach, 0.0) ** 2 @ shares**2
    lost = UNIT * (2 * reach.shape[1] + 100) * squares
    _subtract(squares[None], heavy, _SQUARES, 2)
    return np.asarray(np.maximum(squares / SLACK - lost, 0.0), np.float64)


def power_sums(
    reach: Floats, shares: Floats, heavy: Heavy, most: float, terms: tuple[int, int]
) -> PowerSums:
    """The sums of so many even and odd powers."""
    kept = np.where(np.abs(reach) <= most, reach, 0.0)
    even, odd = (_products(kept, shares, 2 + place, terms[place]) for place in (0, 1))
    squares = even[0].copy()
    _subtract(even, heavy, most, 2)
    _subtract(odd, heavy, most, 3)
    for rows, inputs in _pairs(np.abs(reach) > most, shares.shape[1]):
        far = reach[rows, inputs]
        steps = far[:, None] * shares[inputs]
        steps[_are_heavy(far, shares[inputs])] = 0.0
        number = len(rows)
        of_sample = csr_array((np.ones(number), (rows, np.arange(number))), (len(reach), number))
        squares += of_sample @ steps**2
        _add(even, of_sample, steps**2, steps**2)
        _add(odd, of_sample, steps**2 * steps, steps**2)
    return PowerSums(even, odd, squares)


def _products(reach: Floats, shares: Floats, power: int, terms: int) -> Floats:
    """The sums over inputs of this power and of so many in all, each 2 above the one before."""
    out = np.empty((terms, len(reach), shares.shape[1]))
    if not terms:
        return out
    squares, of_shares = reach**2, shares**2
    powers = squares * reach if power % 2 else squares.copy()
    of_powers = of_shares * shares if power % 2 else of_shares.copy()
    for place in out:
        np.matmul(powers, of_powers, out=place)
        powers *= squares
        of_powers *= of_shares
    return out


def _subtract(sums: Floats, heavy: Heavy, most: float, power: int) -> None:
    """Take the powers of heavy steps out of the sums that their inputs are in."""
    inside = np.abs(heavy.reach) <= most
    units, firsts = np.unique(heavy.units[inside], return_index=True)
    if not len(units):
        return
    steps = heavy.steps[inside]
    powers = steps**2 * (steps if power % 2 else 1.0)
    for place in sums:
        place.reshape(-1)[units] -= np.add.reduceat(powers, firsts)
        powers = powers * steps**2


def _add(sums: Floats, of_sample: csr_array, powers: Floats, squares: Floats) -> None:
    """Add powers of steps to the sums of their samples, and what follows to the next ones."""
    for place in range(len(sums)):
        sums[place] += of_sample @ powers
        powers = powers * squares
