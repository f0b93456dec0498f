"""The nonlinear functions, and what is proved of each (docs/explanation/gap.md, section 2).

A function is described by its second derivative f'', which all that is not linear in it comes from:

    f(z) = alpha + beta z + (1/2) integral |z - s| f''(s) ds.

f'' has jumps of f' (`jumps`, point masses) and a density. A **kernel** is the Fourier transform of
f'' and what it takes to cut its series off. A **piece** is a stretch on which f is
a0 + a1 z + a2 z^2 + a3 e^z.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from dropout_stats.errors import UsageError, did_you_mean
from dropout_stats.gap.rounding import UNIT, Floats, Interval

Function = Callable[[Floats], Floats]
Complexes = NDArray[np.complex128]


@dataclass(frozen=True)
class Kernel:
    """The Fourier transform F(t) = integral f''(s) e^(-its) ds of a smooth f'', for t > 0.

    Args:
        transform: F, or F / i where `odd`; real.
        odd: f'' is odd, so that F is imaginary.
        line: (alpha, beta) of f above.
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


@dataclass(frozen=True)
class Pieces:
    """f is coefficients[j] = (a0, a1, a2, a3) between ends[j - 1] and ends[j].

    Args:
        ends: where the pieces meet, increasing.
        coefficients: one more than ends.
        jumps: (s, jump of f' at s).
        density: the least and the most of f'' between the jumps.
        smooth_part: the transform of that density; None where there is none.
        mass: the integral of f''.
        moment: the integral of s f''(s).

    """

    ends: tuple[float, ...]
    coefficients: tuple[tuple[float, float, float, float], ...]
    jumps: tuple[tuple[float, float], ...]
    mass: float
    moment: float
    density: tuple[float, float] = (0.0, 0.0)
    smooth_part: Callable[[Floats], Complexes] | None = None

    @property
    def size(self) -> float:
        """At least the integral of |f''|."""
        return sum(abs(jump) for _, jump in self.jumps) + 2 * self.density[1] * (
            self.ends[-1] - self.ends[0] if len(self.ends) > 1 else 1.0
        )


@dataclass(frozen=True)
class Activation:
    """One function and what is proved of it.

    Args:
        name: of the function.
        function: elementwise on float64.
        lipschitz: at least sup |f'|; inf where there is no such bound.
        curvature: at least sup |f''|; inf where f has kinks.
        relative: with `absolute`: |computed f - f| <= UNIT (relative |computed f| + absolute).
        absolute: see `relative`.
        convex: f is convex.
        range: f(z) lies between these.
        kernel: for smooth f.
        laplace: for smooth f.
        pieces: for f of pieces.
        known: the function has a name, so that the constants above hold.

    """

    name: str
    function: Function
    lipschitz: float = math.inf
    curvature: float = math.inf
    relative: float = 0.0
    absolute: float = 0.0
    convex: bool = False
    range: tuple[float, float] = (-math.inf, math.inf)
    kernel: Kernel | None = field(default=None, repr=False)
    laplace: Laplace | None = field(default=None, repr=False)
    pieces: Pieces | None = field(default=None, repr=False)
    known: bool = True

    def at(self, point: float, off: float) -> Interval:
        """The value at a point that is known up to `off`; see theorem 6 for unknown slopes."""
        value = float(self.values(np.array([point]))[0])
        error = UNIT * (self.relative * abs(value) + self.absolute)
        if not off:
            return Interval(value, error)
        if math.isfinite(self.lipschitz):
            return Interval(value, error + self.lipschitz * off)
        away = 2 * (off + UNIT * abs(point))
        aside = self.values(np.array([point - away, point + away]))
        return Interval(value, float(np.abs(aside - value).max()) + 3 * error)

    def values(self, points: Floats) -> Floats:
        """The values at points of any shape; what a callable returns is held to that shape."""
        if self.known:
            return self.function(points)
        try:
            found = np.asarray(self.function(points), np.float64)
        except Exception as error:
            raise UsageError(
                f"the function {self.name} must take a float64 array and return one of its shape; "
                f"on an array of shape {points.shape} it raised {type(error).__name__}: {error}"
            ) from error
        if found.shape != points.shape:
            raise UsageError(
                f"the function {self.name} must be elementwise; from an array of shape "
                f"{points.shape} it returned one of shape {found.shape}"
            )
        if not np.isfinite(found).all():
            where = points[~np.isfinite(found)].flat[0]
            raise UsageError(
                f"the function {self.name} must be finite, but at {where!r} it is "
                f"{found[~np.isfinite(found)].flat[0]!r}"
            )
        return found


def _sigmoid(z: Floats) -> Floats:
    from scipy.special import expit

    return np.asarray(expit(z), np.float64)


def _gelu(z: Floats) -> Floats:
    from scipy.special import ndtr

    return np.asarray(z * ndtr(z), np.float64)


def _elu(z: Floats) -> Floats:
    return np.where(z > 0, z, np.expm1(np.minimum(z, 0.0)))


def _hardswish(z: Floats) -> Floats:
    return np.asarray(z * np.clip(z + 3.0, 0.0, 6.0) / 6.0, np.float64)


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


_SOFTPLUS = Kernel(_logistic, 1.0, lambda d: 4 * math.exp(-d), _logistic_moment, lambda _: math.pi)
_SIGMOID = Kernel(
    lambda t: t * _logistic(t),
    0.5,
    lambda d: 4 * math.exp(-d),
    _logistic_moment,
    lambda _: math.pi,
    odd=True,
    line=(0.5, 0.0),
    mass=0.0,
)
_TANH = Kernel(
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
_SILU = Kernel(
    _silu_transform,
    3.0,
    lambda d: 4 * (4 + d) * math.exp(-d),
    _silu_moment,
    lambda _: math.pi,
)
_GELU = Kernel(
    lambda t: (1 + t * t) * np.exp(-t * t / 2),
    3.0,
    lambda d: 16 * _density(d),
    lambda rate: (3 + rate * rate) * np.exp(rate * rate / 2),
    lambda t: t,
    steepest=16.0,
)


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


_SIGMOID_LAPLACE = Laplace(
    _sigmoid_laplace,
    lambda theta: math.pi / math.sin(math.pi * theta),
    _pi_decay,
    _sine_envelope(1, math.pi),
    strip=1.0,
    even=False,
)
_TANH_LAPLACE = Laplace(
    _sigmoid_laplace,
    _SIGMOID_LAPLACE.area,
    _pi_decay,
    _SIGMOID_LAPLACE.envelope,
    strip=1.0,
    even=False,
    scale=2.0,
    stretch=2.0,
)
_SOFTPLUS_LAPLACE = Laplace(
    lambda theta, t: _sigmoid_laplace(theta, t) / (theta + 1j * t),
    lambda theta: math.pi / math.sin(math.pi * theta) / theta,
    _pi_decay,
    lambda theta, t: _sine_envelope(1, math.pi)(theta, t) / theta,
    strip=1.0,
    even=True,
)
_SILU_LAPLACE = Laplace(
    _silu_laplace,
    lambda theta: (math.pi / math.sin(math.pi * theta)) ** 2,
    _pi_decay,
    _sine_envelope(2, math.pi**2),
    strip=1.0,
    even=True,
)
_GELU_LAPLACE = Laplace(
    _gelu_laplace,
    lambda theta: (1 + theta**-2) * math.sqrt(2 * math.pi),
    lambda _theta, t: t,
    lambda theta, t: (1 + theta**-2) * math.exp(-t * t / 2),
    strip=math.inf,
    even=True,
    level=lambda theta: theta * theta / 2,
)

_LEAK = 0.01
_ZERO, _LINE = (0.0, 0.0, 0.0, 0.0), (0.0, 1.0, 0.0, 0.0)


def _elu_part(t: Floats) -> Complexes:
    return np.asarray(1 / (1 - 1j * t), np.complex128)


def _hardswish_part(t: Floats) -> Complexes:
    return np.asarray(2 * np.sin(3 * t) / (3 * t) + 0j, np.complex128)


_RELU = Pieces((0.0,), (_ZERO, _LINE), ((0.0, 1.0),), 1.0, 0.0)
_LEAKY = Pieces((0.0,), ((0.0, _LEAK, 0.0, 0.0), _LINE), ((0.0, 1 - _LEAK),), 1 - _LEAK, 0.0)
_ABS = Pieces((0.0,), ((0.0, -1.0, 0.0, 0.0), _LINE), ((0.0, 2.0),), 2.0, 0.0)
_HARDTANH = Pieces(
    (-1.0, 1.0),
    ((-1.0, 0.0, 0.0, 0.0), _LINE, (1.0, 0.0, 0.0, 0.0)),
    ((-1.0, 1.0), (1.0, -1.0)),
    0.0,
    -2.0,
)
_RELU6 = Pieces(
    (0.0, 6.0), (_ZERO, _LINE, (6.0, 0.0, 0.0, 0.0)), ((0.0, 1.0), (6.0, -1.0)), 0.0, -6.0
)
_ELU = Pieces(
    (0.0,), ((-1.0, 0.0, 0.0, 1.0), _LINE), (), 1.0, -1.0, density=(0.0, 1.0), smooth_part=_elu_part
)
_HARDSWISH = Pieces(
    (-3.0, 3.0),
    (_ZERO, (0.0, 0.5, 1 / 6, 0.0), _LINE),
    ((-3.0, -0.5), (3.0, -0.5)),
    1.0,
    0.0,
    density=(0.0, 1 / 3),
    smooth_part=_hardswish_part,
)

_ALL = (
    Activation("identity", lambda z: z, 1.0, 0.0, convex=True),
    Activation("square", lambda z: z * z, curvature=2.0, relative=2.0, convex=True),
    Activation("exp", np.exp, relative=8.0, convex=True),
    Activation("relu", lambda z: np.maximum(z, 0.0), 1.0, convex=True, pieces=_RELU),
    Activation(
        "leaky_relu",
        lambda z: np.where(z > 0, z, _LEAK * z),
        1.0,
        relative=1.0,
        convex=True,
        pieces=_LEAKY,
    ),
    Activation("abs", np.abs, 1.0, convex=True, pieces=_ABS),
    Activation(
        "hardtanh", lambda z: np.clip(z, -1.0, 1.0), 1.0, range=(-1.0, 1.0), pieces=_HARDTANH
    ),
    Activation("relu6", lambda z: np.clip(z, 0.0, 6.0), 1.0, range=(0.0, 6.0), pieces=_RELU6),
    Activation("elu", _elu, 1.0, relative=8.0, convex=True, pieces=_ELU),
    Activation("hardswish", _hardswish, 1.5, relative=4.0, pieces=_HARDSWISH),
    Activation(
        "sigmoid",
        _sigmoid,
        0.25,
        0.0963,
        16.0,
        range=(0.0, 1.0),
        kernel=_SIGMOID,
        laplace=_SIGMOID_LAPLACE,
    ),
    Activation(
        "tanh", np.tanh, 1.0, 0.77, 8.0, range=(-1.0, 1.0), kernel=_TANH, laplace=_TANH_LAPLACE
    ),
    Activation(
        "softplus",
        lambda z: np.logaddexp(z, 0.0),
        1.0,
        0.25,
        32.0,
        convex=True,
        kernel=_SOFTPLUS,
        laplace=_SOFTPLUS_LAPLACE,
    ),
    Activation(
        "silu", lambda z: z * _sigmoid(z), 1.11, 0.5, 18.0, kernel=_SILU, laplace=_SILU_LAPLACE
    ),
    Activation("gelu", _gelu, 1.13, 0.798, 32.0, 4.0, kernel=_GELU, laplace=_GELU_LAPLACE),
)
BY_NAME = {activation.name: activation for activation in _ALL}


def activation_of(f: object) -> Activation:
    """The activation of a name or a callable.

    Raises:
        UsageError: it is neither.

    """
    if isinstance(f, str):
        if f not in BY_NAME:
            known = ", ".join(BY_NAME)
            raise UsageError(
                f"f must be a callable or one of {known}; got {f!r}.{did_you_mean(f, BY_NAME)}"
            )
        return BY_NAME[f]
    if not callable(f):
        raise UsageError(
            f"f must be the name of a function such as 'gelu' or a callable, got {f!r}"
        )
    return Activation(getattr(f, "__name__", repr(f)), f, known=False)
