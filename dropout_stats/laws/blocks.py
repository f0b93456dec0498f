"""Blocks: neighbouring elements that are dropped together, anywhere in a call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from dropout_stats.laws.reading import Array
from dropout_stats.laws.sharing import Shape, Sharing

Seeds: TypeAlias = Literal["inside", "anywhere"]
_SPATIAL = 2  # the first axis that has blocks: samples and channels come before


@dataclass(frozen=True)
class Blocks(Sharing):
    """Elements along axes 2 and on are dropped in blocks, which may overlap.

    Elements that are one block length apart never lie in one block, so they draw independently:
    those are the draws, one for each block that fits into a call beside the others.

    Args:
        unit: axes among 0 and 1 that share one mask; `element`: none.
        length: of a block, along each axis; the shortest axis where that is shorter.
        seeds: whether blocks lie `inside` a call, or may start `anywhere` and be cut at its edges.

    """

    length: int = 7
    seeds: Seeds = "inside"

    @property
    def declared(self) -> str:
        """What declares it, as Python writes it."""
        return f"block_size={self.length}"

    @property
    def is_trivial(self) -> bool:
        """Never: elements share their draws."""
        return False

    @property
    def least_ndim(self) -> int:
        """Samples, channels, and one axis that has blocks."""
        return _SPATIAL + 1

    def side(self, lengths: Sequence[int]) -> int:
        """The length of a block where the axes that have blocks are so long."""
        return max(1, min(self.length, *lengths))

    @property
    def first_spatial(self) -> int:
        """The first axis of a mask that has blocks; the axes that share one mask are left out."""
        return _SPATIAL - (0 if self.unit == "element" else len(self.unit))

    def draws(self, shape: Shape) -> Shape:
        """The shape of the draws."""
        shared, side = self.axes(len(shape)), self.side(shape[_SPATIAL:])
        return tuple(
            length // side if axis >= _SPATIAL else length
            for axis, length in enumerate(shape)
            if axis not in shared
        )

    def grid(self, lengths: Sequence[int], starts: Sequence[int]) -> tuple[slice, ...]:
        """Places one block length apart along each axis, the first being these."""
        side = self.side(lengths)
        return tuple(
            slice(start, start + (length // side - 1) * side + 1, side)
            for length, start in zip(lengths, starts, strict=True)
        )

    def room(self, lengths: Sequence[int]) -> list[int]:
        """How many places there are along each axis at which a grid may start."""
        side = self.side(lengths)
        return [length - (length // side - 1) * side for length in lengths]

    def first(self, array: Array) -> Array:
        """The element of each draw that lies about in the middle of its part of the call."""
        shared, lengths = self.axes(array.ndim), array.shape[_SPATIAL:]
        head = tuple(0 if axis in shared else slice(None) for axis in range(_SPATIAL))
        return array[(*head, *self.grid(lengths, [(room - 1) // 2 for room in self.room(lengths)]))]

    def spread(self, draws: Array, shape: Shape) -> Array:
        """Give every element the value of the draw of its part of the call."""
        spread, side = draws.reshape(self.draws(shape)), self.side(shape[_SPATIAL:])
        for axis, length in enumerate(shape[_SPATIAL:], self.first_spatial):
            parts = np.minimum(np.arange(length) // side, length // side - 1)
            spread = spread.take(parts, axis)
        return np.broadcast_to(spread.reshape(self.kept_dims(shape)), shape).copy()

    def call_shape(self, draws: Sequence[int], ndim: int) -> Shape:
        """The shape of a call with draws of this shape."""
        shape = super().call_shape(draws, ndim)
        return (*shape[:_SPATIAL], *(number * self.length for number in shape[_SPATIAL:]))

    def covering(self, length: int, side: int) -> NDArray[np.int64]:
        """How many blocks, by their starts along one axis, cover each place of it."""
        places = np.arange(length)
        if self.seeds == "inside":
            return np.minimum(places, length - side) - np.maximum(places - side + 1, 0) + 1
        first = places - side // 2
        return np.minimum(first + side - 1, length - 1) - np.maximum(first, 0) + 1
