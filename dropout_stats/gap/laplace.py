"""The Laplace transforms of the smooth functions (docs/explanation/gap.md, section 9)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dropout_stats.gap.rounding import Floats

Complexes = NDArray[np.complex128]


@dataclass(frozen=True)
class Laplace:
    """f(z) = (1 / 2 pi i) integral F(s) e^(sz) ds along Re s = theta, 0 < theta < `strip`.

    Args:
        transform: F(theta + it) / e^level(theta) at one theta and many t, complex.
        area: at least the integral over t of |F(theta + it)| / e^level(theta).
        decay: `decay(theta, t)` is an a such that |F(theta + ix)| e^(ax) has a bound, `envelope`,
            that does not increase for x >= t.
        envelope: `envelope(theta, t)`, at least |F(theta + it)| / e^level(theta).
        strip: the right end of the strip.
        scale: f(z) is `scale` times this function of `stretch` z, up to linear terms.
        even: f(-z) - f(z) is linear; if not, f(-z) + f(z) is.
        level: what keeps the above from overflowing.

    """

    transform: Callable[[float, Floats], Complexes]
    area: Callable[[float], float]
    decay: Callable[[float, float], float]
    envelope: Callable[[float, float], float]
    strip: float
    even: bool
    scale: float = 1.0
    stretch: float = 1.0
    level: Callable[[float], float] = lambda _: 0.0


def _sine(theta: float, t: Floats) -> Complexes:
    """sin(pi (theta + it)) / cosh(pi t), which does not overflow."""
    turn = math.pi * theta
    return np.asarray(math.sin(turn) + 1j * math.cos(turn) * np.tanh(np.pi * t), np.complex128)


def _sech(t: Floats) -> Floats:
    return np.asarray(2 * np.exp(-np.pi * t) / (1 + np.exp(-2 * np.pi * t)), np.float64)


def _sigmoid_laplace(theta: float, t: Floats) -> Complexes:
    return np.asarray(np.pi * _sech(t) / _sine(theta, t), np.complex128)


def _silu_laplace(theta: float, t: Floats) -> Complexes:
    turn = math.pi * theta
    cosine = math.cos(turn) - 1j * math.sin(turn) * np.tanh(np.pi * t)
    return np.asarray(np.pi**2 * cosine * _sech(t) / _sine(theta, t) ** 2, np.complex128)


def _gelu_laplace(theta: float, t: Floats) -> Complexes:
    s = theta + 1j * t
    size = np.exp(-t * t / 2)
    turn = theta * t
    return np.asarray((1 / s**2 - 1) * size * (np.cos(turn) + 1j * np.sin(turn)), np.complex128)


def _sine_envelope(power: int, factor: float) -> Callable[[float, float], float]:
    def envelope(theta: float, t: float) -> float:
        return factor * 2 * math.exp(-math.pi * t) / math.sin(math.pi * theta) ** power

    return envelope


def _pi_decay(_theta: float, _t: float) -> float:
    return math.pi


SIGMOID = Laplace(
    _sigmoid_laplace,
    lambda theta: math.pi / math.sin(math.pi * theta),
    _pi_decay,
    _sine_envelope(1, math.pi),
    strip=1.0,
    even=False,
)
TANH = Laplace(
    _sigmoid_laplace,
    SIGMOID.area,
    _pi_decay,
    SIGMOID.envelope,
    strip=1.0,
    even=False,
    scale=2.0,
    stretch=2.0,
)
SOFTPLUS = Laplace(
    lambda theta, t: _sigmoid_laplace(theta, t) / (theta + 1j * t),
    lambda theta: math.pi / math.sin(math.pi * theta) / theta,
    _pi_decay,
    lambda theta, t: _sine_envelope(1, math.pi)(theta, t) / theta,
    strip=1.0,
    even=True,
)
SILU = Laplace(
    _silu_laplace,
    lambda theta: (math.pi / math.sin(math.pi * theta)) ** 2,
    _pi_decay,
    _sine_envelope(2, math.pi**2),
    strip=1.0,
    even=True,
)
GELU = Laplace(
    _gelu_laplace,
    lambda theta: (1 + theta**-2) * math.sqrt(2 * math.pi),
    lambda _theta, t: t,
    lambda theta, t: (1 + theta**-2) * math.exp(-t * t / 2),
    strip=math.inf,
    even=True,
    level=lambda theta: theta * theta / 2,
)
