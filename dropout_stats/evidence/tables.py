"""Tables of counts, context by symbol: do they fit independent trials of one probability?

A cell is a row of symbol counts. Its e-value is a mixture of likelihood ratios, half on the named
departure, half spread over all sizes; the e-value of a table is a mean over its cells, which is
valid however the cells share trials. Where the cells partition the trials, half of it is on all
cells being slightly off (beta-binomial): a product over cells, valid only there.

The null does not fix the success probability: the likelihood under the declared one is replaced by
that of the best constant one, so that a wrong probability alone never rejects; or, where a band
about the declared one is lawful, by that of the best in the band.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize_scalar
from scipy.special import betaln, rel_entr

from dropout_stats.evidence.departures import Departure, Vector, within
from dropout_stats.evidence.numerics import log_sum_exp, smallest

Table = NDArray[np.int64]  # (cells, symbols)

_TILTS = np.linspace(0.02, 0.98, 49)
_FINEST = 2.0**-30  # of the largest size
_WORTH_IT = 256  # cells among which many are alike
_DENSITIES = 2.0 ** -np.arange(5)


@dataclass(frozen=True)
class TableTest:
    """Cells of counts against one departure, at every look.

    Args:
        departure: the way to depart.
        size: the size that the test is tuned for and must exclude, on both sides, to pass.
        power: a departure of that size slips through with probability at most 1 - power.
        partition: whether each trial is in exactly one cell; the departure is then a `Shifted`.
        sides: the sides, 1 for larger and -1 for smaller, on which it must be excluded to pass. A
            size beyond what a side allows stands for the last that it does.

    """

    departure: Departure
    size: float
    power: float = 0.99
    partition: bool = False
    sides: tuple[int, ...] = (1, -1)

    @cached_property
    def _alternatives(self) -> tuple[Vector, NDArray[np.float64]]:
        """Log weights, and log ratios of shape (symbols, alternatives)."""
        limits = self.departure.limits
        weights, sizes = [], []
        for sign, limit in ((1, limits[1]), (-1, -limits[0])):
            steps = max(1, math.ceil(math.log2(limit / self.size)) + 1)
            grid = [within(limits, sign * self.size / 2 * 2.0**step) for step in range(steps + 1)]
            sizes += [within(limits, sign * self.size), *grid]
            weights += [0.25, *(0.25 / len(grid) for _ in grid)]
        ratios = [self.departure.log_ratios(size) for size in sizes]
        return np.log(weights), np.ascontiguousarray(np.transpose(ratios))

    def log_e(self, table: Table, surplus: Vector | float = 0.0) -> float:
        """Log e-value of the mean over cells.

        Args:
            table: counts; shape (cells, symbols).
            surplus: for each cell, or for all: what the best constant success probability gains
                over the null on the trials that are symbols there, in nats.

        """
        weights, ratios = self._alternatives
        rows, number = _distinct(table, surplus)
        exponents = rows[:, :-1] @ ratios
        exponents += weights
        exponents -= rows[:, -1:]
        top = float(exponents.max())
        exponents -= top
        total = float((number @ np.exp(exponents, out=exponents)).sum())
        sparse = top + math.log(total) - math.log(len(table))
        if not self.partition:
            return sparse
        return float(np.logaddexp(sparse, self._log_dense(rows, number))) - math.log(2)

    def _log_dense(self, rows: NDArray[np.float64], number: Vector) -> float:
        """All cells off by a little, independently: beta-binomial counts, over some spreads."""
        null = float(self.departure.law[0])
        variance = null * (1 - null)
        successes, failures, surplus = rows[:, 0], rows[:, 1], float(rows[0, 2])
        lawful = successes * math.log(null) + failures * math.log1p(-null)
        found = []
        for spread in min(self.size, math.sqrt(variance) / 2) * _DENSITIES:
            strength = variance / spread**2 - 1
            one, other = null * strength, (1 - null) * strength
            cells = betaln(successes + one, failures + other) - betaln(one, other) - lawful
            found.append(float((number * cells).sum()))
        return log_sum_exp(np.array(found)) - math.log(len(found)) - surplus

    def excludes(self, table: Table | NDArray[np.float64], size: float | None = None) -> bool:
        """Whether a departure of this size (default: the declared one) is excluded in all cells."""
        edges = self._edges if size is None else self._log_ratios(size)
        return bool((table @ edges <= math.log1p(-self.power)).all())

    @cached_property
    def _edges(self) -> NDArray[np.float64]:
        return self._log_ratios(self.size)

    def _log_ratios(self, size: float) -> NDArray[np.float64]:
        """Of this size on each of the sides; shape (symbols, sides)."""
        return np.transpose([self.departure.log_ratios(side * size) for side in self.sides])

    def resolution(self, table: Table) -> float:
        """The smallest size that these counts exclude on both sides in all cells; inf for none."""
        rows = _distinct(table, 0.0)[0][:, :-1]
        high = max(abs(limit) for limit in self.departure.limits) * (1 - 1e-6)
        return smallest(lambda size: self.excludes(rows, size), high * _FINEST, high)

    def worst(self, table: Table, surplus: Vector | float = 0.0) -> int:
        """The cell with the largest e-value."""
        weights, ratios = self._alternatives
        exponents = weights + table @ ratios - np.reshape(surplus, (-1, 1))
        return int(exponents.max(axis=1).argmax())

    def trials_to_pass(self, cells: int, undecided: float) -> float:
        """Trials a cell after which conforming counts exclude both sides in all cells.

        Short of that they fall with probability at most `undecided` (Chernoff's bound).
        """
        error = math.log(undecided / (2 * cells))
        return max(self._trials(error + _TILTS * math.log1p(-self.power), _TILTS))

    def trials_to_fail(self, cells: int, log_threshold: float) -> float:
        """Trials a cell after which the declared departure of one cell is rejected with `power`."""
        needed = log_threshold + math.log(4 * cells * (2 if self.partition else 1))
        return max(self._trials(math.log1p(-self.power) - _TILTS * needed, 1 - _TILTS))

    def _trials(self, nats: Vector, tilts: Vector) -> list[float]:
        """For each side: the least trials with trials * log E0[ratio^tilt] <= nats at some tilt."""
        found = [0.0]
        for ratios in self._edges.T:
            moments = np.log(np.exp(np.outer(tilts, ratios)) @ self.departure.law)
            # Of a departure that is lost in rounding, no number of trials would be enough.
            needed = np.divide(nats, moments, out=np.full(len(tilts), np.inf), where=moments < 0)
            found.append(float(needed.min()))
        return found


def surplus(
    successes: ArrayLike, trials: ArrayLike, null: ArrayLike, band: ArrayLike | None = None
) -> Vector:
    """What the best constant probability gains over the null, in nats.

    Elementwise: one value for each pair of counts, or for each null. Of the probabilities within
    `band` of the null, where that is given.
    """
    gained, number = np.asarray(successes, np.float64), np.asarray(trials, np.float64)
    share = np.divide(gained, number, out=np.zeros(number.shape), where=number > 0)
    law = np.asarray(null, np.float64)
    gains = _divergence(share, law)
    if band is not None:
        reach = np.asarray(band, np.float64)
        gains = gains - _divergence(share, np.clip(share, law - reach, law + reach))
    return np.asarray(number * gains, np.float64)


def surplus_of_alike(table: Table, null: float, band: float = 0.0) -> float:
    """What the best probabilities of the cells, all within `band` of one middle, gain."""
    successes, trials = (part[table.any(axis=1)] for part in (table[:, 0], table.sum(axis=1)))
    if not (band and len(trials)):
        return float(surplus(successes.sum(), trials.sum(), null))
    share = successes / trials

    def lost(middle: float) -> float:
        best = np.clip(share, middle - band, middle + band)
        return float(trials @ _divergence(share, best))

    least = minimize_scalar(lost, bounds=(share.min(), share.max()), method="bounded").fun
    return float(trials @ _divergence(share, np.full(len(share), null)) - least)


def _divergence(share: Vector, other: Vector) -> Vector:
    """Kullback and Leibler's, of one trial."""
    return np.asarray(rel_entr(share, other) + rel_entr(1 - share, 1 - other), np.float64)


@lru_cache(maxsize=4096)
def resolvable(departure: Departure, cells: int, trials: int, power: float, side: int) -> float:
    """The smallest size that conforming counts of so many trials a cell exclude half the time.

    On one side; inf where even the largest is too small there to be told from chance.
    """
    largest = abs(departure.limits[side > 0]) * (1 - 1e-6)

    def needed(size: float) -> float:
        return TableTest(departure, size, power, sides=(side,)).trials_to_pass(cells, 0.5)

    return smallest(lambda size: needed(size) <= trials, largest * _FINEST, largest, 1.005)


def _distinct(table: Table, surplus: Vector | float) -> tuple[NDArray[np.float64], Vector]:
    """Rows of counts and surplus, equal ones once; and how often each occurs."""
    if table.shape[1] == 2 and len(table) >= _WORTH_IT and not np.ndim(surplus):
        trials, least = table.sum(axis=1), int(table[:, 0].min())
        if (trials == trials[0]).all() and int(table[:, 0].max()) - least < len(table):
            number = np.bincount(table[:, 0] - least)
            seen = np.flatnonzero(number)
            successes = seen + least
            parts = (successes, trials[0] - successes, np.full(len(seen), surplus))
            return np.column_stack(parts), number[seen].astype(np.float64)
    return np.column_stack((table, np.broadcast_to(surplus, len(table)))), np.ones(len(table))
