"""Evidence about the mean of bounded values, whatever their law (Waudby-Smith & Ramdas 2024)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.special import logsumexp

_FRACTIONS = np.array([0.5**power for power in range(1, 13)])


def log_capital(values: Sequence[float], mean: float) -> float:
    """Log wealth of a mixture of constant bets that values in [0, 1] do not have this mean.

    An e-value for: each value, given those before it, has expectation `mean`. Nothing is assumed
    of the values beyond their bounds.
    """
    if not len(values):
        return 0.0
    excess = np.asarray(values, np.float64) - mean
    bets = np.concatenate((_FRACTIONS / mean, -_FRACTIONS / (1 - mean)))
    wealth = np.log1p(np.outer(bets, excess)).sum(axis=1)
    return float(logsumexp(wealth) - np.log(len(bets)))
