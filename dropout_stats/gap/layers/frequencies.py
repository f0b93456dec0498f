"""The frequencies that serve all units of some samples of a layer (gap.md, section 14).

Their spacing follows from the unit that reaches furthest, their number from the one whose
characteristic function falls off slowest. How it falls off is known where the steps are small.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dropout_stats.gap.activations import Activation
from dropout_stats.gap.fourier import Series, depth_for, series, step_for, terms
from dropout_stats.gap.kernels import Kernel
from dropout_stats.gap.layers.asked import Asked, Moments
from dropout_stats.gap.layers.exponent import MOST, decays
from dropout_stats.gap.layers.power_sums import Heavy, heavy_steps, least_squares
from dropout_stats.gap.rounding import SLACK, Floats

_MOST_FREQUENCIES = 1 << 12


class Part(NamedTuple):
    """Some samples of a layer, and how well their gaps are wanted."""

    f: Activation
    kernel: Kernel
    asked: Asked
    moments: Moments
    tolerance: float


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


def spread_of(part: Part) -> Spread:
    """Radii by Hoeffding's and Bernstein's bounds, whichever is smaller (lemma 5.3)."""
    kernel = part.kernel
    logarithm = _logarithm(part)
    radius = _radius(part, logarithm)
    depth = depth_for(kernel, 2.0 ** math.floor(math.log2(part.tolerance / 8)))
    alias = kernel.norm * math.exp(-logarithm) / (math.e * logarithm) * radius
    return Spread(radius, depth, (alias + kernel.tail(depth) / 2) * SLACK)


def _logarithm(part: Part) -> float:
    """The exponent with which the widest unit exceeds its radius, about an eighth of the tolerance.

    It appears in its own bound, where it hardly matters.
    """
    widest = float(part.moments.deviation.max()) * part.kernel.norm * 8 / part.tolerance
    logarithm = 1.0
    for _ in range(4):
        logarithm = max(1.0, math.log(1 + widest * math.sqrt(2 / logarithm) / math.e))
    return logarithm


def _radius(part: Part, logarithm: float) -> Floats:
    chance, deviation = part.asked.chance, part.moments.deviation
    hoeffding = deviation * math.sqrt(logarithm / (2 * chance * (1 - chance)))
    largest = np.abs(part.moments.reach).max(axis=1, keepdims=True) * logarithm / 3
    bernstein = largest + np.sqrt(largest**2 + 2 * logarithm * deviation**2)
    return np.asarray(np.minimum(hoeffding, bernstein) * SLACK, np.float64)


def frequencies_for(part: Part, spread: Spread, units: NDArray[np.bool_]) -> Frequencies | None:
    """Frequencies that leave at most half of the tolerance out of these units; None if too many."""
    kernel, moments, allowed = part.kernel, part.moments, part.tolerance / 2
    step = step_for(float((np.abs(moments.mean) + spread.radius)[units].max()) + spread.depth)
    whole, count = series(kernel, step, allowed), 1
    squares = float(moments.second[units].min()) / SLACK
    while count <= _MOST_FREQUENCIES and _cut(whole, part.asked, count, squares) > 0.9 * allowed:
        count += 1 + count // 16
    while count <= _MOST_FREQUENCIES:
        count = min(count, len(whole.frequencies))
        scale = MOST / float(whole.frequencies[count - 1])
        reach = moments.reach / scale
        heavy = heavy_steps(reach, part.asked.shares)
        squares = float(least_squares(reach, part.asked.shares, heavy)[units].min()) * scale**2
        cut = _cut(whole, part.asked, count, squares)
        if cut <= allowed or count == len(whole.frequencies):
            return Frequencies(terms(kernel, step, count), cut, scale, reach, heavy)
        count += 1 + count // 4
    return None


def _cut(whole: Series, asked: Asked, count: int, squares: float) -> float:
    """Bound of all terms but so many, where light steps have at least this sum of squares."""
    t = whole.frequencies[count:]
    if not len(t):
        return whole.cut / 2
    decay = decays(asked.chance, MOST * t / whole.frequencies[count - 1])
    size = np.abs(whole.weights[count:]) @ np.exp(-decay * t**2 * squares)
    return (float(size) + whole.cut / 2) * SLACK
