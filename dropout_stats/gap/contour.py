"""Smooth f, saturated units: the gap with its leading digits (gap.md, section 9).

Where all of z lies far out, where f is nearly linear, the gap is tiny, and the Fourier series is a
sum of terms that cancel. Shifting its line of integration to Re s = theta, the saddle, makes the
terms as small as their sum:

    gap = (1 / 2 pi) integral F(theta + it) [M(theta + it) - e^((theta + it) mean)] dt.

M(theta + it) / M(theta) is the characteristic function of the unit with tilted chances.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from dropout_stats.gap.frequency import Weighted, excess
from dropout_stats.gap.laplace import Laplace
from dropout_stats.gap.rounding import SLACK, SMALLEST, UNIT, Floats, Interval
from dropout_stats.gap.unit import Unit

_CUT = 1e-18  # of what there is to sum
_LINES = np.linspace(0.05, 0.95, 37)
_FAR_LINES = np.geomspace(0.25, 64.0, 49)
_OVERFLOWS = 600.0
_FURTHEST = 2.0**13
_GROWTH = 40.0  # of M to the lines beside, in e-folds


class _Oriented(NamedTuple):
    """The unit with its mean at most 0, in the variable of the transform."""

    mean: float
    steps: Floats
    counts: Floats
    chance: float
    off: float


class _Tilted(NamedTuple):
    """The moment generating function on a line: M(theta + it) is M(theta) times that of `law`."""

    log_size: float
    relative_error: float
    mean: float
    mean_error: float
    law: Weighted


def applies(unit: Unit, laplace: Laplace) -> bool:
    """Whether there is a line on which no exponential overflows, and few enough points do."""
    near = (abs(unit.mean) + unit.reach) * laplace.stretch < _FURTHEST
    return near and bool(len(_lines(laplace, unit.largest * laplace.stretch)))


def _lines(laplace: Laplace, largest: float) -> Floats:
    """Lines theta for which e^(theta' step) is a double on those beside it, too."""
    lines = _LINES if math.isfinite(laplace.strip) else _FAR_LINES
    return lines[1.5 * lines * largest < _OVERFLOWS]


def gap(unit: Unit, laplace: Laplace) -> Interval:
    """The gap, to an error that is small beside M(theta) (theorem 9)."""
    sign = laplace.scale * (-1.0 if unit.mean > 0 and not laplace.even else 1.0)
    turned = -1.0 if unit.mean > 0 else 1.0
    stretch = laplace.stretch * turned
    sure = (unit.mean_error + 4 * UNIT * unit.total) * laplace.stretch
    z = _Oriented(stretch * unit.mean, stretch * unit.steps, unit.counts, unit.chance, sure)
    theta = _line(z, laplace)
    found = _on_line(z, laplace, theta)
    return Interval(sign * found.value, abs(sign) * found.halfwidth)


def _log_moment(z: _Oriented, theta: float) -> Floats:
    """Log E e^(theta c (x - chance)) for each step."""
    grown = z.chance * np.expm1(theta * z.steps)
    return np.asarray(np.log1p(grown) - z.chance * theta * z.steps, np.float64)


def _size(z: _Oriented, laplace: Laplace, theta: float) -> float:
    """Logarithm of what there is to sum on a line, nearly."""
    excess = max(0.0, float(z.counts @ _log_moment(z, theta)))
    return theta * z.mean + excess + math.log(laplace.area(theta)) + laplace.level(theta)


def _line(z: _Oriented, laplace: Laplace) -> float:
    """The line on which there is least to sum."""
    lines = _lines(laplace, float(np.abs(z.steps).max()))
    sizes = [_size(z, laplace, theta) for theta in lines.tolist()]
    return float(lines[int(np.argmin(sizes))])


def _tilt(z: _Oriented, theta: float) -> _Tilted:
    s, turn = z.chance, theta * z.steps
    scale = 1 + s * np.expm1(turn)
    up, down = s * np.exp(turn) / scale, (1 - s) / scale
    logs = _log_moment(z, theta)
    log_size = theta * z.mean + math.fsum((z.counts * logs).tolist())
    weight = float(z.counts @ (np.abs(np.log(scale)) + np.abs(turn) * (s + up) + s))
    shift = z.counts * z.steps * (up - s)
    mean = math.fsum([z.mean, *shift.tolist()])
    strain = 32 + 2 * float(np.abs(turn).max())
    mean_error = UNIT * strain * float(z.counts @ (np.abs(z.steps) * (up + s))) + UNIT * abs(mean)
    flipped = up > 0.5
    law = Weighted(
        np.where(flipped, -z.steps, z.steps), np.where(flipped, down, up), z.counts, strain
    )
    relative = UNIT * (32 * weight + abs(theta * z.mean) + 8 + abs(log_size))
    return _Tilted(log_size, math.expm1(min(relative, 1.0)), mean, mean_error, law)


class _Scaled(NamedTuple):
    """M(theta) and e^(theta mean), divided by the larger of the two, whose logarithm is `top`."""

    moment: float
    at_mean: float
    top: float


def _scaled(z: _Oriented, tilted: _Tilted, theta: float) -> _Scaled:
    top = max(tilted.log_size, theta * z.mean)
    return _Scaled(math.exp(tilted.log_size - top), math.exp(theta * z.mean - top), top)


def _on_line(z: _Oriented, laplace: Laplace, theta: float) -> Interval:
    tilted = _tilt(z, theta)
    scaled = _scaled(z, tilted, theta)
    both = scaled.moment + scaled.at_mean
    level = laplace.level(theta) + scaled.top
    to_sum = laplace.area(theta) * both
    far = not math.isfinite(laplace.strip)
    width = min(0.5 * theta, 3.0) if far else 0.9 * min(theta, 1 - theta)
    width = min(width, _GROWTH / (abs(z.mean) + float(z.counts @ np.abs(z.steps))))
    aside = sum(_aside(z, laplace, theta + side * width, level) for side in (1, -1))
    step = 2 * math.pi * width / math.log1p(aside / (_CUT * to_sum))
    last = _last(laplace, theta, step)
    t = step * np.arange(1, last + 1)
    end = step * (last + 1)
    left = (
        step * laplace.envelope(theta, end) * both / -math.expm1(-laplace.decay(theta, end) * step)
    )
    between = aside / math.expm1(2 * math.pi * width / step)
    value, rounding = _sum(z, laplace, theta, tilted, t)
    moved = to_sum * (theta + 0.8) * z.off * math.exp(min(theta * z.off, 1.0))
    error = (between / 2 + moved / 2 + left + step * rounding) / math.pi
    scale = math.exp(min(level, _OVERFLOWS))
    error = error * SLACK + 8 * UNIT * abs(step * value)
    return Interval(scale * step / math.pi * value, scale * error * SLACK + SMALLEST)


def _aside(z: _Oriented, laplace: Laplace, theta: float, level: float) -> float:
    """Bound of the integral of the integrand's modulus along another line, over e^level."""
    tilted = _tilt(z, theta)
    scaled = _scaled(z, tilted, theta)
    both = scaled.moment + scaled.at_mean
    exponent = laplace.level(theta) + scaled.top - level
    size = both * (1 + tilted.relative_error) * math.exp(exponent)
    return laplace.area(theta) * size * SLACK


def _last(laplace: Laplace, theta: float, step: float) -> int:
    last = 1
    while laplace.envelope(theta, step * last) > _CUT * laplace.area(theta):
        last = last + max(1, last // 8)
    return last


def _sum(
    z: _Oriented, laplace: Laplace, theta: float, tilted: _Tilted, t: Floats
) -> tuple[float, float]:
    """Half the term at t = 0 and the real parts of the others; the bound of their rounding."""
    size, at_mean, top = _scaled(z, tilted, theta)
    transform = laplace.transform(theta, np.concatenate(([0.0], t)))
    found = excess(tilted.law, t)
    turned = np.exp(1j * t * tilted.mean) * (1 + found.real + 1j * found.imag)
    terms = transform[1:] * (size * turned - at_mean * np.exp(1j * t * z.mean))
    value = math.fsum([float(transform[0].real) * (size - at_mean) / 2, *terms.real.tolist()])
    modulus = np.abs(transform)
    where = np.concatenate(([0.0], t))
    error = np.concatenate(([0.0], found.error + t * tilted.mean_error))
    turns = where * (abs(tilted.mean) + abs(z.mean) + theta)
    relative = UNIT * (480 + 16 * where + 4 * where**2 + 4 * theta**2 + 2 * turns)
    relative = relative + tilted.relative_error + 4 * UNIT * (abs(theta * z.mean) + abs(top))
    return value, float(modulus @ (size * error + (size + at_mean) * relative))
