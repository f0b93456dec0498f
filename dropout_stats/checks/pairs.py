"""Pairs of an earlier unit and a unit: what the tables of lags, axes, calls and peers share."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from dropout_stats.checks.context import Group, Place, copies, surplus_of_copies
from dropout_stats.evidence.departures import Copied, Vector
from dropout_stats.evidence.tables import Table
from dropout_stats.laws.reading import Array

LAG_SIZE = 2.0**-8
COARSE_SIZE = 2.0**-6


def pair_group(place: Place, name: str, cells: int, pairs: float, size: float) -> tuple[Group, ...]:
    """The one group of tables of pairs; () where there are none."""
    if not cells:
        return ()
    return (Group(name, cells, pairs, Copied(place.keep_prob), size, 1.0),)


class PairTally:
    """Tables of pairs (an earlier unit, a unit), one for each way to pair them."""

    def __init__(self, place: Place, cells: int) -> None:
        self.place = place
        self._table = np.zeros((cells, 4), np.int64)

    def count(self, table: Table) -> None:
        """Add to the tables."""
        self._table += table

    def tables(self) -> list[Table]:
        """The one group."""
        return [self._table]

    def surplus(self, tables: Sequence[Table]) -> list[Vector]:
        """Each table has units of its own."""
        return [surplus_of_copies(table, self.place.keep_prob) for table in tables]


def kept_later(words: NDArray[np.uint64], lag: int) -> NDArray[np.uint64]:
    """The masks moved `lag` places forward: bit i holds what bit i + lag held; lag >= 0."""
    whole, part = divmod(lag, 64)
    moved = words[:, whole:]
    if not part:
        return moved
    found = moved >> np.uint64(part)
    found[:, :-1] |= moved[:, 1:] << np.uint64(64 - part)
    return found


def in_common(words: NDArray[np.uint64], others: NDArray[np.uint64]) -> int:
    """How many bits both hold, in the words that both have."""
    width = min(words.shape[1], others.shape[1])
    return int(np.bitwise_count(words[:, :width] & others[:, :width]).sum(dtype=np.int64))


def lag_table(
    both: Vector | Sequence[int], kept_by_unit: NDArray[np.int64], calls: int, lags: Array
) -> Table:
    """Tables of the pairs (i, i + lag) of one mask, without going round the end."""
    until = np.concatenate(([0], np.cumsum(kept_by_unit)))  # kept units before each place
    units = len(kept_by_unit)
    return copies(both, until[units - lags], until[units] - until[lags], calls * (units - lags))
