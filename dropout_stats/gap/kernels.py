"""The Fourier transforms of the smooth f'' (docs/explanation/gap.md, section 2)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from dropout_stats.gap.rounding import Floats

Function = Callable[[Floats], Floats]


@dataclass(frozen=True)
class Kernel:
    """The Fourier transform F(t) = integral f''(s) e^(-its) ds of a smooth f'', for t > 0.

    Args:
        transform: F, or F / i where `odd`; real.
        odd: f'' is odd, so that F is imaginary.
        line: (alpha, beta) where f(z) = alpha + beta z + (1/2) integral |z - s| f''(s) ds.
        mass: the integral of f''.
        norm: at least the integral of |f''|.
        tail: at least 2 integral (|s| - d)_+ |f''(s)| ds, for d > 0.
        moment: at least integral |f''(s)| e^(rate s) ds at positive and negative `rate`, given
            positive ones below `steepest`.
        decay: `decay(t)` is an a such that |F(x)| e^(a x) / x^2 does not increase for x >= t.
        steepest: see `moment`.

    """

    transform: Function
    norm: float
    tail: Callable[[float], float]
    moment: Function
    decay: Callable[[float], float]
    steepest: float = 1.0
    odd: bool = False
    line: tuple[float, float] = (0.0, 0.5)
    mass: float = 1.0


def _density(x: float) -> float:
    return math.exp(-x * x / 2) / math.sqrt(2 * math.pi)


def _logistic(t: Floats) -> Floats:
    """Pi t / sinh(pi t), the transform of the logistic density."""
    x = np.pi * t
    return np.asarray(2 * x * np.exp(-x) / -np.expm1(-2 * x), np.float64)


def _silu_transform(t: Floats) -> Floats:
    """x^2 cosh x / sinh^2 x at x = pi t."""
    x = np.pi * t
    return np.asarray(
        2 * x * x * np.exp(-x) * (1 + np.exp(-2 * x)) / np.expm1(-2 * x) ** 2, np.float64
    )


def _logistic_moment(rate: Floats) -> Floats:
    """The integral of the logistic density times e^(rate s)."""
    x = np.pi * rate
    return np.asarray(x / np.sin(x), np.float64)


def _silu_moment(rate: Floats) -> Floats:
    x = np.pi * rate
    return np.asarray(_logistic_moment(rate) * (4 - x / np.tan(x)), np.float64)


SOFTPLUS = Kernel(_logistic, 1.0, lambda d: 4 * math.exp(-d), _logistic_moment, lambda _: math.pi)
SIGMOID = Kernel(
    lambda t: t * _logistic(t),
    0.5,
    lambda d: 4 * math.exp(-d),
    _logistic_moment,
    lambda _: math.pi,
    odd=True,
    line=(0.5, 0.0),
    mass=0.0,
)
TANH = Kernel(
    lambda t: 2 * t * _logistic(t / 2),
    2.0,
    lambda d: 8 * math.exp(-2 * d),
    lambda rate: 4 * _logistic_moment(rate / 2),
    lambda _: math.pi / 2,
    steepest=2.0,
    odd=True,
    line=(0.0, 0.0),
    mass=0.0,
)
SILU = Kernel(
    _silu_transform,
    3.0,
    lambda d: 4 * (4 + d) * math.exp(-d),
    _silu_moment,
    lambda _: math.pi,
)
GELU = Kernel(
    lambda t: (1 + t * t) * np.exp(-t * t / 2),
    3.0,
    lambda d: 16 * _density(d),
    lambda rate: (3 + rate * rate) * np.exp(rate * rate / 2),
    lambda t: t,
    steepest=16.0,
)
