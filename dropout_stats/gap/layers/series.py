"""The gaps of all units of a layer by one Fourier series (gap.md, section 14).

The characteristic function phi of each unit is the exponential of few power sums, times those of
its heavy inputs. With F the transform of f'', frequencies t = k pi / L and k odd,

    E f(z) = alpha + beta mean + mass L / 4 - (2 L / pi^2) sum Re[e^(i t mean) phi(t) F(t)] / k^2.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from dropout_stats.gap.activations import Activation
from dropout_stats.gap.kernels import Kernel
from dropout_stats.gap.layers.asked import Asked
from dropout_stats.gap.layers.exponent import MOST, decays, exponent
from dropout_stats.gap.layers.frequencies import (
    Frequencies,
    Part,
    Spread,
    frequencies_for,
    spread_of,
)
from dropout_stats.gap.layers.power_sums import LIGHT, power_sums
from dropout_stats.gap.layers.waves import Waves, effect, rounding
from dropout_stats.gap.rounding import SLACK, SMALLEST, UNIT, Floats

_TOGETHER = 1 << 23  # numbers that are held for some samples
_HELD = 32  # of them for each unit
_LEAST = 1e-300  # of what the exponent may be off by
_MOST = (1.25, 1.5, 2.0, 3.0, 4.0)  # steps of the inputs that the power sums take at once


class Bounded(NamedTuple):
    """Values, and how far each can be off: arrays (samples, neurons)."""

    value: Floats
    halfwidth: Floats


def gaps(f: Activation, kernel: Kernel, asked: Asked, tolerance: float) -> Bounded:
    """The gaps of all units, each no further off than it can be from 0 (theorem 14)."""
    out = Bounded(np.empty(asked.shape), np.empty(asked.shape))
    batch, neurons = asked.shape
    together = max(1, _TOGETHER // (_HELD * neurons + 8 * asked.inputs.shape[1]))
    for start in range(0, batch, together):
        rows = slice(start, start + together)
        found = _gaps(Part(f, kernel, asked, asked.moments(rows), tolerance))
        out.value[rows], out.halfwidth[rows] = found
    return out


def _gaps(part: Part) -> Bounded:
    """The series where it is needed, and 0 where a gap is known to be small."""
    spread, moments = spread_of(part), part.moments
    slope, deviation = part.f.lipschitz, moments.deviation
    small = np.minimum(part.f.curvature / 2 * deviation, slope) * deviation * SLACK
    far = np.abs(moments.mean) >= spread.radius + spread.depth
    small = np.where(far, np.minimum(small, spread.alias), small)
    units = small > part.tolerance / 2
    value, halfwidth = np.zeros_like(small), small
    chosen = frequencies_for(part, spread, units) if units.any() else None
    if chosen is not None:
        found = _series(part, spread, chosen)
        better = units & (found.halfwidth < small)
        value = np.where(better, found.value, value)
        halfwidth = np.where(better, found.halfwidth, halfwidth)
    moved = np.minimum(2 * slope, part.f.curvature * deviation) * moments.mean_error
    return Bounded(value, halfwidth + moved * SLACK + SMALLEST)


def _series(part: Part, spread: Spread, chosen: Frequencies) -> Bounded:
    """The series of each unit and all that bounds its error."""
    waves, moments = _waves(part, chosen), part.moments
    constant, slope = part.kernel.line
    constant += part.kernel.mass * chosen.series.length / 4
    at_mean = part.f.values(moments.mean)
    value = waves.total() + (constant + slope * moments.mean) - at_mean
    size = np.abs(at_mean) + np.abs(moments.mean) + chosen.series.length
    own = part.f.relative * np.abs(at_mean) + part.f.absolute
    error = waves.error() + UNIT * (4 * size + own)
    return Bounded(value, (error + spread.alias + chosen.cut) * SLACK)


def _waves(part: Part, chosen: Frequencies) -> Waves:
    """The exponent is fitted so well that it takes up a quarter of the tolerance."""
    chance, inputs = part.asked.chance, chosen.reach.shape[1]
    squares = float(part.moments.second.max()) / chosen.scale**2
    decay = MOST**2 * float(decays(chance, np.array([MOST]))[0])
    wanted = max(part.tolerance / 4 / float(effect(chosen, decay, squares)), _LEAST)
    fitted = exponent(chance, 2.0 ** math.floor(math.log2(wanted)))
    allowed = part.tolerance / 32 / squares
    fine = [most for most in _MOST if rounding(chosen, fitted, inputs, most) <= allowed]
    most = max(fine, default=LIGHT)
    terms = (len(fitted.even), len(fitted.odd))
    sums = power_sums(chosen.reach, part.asked.shares, chosen.heavy, most, terms)
    return Waves(chosen, fitted, sums, part.moments.mean, most, inputs, chance, part.kernel.odd)
