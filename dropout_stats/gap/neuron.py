"""The gap of one unit."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from dropout_stats.errors import UsageError
from dropout_stats.gap.activations import Activation, activation_of
from dropout_stats.gap.methods import Problem, method_of, solve
from dropout_stats.gap.result import Gap
from dropout_stats.gap.rounding import SMALLEST, Interval
from dropout_stats.gap.unit import Layer, layer_of
from dropout_stats.values import number, require

Nonlinear = str | Callable[[Any], Any]


def neuron(
    f: Nonlinear,
    weights: ArrayLike,
    inputs: ArrayLike,
    *,
    bias: float = 0.0,
    rate: float,
    strategy: str = "inverted",
    tolerance: float = 1e-12,
    method: str | None = None,
) -> Gap:
    """E[f(training pass)] - f(evaluation pass) of one unit whose inputs are dropped.

    The pre-activation is bias + sum_i weights_i A_i, where A_i is inputs_i m_i / keep_prob for the
    inverted strategy and inputs_i m_i for the test-scaled one, and m_i is 1 with probability
    keep_prob = 1 - rate, independently. In evaluation A_i is inputs_i, or keep_prob inputs_i. All
    arguments are taken as the real numbers that they are as doubles.

    Args:
        f: `"identity"`, `"square"`, `"exp"`, `"relu"`, `"leaky_relu"` (slope 0.01), `"abs"`,
            `"hardtanh"`, `"relu6"`, `"elu"`, `"sigmoid"`, `"tanh"`, `"softplus"`, `"silu"`,
            `"gelu"` (with the normal cdf), `"hardswish"`, or a function of a float64 array that
            acts on each element. Such a function is certified where all masks are enumerated (up
            to 2^20 of them), provided that it is monotone over some units in the last place of z,
            and what it returns is taken as exact. Otherwise it is estimated.
        weights: of the unit, shape (inputs,).
        inputs: what is dropped, shape (inputs,).
        bias: added after the sum, never dropped.
        rate: the drop rate, in [0, 1]. At rate 1 inverted dropout returns zeros, as frameworks do.
        strategy: `"inverted"` or `"test-scaled"`.
        tolerance: the halfwidth that is good enough. It steers the choice and the work; where it
            cannot be reached, the halfwidth is larger, and says so.
        method: `"closed-form"`, `"enumeration"`, `"fourier"`, `"contour"`, `"lattice"`,
            `"meet-in-the-middle"`, `"smoothing"`, `"convex-order"` or `"monte-carlo"`; None
            chooses.

    Returns:
        The gap, how far it can be off, and by which method.

    Raises:
        UsageError: an argument makes no sense, or the method that is asked for does not apply.

    The proofs are in docs/explanation/gap.md.

    """
    layer = layer_of(weights, inputs, bias, rate, strategy)
    return answer(f, layer, tolerance, method, subtract=True)


def expectation(
    f: Nonlinear,
    weights: ArrayLike,
    inputs: ArrayLike,
    *,
    bias: float = 0.0,
    rate: float,
    strategy: str = "inverted",
    tolerance: float = 1e-12,
    method: str | None = None,
) -> Gap:
    """E[f(training pass)] of one unit whose inputs are dropped: what `neuron` subtracts from.

    Args:
        f: see `neuron`, as for all arguments.
        weights: of the unit.
        inputs: what is dropped.
        bias: added after the sum.
        rate: the drop rate.
        strategy: `"inverted"` or `"test-scaled"`.
        tolerance: the halfwidth that is good enough.
        method: how; None chooses.

    Returns:
        The expectation, how far it can be off, and by which method.

    Raises:
        UsageError: as for `neuron`.

    """
    layer = layer_of(weights, inputs, bias, rate, strategy)
    return answer(f, layer, tolerance, method, subtract=False)


def answer(f: object, layer: Layer, tolerance: object, method: object, *, subtract: bool) -> Gap:
    """The gap, or the expectation unless `subtract`, of a unit that is valid."""
    activation = activation_of(f)
    wanted = tolerance_of(tolerance)
    forced = method_of(method)
    problem = Problem(activation, layer, wanted, subtract)
    if layer.rate in (0, 1) or not len(layer.products[0]):
        return _without_noise(problem)
    return solve(problem, forced)


def tolerance_of(value: object) -> float:
    """A tolerance that can be asked for."""
    require(0 < number("tolerance", value) < math.inf, "tolerance", value, "positive and finite")
    return number("tolerance", value)


def _without_noise(problem: Problem) -> Gap:
    """Nothing is random: everything is kept, or dropped, or 0 anyway."""
    layer, f = problem.layer, problem.f
    all_dropped = layer.rate == 1
    training = _at(f, layer, kept=not all_dropped)
    evaluation = _at(f, layer, kept=not all_dropped or layer.strategy == "inverted")
    if not (math.isfinite(training.halfwidth) and math.isfinite(evaluation.halfwidth)):
        raise UsageError(
            f"{f.name}(z) is more than a double can hold: the weights or the bias are too large "
            f"for f={f.name!r}"
        )
    if not problem.subtract:
        found = training
    elif all_dropped and layer.strategy == "inverted":
        found = training.minus(evaluation)
    else:
        # Noise that underflows is no noise; what is left of it vanishes where f is linear.
        found = Interval(0.0, SMALLEST if layer.underflows and f.curvature else 0.0)
    return Gap(found.value, found.halfwidth, "closed-form", True)


def _at(f: Activation, layer: Layer, *, kept: bool) -> Interval:
    """The output where all inputs are kept, or none."""
    with np.errstate(over="ignore", invalid="ignore"):
        return _value(f, layer) if kept else f.at(layer.bias, 0.0)


def _value(f: Activation, layer: Layer) -> Interval:
    certain = Layer(layer.weights, layer.inputs, layer.bias, 0.0, "test-scaled").unit()
    if np.isfinite(f.lipschitz) or not certain.mean_error:
        return certain.at_mean(f)
    aside = np.array([certain.mean - certain.mean_error, certain.mean + certain.mean_error])
    value = f.at(certain.mean, 0.0)
    moved = float(np.abs(f.values(aside) - value.value).max())
    return Interval(value.value, value.halfwidth + moved)
