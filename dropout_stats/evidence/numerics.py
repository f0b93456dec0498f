"""Sums over short arrays, without what makes the general ones slow; and one search."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray


def log_sum_exp(values: NDArray[np.float64]) -> float:
    """log(sum(exp(values))), for a look after every block: no dispatch, no checks."""
    top = float(values.max())
    return top + math.log(float(np.exp(values - top).sum())) if math.isfinite(top) else top


def dot(one: NDArray[Any], other: NDArray[Any]) -> float:
    """Inner product without BLAS, which would start threads for arrays of this length."""
    return float((one * other).sum())


def smallest(
    holds: Callable[[float], bool], low: float, high: float, within: float = 1.001
) -> float:
    """The smallest size from which on it holds, up to this factor; inf where it does not at `high`.

    Nothing below `low` is tried.
    """
    if not holds(high):
        return math.inf
    while high > within * low:
        middle = math.sqrt(low * high)
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high
