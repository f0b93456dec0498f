"""Do peers (layers, workers, lanes, ranks) draw noise of their own?"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dropout_stats.checks.block import Block
from dropout_stats.checks.context import Group, Place, copies
from dropout_stats.checks.counted import counted
from dropout_stats.checks.pairs import COARSE_SIZE, PairTally, pair_group
from dropout_stats.laws.reading import Array


def _pairs(place: Place) -> list[tuple[int, int]]:
    return list(itertools.combinations(range(place.shape[0]), 2))


class _PeerTally(PairTally):
    def __init__(self, place: Place) -> None:
        self._pairs = _pairs(place)
        super().__init__(place, len(self._pairs))

    def add(self, block: Block) -> None:
        peers = block.bits.reshape(block.calls, block.shape[0], -1).view(np.bool_)
        masks = [np.ascontiguousarray(peers[:, peer]) for peer in range(block.shape[0])]
        kept = [int(np.count_nonzero(mask)) for mask in masks]
        both = [np.count_nonzero(masks[one] & masks[other]) for one, other in self._pairs]
        contexts, symbols = ([kept[pair[side]] for pair in self._pairs] for side in (0, 1))
        self.count(copies(both, contexts, symbols, [masks[0].size] * len(both)))


@dataclass(frozen=True)
class Peers:
    """The same unit of an earlier peer; a call holds one pass of each peer, along axis 0."""

    def groups(self, place: Place) -> tuple[Group, ...]:
        """One table a pair of peers."""
        each = place.units / place.shape[0]
        return pair_group(place, "a unit of another peer", len(_pairs(place)), each, COARSE_SIZE)

    def tally(self, place: Place, inputs: Sequence[Array]) -> _PeerTally:  # noqa: ARG002
        """Count pairs of peers."""
        return _PeerTally(place)

    def cell(self, place: Place, group: int, cell: int) -> str:  # noqa: ARG002
        """Name the pair."""
        one, other = _pairs(place)[cell]
        return f"the same unit of peers {one} and {other}"


COPY = counted(
    "peers.copy",
    "Do layers, workers, lanes or ranks that run side by side draw different masks?",
    "A seed that is copied to every rank, or a key that is not split, gives peers one mask: each "
    "of them looks right, and together they regularise less than declared.",
    Peers(),
    dependence=True,
    on=("peers",),
    demands="Peers that run side by side, such as layers, workers, lanes or ranks, shall draw "
    "independently of each other.",
    how="`Target.peers` makes a pass of each of four peers on the same input. Pairs of the same "
    "unit of two peers are counted. A cell is one pair of peers. Not asked of a target that "
    "offers no peers.",
    unit="the probability with which a unit copies the same unit of another peer",
)
