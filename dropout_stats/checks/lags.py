"""Does the draw of a unit depend on that of the unit some places before it?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from dropout_stats.checks.block import Block
from dropout_stats.checks.context import Group, Place
from dropout_stats.checks.counted import counted
from dropout_stats.checks.pairs import (
    COARSE_SIZE,
    LAG_SIZE,
    PairTally,
    in_common,
    kept_later,
    lag_table,
    pair_group,
)
from dropout_stats.evidence.departures import Vector
from dropout_stats.evidence.tables import Table
from dropout_stats.laws.reading import Array

SAMPLED = 4  # all lags are looked at in one call of so many: a transform costs as much as a call
_FAR_SIZE = 3 * COARSE_SIZE  # an eighth of the pairs: decided as soon as the near lags are
_MOST_LAGS = 1 << 14  # of huge calls: a table of more costs more than it tells
_EXACT_IN_FLOAT32 = 1 << 19  # bits summed by one transform


def _dense_lags(units: int) -> list[int]:
    powers = [2**power for power in range(5, 15)]
    wanted = {*range(1, 17), 24, 31, 33, 48, 63, 65, 96, *powers}
    return sorted(lag for lag in wanted if 2 * lag <= units)


class _LagTally(PairTally):
    def __init__(self, place: Place, lags: Sequence[int]) -> None:
        super().__init__(place, len(lags))
        self._lags = np.array(lags, np.int64)

    def add(self, block: Block) -> None:
        words = block.words
        both = [in_common(words, kept_later(words, int(lag))) for lag in self._lags]
        self.count(lag_table(both, block.kept_by_unit, block.calls, self._lags))


@dataclass(frozen=True)
class Lags:
    """The unit a stated number of places before."""

    def groups(self, place: Place) -> tuple[Group, ...]:
        """One table a lag."""
        lags = _dense_lags(place.units)
        return pair_group(place, "a unit", len(lags), place.units / 2, LAG_SIZE)

    def tally(self, place: Place, inputs: Sequence[Array]) -> _LagTally:  # noqa: ARG002
        """Count pairs by shifting packed masks."""
        return _LagTally(place, _dense_lags(place.units))

    def cell(self, place: Place, group: int, cell: int) -> str:  # noqa: ARG002
        """Name the lag."""
        return f"units {_dense_lags(place.units)[cell]} places apart"


def farthest(units: int) -> tuple[int, int]:
    """The last of the near distances, and of the far ones, at which fewer pairs are left."""
    near = min(units // 2, _MOST_LAGS)
    return near, max(near, min(units * 15 // 16, 2 * _MOST_LAGS))


def in_common_at(
    earlier: NDArray[np.uint8], later: NDArray[np.uint8], lags: NDArray[np.int64]
) -> Vector:
    """How many pairs (i of a row of `earlier`, i + lag of the same row of `later`) are both 1.

    By a transform that is padded, so that it does not go round the end; for each lag.
    """
    units = earlier.shape[1]
    length = scipy.fft.next_fast_len(units + int(np.abs(lags).max()), real=True)
    real = np.float32 if later.size <= _EXACT_IN_FLOAT32 else np.float64
    spectrum = scipy.fft.rfft(later.astype(real), length)
    other = spectrum if earlier is later else scipy.fft.rfft(earlier.astype(real), length)
    cross = (spectrum * other.conj()).sum(axis=0, dtype=np.complex128)
    return np.asarray(np.rint(scipy.fft.irfft(cross, length)[lags % length]), np.float64)


class _AllLagsTally(PairTally):
    def __init__(self, place: Place) -> None:
        self._near, last = farthest(place.units)
        super().__init__(place, last)
        self._lags = np.arange(1, last + 1)

    def add(self, block: Block) -> None:
        bits = block.bits[-block.first % SAMPLED :: SAMPLED]
        if not len(bits):
            return
        both = in_common_at(bits, bits, self._lags)
        kept = bits.sum(axis=0, dtype=np.int64)
        self.count(lag_table(both, kept, len(bits), self._lags))

    def tables(self) -> list[Table]:
        """Near lags and far ones."""
        (table,) = super().tables()
        return [part for part in (table[: self._near], table[self._near :]) if len(part)]


@dataclass(frozen=True)
class AllLags:
    """The unit any number of places before, in one call of four."""

    def groups(self, place: Place) -> tuple[Group, ...]:
        """One table a lag; far lags are a group of their own, as fewer pairs are left."""
        near, last = farthest(place.units)
        parts = [
            (near, place.units - near, COARSE_SIZE),
            (last - near, place.units - last, _FAR_SIZE),
        ]
        groups = [
            group
            for cells, least, size in parts
            for group in pair_group(place, "a unit", cells, least / SAMPLED, size)
        ]
        return tuple(replace(group, weight=1 / len(groups)) for group in groups)

    def tally(self, place: Place, inputs: Sequence[Array]) -> _AllLagsTally:  # noqa: ARG002
        """Count pairs by a transform that is padded, so that it does not go round the end."""
        return _AllLagsTally(place)

    def cell(self, place: Place, group: int, cell: int) -> str:
        """Name the lag."""
        first = farthest(place.units)[0] if group else 0
        return f"units {first + cell + 1} places apart"


LAG = counted(
    "dependence.lag",
    "Does a unit not depend on the unit some places before it?",
    "One random word that is used for several units, a counter that wraps, or a generator of short "
    "period makes units repeat at a fixed distance.",
    Lags(),
    dependence=True,
    on=("usual", "rank"),
    demands="The draw of a unit shall not depend on the draw of the unit a fixed number of "
    "places before it.",
    how="Pairs of units of one flattened call are counted, at the distances 1 to 16, 24, 31, "
    "33, 48, 63, 65, 96, and the powers of 2 from 32 to 16,384, up to half a call. They do "
    "not go round its end. A cell is one distance.",
    unit="the probability with which a unit copies the one before",
)

ALL_LAGS = counted(
    "dependence.all_lags",
    "Is no distance at all special?",
    "A period need not be a power of two.",
    AllLags(),
    dependence=True,
    demands="No distance shall make the draws of two units of a call depend on each other.",
    how="As for `dependence.lag`, at every distance up to 15/16 of a call, and at most 32,768, in "
    "one call of four. The pairs are counted by a Fourier transform, whose results are whole "
    "numbers and rounded to them. A cell is one distance; those beyond half a call, at which "
    "fewer pairs are left, are resolved more coarsely.",
    unit="the probability with which a unit copies the one before",
)
