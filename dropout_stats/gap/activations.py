"""The nonlinear functions, and what is proved of each (docs/explanation/gap.md, section 2).

A function is described by its second derivative f'', which all that is not linear in it comes from:

    f(z) = alpha + beta z + (1/2) integral |z - s| f''(s) ds.

Smooth ones have a **kernel**, the Fourier transform of f'', and a Laplace transform of their own;
the others are made of pieces.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from dropout_stats.errors import UsageError, did_you_mean
from dropout_stats.gap import kernels, laplace, pieces
from dropout_stats.gap.kernels import Function, Kernel
from dropout_stats.gap.laplace import Laplace
from dropout_stats.gap.pieces import LEAK, Pieces
from dropout_stats.gap.rounding import UNIT, Floats, Interval


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


_ALL = (
    Activation("identity", lambda z: z, 1.0, 0.0, convex=True),
    Activation("square", lambda z: z * z, curvature=2.0, relative=2.0, convex=True),
    Activation("exp", np.exp, relative=8.0, convex=True),
    Activation("relu", lambda z: np.maximum(z, 0.0), 1.0, convex=True, pieces=pieces.RELU),
    Activation(
        "leaky_relu",
        lambda z: np.where(z > 0, z, LEAK * z),
        1.0,
        relative=1.0,
        convex=True,
        pieces=pieces.LEAKY,
    ),
    Activation("abs", np.abs, 1.0, convex=True, pieces=pieces.ABS),
    Activation(
        "hardtanh", lambda z: np.clip(z, -1.0, 1.0), 1.0, range=(-1.0, 1.0), pieces=pieces.HARDTANH
    ),
    Activation("relu6", lambda z: np.clip(z, 0.0, 6.0), 1.0, range=(0.0, 6.0), pieces=pieces.RELU6),
    Activation("elu", _elu, 1.0, relative=8.0, convex=True, pieces=pieces.ELU),
    Activation("hardswish", _hardswish, 1.5, relative=4.0, pieces=pieces.HARDSWISH),
    Activation(
        "sigmoid",
        _sigmoid,
        0.25,
        0.0963,
        16.0,
        range=(0.0, 1.0),
        kernel=kernels.SIGMOID,
        laplace=laplace.SIGMOID,
    ),
    Activation(
        "tanh",
        np.tanh,
        1.0,
        0.77,
        8.0,
        range=(-1.0, 1.0),
        kernel=kernels.TANH,
        laplace=laplace.TANH,
    ),
    Activation(
        "softplus",
        lambda z: np.logaddexp(z, 0.0),
        1.0,
        0.25,
        32.0,
        convex=True,
        kernel=kernels.SOFTPLUS,
        laplace=laplace.SOFTPLUS,
    ),
    Activation(
        "silu",
        lambda z: z * _sigmoid(z),
        1.11,
        0.5,
        18.0,
        kernel=kernels.SILU,
        laplace=laplace.SILU,
    ),
    Activation("gelu", _gelu, 1.13, 0.798, 32.0, 4.0, kernel=kernels.GELU, laplace=laplace.GELU),
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
