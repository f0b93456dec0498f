"""Does the draw of a unit depend on earlier calls, or on how many there were?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dropout_stats.checks.block import Block
from dropout_stats.checks.context import Group, Place, copies
from dropout_stats.checks.counted import counted
from dropout_stats.checks.pairs import (
    LAG_SIZE,
    PairTally,
    in_common,
    kept_later,
    pair_group,
)
from dropout_stats.checks.position import CELL_SIZE
from dropout_stats.evidence.departures import Shifted
from dropout_stats.evidence.tables import Table, surplus_of_alike
from dropout_stats.laws.reading import Array

_CALLS_BACK = 4
_SHIFTS = (0, 1, -1, 2, -2, 3, -3, 4, -4, 8, -8, 16, -16, 32, -32, 64, -64)
_NEAR_SHIFTS = (0, 1, -1)
_EPOCHS = (8, 64)


def _pairings(units: int) -> list[tuple[int, int]]:
    """Pairs (calls back, shift): the context is the unit at index + shift, so many calls ago."""
    return [
        (back, shift)
        for back in range(1, _CALLS_BACK + 1)
        for shift in (_SHIFTS if back == 1 else _NEAR_SHIFTS)
        if 2 * abs(shift) <= units
    ]


class _PreviousTally(PairTally):
    def __init__(self, place: Place, pairings: Sequence[tuple[int, int]]) -> None:
        super().__init__(place, len(pairings))
        self._pairings = pairings
        self._last: Block | None = None

    def add(self, block: Block) -> None:
        calls = block if self._last is None else self._last.followed_by(block)
        earlier = calls.calls - block.calls
        rows = []
        for back, shift in self._pairings:
            first = max(earlier, back)  # the first call that has one so many calls before it
            rows.append(_pairs(calls.part(first, None), calls.part(first - back, -back), shift))
        self.count(copies(*np.transpose(rows)))
        self._last = calls.part(-_CALLS_BACK, None)


def _pairs(block: Block, source: Block, shift: int) -> tuple[int, int, int, int]:
    """Pairs (unit + shift in the source, unit): kept in both, in the source, in the block, all."""
    before, after = max(shift, 0), max(-shift, 0)
    both = in_common(kept_later(block.words, after), kept_later(source.words, before))
    return (
        both,
        source.kept_between(before, block.units - after),
        block.kept_between(after, block.units - before),
        block.calls * (block.units - abs(shift)),
    )


@dataclass(frozen=True)
class Previous:
    """The same unit, or one near it, of an earlier call."""

    def groups(self, place: Place) -> tuple[Group, ...]:
        """One table a pair of calls back and shift."""
        pairings = _pairings(place.units)
        return pair_group(
            place, "a unit of an earlier call", len(pairings), place.units / 2, LAG_SIZE
        )

    def tally(self, place: Place, inputs: Sequence[Array]) -> _PreviousTally:  # noqa: ARG002
        """Keep the last calls."""
        return _PreviousTally(place, _pairings(place.units))

    def cell(self, place: Place, group: int, cell: int) -> str:  # noqa: ARG002
        """Name calls back and shift."""
        back, shift = _pairings(place.units)[cell]
        ago = "the call before" if back == 1 else f"{back} calls before"
        return f"the same unit in {ago}" if not shift else f"the unit {shift:+d} places on in {ago}"


def _epochs(place: Place) -> dict[int, int]:
    """Into how many epochs the expected run is divided: the calls of one."""
    parts = [number for number in _EPOCHS if number <= place.expected_calls]
    return {number: max(1, place.expected_calls // number) for number in parts or _EPOCHS[:1]}


class _DriftTally:
    def __init__(self, place: Place) -> None:
        self._place = place
        self._epochs = _epochs(place)
        self._kept: list[int] = []

    def add(self, block: Block) -> None:
        self._kept += block.kept.tolist()

    def tables(self) -> list[Table]:
        """Complete epochs, once there are as many as the plan expects."""
        complete = {length: len(self._kept) // length for length in self._epochs.values()}
        if any(complete[length] < number for number, length in self._epochs.items()):
            return []
        return [self._table(length, number) for length, number in complete.items()]

    def _table(self, length: int, complete: int) -> Table:
        calls = np.array(self._kept[: complete * length], np.int64)
        kept = calls.reshape(complete, length).sum(axis=1)
        return np.stack([kept, length * self._place.units - kept], axis=1)

    def surplus(self, tables: Sequence[Table]) -> list[float]:
        return [surplus_of_alike(table, self._place.keep_prob) for table in tables]


@dataclass(frozen=True)
class Epochs:
    """The number of the call: long epochs, and short ones for what comes and goes."""

    def groups(self, place: Place) -> tuple[Group, ...]:
        """One cell an epoch."""
        numbers = _epochs(place)
        return tuple(
            Group(
                name=f"one of {number} parts of the run",
                cells=number,
                # Half: unlike other cells, a complete one gets no more calls to be decided by.
                trials=place.units / number / 2,
                departure=Shifted(place.keep_prob),
                size=CELL_SIZE * place.deviation * math.sqrt(number),
                weight=1 / len(numbers),
                partition=True,
            )
            for number in numbers
        )

    def tally(self, place: Place, inputs: Sequence[Array]) -> _DriftTally:  # noqa: ARG002
        """Count the kept units of each call."""
        return _DriftTally(place)

    def cell(self, place: Place, group: int, cell: int) -> str:
        """Name the calls."""
        length = list(_epochs(place).values())[group]
        return f"calls {cell * length + 1} to {(cell + 1) * length}"


PREVIOUS = counted(
    "calls.previous",
    "Does a unit not depend on the same unit, or on one near it, in the calls before?",
    "A counter that advances by one word instead of one call gives each call the mask of the one "
    "before, shifted; every single call looks right.",
    Previous(),
    dependence=True,
    demands="The draw of a unit shall not depend on the draw of the same unit, or of one near "
    "it, in the calls before.",
    how="Pairs of a unit and an earlier one are counted: at the same place and 1, 2, 3, 4, 8, "
    "16, 32 and 64 places to either side in the call before, and at the same place and its "
    "neighbours two, three and four calls before. A cell is one such way to pair.",
    unit="the probability with which a unit copies the earlier one",
)

DRIFT = counted(
    "calls.drift",
    "Is the keep probability the same throughout the run?",
    "A rate that is scheduled where none was declared, a generator that degrades, or a state that "
    "accumulates changes the rate while its average may stay right.",
    Epochs(),
    demands="The keep probability shall be the same throughout a run.",
    how="Kept and dropped units are counted by the number of their call. A cell is an eighth of "
    "the calls that the plan expects, or a sixty-fourth of them, for a rate that comes and goes.",
    unit="the difference of the keep probability in one part of the run",
)
