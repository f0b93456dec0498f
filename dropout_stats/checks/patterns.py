"""Are all patterns of neighbours, or of the units of a tiny call, as frequent as they should be?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dropout_stats.checks.block import Block
from dropout_stats.checks.context import Group, Place
from dropout_stats.checks.counted import counted
from dropout_stats.evidence.departures import Shifted
from dropout_stats.evidence.tables import Table, surplus
from dropout_stats.laws.reading import Array

PATTERN_SHARE = 0.01
_BITS = 8


class _PatternTally:
    def __init__(self, place: Place, bits: int) -> None:
        self._place = place
        self._bits = bits
        self._seen = np.zeros(2**bits, np.int64)

    def add(self, block: Block) -> None:
        whole = self._place.units // self._bits  # what is left over at the end is left out
        patterns = block.packed[:, :whole].reshape(-1)
        self._seen += np.bincount(patterns, minlength=2**self._bits)

    def tables(self) -> list[Table]:
        total = int(self._seen.sum())
        return [
            np.stack([self._seen[alike], total - self._seen[alike]], axis=1)
            for alike in _alike(self._bits)
        ]

    def surplus(self, tables: Sequence[Table]) -> list[float]:
        """The symbols are patterns; the keep probability is that of their bits."""
        kept = float(self._seen @ _kept(self._bits))
        bits = float(self._seen.sum() * self._bits)
        gain = float(surplus(kept, bits, self._place.keep_prob))
        return [gain] * len(tables)


def _kept(bits: int) -> NDArray[np.int64]:
    """How many units each pattern keeps."""
    return np.bitwise_count(np.arange(2**bits, dtype=np.uint16)).astype(np.int64)


def _alike(bits: int) -> list[NDArray[np.int64]]:
    """Patterns by how many they keep: those are equally likely."""
    return [np.flatnonzero(_kept(bits) == number) for number in range(bits + 1)]


@dataclass(frozen=True)
class Patterns:
    """The other units of a group of neighbours.

    Args:
        whole_call: whether the group is the whole call, of at most 8 units, instead of 8.

    """

    whole_call: bool = False

    def _bits(self, place: Place) -> int:
        return place.units if self.whole_call else _BITS

    def groups(self, place: Place) -> tuple[Group, ...]:
        """Patterns with as many kept units are a group."""
        bits = self._bits(place)
        if not 2 <= bits <= min(_BITS, place.units):
            return ()
        return tuple(self._group(place, bits, kept) for kept in range(bits + 1))

    @staticmethod
    def _group(place: Place, bits: int, kept: int) -> Group:
        chance = place.keep_prob**kept * (1 - place.keep_prob) ** (bits - kept)
        return Group(
            name=f"a pattern of {kept} kept",
            cells=math.comb(bits, kept),
            trials=place.units // bits,
            departure=Shifted(chance),
            size=PATTERN_SHARE * (1 - chance),
            weight=math.comb(bits, kept) / 2**bits,
            counted="seen",
        )

    def tally(self, place: Place, inputs: Sequence[Array]) -> _PatternTally:  # noqa: ARG002
        """Count the bytes of the packed masks."""
        return _PatternTally(place, self._bits(place))

    def cell(self, place: Place, group: int, cell: int) -> str:
        """Write the pattern out."""
        bits = self._bits(place)
        pattern = int(_alike(bits)[group][cell])
        written = "".join(str(pattern >> place & 1) for place in range(bits))
        within = f"calls of {bits} units" if self.whole_call else "groups of eight neighbours"
        return f"the pattern {written} (1 is kept) in {within}"


PATTERNS = counted(
    "dependence.patterns",
    "Are all patterns of eight neighbours as frequent as independent units make them?",
    "A forced survivor, a table of precomputed masks or a bit trick favours some patterns while "
    "each unit, and each pair, looks right.",
    Patterns(),
    dependence=True,
    demands="Each pattern of eight neighbours shall be as frequent as independent draws make it.",
    how="Calls are cut, in flat order, into groups of eight units; what is left over is left "
    "out. A cell is one of the 256 patterns.",
    unit="the difference of the probability of one pattern",
)

SURVIVORS = counted(
    "dependence.survivors",
    "Is everything dropped as often as independent units make it, where there are few?",
    "Code that keeps at least one unit, or redraws an empty mask, shows only where everything is "
    "likely to be dropped: P(all dropped) must be rate^units.",
    Patterns(whole_call=True),
    dependence=True,
    on=("tiny",),
    demands="In calls of few units, too, each mask shall be as frequent as independent draws "
    "make it: everything shall be dropped with probability rate^units.",
    how="Calls have two to four units, at the rate and the number at which an empty mask is "
    "nearest to being as likely as not. A cell is one mask.",
    unit="the difference of the probability of one mask",
)
