"""f with kinks, any number of inputs: certified smoothing (gap.md, section 10).

With Gaussian noise of a small deviation eps added to z, f becomes smooth, and its Fourier series
ends. What the noise changes lies between 0 and eps^2 times the density of z plus noise at each
kink, and that density is a series in the same values of the characteristic function.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dropout_stats.gap.fourier import step_for, weighted
from dropout_stats.gap.frequency import excess
from dropout_stats.gap.pieces import Pieces
from dropout_stats.gap.rounding import SLACK, UNIT, Floats, Interval, between
from dropout_stats.gap.tails import excursion, radius_for
from dropout_stats.gap.unit import Unit

_MOST = 1 << 16
_LEAST = 1e-100  # of the noise
_ROOM = 12.0  # deviations of the noise
_TOGETHER = 16
_DEARER = 10  # a value of phi against a bound of it
_SURE = 1e-12  # above the rounding of one squared modulus


class _Setting(NamedTuple):
    """The noise, the frequencies, and what they leave out."""

    noise: float
    step: float
    length: float
    radius: float
    frequencies: Floats
    cut: float


class _Values(NamedTuple):
    """The characteristic function where it matters, and bounds elsewhere."""

    frequencies: Floats
    matters: NDArray[np.bool_]
    real: Floats
    imag: Floats
    error: Floats
    ignored: float


def expectation(unit: Unit, pieces: Pieces, tolerance: float) -> Interval:
    """E f(z) (theorem 10)."""
    setting = _setting(unit, pieces, tolerance)
    values = _values(unit, pieces, setting, tolerance)
    smooth = _smooth(unit, pieces, setting, values)
    square = setting.noise**2
    low = high = 0.0
    for place, jump in pieces.jumps:
        change = jump * square * _density(unit, place, setting, values)
        low, high = low + min(change, 0.0), high + max(change, 0.0)
    low, high = low + pieces.density[0] * square / 2, high + pieces.density[1] * square / 2
    return smooth.plus(between(-high, -low))


def _setting(unit: Unit, pieces: Pieces, tolerance: float) -> _Setting:
    wanted = min(max(tolerance, 1e-15), 0.1)
    jumps = sum(abs(jump) for _, jump in pieces.jumps)
    dense = jumps * 0.4 / max(unit.deviation, _LEAST) + pieces.density[1] / 2
    noise = max(math.sqrt(1.8 * wanted / dense), _LEAST)
    part = wanted * 1e-3
    radius = radius_for(unit, part)
    furthest = max(abs(end) for end in pieces.ends)
    deep = -math.log(part) if pieces.smooth_part is not None else 0.0
    reach = max(abs(unit.mean) + furthest + radius + deep, _LEAST)
    cut = math.sqrt(2 * max(1.0, -math.log(part)))  # in deviations of the Gaussian factor
    noise = max(noise, reach * cut / (6 * _MOST - 2 * _ROOM * cut))  # 6 < 2 pi, for step_for
    step = step_for(reach + 2 * _ROOM * noise)
    number = math.ceil(cut / noise / (2 * step)) + 1
    t = (2.0 * np.arange(number) + 1) * step
    end = t[-1] + 2 * step
    first = 4 * pieces.size / (math.pi * step) * math.exp(-((noise * end) ** 2) / 2)
    ratio = math.exp(-(noise**2) * end * 2 * step)
    left_out = first / (2 * number + 1) ** 2 / (1 - ratio)
    return _Setting(noise, step, math.pi / step, radius, t, left_out * SLACK)


def _weights(setting: _Setting) -> tuple[Floats, Floats]:
    """Gaussian factors, and the weights 2 L / (pi k)^2 of the series times them."""
    t = setting.frequencies
    gauss = np.exp(-((setting.noise * t) ** 2) / 2)
    return gauss, 2 * setting.step / math.pi * gauss / t**2


def _values(unit: Unit, pieces: Pieces, setting: _Setting, tolerance: float) -> _Values:
    """The values where they are not provably negligible: |phi| is at most that of some steps."""
    t = setting.frequencies
    gauss, weights = _weights(setting)
    jumps = sum(abs(jump) for _, jump in pieces.jumps)
    matter = weights * pieces.size + setting.noise**2 * jumps * 2 * setting.step / math.pi * gauss
    allowed = max(tolerance, 1e-15) * 1e-3 / len(t)
    bound = _modulus(unit, setting, matter, allowed)
    matters = matter * bound > allowed
    ignored = float(matter[~matters] @ bound[~matters]) * SLACK
    found = excess(weighted(unit), t[matters])
    return _Values(t[matters], matters, 1 + found.real, found.imag, found.error + UNIT, ignored)


def _modulus(unit: Unit, setting: _Setting, matter: Floats, allowed: float) -> Floats:
    """At least |phi|, from as many of the largest steps as it takes to make most of it small."""
    s, number = unit.chance, len(setting.frequencies)
    columns = math.isqrt(number)
    rows = -(-number // columns)
    squared = np.ones((rows, columns))
    sure = _SURE * max(1.0, unit.largest * setting.frequencies[-1] * 1e-3)
    order = np.argsort(-np.abs(unit.steps))
    for start in range(0, len(order), _TOGETHER):
        for chosen in order[start : start + _TOGETHER]:
            cosine = _cosines(float(unit.steps[chosen]), setting.step, rows, columns)
            cosine *= 2 * s * (1 - s)
            cosine += 1 - 2 * s * (1 - s) + sure
            squared *= cosine ** unit.counts[chosen]
        bound = np.sqrt(squared.ravel()[:number])
        left = np.count_nonzero(matter * bound > allowed)
        if left * len(order) * _DEARER < number * start:
            break
    return np.asarray(np.minimum(1.0, bound * (1 + 1e-9)), np.float64)


def _cosines(step: float, spacing: float, rows: int, columns: int) -> Floats:
    """cos(step t) at the odd multiples t of the spacing, from few cosines and sines."""
    coarse = step * spacing * 2 * columns * np.arange(rows)
    fine = step * spacing * (2 * np.arange(columns) + 1)
    across = np.multiply.outer(np.cos(coarse), np.cos(fine))
    across -= np.multiply.outer(np.sin(coarse), np.sin(fine))
    return np.asarray(across, np.float64)


def _smooth(unit: Unit, pieces: Pieces, setting: _Setting, values: _Values) -> Interval:
    """E f(z + noise)."""
    t = values.frequencies
    _, weights = _weights(setting)
    chosen = weights[values.matters]
    transform = np.zeros(len(t), np.complex128)
    for place, jump in pieces.jumps:
        transform += jump * np.exp(-1j * t * place)
    if pieces.smooth_part is not None:
        transform += pieces.smooth_part(t)
    phi = values.real + 1j * values.imag
    terms = (phi * np.exp(1j * t * unit.mean) * transform).real
    left, slope = _asymptote(pieces)
    alpha, beta = left - pieces.moment / 2, slope + pieces.mass / 2
    value = math.fsum(
        [alpha, beta * unit.mean, pieces.mass * setting.length / 4, *(-chosen * terms).tolist()]
    )
    furthest = max(abs(end) for end in pieces.ends)
    relative = UNIT * (64 + t * (abs(unit.mean) + 4 * furthest) + 3 * (setting.noise * t) ** 2)
    rounding = pieces.size * float(chosen @ (values.error + relative))
    rounding += UNIT * (abs(value) + 4 * abs(beta * unit.mean) + 4 * pieces.mass * setting.length)
    outside = excursion(unit, setting.radius) + 2 * setting.noise * math.exp(-(_ROOM**2) / 2)
    alias = pieces.size * outside
    if pieces.smooth_part is not None:
        rest = setting.length * (1 - 4 * UNIT) - abs(unit.mean) - setting.radius
        alias += math.exp(-(rest - 2 * _ROOM * setting.noise - furthest))
    return Interval(value, (rounding + alias + setting.cut + values.ignored) * SLACK)


def _asymptote(pieces: Pieces) -> tuple[float, float]:
    """The line that f is at minus infinity: a0 + a1 z."""
    return pieces.coefficients[0][0], pieces.coefficients[0][1]


def _density(unit: Unit, place: float, setting: _Setting, values: _Values) -> float:
    """At least the density of z + noise at a place."""
    t = values.frequencies
    gauss = np.exp(-((setting.noise * t) ** 2) / 2)
    phase = t * (unit.mean - place)
    terms = gauss * (values.real * np.cos(phase) - values.imag * np.sin(phase))
    relative = UNIT * (64 + 2 * t * (abs(unit.mean) + abs(place)) + 3 * (setting.noise * t) ** 2)
    error = float(gauss @ (values.error + relative))
    scale = 2 * setting.step / math.pi
    room = _ROOM * setting.noise
    far = excursion(unit, setting.radius) / room + 2 * math.exp(-(_ROOM**2) / 2)
    wrapped = 3 * far / (setting.noise * math.sqrt(2 * math.pi))
    left_out = math.exp(-((setting.noise * setting.frequencies[-1]) ** 2) / 2)
    left_out *= scale * (1 + 1 / (setting.noise**2 * setting.frequencies[-1] * 2 * setting.step))
    total = scale * (math.fsum(terms.tolist()) + error) + wrapped + left_out
    return float(max(total, 0.0)) * SLACK
