"""A single call, described by what may matter about it, and the array that it hands over."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from dropout_stats import dtypes
from dropout_stats.inputs import branch, distinct
from dropout_stats.laws.reading import Array

PLAIN = "plain"  # finite, distinct, never zero
C_ORDER = "C order"


@dataclass(frozen=True)
class Call:
    """One call of a target.

    Args:
        shape: shape of the input.
        dtype: type of the input.
        rate: the drop rate.
        layout: how the input lies in memory, one of `LAYOUTS`.
        filling: what some of its values are, one of `FILLINGS`.

    """

    shape: tuple[int, ...]
    dtype: str
    rate: float
    layout: str = C_ORDER
    filling: str = PLAIN

    @property
    def is_degenerate(self) -> bool:
        """Whether the input is 0-d or empty."""
        return not self.shape or 0 in self.shape

    def __str__(self) -> str:
        parts = [f"x of shape {self.shape} {self.dtype}"]
        parts += [f"in {self.layout}"] if self.layout != C_ORDER else []
        parts += [f"with {self.filling}"] if self.filling != PLAIN else []
        return ", ".join([*parts, f"rate={self.rate:.7g}"])


class Made(NamedTuple):
    """The input of a call.

    Args:
        x: what is handed over.
        memory: the array that holds its values, gaps included: `x` is a view of it.

    """

    x: Array
    memory: Array


def make(call: Call, seed: int) -> Made:
    """Make the input of a call; the same for the same seed of the run."""
    rng = np.random.default_rng(branch(seed, "inputs", "single call", call))
    values = distinct(rng, call.shape, call.dtype)
    special = FILLINGS[call.filling](call.dtype)
    if special:
        places = np.array(rng.random(values.shape) < 0.5)
        places.reshape(-1)[:1] = True  # no call goes without
        numbers = np.array(special).astype(values.dtype)
        values[places] = numbers[np.arange(int(places.sum())) % len(special)]
    return LAYOUTS[call.layout](values)


def _fortran(values: Array) -> Made:
    x = np.array(values, order="F")
    return Made(x, x)


def _gaps(values: Array) -> Made:
    if not values.ndim:
        return Made(values, values)
    memory = np.repeat(values, 2, axis=-1)
    memory[..., 1::2] = 3  # a target that reads or writes here has left its input
    return Made(memory[..., ::2], memory)


def _every_second_row(values: Array) -> Made:
    if not values.ndim:
        return Made(values, values)
    memory = np.repeat(values, 2, axis=0)
    memory[1::2] = 3
    return Made(memory[::2], memory)


def _backwards(values: Array) -> Made:
    if not values.ndim:
        return Made(values, values)
    memory = values[..., ::-1].copy()
    return Made(memory[..., ::-1], memory)


def _channels_last(values: Array) -> Made:
    if values.ndim < 3:
        return _fortran(values)
    memory = np.moveaxis(values, 1, -1).copy()
    return Made(np.moveaxis(memory, -1, 1), memory)


def _read_only(values: Array) -> Made:
    values.flags.writeable = False
    return Made(values, values)


def _broadcast(values: Array) -> Made:
    if not values.size or not values.ndim:
        return _read_only(values)
    memory = values[:1].copy()
    return Made(np.broadcast_to(memory, values.shape), memory)


LAYOUTS: dict[str, Callable[[Array], Made]] = {
    C_ORDER: lambda values: Made(values, values),
    "Fortran order": _fortran,
    "every second column of a larger array": _gaps,
    "every second row of a larger array": _every_second_row,
    "channels-last order": _channels_last,
    "reverse order (negative strides)": _backwards,
    "read-only memory": _read_only,
    "one row broadcast to all (read-only)": _broadcast,
}


def _subnormal(dtype: str) -> tuple[float, ...]:
    held = dtypes.precision(dtype)
    return (held.tiny, -held.normal / 2, -held.tiny, held.normal / 4)


def _huge(dtype: str) -> tuple[float, ...]:
    largest = dtypes.precision(dtype).largest
    return (largest, -largest, largest / 2, -largest * 0.75)


# For each filling: the values that take about half of the places.
FILLINGS: dict[str, Callable[[str], tuple[float, ...]]] = {
    PLAIN: lambda _: (),
    "zeros of both signs": lambda _: (0.0, -0.0),
    "NaN": lambda _: (np.nan,),
    "infinities": lambda _: (np.inf, -np.inf),
    "subnormal numbers": _subnormal,
    "the largest numbers": _huge,
    "NaN, infinities and zeros": lambda _: (np.nan, 0.0, np.inf, -0.0, -np.inf),
}
