"""Arrays that keep their type on the way to a framework, which may lack it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dropout_stats.errors import HarnessError
from dropout_stats.laws.reading import Array


def keeping_type(
    to_native: Callable[[Array], Any], to_numpy: Callable[[Any], Any]
) -> Callable[[Array], Any]:
    """Return the way to a framework, which raises where another type would arrive.

    A target that is handed another type than a check believes would be blamed for a promotion.

    Args:
        to_native: NumPy array -> the framework's array.
        to_numpy: and back.

    """
    kept: set[Any] = set()

    def convert(x: Array) -> Any:
        if x.dtype not in kept:  # asked once a type: there are thousands of calls
            _require_kept(x.dtype, to_numpy(to_native(np.zeros(1, x.dtype))))
            kept.add(x.dtype)
        return to_native(x)

    return convert


def _require_kept(dtype: np.dtype[Any], back: Any) -> None:
    arrived = getattr(back, "dtype", dtype)  # what is no array is told by the run
    if arrived != dtype:
        raise HarnessError(
            f"an array of {dtype} arrives there as {arrived}: the framework has no such type, or "
            "it is switched off (JAX has float64 with jax_enable_x64 alone)"
        )
