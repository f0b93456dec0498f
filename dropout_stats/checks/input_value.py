"""Does the draw of a unit depend on the value that it multiplies?"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from dropout_stats.checks.block import Block
from dropout_stats.checks.context import Group, Place
from dropout_stats.checks.counted import counted
from dropout_stats.checks.position import CELL_SIZE
from dropout_stats.evidence.departures import Shifted
from dropout_stats.evidence.tables import Table, surplus_of_alike
from dropout_stats.laws.reading import Array

SIZES = 8
_CLASSES = 2 * SIZES


class ClassTally:
    """Units of each class of inputs whose bit is set.

    Args:
        classes: the class of each unit, for each input.
        number: how many classes there are.
        probability: of a bit.
        set_by_unit: `set_by_unit(block, source)`: calls of an input in which each unit's bit is.
        band: the classes may differ by so much from one probability.

    """

    def __init__(
        self,
        classes: Sequence[np.ndarray],
        number: int,
        probability: float,
        set_by_unit: Callable[[Block, int], np.ndarray],
        *,
        band: float = 0.0,
    ) -> None:
        self._classes, self._probability, self._set_by_unit = classes, probability, set_by_unit
        self._band = band
        self._members = [np.bincount(c, minlength=number) for c in classes]
        self._table: Table = np.zeros((number, 2), np.int64)

    def add(self, block: Block) -> None:
        """Take whole calls."""
        for source, (classes, members) in enumerate(zip(self._classes, self._members, strict=True)):
            calls = len(range(block.calls)[block.calls_of(source)])
            by_unit = self._set_by_unit(block, source)
            found = np.bincount(classes, weights=by_unit, minlength=len(members)).astype(np.int64)
            self._table += np.stack([found, calls * members - found], axis=1)

    def tables(self) -> list[Table]:
        """The one group."""
        return [self._table]

    def surplus(self, tables: Sequence[Table]) -> list[float]:
        """Each unit is in one class."""
        return [surplus_of_alike(table, self._probability, self._band) for table in tables]


def octiles(x: Array) -> np.ndarray:
    """The eighth of the sizes to which each value belongs: 0, the smallest, to 7."""
    sizes = np.abs(np.asarray(x, np.float64)).reshape(-1)
    octile = np.empty(sizes.size, np.int64)
    octile[sizes.argsort(kind="stable")] = np.arange(sizes.size) * SIZES // max(sizes.size, 1)
    return octile


def _classes(x: Array) -> np.ndarray:
    """Sign and octile of the size of each value: class 0 to 7 negative, 8 to 15 positive."""
    return np.asarray(octiles(x) + SIZES * (np.asarray(x, np.float64).reshape(-1) > 0))


@dataclass(frozen=True)
class Values:
    """Sign and size class of the input."""

    def groups(self, place: Place) -> tuple[Group, ...]:
        """Sixteen cells."""
        if place.units < 4 * _CLASSES:
            return ()
        return (
            Group(
                name="a class of inputs",
                cells=_CLASSES,
                # Signs are drawn: a class has fewer members than an equal share.
                trials=place.units / _CLASSES / 2,
                departure=Shifted(place.keep_prob),
                size=CELL_SIZE * place.deviation * math.sqrt(_CLASSES),
                weight=1.0,
                partition=True,
            ),
        )

    def tally(self, place: Place, inputs: Sequence[Array]) -> ClassTally:
        """Count the calls of each input apart."""
        return ClassTally(
            [_classes(x) for x in inputs], _CLASSES, place.keep_prob, Block.kept_by_unit_of
        )

    def cell(self, place: Place, group: int, cell: int) -> str:  # noqa: ARG002
        """Name sign and size."""
        sign = "positive" if cell >= SIZES else "negative"
        return f"{sign} inputs of size class {cell % SIZES + 1} of {SIZES} (1 is smallest)"


CLASS = counted(
    "input.class",
    "Is a unit kept equally often whatever the sign and the size of its input?",
    "A mask that is drawn from the data, thresholds on the activation instead of on noise, and "
    "scaled values that vanish in a narrow type tie the mask to the input.",
    Values(),
    demands="A unit shall be kept with the same probability whatever the sign and the size of "
    "its input.",
    how="Kept and dropped draws are counted by the sign of the input and by the eighth of the "
    "sizes in its call to which it belongs. A cell is one of these 16 classes. Not asked of "
    "calls of fewer than 64 units.",
    unit="the difference of the keep probability of one class of inputs",
)
