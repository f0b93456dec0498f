"""The frequencies that serve all units of some samples of a layer (gap.md, section 14).

Their spacing follows from the unit that reaches furthest, their number from the one whose
characteristic function falls off slowest. How it falls off is known where the steps are small.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dropout_stats.gap.activations import Kernel
from dropout_stats.gap.dense import Dense, Moments
from dropout_stats.gap.exponent import MOST, decays
from dropout_stats.gap.fourier import Series, depth_for, left_out, needed, step_for, terms
from dropout_stats.gap.power_sums import Heavy, heavy_steps, least_squares
from dropout_stats.gap.rounding import SLACK, Floats

_MOST_FREQUENCIES = 1 << 12


class Spread(NamedTuple):
    """Where the mass of each unit is: arrays (samples, neurons), and one depth.

    Args:
        radius: z is seldom further from its mean than this.
        depth: f'' is small beyond this.
        alias: bound of what is lost beyond both.

    """

    radius: Floats
    depth: float
    alias: Floats


class Frequencies(NamedTuple):
    """The series, a bound of what it leaves out, and the steps over what is 1 to the power sums."""

    series: Series
    cut: float
    scale: float
    reach: Floats
    heavy: Heavy


def spread_of(kernel: Kernel, dense: Dense, moments: Moments, tolerance: float) -> Spread:
    """Radii by Hoeffding's and Bernstein's bounds, whichever is smaller (lemma 5.3)."""
    allowed = tolerance / 8 / kernel.norm
    widest, logarithm = float(moments.deviation.max()), 1.0
    for _ in range(4):  # the logarithm appears in its own bound, where it hardly matters
        radius = widest * math.sqrt(2 * logarithm)
        logarithm = max(1.0, math.log(radius / (math.e * logarithm * allowed) + 1))
    radius = _radius(dense, moments, logarithm)
    depth = depth_for(kernel, 2.0 ** math.floor(math.log2(tolerance / 8)))
    alias = kernel.norm * math.exp(-logarithm) / (math.e * logarithm) * radius
    return Spread(radius, depth, (alias + kernel.tail(depth) / 2) * SLACK)


def _radius(dense: Dense, moments: Moments, logarithm: float) -> Floats:
    deviation = moments.deviation
    hoeffding = deviation * math.sqrt(logarithm / (2 * dense.chance * (1 - dense.chance)))
    largest = np.abs(moments.reach).max(axis=1, keepdims=True) * logarithm / 3
    bernstein = largest + np.sqrt(largest**2 + 2 * logarithm * deviation**2)
    return np.asarray(np.minimum(hoeffding, bernstein) * SLACK, np.float64)


def frequencies_for(
    kernel: Kernel,
    dense: Dense,
    moments: Moments,
    spread: Spread,
    units: NDArray[np.bool_],
    tolerance: float,
) -> Frequencies | None:
    """Frequencies that leave at most half of the tolerance out of these units.

    None where it takes too many, or there are no such units.
    """
    if not units.any():
        return None
    step = step_for(float((np.abs(moments.mean) + spread.radius)[units].max()) + spread.depth)
    part = tolerance / 2
    number = needed(kernel, step, part)
    if number > _MOST_FREQUENCIES:
        return None
    whole = terms(kernel, step, number)
    count = 1
    while _cut(whole, dense, count, float(moments.second[units].min()) / SLACK) > 0.9 * part:
        count += 1 + count // 16
    while True:
        scale = MOST / float(whole.frequencies[min(count, number) - 1])
        reach = moments.reach / scale
        heavy = heavy_steps(reach, dense.shares)
        squares = least_squares(reach, dense.shares, heavy)[units].min()
        cut = _cut(whole, dense, count, float(squares) * scale**2)
        if cut <= part or count >= number:
            chosen = terms(kernel, step, min(count, number))
            return Frequencies(chosen, cut, scale, reach, heavy)
        count += 1 + count // 4


def _cut(whole: Series, dense: Dense, count: int, squares: float) -> float:
    """Bound of all terms but so many, where light steps have at least this sum of squares."""
    t = whole.frequencies[count:]
    if not len(t):
        return whole.cut / 2
    decay = decays(dense.chance, MOST * t / whole.frequencies[count - 1])
    size = np.abs(whole.weights[count:]) @ np.exp(-decay * t**2 * squares)
    return (float(size) + whole.cut / 2) * SLACK
