"""Do two calls, or two peers, draw from parts of one sequence that overlap?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from dropout_stats.checks.block import Block
from dropout_stats.checks.context import Group, Place, copies
from dropout_stats.checks.counted import counted
from dropout_stats.checks.lags import SAMPLED, farthest, in_common_at
from dropout_stats.checks.pairs import PairTally, pair_group
from dropout_stats.evidence.tables import Table
from dropout_stats.laws.reading import Array

_SIZE = 2.0**-5  # what overlaps is copied as a whole


def _shifts(units: int, *, both_ways: bool) -> tuple[list[int], list[int]]:
    """By how much the second starts later: near shifts, and far ones, which leave fewer pairs.

    A sequence advances from call to call; which of two peers is ahead is for them to choose.
    """
    near, last = farthest(units)
    beyond = range(near + 1, last + 1)
    back = [-shift for shift in (*range(1, near + 1), *beyond)] if both_ways else []
    return [*range(near + 1), *back[:near]], [*beyond, *back[near:]]


class _OverlapTally(PairTally):
    def __init__(self, place: Place, units: int, *, between_peers: bool) -> None:
        self._units, self._between_peers = units, between_peers
        near, far = _shifts(units, both_ways=between_peers)
        super().__init__(place, len(near) + len(far))
        self._near, self._shifts = len(near), np.array(near + far, np.int64)
        self._last: Block | None = None

    def add(self, block: Block) -> None:
        earlier, later = (self._peers if self._between_peers else self._calls)(block)
        if not len(later):
            return
        both = in_common_at(earlier, later, -self._shifts)
        before, after = np.maximum(-self._shifts, 0), np.maximum(self._shifts, 0)
        contexts = _kept_between(earlier, after, self._units - before)
        symbols = _kept_between(later, before, self._units - after)
        pairs = len(later) * (self._units - np.abs(self._shifts))
        self.count(copies(both, contexts, symbols, pairs))

    def _calls(self, block: Block) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """The calls that are sampled, and those before them."""
        calls = block if self._last is None else self._last.followed_by(block)
        self._last = block.part(-1, None)
        second = np.arange(calls.first + 1, calls.first + calls.calls)
        places = second[second % SAMPLED == 0] - calls.first
        return calls.bits_of(places - 1), calls.bits_of(places)

    def _peers(self, block: Block) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """All peers but the last, and those that follow them, in the calls that are sampled."""
        sampled = block.bits_of(np.arange(-block.first % SAMPLED, block.calls, SAMPLED))
        peers = sampled.reshape(len(sampled), block.shape[0], self._units)
        return peers[:, :-1].reshape(-1, self._units), peers[:, 1:].reshape(-1, self._units)

    def tables(self) -> list[Table]:
        """Near shifts and far ones."""
        (table,) = super().tables()
        return [part for part in (table[: self._near], table[self._near :]) if len(part)]


def _kept_between(bits: NDArray[np.uint8], start: Array, stop: Array) -> NDArray[np.int64]:
    """Units kept in all rows, between places of each."""
    until = np.concatenate(([0], np.cumsum(bits.sum(axis=0, dtype=np.int64))))
    return np.asarray(until[stop] - until[start], np.int64)


@dataclass(frozen=True)
class Overlap:
    """The unit any number of places away in the call before; or in the peer before.

    Args:
        between_peers: whether it is peers, along axis 0, that are compared.

    """

    between_peers: bool = False

    def _units(self, place: Place) -> int:
        return place.units // place.shape[0] if self.between_peers else place.units

    def _shifts(self, place: Place) -> tuple[list[int], list[int]]:
        return _shifts(self._units(place), both_ways=self.between_peers)

    def groups(self, place: Place) -> tuple[Group, ...]:
        """One table a shift; far shifts are a group of their own."""
        units = self._units(place)
        pairs = (place.shape[0] - 1 if self.between_peers else 1) / SAMPLED
        near, last = farthest(units)
        other = "peer" if self.between_peers else "call"
        groups = [
            group
            for shifts, least, size in zip(
                self._shifts(place), (near, last), (_SIZE, 3 * _SIZE), strict=True
            )
            for group in pair_group(
                place, f"a unit of the {other} before", len(shifts), (units - least) * pairs, size
            )
        ]
        return tuple(replace(group, weight=1 / len(groups)) for group in groups)

    def tally(self, place: Place, inputs: Sequence[Array]) -> _OverlapTally:  # noqa: ARG002
        """Count pairs by a transform that is padded, so that it does not go round the end."""
        return _OverlapTally(place, self._units(place), between_peers=self.between_peers)

    def cell(self, place: Place, group: int, cell: int) -> str:
        """Name the shift."""
        shift = self._shifts(place)[group][cell]
        other = "peer" if self.between_peers else "call"
        return f"the unit {shift:+d} places on in the {other} before"


CALLS = counted(
    "calls.overlap",
    "Does a call not draw from a part of the sequence that the call before used?",
    "An offset that advances by less than a call draws, because of a rounding or of an unrolled "
    "loop, gives the next call a part of the same draws, at other places.",
    Overlap(),
    dependence=True,
    demands="The first draws of a call shall not be the last of the call before: no part of a "
    "sequence shall be used twice.",
    how="As for `calls.previous`, in one call of four: a unit and that of the call before which is "
    "any number of places further on, up to 15/16 of a call and at most 32,768. The pairs are "
    "counted by a Fourier transform. A cell is one distance; those beyond half a call, at which "
    "fewer pairs are left, are resolved more coarsely.",
    unit="the probability with which a unit copies the earlier one",
)

PEERS = counted(
    "peers.overlap",
    "Do peers not draw from overlapping parts of one sequence?",
    "Peers that start at different places of one sequence, too near each other, have the same "
    "draws, at other places: no two of their masks are equal.",
    Overlap(between_peers=True),
    dependence=True,
    on=("peers",),
    demands="No part of a sequence shall be used by a peer and by the one before it.",
    how="As for `calls.overlap`, between peers that follow each other, to both sides. A cell is "
    "one distance. Not asked of a target that offers no peers.",
    unit="the probability with which a unit copies that of the peer before",
)
