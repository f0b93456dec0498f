"""Sums over short arrays, without what makes the general ones slow."""

from __future__ import annotations

import math
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
