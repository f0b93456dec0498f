"""Is the noise shaped as declared, and is its strength in proportion to the input?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dropout_stats.checks.block import Block
from dropout_stats.checks.check import CONTINUOUS
from dropout_stats.checks.context import Group, Place
from dropout_stats.checks.counted import counted
from dropout_stats.checks.input_value import SIZES, ClassTally, octiles
from dropout_stats.checks.position import CELL_SIZE
from dropout_stats.evidence.departures import Shifted, Vector
from dropout_stats.evidence.tables import Table, surplus
from dropout_stats.laws.reading import Array
from dropout_stats.laws.scores import BINNED, BINS


class _BinTally:
    def __init__(self, place: Place) -> None:
        self._seen = np.zeros(BINS, np.int64)
        self._bands = np.array(place.rounding.bins)

    def add(self, block: Block) -> None:
        self._seen += block.bins

    def tables(self) -> list[Table]:
        return [np.stack([self._seen, self._seen.sum() - self._seen], axis=1)]

    def surplus(self, tables: Sequence[Table]) -> list[Vector]:
        """The probability of a bin is the law's, but for what roundings change."""
        return [surplus(table[:, 0], table.sum(axis=1), 1 / BINS, self._bands) for table in tables]


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
                band=max(place.rounding.bins),
            ),
        )

    def tally(self, place: Place, inputs: Sequence[Array]) -> _BinTally:  # noqa: ARG002
        """Count scores."""
        return _BinTally(place)

    def cell(self, place: Place, group: int, cell: int) -> str:  # noqa: ARG002
        """Name the interval."""
        return f"scores in interval {cell + 1} of {BINS} (equally likely ones, from the lowest)"


def _wide_by_unit(block: Block, source: int) -> np.ndarray:
    return np.asarray(block.wide_bits[block.calls_of(source)].sum(axis=0))


@dataclass(frozen=True)
class Sizes:
    """The size of the input."""

    def groups(self, place: Place) -> tuple[Group, ...]:
        """Eight classes."""
        if place.units < 4 * SIZES:
            return ()
        return (
            Group(
                name="a class of inputs",
                cells=SIZES,
                trials=place.units / SIZES,
                departure=Shifted(0.5),
                size=CELL_SIZE * 0.5 * math.sqrt(SIZES),
                weight=1.0,
                partition=True,
                counted="seen",
                band=place.rounding.wide,
            ),
        )

    def tally(self, place: Place, inputs: Sequence[Array]) -> ClassTally:
        """Count the calls of each input apart."""
        classes, band = [octiles(x) for x in inputs], place.rounding.wide
        return ClassTally(classes, SIZES, 0.5, _wide_by_unit, band=band)

    def cell(self, place: Place, group: int, cell: int) -> str:  # noqa: ARG002
        """Name the size."""
        return f"scores beyond their quartiles at inputs of size class {cell + 1} of {SIZES}"


SHAPE = counted(
    "noise.shape",
    "Has the noise the declared shape?",
    "Noise of another distribution can have the right mean and the right variance: uniform in "
    "place of normal, a truncated tail, a coarse generator.",
    Bins(),
    demands="The multiplier shall have the distribution that the law gives it at this rate.",
    how="Scores are sorted into 15 intervals that are equally likely, in one call of four. A cell "
    "is one interval, in which a score is or is not. What lies within the outermost intervals is "
    "not told apart, so a mean that the far tail carries is not seen. In half precision, where "
    "roundings move scores over the edges, as much as they may move is not held against a target.",
    unit="the difference of the probability of one interval",
    laws=CONTINUOUS,
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
    "strength that is the same in all of them is not held against it, nor in half precision "
    "what roundings may change. Not asked of calls of fewer than 32 units.",
    unit="the difference of the probability of a large score in one class of inputs",
    laws=CONTINUOUS,
)
