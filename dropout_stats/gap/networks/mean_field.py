"""The gap of wide random networks, by the recursion of four scalars."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from dropout_stats.errors import UsageError
from dropout_stats.gap.activations import activation_of
from dropout_stats.gap.networks.kernels import Kernel, kernel_of
from dropout_stats.gap.neuron import Nonlinear
from dropout_stats.gap.rounding import Floats
from dropout_stats.gap.unit import strategy_of
from dropout_stats.values import number, require, whole


@dataclass(frozen=True, eq=False)
class MeanField:
    """What a wide random network does, layer by layer; arrays of shape (depth,).

    Args:
        training: the mean square of a pre-activation z in training.
        pair: the mean product of z under two independent sets of masks.
        cross: the mean product of z in training and z in evaluation.
        evaluation: the mean square of z in evaluation.
        gap: the relative gap: the root mean square of E[f(z) in training] - f(z) in evaluation,
            over that of f(z) in evaluation.

    """

    training: Floats
    pair: Floats
    cross: Floats
    evaluation: Floats
    gap: Floats


def mean_field(
    f: Nonlinear,
    depth: int,
    *,
    rate: float,
    weight_variance: float,
    bias_variance: float = 0.0,
    mean_square: float = 1.0,
    strategy: str = "inverted",
) -> MeanField:
    """The relative gap of each layer of a random network, as its width grows without bound.

    Each layer is f(weights @ dropped inputs + bias) with weights of variance weight_variance /
    inputs and biases of variance bias_variance, normal and independent. The inputs of the network
    are not dropped; those of every later layer are, at one rate. The expectations are over weights,
    biases and masks; docs/explanation/gap-of-networks.md, section 6, has the recursion.

    Args:
        f: what `ds.gap.neuron` takes. Kernels of identity, relu, leaky_relu, abs, square and exp
            are formulas; others are quadratures, good to about 1e-12 of their size for the named
            functions. A callable is held to be smooth over distances of 1, and over half of its
            distance from 0 further out. Of a small gap it leaves an absolute 1e-6.
        depth: how many layers.
        rate: the drop rate, in [0, 1).
        weight_variance: 2 is He's for relu.
        bias_variance: 0 for none.
        mean_square: of the inputs of the network.
        strategy: `"inverted"` or `"test-scaled"`.

    Returns:
        The recursion and the gap.

    Raises:
        UsageError: an argument makes no sense, or a layer outgrows doubles.

    """
    kernel = kernel_of(activation_of(f))
    require(whole("depth", depth) >= 1, "depth", depth, "at least 1")
    drop, start = number("rate", rate), _at_least_0("mean_square", mean_square)
    require(0 <= drop < 1, "rate", rate, "in [0, 1)")
    weights = _at_least_0("weight_variance", weight_variance)
    biases = _at_least_0("bias_variance", bias_variance)
    kept = 1.0 if strategy_of(strategy) == "inverted" else 1 - drop
    factors = weights * np.array([kept**2 / (1 - drop), kept**2, kept**2, kept**2])
    moments = np.full(4, weights * start + biases)
    rows, gaps = [], []
    for layer in range(1, depth + 1):
        rows.append(moments)
        after = _layer(kernel, moments, layer)
        gaps.append(_relative(after, layer))
        moments = factors * after + biases
    training, pair, cross, evaluation = np.array(rows).T
    return MeanField(training, pair, cross, evaluation, np.array(gaps))


def _layer(kernel: Kernel, moments: Floats, layer: int) -> Floats:
    """The same four moments, of f(z)."""
    training, pair, cross, evaluation = moments.tolist()
    with np.errstate(over="ignore", invalid="ignore"):
        after = np.array(
            [
                kernel(training, training, training),
                kernel(training, training, pair),
                kernel(training, evaluation, cross),
                kernel(evaluation, evaluation, evaluation),
            ]
        )
    if not np.isfinite(after).all():
        raise UsageError(
            f"the moments of layer {layer} are more than a double can hold: take a smaller depth "
            f"or variance"
        )
    return after


def _relative(after: Floats, layer: int) -> float:
    _, pair, cross, evaluation = after.tolist()
    if not evaluation > 0:
        raise UsageError(
            f"f(z) of layer {layer} is 0 in evaluation, so that no gap is relative to it: "
            f"weight_variance, mean_square or bias_variance must be larger, or f another one"
        )
    return math.sqrt(max(pair - 2 * cross + evaluation, 0.0) / evaluation)


def _at_least_0(name: str, value: object) -> float:
    found = number(name, value)
    require(0 <= found < math.inf, name, value, "finite and at least 0")
    return found
