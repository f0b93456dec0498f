"""E f(x) f(y) of jointly normal x and y with mean 0 (gap-of-networks.md, section 7)."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from dropout_stats.gap.activations import Activation
from dropout_stats.gap.rounding import Floats

Kernel = Callable[[float, float, float], float]

_SLOPES = {"identity": 1.0, "relu": 0.0, "leaky_relu": 0.01, "abs": -1.0}  # of f at z < 0
_REACH = 9.0  # standard deviations; beyond are 2e-19
_NODES = 14


def kernel_of(f: Activation) -> Kernel:
    """The function of Var x, Var y and Cov(x, y): a formula, or a quadrature."""
    if f.known and f.name in _SLOPES:
        slope = _SLOPES[f.name]
        return lambda a, b, c: _two_lines(slope, a, b, c)
    if f.known and f.name == "square":
        return lambda a, b, c: a * b + 2 * c * c
    if f.known and f.name == "exp":
        return lambda a, b, c: float(np.exp((a + b) / 2 + c))
    return lambda a, b, c: quadrature(f, a, b, c)


def _two_lines(slope: float, a: float, b: float, c: float) -> float:
    """For z at z > 0 and slope z at z < 0: relu's kernel and linear ones (Cho and Saul 2009)."""
    angle = math.acos(_correlation(a, b, c))
    rectified = (math.sqrt(a * b) * math.sin(angle) + (math.pi - angle) * c) / (2 * math.pi)
    return slope * c + (1 - slope) ** 2 * rectified


def _correlation(a: float, b: float, c: float) -> float:
    size = math.sqrt(a) * math.sqrt(b)
    return min(1.0, max(-1.0, c / size)) if size else 0.0


def quadrature(f: Activation, a: float, b: float, c: float) -> float:
    """Gauss-Legendre panels over x = sqrt(a) u and y given x, which end where f has its kinks.

    Panels double in length away from 0, where such f have all their detail, and away from where y
    given x meets a kink.
    """
    correlation = _correlation(a, b, c)
    rest = math.sqrt((1 - correlation) * (1 + correlation))
    features, kinks = _features(f, max(a, b)), _kinks(f)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        own = features / math.sqrt(a) if a else features[:0]
        of_y = np.divide(features, math.sqrt(b) * correlation)
        near = np.multiply.outer((-8, -4, -2, -1, 1, 2, 4, 8), np.divide(rest, correlation))
        met = np.add.outer(near, np.divide(kinks, math.sqrt(b) * correlation)).ravel()
    ends = np.concatenate((own, of_y, met))
    u, chances = _panels(np.concatenate((_EVEN, ends[np.isfinite(ends)]))[None])
    u, chances = u[0], chances[0]
    inner = _given(f, math.sqrt(b), correlation * u, rest, features)
    return float(chances @ (f.values(math.sqrt(a) * u) * inner))


def _given(f: Activation, deviation: float, means: Floats, rest: float, features: Floats) -> Floats:
    """E f(deviation (mean + rest v)) for each mean, v standard normal."""
    if not rest * deviation:
        return f.values(deviation * means)
    ends = (features / deviation - means[:, None]) / rest
    v, chances = _panels(np.hstack((np.broadcast_to(_EVEN, (len(means), len(_EVEN))), ends)))
    values = f.values(deviation * (means[:, None] + rest * v))
    return np.asarray((chances * values).sum(axis=1), np.float64)


_EVEN = np.linspace(-_REACH, _REACH, 13)
_POINTS, _WEIGHTS = np.polynomial.legendre.leggauss(_NODES)


def _panels(ends: Floats) -> tuple[Floats, Floats]:
    """Nodes between the ends, in rows, and the weights of a standard normal density at them."""
    ends = np.sort(np.clip(ends, -_REACH, _REACH), axis=1)
    half = np.diff(ends, axis=1)[:, :, None] / 2
    nodes = (ends[:, :-1, None] + half + half * _POINTS).reshape(len(ends), -1)
    weights = (half * _WEIGHTS).reshape(len(ends), -1)
    return nodes, weights * np.exp(-(nodes**2) / 2) / math.sqrt(2 * math.pi)


def _kinks(f: Activation) -> Floats:
    return np.array(f.pieces.ends if f.pieces is not None else ())


def _features(f: Activation, variance: float) -> Floats:
    """Where panels end: at kinks, at 0, and at powers of two as far as x and y go."""
    furthest = max(1.0, _REACH * math.sqrt(variance))
    away = 2.0 ** np.arange(math.ceil(math.log2(furthest)) + 1)
    return np.concatenate((-away, [0.0], away, _kinks(f)))
