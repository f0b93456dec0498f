"""Is the noise shaped as declared, and is its strength in proportion to the input?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dropout_stats.checks.block import Block
from dropout_stats.checks.check import CONTINUOUS
from dropout_stats.checks.context import Group, Place, surplus_of_partition
from dropout_stats.checks.counted import counted
from dropout_stats.checks.position import CELL_SIZE
from dropout_stats.evidence.departures import Shifted
from dropout_stats.evidence.tables import Table
from dropout_stats.laws.reading import Array
from dropout_stats.laws.scores import BINNED, BINS

_SIZES = 8


class _BinTally:
    def __init__(self) -> None:
        self._seen = np.zeros(BINS, np.int64)

    def add(self, block: Block) -> None:
        self._seen += block.bins

    def tables(self) -> list[Table]:
        return [np.stack([self._seen, self._seen.sum() - self._seen], axis=1)]

    def surplus(self, tables: Sequence[Table]) -> list[float]:  # noqa: ARG002
        """The probability of a bin is the law's; there is no other that would do."""
        return [0.0]


@dataclass(frozen=True)
class Bins:
    """Nothing: scores are sorted into intervals of equal probability."""

    def groups(self, place: Place) -> tuple[Group, ...]:
        """One cell an interval; a score is a symbol in each: in it, or not."""
        chance = 1 / BINS
        return (
            Group(
                name="the probability of an interval",
                cells=BINS,
                trials=place.units / BINNED,
                departure=Shifted(chance),
                size=CELL_SIZE * math.sqrt(chance * (1 - chance) * BINS),
                weight=1.0,
                counted="seen",
            ),
        )

    def tally(self, place: Place, inputs: Sequence[Array]) -> _BinTally:  # noqa: ARG002
        """Count scores."""
        return _BinTally()

    def cell(self, place: Place, group: int, cell: int) -> str:  # noqa: ARG002
        """Name the interval."""
        return f"scores in interval {cell + 1} of {BINS} (equally likely ones, from the lowest)"


class _SizeTally:
    def __init__(self, place: Place, inputs: Sequence[Array]) -> None:
        self._place = place
        self._classes = [_octiles(x) for x in inputs]
        self._members = [np.bincount(c, minlength=_SIZES) for c in self._classes]
        self._table: Table = np.zeros((_SIZES, 2), np.int64)

    def add(self, block: Block) -> None:
        for source, (classes, members) in enumerate(zip(self._classes, self._members, strict=True)):
            wide = block.wide_bits[block.calls_of(source)]
            far = np.bincount(classes, weights=wide.sum(axis=0), minlength=_SIZES).astype(np.int64)
            self._table += np.stack([far, len(wide) * members - far], axis=1)

    def tables(self) -> list[Table]:
        return [self._table]

    def surplus(self, tables: Sequence[Table]) -> list[float]:
        return [surplus_of_partition(table, 0.5) for table in tables]


def _octiles(x: Array) -> np.ndarray:
    values = np.abs(np.asarray(x, np.float64)).reshape(-1)
    octile = np.empty(values.size, np.int64)
    octile[values.argsort(kind="stable")] = np.arange(values.size) * _SIZES // max(values.size, 1)
    return octile


@dataclass(frozen=True)
class Sizes:
    """The size of the input."""

    def groups(self, place: Place) -> tuple[Group, ...]:
        """Eight classes."""
        if place.units < 4 * _SIZES:
            return ()
        return (
            Group(
                name="a class of inputs",
                cells=_SIZES,
                trials=place.units / _SIZES,
                departure=Shifted(0.5),
                size=CELL_SIZE * 0.5 * math.sqrt(_SIZES),
                weight=1.0,
                partition=True,
                counted="seen",
            ),
        )

    def tally(self, place: Place, inputs: Sequence[Array]) -> _SizeTally:
        """Count the calls of each input apart."""
        return _SizeTally(place, inputs)

    def cell(self, place: Place, group: int, cell: int) -> str:  # noqa: ARG002
        """Name the size."""
        return f"scores beyond their quartiles at inputs of size class {cell + 1} of {_SIZES}"


SHAPE = counted(
    "noise.shape",
    "Has the noise the declared shape?",
    "Noise of another distribution can have the right mean and the right variance: uniform in "
    "place of normal, a truncated tail, a coarse generator.",
    Bins(),
    demands="The multiplier shall have the distribution that the law gives it at this rate.",
    how="Scores are sorted into 15 intervals that are equally likely, in one call of four. A cell "
    "is one interval, in which a score is or is not. What lies within the outermost intervals is "
    "not told apart, so a mean that the far tail carries is not seen. Not asked in half "
    "precision, where rounding moves scores over the edges.",
    unit="the difference of the probability of one interval",
    laws=CONTINUOUS,
    half=False,
)

SIZE = counted(
    "noise.size",
    "Is the strength of the noise in proportion to the input?",
    "Noise that is added, where it should be multiplied, has the same strength everywhere: too "
    "much for small inputs and too little for large ones. At inputs of 1 the two are the same.",
    Sizes(),
    demands="The strength of the noise shall be in proportion to the size of its input.",
    how="Scores farther from 0 than half of them should be are counted by the eighth of the "
    "sizes in its call to which the input belongs. A cell is one of these classes; a wrong "
    "strength that is the same in all of them is not held against it. Not asked in half "
    "precision, or of calls of fewer than 32 units.",
    unit="the difference of the probability of a large score in one class of inputs",
    laws=CONTINUOUS,
    half=False,
)
