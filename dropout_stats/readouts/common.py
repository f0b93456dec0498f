"""What the read-outs share: what they are handed, and what comes back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from dropout_stats.conventions import Conventions
from dropout_stats.laws.reading import Array
from dropout_stats.values import require

Pass: TypeAlias = Callable[..., Array]  # (x, rate)
Passes: TypeAlias = Callable[..., tuple[Array, Array]]  # (x, dy, rate)
Applied: TypeAlias = Callable[[Array, Array, float], Array]  # (x, mask, rate)


def require_functions(**functions: object) -> None:
    """Raise UsageError for what is none; `evaluate`, `vjp` and `apply` may be None."""
    for name, function in functions.items():
        optional = name in ("evaluate", "vjp", "apply") and function is None
        require(optional or callable(function), name, function, "a function")


def with_mask(read: Callable[[Callable[..., Any]], Pass], apply: Callable[..., Any]) -> Applied:
    """What is read out of a pass that takes the mask before the rate."""

    def passed(x: Array, mask: Array, rate: float) -> Array:
        def given(*args: Any) -> Any:
            *inputs, asked = args
            return apply(*inputs, mask, asked)

        return read(given)(x, rate)

    return passed


def of_ndim(conventions: Conventions | None, ndim: int) -> Conventions:
    """The conventions, of so many dimensions unless they say otherwise."""
    return (conventions or Conventions()).over(Conventions(ndims=(ndim, ndim)))


def finite(x: Array) -> Array:
    """The array itself; ValueError where sums would spread what is not finite."""
    if not np.isfinite(x).all():
        raise ValueError("a readout by sums takes finite inputs")
    return x


def of_shape(answer: Any, shape: tuple[int, ...], what: str) -> Array:
    """The answer as an array; ValueError where it is none, or has another shape."""
    if not hasattr(answer, "__array__"):
        raise ValueError(f"{what} returned a {type(answer).__name__}; expected one array")
    found = np.asarray(answer)
    if found.shape != shape:
        raise ValueError(f"{what} returned the shape {found.shape}; expected {shape}")
    return found
