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

from dropout_stats.gap.activations import Laplace
from dropout_stats.gap.frequency import Weighted, excess
from dropout_stats.gap.rounding import SLACK, UNIT, Floats, Interval
from dropout_stats.gap.unit import Unit

_CUT = 1e-18  # of what there is to sum
_LINES = np.linspace(0.05, 0.95, 37)
_FAR_LINES = np.geomspace(0.25, 24.0, 41)
_OVERFLOWS = 600.0


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
    """Whether there is a line on which no exponential overflows."""
    return bool(len(_lines(laplace, (abs(unit.mean) + 2 * unit.total) * laplace.stretch)))


def _lines(laplace: Laplace, furthest: float) -> Floats:
    """Lines theta for which e^(theta' z) is a double on those beside it, too."""
    lines = _LINES if math.isfinite(laplace.strip) else _FAR_LINES
    return lines[1.5 * lines * furthest < _OVERFLOWS]


def gap(unit: Unit, laplace: Laplace) -> Interval:
    """The gap, to an error that is small beside M(theta) (theorem 9)."""
    sign = laplace.scale * (-1.0 if unit.mean > 0 and not laplace.even else 1.0)
    turned = -1.0 if unit.mean > 0 else 1.0
    stretch = laplace.stretch * turned
    sure = (unit.mean_error + 2 * UNIT * unit.total) * laplace.stretch
    z = _Oriented(stretch * unit.mean, stretch * unit.steps, unit.counts, unit.chance, sure)
    theta = _line(z, laplace)
    found = _on_line(z, laplace, theta)
    return Interval(sign * found.value, abs(sign) * found.halfwidth)


def _log_moment(z: _Oriented, theta: float) -> Floats:
    """Log E e^(theta c (x - chance)) for each step."""
    grown = z.chance * np.expm1(theta * z.steps)
    return np.asarray(np.log1p(grown) - z.chance * theta * z.steps, np.float64)


def _size(z: _Oriented, theta: float) -> float:
    """log(M(theta) + e^(theta mean)), nearly."""
    return theta * z.mean + math.log1p(math.exp(float(z.counts @ _log_moment(z, theta))))


def _line(z: _Oriented, laplace: Laplace) -> float:
    """The line on which there is least to sum."""
    lines = _lines(laplace, abs(z.mean) + 2 * float(z.counts @ np.abs(z.steps)))
    sizes = [_size(z, theta) + math.log(laplace.area(theta)) for theta in lines.tolist()]
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


def _on_line(z: _Oriented, laplace: Laplace, theta: float) -> Interval:
    tilted = _tilt(z, theta)
    size, at_mean = math.exp(tilted.log_size), math.exp(theta * z.mean)
    to_sum = laplace.area(theta) * (size + at_mean)
    width = 0.5 * theta if not math.isfinite(laplace.strip) else 0.9 * min(theta, 1 - theta)
    aside = [_aside(z, laplace, theta + side * width) for side in (1, -1)]
    step = 2 * math.pi * width / math.log1p(sum(aside) / (_CUT * to_sum))
    last = _last(laplace, theta, step)
    t = step * np.arange(1, last + 1)
    steps = step * laplace.envelope(theta, step * (last + 1)) * (size + at_mean)
    left = steps / -math.expm1(-laplace.decay(theta, step * (last + 1)) * step)
    between = sum(aside) / math.expm1(2 * math.pi * width / step)
    value, rounding = _sum(z, laplace, theta, tilted, t)
    moved = to_sum * (theta + 0.8) * z.off * math.exp(min(theta * z.off, 1.0))
    error = (between / 2 + moved / 2 + left) / math.pi + step / math.pi * rounding
    return Interval(step / math.pi * value, error * SLACK + 8 * UNIT * abs(step * value))


def _aside(z: _Oriented, laplace: Laplace, theta: float) -> float:
    """Bound of the integral of the integrand's modulus along another line."""
    tilted = _tilt(z, theta)
    size = math.exp(tilted.log_size) * (1 + tilted.relative_error) + math.exp(theta * z.mean)
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
    size, at_mean = math.exp(tilted.log_size), math.exp(theta * z.mean)
    transform = laplace.transform(theta, np.concatenate(([0.0], t)))
    found = excess(tilted.law, t)
    turned = np.exp(1j * t * tilted.mean) * (1 + found.real + 1j * found.imag)
    terms = transform[1:] * (size * turned - at_mean * np.exp(1j * t * z.mean))
    value = math.fsum([float(transform[0].real) * (size - at_mean) / 2, *terms.real.tolist()])
    modulus = np.abs(transform)
    phase = np.concatenate(([0.0], t)) * (abs(tilted.mean) + abs(z.mean))
    error = np.concatenate(([0.0], found.error + t * tilted.mean_error))
    where = np.concatenate(([0.0], t))
    relative = UNIT * (480 + 16 * where + 4 * where**2 + 4 * theta**2 + 2 * phase)
    relative = relative + tilted.relative_error + UNIT * abs(theta * z.mean)
    return value, float(modulus @ (size * error + (size + at_mean) * relative))
