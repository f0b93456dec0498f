"""A counted check is a context: something that a unit's draw must not depend on.

A context names groups of alike cells and tallies, from whole calls, how many units of each cell
were kept. All contexts are judged by one rule (`evidence/tables.py`). What makes a context valid:
it fixes an order of the units before the data; the cell of a unit depends only on units earlier in
that order and on what is independent of the noise (place, input, number of the call); and each unit
is a symbol at most once in each table. Tables that reuse units are only ever averaged.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike

from dropout_stats.checks.block import Block
from dropout_stats.evidence.departures import Copied, Departure, Vector
from dropout_stats.evidence.numerics import log_sum_exp
from dropout_stats.evidence.tables import Table, TableTest, resolvable, surplus
from dropout_stats.laws.halves import Rounding
from dropout_stats.laws.reading import Array
from dropout_stats.laws.several_valued import Value

BEYOND_BAND = 2.5  # what is lawful must be nearer to the law than to what is to be excluded


@dataclass(frozen=True)
class Place:
    """The configuration whose calls are tallied.

    Args:
        shape: shape of each call.
        keep_prob: the law's keep probability.
        expected_calls: calls after which a conforming target is expected to have passed.
        values: the values of a multiplier that takes several, with their probabilities.
        rounding: what computing in half precision may change of scores.

    """

    shape: tuple[int, ...]
    keep_prob: float
    expected_calls: int
    values: tuple[Value, ...] = ()
    rounding: Rounding = field(default_factory=Rounding)

    @property
    def units(self) -> int:
        """Units in a call."""
        return math.prod(self.shape)

    @property
    def deviation(self) -> float:
        """Standard deviation of one unit."""
        return math.sqrt(self.keep_prob * (1 - self.keep_prob))


@dataclass(frozen=True)
class Group:
    """Cells that are alike.

    Args:
        name: what one cell is, in words.
        cells: how many there are.
        trials: units that enter each cell in a call, on average; the least among the cells.
        departure: the way in which a cell may depart.
        size: the smallest departure worth catching.
        weight: its share of the evidence; those of a context add up to at most 1.
        partition: whether each unit of a call is in exactly one cell.
        counted: what happened to so many of the trials of a cell, in a word.
        band: a departure up to this size is none: computing in half precision may cause it.

    """

    name: str
    cells: int
    trials: float
    departure: Departure
    size: float
    weight: float
    partition: bool = False
    counted: str = "kept"
    band: float = 0.0


class Counter(Protocol):
    """Something that counts as calls come in."""

    def add(self, block: Block) -> None:
        """Take whole calls, in the order in which they were made."""
        ...


class Tally(Counter, Protocol):
    """The counts of one context so far."""

    def tables(self) -> Sequence[Table]:
        """Counts of each group, cell by symbol; () where no cell is complete yet."""
        ...

    def surplus(self, tables: Sequence[Table]) -> Sequence[Vector | float]:
        """Return what the best constant keep probability gains over the law's, for each group."""
        ...


class Context(Protocol):
    """Something that a unit's draw must not depend on."""

    def groups(self, place: Place) -> tuple[Group, ...]:
        """The cells at this configuration; () where there is nothing to tell apart."""
        ...

    def tally(self, place: Place, inputs: Sequence[Array]) -> Tally:
        """Start to count; calls take these inputs in turn."""
        ...

    def cell(self, place: Place, group: int, cell: int) -> str:
        """Name one cell, in words."""
        ...


@dataclass(frozen=True)
class Tested:
    """A group and how its table is judged.

    Args:
        group: the group.
        test: the test of its table.
        named: whether a departure of the size of the test must be excluded to pass.

    """

    group: Group
    test: TableTest
    named: bool


def plan_tests(context: Context, place: Place, scale: float, power: float) -> tuple[Tested, ...]:
    """Choose, before sampling, which departure of each group is to be caught or excluded.

    It is the group's own size times `scale`, or the smallest that the expected calls can exclude
    where that is larger, on the sides where any can be told from chance by then; none where there
    is no such side.
    """
    return tuple(
        _tested(group, place.expected_calls, scale, power) for group in context.groups(place)
    )


def _tested(group: Group, calls: int, scale: float, power: float) -> Tested:
    trials = int(calls * group.trials)
    least = {
        side: resolvable(group.departure, group.cells, trials, power, side) for side in (1, -1)
    }
    named = {side: size for side, size in least.items() if math.isfinite(size)}
    largest = max(abs(limit) for limit in group.departure.limits) * 0.99
    least_of_all = max(BEYOND_BAND * group.band, *named.values(), 0.0)
    size = min(max(group.size * scale, least_of_all), largest)
    test = TableTest(group.departure, size, power, group.partition, tuple(named) or (1, -1))
    return Tested(group, test, named=bool(named))


@dataclass(frozen=True)
class Seen:
    """A tally against its tests, as they stand.

    Args:
        tests: the tests of the groups, at the keep probability that the surplus is over.
        nearest: the same at the lawful keep probability nearest to what was seen: departures are
            excluded there.
        tables: their tables.
        surplus: their surplus.

    """

    tests: Sequence[Tested]
    nearest: Sequence[Tested]
    tables: Sequence[Table]
    surplus: Sequence[Vector | float]

    @property
    def units(self) -> int:
        """Units that are symbols in the fullest table."""
        return max(
            int(table.sum() if tested.group.partition else table.sum(axis=1).max())
            for tested, table in zip(self.tests, self.tables, strict=True)
        )

    @cached_property
    def _each(self) -> list[float]:
        """Log e-value of each group."""
        return [
            tested.test.log_e(table, gain)
            for tested, table, gain in zip(self.tests, self.tables, self.surplus, strict=True)
        ]

    @cached_property
    def log_e(self) -> float:
        """Log e-value of the context: the weighted mean over its groups."""
        if not self.tables:
            return 0.0
        parts = [
            math.log(tested.group.weight) + found
            for tested, found in zip(self.tests, self._each, strict=True)
        ]
        rest = 1 - sum(tested.group.weight for tested in self.tests)
        parts += [math.log(rest)] if rest > 1e-12 else []
        return log_sum_exp(np.array(parts))

    def excludes_departures(self) -> bool:
        """Whether every named departure has been excluded."""
        return bool(self.tables) and all(
            tested.test.excludes(table)
            for tested, table in zip(self.nearest, self.tables, strict=True)
            if tested.named
        )

    @cached_property
    def resolutions(self) -> dict[int, float]:
        """The smallest departure that is excluded, for each group that names one.

        Beside what is lawful.
        """
        return {
            number: tested.test.resolution(table) + tested.group.band
            for number, (tested, table) in enumerate(zip(self.nearest, self.tables, strict=True))
            if tested.named
        }

    @property
    def resolution(self) -> float:
        """The largest of them."""
        return max(self.resolutions.values(), default=math.inf)

    def worst(self) -> tuple[int, int]:
        """The group and the cell with the most evidence against them."""
        group = int(np.argmax(self._each))
        return group, self.tests[group].test.worst(self.tables[group], self.surplus[group])


def surplus_of_copies(table: Table, keep_prob: float) -> Vector:
    """The surplus of tables of pairs, each a row: of the units that are symbols there."""
    return surplus(table[:, 0] + table[:, 2], table.sum(axis=1), keep_prob)


def copies(both: ArrayLike, contexts: ArrayLike, symbols: ArrayLike, pairs: ArrayLike) -> Table:
    """Table of pairs (context, unit), a row each: how many were kept in both, in either, in all."""
    n11, n1, k, n = (np.asarray(part, np.int64) for part in (both, contexts, symbols, pairs))
    return np.stack([n11, n1 - n11, k - n11, n - n1 - k + n11], axis=-1)


def describe_cell(tested: Tested, row: Table, keep_prob: float) -> str:
    """Say what was counted in one cell."""
    if isinstance(tested.group.departure, Copied):
        n11, n10, n01, n00 = (int(n) for n in row)
        return (
            f"kept {n11} of {n11 + n10} after a kept one and {n01} of {n01 + n00} after a dropped "
            f"one; expected {keep_prob:.7g} in both"
        )
    seen, trials = int(row[0]), int(row.sum())
    expected = float(tested.group.departure.law[0])
    return (
        f"{tested.group.counted} {seen} of {trials} = {seen / max(trials, 1):.7g}; "
        f"expected {expected:.7g}"
    )


def estimate_of(tested: Tested, row: Table) -> float | None:
    """The keep probability of a cell, or the share of copies."""
    numbers = row.astype(np.float64)
    if isinstance(tested.group.departure, Copied):
        n11, n10, n01, n00 = numbers
        if not (n11 + n10 and n01 + n00):
            return None
        return float(n11 / (n11 + n10) - n01 / (n01 + n00))
    return float(numbers[0] / numbers.sum()) if numbers.sum() else None
