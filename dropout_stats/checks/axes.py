"""Do neighbours along the axes of a call draw independently?"""

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
