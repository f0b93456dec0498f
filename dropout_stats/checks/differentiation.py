"""One forward and one backward pass of the target, read for the gradient checks."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from dropout_stats import dtypes
from dropout_stats.checks.bench import Bench
from dropout_stats.checks.frequencies import SURELY
from dropout_stats.errors import TargetError
from dropout_stats.laws.reading import Array, kept_tolerance

_FEWEST, _MOST = 4, 64


class Pass(NamedTuple):
    """One forward and backward pass; the numbers are in double precision.

    Args:
        x: the input.
        dy: the gradient with respect to the output, as it was handed over.
        y: the output.
        dx: the gradient with respect to the input.
        dx_dtype: the type in which dx came.
        dy_changed: whether dy was different afterwards.
        x_changed: whether x was.

    """

    x: Array
    dy: Array
    y: Array
    dx: Array
    dx_dtype: str
    dy_changed: bool
    x_changed: bool


def differentiate(bench: Bench, x: Array, dy: Array, rate: float, *, training: bool = True) -> Pass:
    """Make one pass of either mode and its backward pass.

    Raises:
        TargetError: the target raised, or an answer has another shape than the input.

    """
    given, handed = x.copy(), dy.copy()
    y, dx = answers(bench, given, handed, rate, training=training)
    return Pass(
        x=x.astype(np.float64),
        dy=dy.astype(np.float64),
        y=y.astype(np.float64),
        dx=dx.astype(np.float64),
        dx_dtype=dx.dtype.name,
        dy_changed=handed.tobytes() != dy.tobytes(),
        x_changed=given.tobytes() != x.tobytes(),
    )


def answers(
    bench: Bench, x: Array, dy: Array, rate: float, *, training: bool = True
) -> tuple[Array, Array]:
    """Output and gradient of one pass, as the target gives them, both of the input's shape."""
    call = bench.caller.vjp if training else bench.caller.evaluate_vjp
    y, dx = call(x, dy, rate)
    for name, array in (("y", y), ("dx", dx)):
        if array.shape != x.shape:
            raise TargetError(
                bench.caller.describe("vjp" if training else "evaluate_vjp", x, rate),
                f"returned {name} of shape {array.shape}; expected {x.shape}",
            )
    return y.copy(), dx.copy()  # a target may use one buffer for all


def gradient_tolerance(bench: Bench, dtype: str, rate: float) -> float:
    """Relative tolerance of a gradient: of the product, and of a multiplier that was read off."""
    types = (dtype, bench.conventions.output_dtype(dtype))
    return 4 * max(kept_tolerance(name, rate) for name in types)


def gradient_slack(bench: Bench, dtype: str, x: Array, dy: Array) -> Array:
    """What dx may be off by where y, from which the multiplier is read, or dx is hardly above 0."""
    output = bench.conventions.output_dtype(dtype)
    flushed = dtypes.precision(output).normal * np.abs(dy / x)
    return np.asarray(flushed + dtypes.precision(dtype).normal)


def passes_needed(units: int, rate: float) -> int:
    """Passes of so many units in which drops and kept units surely occur, within reason."""
    rarest = min(rate, 1 - rate) * units
    if rarest <= 0:
        return _FEWEST
    return min(max(math.ceil(SURELY / rarest), _FEWEST), _MOST)


def first_index(wrong: Array) -> tuple[int, ...]:
    """The index of the first true value."""
    return tuple(int(i) for i in np.unravel_index(int(np.argmax(wrong)), wrong.shape))


def common_value(values: Array, tolerance: float) -> float | None:
    """The one number that all values are, within a relative tolerance; None if there is none."""
    numbers = np.asarray(values, np.float64)
    if not numbers.size or not np.isfinite(numbers).all():
        return None
    low, high = float(numbers.min()), float(numbers.max())
    return (low + high) / 2 if high - low <= tolerance * abs(low + high) else None
