"""Do peers (layers, workers, lanes, ranks) draw noise of their own?"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dropout_stats.checks.bench import Bench
from dropout_stats.checks.block import Block
from dropout_stats.checks.check import Probe
from dropout_stats.checks.context import Group, Place, copies
from dropout_stats.checks.counted import counted
from dropout_stats.checks.fingerprints import (
    NO_NOISE,
    calls_needed,
    lacks_noise,
    mask_of,
    too_alike,
)
from dropout_stats.checks.pairs import COARSE_SIZE, PairTally, pair_group
from dropout_stats.laws.reading import Array
from dropout_stats.results import Case, Evidence, Finding

PEERS = 4


def _pairs(place: Place) -> list[tuple[int, int]]:
    """Two peers in one call."""
    return list(itertools.combinations(range(place.shape[0]), 2))


def _later_pairs(place: Place) -> list[tuple[int, int]]:
    """A peer, and another one in the call before."""
    return list(itertools.permutations(range(place.shape[0]), 2))


class _PeerTally(PairTally):
    def __init__(self, place: Place) -> None:
        self._pairs, self._later_pairs = _pairs(place), _later_pairs(place)
        super().__init__(place, len(self._pairs) + len(self._later_pairs))
        self._last: list[NDArray[np.bool_]] = []

    def add(self, block: Block) -> None:
        peers = block.bits.reshape(block.calls, block.shape[0], -1).view(np.bool_)
        masks = [np.ascontiguousarray(peers[:, peer]) for peer in range(block.shape[0])]
        known = self._last or [mask[:0] for mask in masks]
        run = [np.concatenate(pair) for pair in zip(known, masks, strict=True)]
        rows = [_counted(masks[one], masks[other]) for one, other in self._pairs]
        rows += [_counted(run[other][:-1], run[one][1:]) for one, other in self._later_pairs]
        self.count(copies(*np.transpose(rows)))
        self._last = [mask[-1:] for mask in masks]


def _counted(context: NDArray[np.bool_], unit: NDArray[np.bool_]) -> tuple[int, int, int, int]:
    """Kept in both, in the context, in the unit, and all."""
    both = int(np.count_nonzero(context & unit))
    return both, int(np.count_nonzero(context)), int(np.count_nonzero(unit)), unit.size


@dataclass(frozen=True)
class Peers:
    """The same unit of another peer, in this call or the one before; peers lie along axis 0."""

    def groups(self, place: Place) -> tuple[Group, ...]:
        """One table a pair of peers, and one a pair of a peer and an earlier one."""
        each = place.units / place.shape[0]
        cells = len(_pairs(place)) + len(_later_pairs(place))
        return pair_group(place, "a unit of another peer", cells, each, COARSE_SIZE)

    def tally(self, place: Place, inputs: Sequence[Array]) -> _PeerTally:  # noqa: ARG002
        """Count pairs of peers."""
        return _PeerTally(place)

    def cell(self, place: Place, group: int, cell: int) -> str:  # noqa: ARG002
        """Name the pair."""
        pairs = _pairs(place)
        if cell < len(pairs):
            one, other = pairs[cell]
            return f"the same unit of peers {one} and {other}"
        one, other = _later_pairs(place)[cell - len(pairs)]
        return f"the same unit of peer {one} and, one call before, of peer {other}"


def _agree(bench: Bench, case: Case) -> Finding:
    if bench.conventions.peers != "same":
        return Finding("not-applicable", "peers are not declared to agree: Conventions(peers=...)")
    if not bench.caller.has_peers:
        return Finding("not-applicable", "the target offers no peers")
    rate, shape = case.rate or 0.0, bench.largest_shape
    calls = calls_needed(bench, shape, rate)
    if calls is None:
        return too_alike(shape, rate)
    bench.caller.seed(case.id)
    x = bench.inputs(shape, case.dtype, case.id)
    return _compared(bench, x, rate, calls)


def _compared(bench: Bench, x: Array, rate: float, calls: int) -> Finding:
    shape, some = (PEERS, *x.shape), False
    for number in range(calls):
        outputs = bench.caller.peers(x.copy(), rate, PEERS)
        if outputs.shape != shape:
            return Finding("fail", f"peers have shape {outputs.shape}; expected {shape}")
        first, *others = (mask_of(bench, x, y, rate) for y in outputs)
        some |= not lacks_noise(first, x, 1)
        other = next((peer for peer, mask in enumerate(others, 1) if mask != first), None)
        if other is not None:
            return Finding(
                "fail",
                f"in call {number + 1} of shape {x.shape} peers 0 and {other} drew different "
                "masks; they are declared to agree: Conventions(peers='same')",
                Evidence(x.size),
            )
    evidence = Evidence(calls * x.size)
    said = f"{PEERS} peers drew the same masks in {calls} calls"
    return Finding("pass", said, evidence) if some else NO_NOISE


AGREE = Probe(
    id="peers.agree",
    question="Do peers that must agree draw the same masks?",
    why="Ranks that hold copies of one activation must drop the same units of it. With generators "
    "of their own the copies drift apart, and every mask looks right.",
    demands="Where it is declared that peers agree, they shall draw the same mask in each call.",
    how="`Target.peers` makes a pass of each of four peers on the same input, as often as masks "
    "surely differ by chance; all four masks of a call must be one. Asked where "
    "`Conventions(peers='same')` is declared; `peers.copy` and `peers.overlap` are not, then.",
    places="once",
    ask=_agree,
)


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
    "unit of two peers are counted, in one call, and of one peer and another in the call before. A "
    "cell is one such pair of peers. Not asked of a target that offers no peers.",
    unit="the probability with which a unit copies the same unit of another peer",
)
