"""The calls that a search chooses from: shapes, rates, layouts and fillings, the simplest first."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any, TypeAlias

import numpy as np

from dropout_stats.checks.single import C_ORDER, FILLINGS, LAYOUTS, PLAIN, Call
from dropout_stats.conventions import Conventions

Shape: TypeAlias = tuple[int, ...]
Shapes: TypeAlias = Sequence[Shape] | None  # None: any

# Sizes at which vector loops, blocks and threads change over, each with its neighbours.
_POWERS = tuple(2**n + step for n in range(4, 11) for step in (-1, 0, 1))
_LARGE = (10_001, 12_289, 16_383, 20_000)
_LENGTHS = (*range(1, 10), *_POWERS, *_LARGE)
_LONGEST_TINY = {2: 5, 3: 5, 4: 5, 5: 3}  # length of an axis, by the number of dimensions
# Few enough that a search goes through all of them, with everything that it varies.
_SMALL_SHAPES = ((3,), (33,), (2, 3), (2, 3, 4), (2, 3, 2, 5), (2, 1, 3, 2, 2), (4, 33))
RATES = (0.0, 1e-6, 1e-3, 0.1, 0.3, 0.5, 0.9, 0.999)


@dataclass(frozen=True)
class Space:
    """The calls to choose from: for each part of a call, its possibilities, the simplest first.

    Args:
        kinds: shapes, alike ones together: each kind is chosen as often as any other.
        dtype: the type.
        rates: drop rates.
        layouts: names from `LAYOUTS`.
        fillings: names from `FILLINGS`.
        shapes_vary: whether any length of an axis will do.

    """

    kinds: Sequence[Sequence[Shape]]
    dtype: str
    rates: Sequence[float]
    layouts: Sequence[str] = (C_ORDER,)
    fillings: Sequence[str] = (PLAIN,)
    shapes_vary: bool = False

    @property
    def _sizes(self) -> tuple[int, ...]:
        longest = max(len(kind) for kind in self.kinds)
        parts = (self.fillings, self.layouts, self.rates, self.kinds)
        return (*(len(part) for part in parts), longest)

    @property
    def size(self) -> int:
        """So many numbers name a call."""
        return math.prod(self._sizes)

    def call(self, number: int) -> Call:
        """Return the call of a number; smaller numbers name simpler calls."""
        digits = np.unravel_index(number % self.size, self._sizes)
        filling, layout, rate, kind, place = (int(digit) for digit in digits)
        shapes = self.kinds[kind]
        return Call(
            shapes[place % len(shapes)],
            self.dtype,
            self.rates[rate],
            self.layouts[layout],
            self.fillings[filling],
        )

    def simpler(self, call: Call) -> Iterator[Call]:
        """Calls that are simpler in one part, the simplest first."""
        parts: dict[str, Sequence[Any]] = {
            "filling": self.fillings,
            "layout": self.layouts,
            "rate": self.rates,
        }
        for part, items in parts.items():
            for item in items[: items.index(getattr(call, part))]:
                yield replace(call, **{part: item})
        shapes = _shorter(call.shape) if self.shapes_vary else self._earlier(call.shape)
        for shape in shapes:
            yield replace(call, shape=shape)

    def _earlier(self, shape: Shape) -> Iterator[Shape]:
        for kind in self.kinds:
            yield from kind[: kind.index(shape)] if shape in kind else ()


def _shorter(shape: Shape) -> Iterator[Shape]:
    for axis, length in enumerate(shape):
        for shorter in (n for n in _LENGTHS if n < length):
            yield (*shape[:axis], shorter, *shape[axis + 1 :])


def spaces_of_shapes(
    conventions: Conventions, dtype: str, rate: float, shapes: Shapes
) -> Sequence[Space]:
    """Vary the shape: all the lengths of one axis, and shapes of more axes."""
    if shapes is not None:
        return [Space(_given(shapes), dtype, (rate,))]
    kinds = _all_shapes(conventions)
    rows = [shape for kind in kinds for shape in kind if len(shape) == 1 and shape != (0,)]
    others = [kind for kind in kinds if len(kind[0]) != 1]
    spaces = [Space([rows], dtype, (rate,), shapes_vary=True)] if rows else []
    return [*spaces, *([Space(others, dtype, (rate,), shapes_vary=True)] if others else [])]


def spaces_of_layouts(
    conventions: Conventions, dtype: str, rate: float, shapes: Shapes
) -> Sequence[Space]:
    """Vary the layout in memory."""
    return [Space(_small(conventions, shapes, 6), dtype, (rate,), layouts=tuple(LAYOUTS))]


def spaces_of_values(
    conventions: Conventions, dtype: str, rate: float, shapes: Shapes
) -> Sequence[Space]:
    """Vary the values, and drop nothing now and then."""
    rates = (rate, 0.0) if conventions.allows(0.0) else (rate,)
    return [Space(_small(conventions, shapes, 4), dtype, rates, fillings=tuple(FILLINGS))]


def spaces_of_rates(
    conventions: Conventions, dtype: str, rate: float, shapes: Shapes
) -> Sequence[Space]:
    """Vary the rate: the ends, what lies near them, some in between; or what can be asked for."""
    if conventions.rates:
        return [Space(_small(conventions, shapes, 3), dtype, (rate, *conventions.rates))]
    ends = (1.0,) if conventions.rate_domain == "[0, 1]" else ()
    between = (0.017, 0.123, 0.25, 0.401, 0.666, 0.789, 0.95)
    return [Space(_small(conventions, shapes, 3), dtype, (rate, *RATES, *ends, *between))]


def _all_shapes(conventions: Conventions) -> Sequence[Sequence[Shape]]:
    """Shapes of every declared rank: tiny ones, those around powers of 2, large ones, empty ones.

    More than five dimensions are generated only where fewer are refused.
    """
    low, high = conventions.ndims
    kinds: list[list[Shape]] = [
        [(length,) for length in range(1, 10)],
        [(length,) for length in _POWERS],
        [(length,) for length in _LARGE],
        *(_tiny(rank, longest) for rank, longest in _LONGEST_TINY.items()),
        [(rows, length) for rows in range(1, 5) for length in _POWERS],
        [(), (0,), (2, 0, 3)],
    ]
    declared = ([shape for shape in kind if low <= len(shape) <= high] for kind in kinds)
    return [kind for kind in declared if kind] or [[(1,) * low, (2,) * low]]


def _tiny(rank: int, longest: int) -> list[Shape]:
    return list(product(range(1, longest + 1), repeat=rank))


def _small(conventions: Conventions, shapes: Shapes, most: int) -> Sequence[Sequence[Shape]]:
    """A few small shapes of the declared ranks, for what varies something else."""
    if shapes is not None:
        return _given(shapes)
    low, high = conventions.ndims
    known = [shape for shape in _SMALL_SHAPES if low <= len(shape) <= high][:most]
    return _given(known or [(2,) * low])


def _given(shapes: Sequence[Shape]) -> Sequence[Sequence[Shape]]:
    """Exactly these, as one kind, the smallest first."""
    return [sorted(shapes, key=lambda shape: (math.prod(shape), shape))]
