"""Units: which elements of a call share one draw."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from dropout_stats.errors import UsageError, did_you_mean
from dropout_stats.laws.reading import Array

Shape: TypeAlias = tuple[int, ...]
Unit: TypeAlias = str | tuple[int, ...]

# For each name, the fewest dimensions at which it is not another name's.
_LEAST_NDIM = {"element": 0, "channel": 3, "channel-last": 3, "sample": 2}
_SHARED_LENGTHS = (3, 2)  # of the last shared axis, and of the others: few, and not alike


@dataclass(frozen=True)
class Sharing:
    """Which axes share one draw.

    Args:
        unit: `element`; `channel`: all axes but the first two; `channel-last`: all but the first
            and the last; `sample`: all but the first; or the axes that share a draw, counted as
            Python counts: (2, 3), or (-1,) for the last.

    """

    unit: Unit = "element"

    def __post_init__(self) -> None:
        if isinstance(self.unit, str):
            if self.unit not in _LEAST_NDIM:
                raise UsageError(
                    f"unit must be one of {', '.join(_LEAST_NDIM)}, or the axes that share one "
                    f"draw, got {self.unit!r}.{did_you_mean(self.unit, _LEAST_NDIM)}"
                )
            return
        whole = isinstance(self.unit, tuple) and all(type(axis) is int for axis in self.unit)
        if not whole or not self.unit or len(set(self.unit)) < len(self.unit):
            raise UsageError(
                "unit must be a name or a tuple of different axes such as (2, 3), "
                f"got {self.unit!r}"
            )

    @property
    def declared(self) -> str:
        """What declares it, as Python writes it."""
        return f"unit={self.unit!r}"

    @property
    def is_trivial(self) -> bool:
        """Whether each element has a draw of its own."""
        return self.unit == "element"

    @property
    def least_ndim(self) -> int:
        """The fewest dimensions that a call may have: one axis, at least, has draws of its own."""
        if isinstance(self.unit, str):
            return _LEAST_NDIM[self.unit]
        reach = max(axis + 1 if axis >= 0 else -axis for axis in self.unit)
        return max(reach, len(self.unit) + 1)

    def axes(self, ndim: int) -> tuple[int, ...]:
        """The axes that share a draw, in calls of so many dimensions."""
        if isinstance(self.unit, tuple):
            return tuple(sorted({axis % ndim for axis in self.unit}))
        own = {
            "element": range(ndim),
            "channel": range(2),
            "channel-last": (0, ndim - 1),
            "sample": range(1),
        }[self.unit]
        return tuple(axis for axis in range(ndim) if axis not in own)

    def of_peers(self, ndim: int, *, peers: bool) -> tuple[int, ...]:
        """The same where the inputs of several peers may lie along a first axis."""
        return tuple(peers + axis for axis in self.axes(ndim - peers))

    def kept_dims(self, shape: Shape) -> Shape:
        """Shape of the noise of a call: 1 along the axes that share a draw."""
        shared = self.axes(len(shape))
        return tuple(1 if axis in shared else length for axis, length in enumerate(shape))

    def draws(self, shape: Shape) -> Shape:
        """The same without those axes: the shape of the draws."""
        shared = self.axes(len(shape))
        return tuple(length for axis, length in enumerate(shape) if axis not in shared)

    def units(self, shape: Shape) -> int:
        """Draws in a call of this shape."""
        return math.prod(self.draws(shape))

    def first(self, array: Array) -> Array:
        """The first element of each unit; an array of the shape of the draws."""
        shared = self.axes(array.ndim)
        return array[tuple(0 if axis in shared else slice(None) for axis in range(array.ndim))]

    def spread(self, draws: Array, shape: Shape) -> Array:
        """Give every element of a unit the value of its draw; an array of this shape."""
        return np.broadcast_to(draws.reshape(self.kept_dims(shape)), shape).copy()

    def call_shape(self, draws: Sequence[int], ndim: int) -> Shape:
        """The shape of a call with draws of this shape; few elements share each."""
        shared, own = self.axes(ndim), iter(draws)
        last, others = _SHARED_LENGTHS
        return tuple(
            (last if axis == shared[-1] else others) if axis in shared else next(own)
            for axis in range(ndim)
        )
