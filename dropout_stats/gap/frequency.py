"""The characteristic function of a unit, less 1, with a proved error (gap.md, section 4).

For z - mean = sum of n_j copies of c_j (x - s_j), it is at a frequency t

    exp(psi(t)) - 1,   psi = sum_j n_j [log(1 + s_j (e^(i t c_j) - 1)) - i t c_j s_j].

Each factor is computed with an error of at most UNIT * FACTOR * s_j |t c_j|: small where the factor
is near 1, so that the gap of tiny weights keeps its leading digits, and bounded where it is near 0.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from dropout_stats.gap.rounding import FUNCTION, UNIT, Floats, depth, tree_sum

FACTOR = 125.0  # lemma 4.1
_CHUNK = 1 << 16


class Weighted(NamedTuple):
    """Independent steps: `counts` copies of `steps` (x - chances), each chance at most 1/2.

    `relative` bounds the relative error of the chances, in units of UNIT.
    """

    steps: Floats
    chances: Floats
    counts: Floats
    relative: float = 0.0

    @property
    def weight(self) -> float:
        """Sum of chance |step|, which every rounding error is proportional to."""
        return float((self.counts * self.chances) @ np.abs(self.steps))


class Excess(NamedTuple):
    """exp(psi) - 1 at some frequencies: real and imaginary part, and a bound of the error."""

    real: Floats
    imag: Floats
    error: Floats


def excess(unit: Weighted, t: Floats) -> Excess:
    """exp(psi(t)) - 1 for exact frequencies t > 0."""
    real, imag = np.empty(len(t)), np.empty(len(t))
    block = max(1, _CHUNK // max(1, len(unit.steps)))
    for start in range(0, len(t), block):
        part = slice(start, start + block)
        real[part], imag[part] = _logs(unit, t[part])
    return _exponential(real, imag, _error(unit, t))


def _logs(unit: Weighted, t: Floats) -> tuple[Floats, Floats]:
    """Real and imaginary part of psi."""
    s = unit.chances[:, None]
    n = unit.counts[:, None]
    theta = unit.steps[:, None] * t
    half = theta / 2
    sine, cosine = np.sin(half), np.cos(half)
    squared = s * sine * sine
    across, along = 2 * s * sine * cosine, 1 - 2 * squared
    lost = 4 * (1 - s) * squared  # 1 - |factor|^2
    near_zero = lost >= 0.5
    size = np.log1p(-np.minimum(lost, 0.5))
    if near_zero.any():
        with np.errstate(divide="ignore"):
            size[near_zero] = np.log(across[near_zero] ** 2 + along[near_zero] ** 2)
    turn = np.arctan2(across, along) - s * theta
    return tree_sum(n * size) / 2, tree_sum(n * turn)


def _error(unit: Weighted, t: Floats) -> Floats:
    """Bound of |computed product of factors - product| (lemma 4.2)."""
    per_factor = FACTOR + 4 * depth(len(unit.steps)) + unit.relative
    error = UNIT * per_factor * unit.weight * 1.02 * t
    return np.where(error < 0.01, error, 3.0)


def _exponential(a: Floats, b: Floats, error: Floats) -> Excess:
    """exp(a + ib) - 1, where exp(a + ib) was known up to `error` before."""
    decay, half = np.expm1(a), np.sin(b / 2)
    real = decay * np.cos(b) - 2 * half * half
    imag = (1 + decay) * np.sin(b)
    rounding = (3 * FUNCTION * np.abs(decay) + 8 * FUNCTION * np.minimum(1.0, np.abs(b))) * UNIT
    return Excess(real, imag, error + rounding)
