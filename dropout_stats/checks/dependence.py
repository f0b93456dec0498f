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
_MOST_LAGS = 1 << 14  # of huge calls: a table of more costs more than it tells
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


def _lags_up_to_half(place: Place) -> int:
    return min(place.units // 2, _MOST_LAGS)


class _AllLagsTally(PairTally):
    def __init__(self, place: Place) -> None:
        super().__init__(place, _lags_up_to_half(place))
        self._lags = np.arange(1, _lags_up_to_half(place) + 1)
        self._length = scipy.fft.next_fast_len(place.units + len(self._lags), real=True)

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
        return pair_group(place, "a unit", _lags_up_to_half(place), pairs, COARSE_SIZE)

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
        self._overlaps = [_overlap((0, *offset)) for offset in offsets]

    def add(self, block: Block) -> None:
        masks = block.bits.reshape(block.calls, *block.shape).view(np.bool_)
        pairs = [(masks[earlier], masks[later]) for earlier, later in self._overlaps]
        self.count(
            copies(
                [np.count_nonzero(context & unit) for context, unit in pairs],
                [np.count_nonzero(context) for context, _ in pairs],
                [np.count_nonzero(unit) for _, unit in pairs],
                [unit.size for _, unit in pairs],
            )
        )


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
    "Is no distance at all, up to half a call, special?",
    "A period need not be a power of two.",
    AllLags(),
    dependence=True,
    demands="No distance, up to half a call, shall make the draws of two units of a call depend "
    "on each other.",
    how="As for `dependence.lag`, at every distance up to half a call, and at most 16,384, in "
    "one call of four. The pairs are counted by a Fourier transform, whose results are whole "
    "numbers and rounded to them. A cell is one distance.",
    unit="the probability with which a unit copies the one before",
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

AXES = counted(
    "dependence.axes",
    "Do neighbours along each axis, and along each pair of axes, draw independently?",
    "A mask that is broadcast over batch, heads, rows or channels keeps every marginal right.",
    Axes(),
    dependence=True,
    on=("usual", "rank"),
    demands="Neighbours along each axis, and along each pair of axes, shall draw independently.",
    how="Pairs of units of one call are counted: 1, 2, 3, 4, 8, 16, ..., 256 steps apart along "
    "an axis, up to half its length, and one step along each of two axes, in either direction. "
    "A cell is one such step. Not asked of calls of one dimension, whose steps are distances.",
    unit="the probability with which a unit copies its neighbour",
)

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
