"""Does the draw of a unit depend on the value that it multiplies?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dropout_stats.checks.block import Block
from dropout_stats.checks.context import Group, Place, surplus_of_partition
from dropout_stats.checks.counted import counted
from dropout_stats.checks.position import CELL_SIZE
from dropout_stats.evidence.departures import Shifted
from dropout_stats.evidence.tables import Table
from dropout_stats.laws.reading import Array

_SIZES = 8
_CLASSES = 2 * _SIZES


class _ClassTally:
    def __init__(self, place: Place, inputs: Sequence[Array]) -> None:
        self._place = place
        self._classes = [_classes(x) for x in inputs]
        self._members = [np.bincount(c, minlength=_CLASSES) for c in self._classes]
        self._table: Table = np.zeros((_CLASSES, 2), np.int64)

    def add(self, block: Block) -> None:
        for source, (classes, members) in enumerate(zip(self._classes, self._members, strict=True)):
            calls = len(block.bits[block.calls_of(source)])
            by_unit = block.kept_by_unit_of(source)
            kept = np.bincount(classes, weights=by_unit, minlength=_CLASSES).astype(np.int64)
            self._table += np.stack([kept, calls * members - kept], axis=1)

    def tables(self) -> list[Table]:
        return [self._table]

    def surplus(self, tables: Sequence[Table]) -> list[float]:
        return [surplus_of_partition(table, self._place.keep_prob) for table in tables]


def _classes(x: Array) -> np.ndarray:
    """Sign and octile of the size of each value: class 0 to 7 negative, 8 to 15 positive."""
    values = np.asarray(x, np.float64).reshape(-1)
    order = np.abs(values).argsort(kind="stable")
    octile = np.empty(values.size, np.int64)
    octile[order] = np.arange(values.size) * _SIZES // max(values.size, 1)
    return np.asarray(octile + _SIZES * (values > 0))


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

    def tally(self, place: Place, inputs: Sequence[Array]) -> _ClassTally:
        """Count the calls of each input apart."""
        return _ClassTally(place, inputs)

    def cell(self, place: Place, group: int, cell: int) -> str:  # noqa: ARG002
        """Name sign and size."""
        sign = "positive" if cell >= _SIZES else "negative"
        return f"{sign} inputs of size class {cell % _SIZES + 1} of {_SIZES} (1 is smallest)"


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
