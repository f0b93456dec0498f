"""Is a unit kept equally often wherever it is?"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dropout_stats.checks.block import Block
from dropout_stats.checks.context import Group, Place
from dropout_stats.checks.counted import counted
from dropout_stats.evidence.departures import Shifted
from dropout_stats.evidence.tables import Table, surplus_of_alike
from dropout_stats.laws.reading import Array

# The smallest departure of a cell that holds all units, in standard deviations of one unit; of a
# cell that holds a share f of them: so much over the root of f. One unit of 16,384: 0.35.
CELL_SIZE = 2.0**-8.5

_MODULI = tuple(2**power for power in range(1, 11))


@dataclass(frozen=True)
class Partition:
    """One way to divide the units of a call.

    Args:
        name: what one part is, in words.
        members: units in each part.
        sums: numbers by unit -> their sums by part.
        describe: part -> words.

    """

    name: str
    members: NDArray[np.int64]
    sums: Callable[[NDArray[np.int64]], NDArray[np.int64]]
    describe: Callable[[int], str]

    def group(self, place: Place, weight: float) -> Group:
        """The parts as cells of a table."""
        share = int(self.members.min()) / place.units
        return Group(
            name=self.name,
            cells=len(self.members),
            trials=share * place.units,
            departure=Shifted(place.keep_prob),
            size=CELL_SIZE * place.deviation / math.sqrt(share),
            weight=weight,
            partition=True,
        )


class _Tally:
    def __init__(self, place: Place, partitions: Sequence[Partition]) -> None:
        self._place = place
        self._partitions = partitions
        self._kept = np.zeros(place.units, np.int64)
        self._calls = 0

    def add(self, block: Block) -> None:
        self._kept += block.kept_by_unit
        self._calls += block.calls

    def tables(self) -> list[Table]:
        return [
            _table(partition.sums(self._kept), self._calls * partition.members)
            for partition in self._partitions
        ]

    def surplus(self, tables: Sequence[Table]) -> list[float]:
        return [surplus_of_alike(table, self._place.keep_prob) for table in tables]


@dataclass(frozen=True)
class Positions:
    """Cells that are sets of places.

    Args:
        partitions: the ways to divide the units of a call of this shape.

    """

    partitions: Callable[[tuple[int, ...]], list[Partition]]

    def groups(self, place: Place) -> tuple[Group, ...]:
        """One group a partition, with equal weights."""
        found = self.partitions(place.shape)
        return tuple(partition.group(place, 1 / len(found)) for partition in found)

    def tally(self, place: Place, inputs: Sequence[Array]) -> _Tally:  # noqa: ARG002 - any input
        """Count the calls that keep each unit."""
        return _Tally(place, self.partitions(place.shape))

    def cell(self, place: Place, group: int, cell: int) -> str:
        """Name the part."""
        return self.partitions(place.shape)[group].describe(cell)


def _table(kept: NDArray[np.int64], trials: NDArray[np.int64]) -> Table:
    return np.stack([kept, trials - kept], axis=1)


def _units(shape: tuple[int, ...]) -> list[Partition]:
    units = math.prod(shape)
    if units < 2:
        return []
    return [
        Partition(
            "a unit",
            np.ones(units, np.int64),
            lambda numbers: numbers,
            lambda cell: f"the unit at index {_index(cell, shape)}",
        )
    ]


def _index(cell: int, shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(int(i) for i in np.unravel_index(cell, shape))


def _residues(shape: tuple[int, ...]) -> list[Partition]:
    units = math.prod(shape)
    return [_modulo(units, modulus) for modulus in _MODULI if 2 * modulus <= units]


def _modulo(units: int, modulus: int) -> Partition:
    padding = -units % modulus

    def sums(numbers: NDArray[np.int64]) -> NDArray[np.int64]:
        padded = np.pad(numbers, (0, padding)) if padding else numbers
        return np.asarray(padded.reshape(-1, modulus).sum(axis=0), np.int64)

    return Partition(
        f"a residue modulo {modulus}",
        sums(np.ones(units, np.int64)),
        sums,
        lambda cell: f"the units whose flat index is {cell} modulo {modulus}",
    )


def _slices(shape: tuple[int, ...]) -> list[Partition]:
    if sum(length > 1 for length in shape) < 2:
        return []  # one axis: its slices are the units
    return [_along(shape, axis) for axis, length in enumerate(shape) if length > 1]


def _along(shape: tuple[int, ...], axis: int) -> Partition:
    others = tuple(other for other in range(len(shape)) if other != axis)

    def sums(numbers: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.asarray(numbers.reshape(shape).sum(axis=others), np.int64)

    return Partition(
        f"a slice of axis {axis}",
        sums(np.ones(math.prod(shape), np.int64)),
        sums,
        lambda cell: f"index {cell} of axis {axis}",
    )


UNIT = counted(
    "position.unit",
    "Is every unit of a call kept equally often?",
    "A tail of a block that is never dropped, or a corner that always is, leaves the share of kept "
    "units right to within its own size.",
    Positions(_units),
    on=("usual", "rank"),
    demands="Every unit of a call shall be kept with the same probability, whatever its index.",
    how="Kept and dropped draws are counted by the index of the unit. A cell is one unit.",
    unit="the difference of the keep probability of one unit",
)

MODULUS = counted(
    "position.modulus",
    "Does the keep probability not depend on the flat index modulo 2, 4, ..., 1024?",
    "Vectorised code treats lanes apart: one lane with another comparison, or one random number "
    "used for several lanes, shows at a power of two.",
    Positions(_residues),
    demands="The keep probability of a unit shall not depend on its flat index modulo 2, 4, "
    "..., 1024.",
    how="Kept and dropped draws are counted by the flat index modulo each of these powers of 2, "
    "up to half a call. A cell is one residue.",
    unit="the difference of the keep probability of one residue",
)

AXIS = counted(
    "position.axis",
    "Is every row, column, channel and sample kept equally often?",
    "A loop that misses the last row, or a rate that is broadcast along the wrong axis, favours "
    "slices of one axis.",
    Positions(_slices),
    on=("usual", "rank"),
    demands="Every slice of a call, be it a row, a column, a channel or a sample, shall be kept "
    "with the same probability.",
    how="Kept and dropped draws are counted by the index along each axis. A cell is one slice. "
    "Not asked of calls of one dimension, whose slices are units.",
    unit="the difference of the keep probability of one slice",
)
