"""Does the draw of a unit depend on the draws of other units of the same call?"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from dropout_stats.checks.block import Block
from dropout_stats.checks.context import Group, Place, copies, surplus_of_copies
from dropout_stats.checks.counted import counted
from dropout_stats.evidence.departures import Copied, Shifted, Vector
from dropout_stats.evidence.tables import Table, surplus
from dropout_stats.laws.reading import Array

LAG_SIZE = 2.0**-8
COARSE_SIZE = 2.0**-6
PATTERN_SHARE = 0.01
_SAMPLED = 4  # all lags are looked at in one call of so many: a transform costs as much as a call
_EXACT_IN_FLOAT32 = 1 << 19  # bits summed by one transform
_BITS = 8


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


def _dense_lags(units: int) -> list[int]:
    powers = [2**power for power in range(5, 15)]
    wanted = {*range(1, 17), 24, 48, *powers, *(p - 1 for p in powers), *(p + 1 for p in powers)}
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


class _AllLagsTally(PairTally):
    def __init__(self, place: Place) -> None:
        super().__init__(place, place.units // 2)
        self._lags = np.arange(1, place.units // 2 + 1)
        self._length = scipy.fft.next_fast_len(place.units + place.units // 2, real=True)

    def add(self, block: Block) -> None:
        bits = block.bits[-block.first % _SAMPLED :: _SAMPLED]
        if not len(bits):
            return
        exact = bits.size <= _EXACT_IN_FLOAT32
        spectrum = scipy.fft.rfft(bits.astype(np.float32 if exact else np.float64), self._length)
        power = (spectrum.real**2 + spectrum.imag**2).sum(axis=0, dtype=np.float64)
        both = np.rint(scipy.fft.irfft(power, self._length)[self._lags])
        kept = bits.sum(axis=0, dtype=np.int64)
        self.count(lag_table(both, kept, len(bits), self._lags))


@dataclass(frozen=True)
class AllLags:
    """The unit any number of places before, up to half a call, in one call of four."""

    def groups(self, place: Place) -> tuple[Group, ...]:
        """One table a lag."""
        pairs = place.units / 2 / _SAMPLED
        return pair_group(place, "a unit", place.units // 2, pairs, COARSE_SIZE)

    def tally(self, place: Place, inputs: Sequence[Array]) -> _AllLagsTally:  # noqa: ARG002
        """Count pairs by a transform that is padded, so that it does not go round the end."""
        return _AllLagsTally(place)

    def cell(self, place: Place, group: int, cell: int) -> str:  # noqa: ARG002
        """Name the lag."""
        return f"units {cell + 1} places apart"


def _offsets(shape: tuple[int, ...]) -> list[tuple[int, ...]]:
    """Steps along each axis, and along each pair of axes; the first step is positive."""
    steps = [
        [0] if length < 2 else [s for s in (1, 2, 3, 4, 8, 16, 32, 64, 128, 256) if 2 * s <= length]
        for length in shape
    ]
    found = []
    for axis, along in enumerate(steps):
        found += [_offset(shape, {axis: step}) for step in along if step]
    for one, other in itertools.combinations(range(len(shape)), 2):
        if shape[one] > 1 and shape[other] > 1:
            found += [_offset(shape, {one: 1, other: sign}) for sign in (1, -1)]
    return found


def _offset(shape: tuple[int, ...], steps: dict[int, int]) -> tuple[int, ...]:
    return tuple(steps.get(axis, 0) for axis in range(len(shape)))


def _overlap(offset: Sequence[int]) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Where the context lies and where the unit that is `offset` away from it lies."""
    earlier = tuple(slice(max(0, -step), -step if step > 0 else None) for step in offset)
    later = tuple(slice(max(0, step), step if step < 0 else None) for step in offset)
    return earlier, later


class _AxesTally(PairTally):
    def __init__(self, place: Place, offsets: Sequence[tuple[int, ...]]) -> None:
        super().__init__(place, len(offsets))
        self._offsets = offsets

    def add(self, block: Block) -> None:
        masks = block.bits.reshape(block.calls, *block.shape)
        rows = []
        for offset in self._offsets:
            earlier, later = _overlap((0, *offset))
            context, unit = masks[earlier], masks[later]
            both = np.count_nonzero(context & unit)
            rows.append((both, np.count_nonzero(context), np.count_nonzero(unit), unit.size))
        self.count(copies(*np.transpose(rows)))


@dataclass(frozen=True)
class Axes:
    """The unit some steps before along an axis, or along two axes."""

    def groups(self, place: Place) -> tuple[Group, ...]:
        """One table a step; none where there is one axis, whose steps are lags."""
        if sum(length > 1 for length in place.shape) < 2:
            return ()
        pairs = place.units / 4
        return pair_group(place, "a unit", len(_offsets(place.shape)), pairs, COARSE_SIZE)

    def tally(self, place: Place, inputs: Sequence[Array]) -> _AxesTally:  # noqa: ARG002
        """Count pairs in masks of their own shape."""
        return _AxesTally(place, _offsets(place.shape))

    def cell(self, place: Place, group: int, cell: int) -> str:  # noqa: ARG002
        """Name the steps."""
        steps = _offsets(place.shape)[cell]
        said = [f"{step:+d} along axis {axis}" for axis, step in enumerate(steps) if step]
        return f"units {' and '.join(said)} apart in calls of shape {place.shape}"


class _PatternTally:
    def __init__(self, place: Place) -> None:
        self._place = place
        self._seen = np.zeros(2**_BITS, np.int64)

    def add(self, block: Block) -> None:
        whole = self._place.units // _BITS  # what is left over at the end of a call is left out
        self._seen += np.bincount(block.packed[:, :whole].reshape(-1), minlength=2**_BITS)

    def tables(self) -> list[Table]:
        total = int(self._seen.sum())
        return [
            np.stack([self._seen[alike], total - self._seen[alike]], axis=1) for alike in _ALIKE
        ]

    def surplus(self, tables: Sequence[Table]) -> list[float]:
        """The symbols are patterns; the keep probability is that of their bits."""
        kept = float(self._seen @ _KEPT)
        bits = float(self._seen.sum() * _BITS)
        gain = float(surplus(np.float64(kept), np.float64(bits), self._place.keep_prob))
        return [gain] * len(tables)


_KEPT = np.bitwise_count(np.arange(2**_BITS, dtype=np.uint16)).astype(np.int64)
_ALIKE = [np.flatnonzero(number == _KEPT) for number in range(_BITS + 1)]


@dataclass(frozen=True)
class Patterns:
    """The other seven units of a group of eight neighbours."""

    def groups(self, place: Place) -> tuple[Group, ...]:
        """Patterns with as many kept units are equally likely: a group each."""
        if place.units < _BITS:
            return ()
        return tuple(self._group(place, number) for number in range(_BITS + 1))

    @staticmethod
    def _group(place: Place, number: int) -> Group:
        chance = place.keep_prob**number * (1 - place.keep_prob) ** (_BITS - number)
        return Group(
            name=f"a pattern of {number} kept",
            cells=len(_ALIKE[number]),
            trials=place.units // _BITS,
            departure=Shifted(chance),
            size=PATTERN_SHARE * (1 - chance),
            weight=len(_ALIKE[number]) / 2**_BITS,
        )

    def tally(self, place: Place, inputs: Sequence[Array]) -> _PatternTally:  # noqa: ARG002
        """Count the bytes of the packed masks."""
        return _PatternTally(place)

    def cell(self, place: Place, group: int, cell: int) -> str:  # noqa: ARG002
        """Write the pattern out."""
        pattern = int(_ALIKE[group][cell])
        bits = "".join(str(pattern >> place & 1) for place in range(_BITS))
        return f"the pattern {bits} (1 is kept) in groups of eight neighbours"


LAG = counted(
    "dependence.lag",
    "Does a unit not depend on the unit some places before it?",
    "One random word that is used for several units, a counter that wraps, or a generator of short "
    "period makes units repeat at a fixed distance.",
    Lags(),
    dependence=True,
)

ALL_LAGS = counted(
    "dependence.all_lags",
    "Is no distance at all, up to half a call, special?",
    "A period need not be a power of two.",
    AllLags(),
    dependence=True,
)

AXES = counted(
    "dependence.axes",
    "Do neighbours along each axis, and along each pair of axes, draw independently?",
    "A mask that is broadcast over batch, heads, rows or channels keeps every marginal right.",
    Axes(),
    dependence=True,
)

PATTERNS = counted(
    "dependence.patterns",
    "Are all patterns of eight neighbours as frequent as independent units make them?",
    "A forced survivor, a table of precomputed masks or a bit trick favours some patterns while "
    "each unit, and each pair, looks right.",
    Patterns(),
    dependence=True,
)
