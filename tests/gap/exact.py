"""The expectations of a unit by going through all masks in many digits: the reference of the tests.

Everything is taken as the real number that it is as a double.
"""

from __future__ import annotations

from typing import NamedTuple

import mpmath
import numpy as np

DIGITS = 200
_FUNCTIONS = {
    "identity": lambda z: z,
    "square": lambda z: z * z,
    "exp": mpmath.exp,
    "relu": lambda z: max(z, mpmath.mpf(0)),
    "leaky_relu": lambda z: z if z > 0 else mpmath.mpf(0.01) * z,
    "abs": abs,
    "hardtanh": lambda z: min(max(z, mpmath.mpf(-1)), mpmath.mpf(1)),
    "relu6": lambda z: min(max(z, mpmath.mpf(0)), mpmath.mpf(6)),
    "elu": lambda z: z if z > 0 else mpmath.expm1(z),
    "hardswish": lambda z: z * min(max(z + 3, mpmath.mpf(0)), mpmath.mpf(6)) / 6,
    "sigmoid": lambda z: 1 / (1 + mpmath.exp(-z)),
    "tanh": mpmath.tanh,
    "softplus": lambda z: max(z, mpmath.mpf(0)) + mpmath.log1p(mpmath.exp(-abs(z))),
    "silu": lambda z: z / (1 + mpmath.exp(-z)),
    "gelu": lambda z: z * mpmath.erfc(-z / mpmath.sqrt(2)) / 2,
}
NAMES = tuple(_FUNCTIONS)
SMOOTH = ("sigmoid", "tanh", "softplus", "silu", "gelu")
PIECES = ("relu", "leaky_relu", "abs", "hardtanh", "relu6", "elu", "hardswish")
CONVEX = ("square", "exp", "relu", "leaky_relu", "abs", "elu", "softplus")


class Exact(NamedTuple):
    """E f(z) and E f(z) - f(E z), as mpmath numbers."""

    expectation: mpmath.mpf
    gap: mpmath.mpf


def function(name, z):
    with mpmath.workdps(DIGITS):
        return _FUNCTIONS[name](mpmath.mpf(z))


def law(weights, inputs, bias, rate, strategy):
    """All values of the pre-activation in training with their probabilities, and its mean."""
    drop = mpmath.mpf(float(rate))
    keep = 1 - drop
    scale = keep if strategy == "inverted" else mpmath.mpf(1)
    values = [(mpmath.mpf(float(bias)), mpmath.mpf(1))]
    mean = values[0][0]
    for weight, entry in zip(weights, inputs, strict=True):
        step = mpmath.mpf(float(weight)) * mpmath.mpf(float(entry)) / scale
        mean += keep * step
        dropped = [(value, chance * drop) for value, chance in values]
        values = dropped + [(value + step, chance * keep) for value, chance in values]
    return values, mean


def exact(names, weights, inputs, *, bias=0.0, rate, strategy="inverted"):
    """Exact answers for several functions at once: {name: Exact}."""
    with mpmath.workdps(DIGITS):
        values, mean = law(weights, inputs, bias, rate, strategy)
        answers = {}
        for name in names:
            f = _FUNCTIONS[name]
            whole = mpmath.fsum(chance * f(value) for value, chance in values)
            answers[name] = Exact(whole, whole - f(mean))
        return answers


def contains(found, truth):
    """Whether the interval holds the number; the reference itself is off by a few last digits."""
    with mpmath.workdps(DIGITS):
        noise = mpmath.mpf(10) ** (10 - DIGITS) * (1 + abs(truth))
        return abs(mpmath.mpf(found.value) - truth) <= mpmath.mpf(found.halfwidth) + noise


def adversarial(rng, number):
    """One unit of up to this many inputs, at the ends of what is allowed or of what is smooth."""
    n = int(rng.integers(1, number + 1))
    weights = rng.normal(size=n) * rng.choice([1.0, 1e-5, 20.0, 0.3, 1e3, 1e-12])
    inputs = rng.normal(size=n)
    shape = rng.integers(5)
    if shape == 0:
        weights[:] = weights[0]
        inputs[:] = np.where(rng.random(n) < 0.5, 1.0, -1.0)
    elif shape == 1:
        weights, inputs = rng.integers(-127, 128, n) / 64.0, rng.integers(0, 4, n).astype(float)
    elif shape == 2:
        weights *= np.geomspace(1, 1e-6, n)
    bias = float(rng.choice([0.0, 0.1, -15.0, 300.0, -30.0, 1.0, -0.5, 1e-9]))
    rate = float(rng.choice([0.5, 0.1, 0.01, 0.99, 0.25, 0.9, rng.random(), 1e-9, 1 - 1e-9]))
    strategy = str(rng.choice(["inverted", "test-scaled"]))
    return weights, inputs, bias, rate, strategy
