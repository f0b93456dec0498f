"""A dense layer that drops its inputs, read out of its pre-activations Z = A W + b."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from dropout_stats.callables import name_of
from dropout_stats.conventions import Conventions
from dropout_stats.laws import AnyLaw
from dropout_stats.laws.reading import Array
from dropout_stats.readouts.common import (
    Pass,
    Passes,
    finite,
    of_ndim,
    of_shape,
    require_functions,
    with_mask,
)
from dropout_stats.target import Target

Layer: TypeAlias = Callable[..., Any]  # (inputs, weights, bias, rate)
LayerVjp: TypeAlias = Callable[..., tuple[Any, Any]]  # (inputs, weights, bias, dy, rate)

# Each type holds the sum with 1, and little is lost beside an evaluation factor well below 1.
_BIAS = 2.0**-6


def dense(
    layer: Layer,
    evaluate: Layer | None = None,
    *,
    vjp: LayerVjp | None = None,
    apply: Callable[..., Any] | None = None,
    seed: Callable[[int], object] | None = None,
    law: AnyLaw | None = None,
    conventions: Conventions | None = None,
    name: str = "",
) -> Target:
    """Make a target of a dense layer that drops its inputs: Z = A W + b, A = M * inputs.

    Z is linear in A. Where A has the law's mean for each input, and nothing else is done to the
    sums, E[Z] is what the evaluation pass gives, whatever W and b are: with the law of A, the bias
    is all that is left to be asked about. So the layer is given a bias, and two neurons for each
    input, whose weights are 1 for that input and 0 for the others. What they make of the signs of
    the target's input, less the bias, is the noise. Where they differ, neurons or weights are
    dropped and not inputs: their mean is then none of the values of the law. A call of f features
    costs products with 2 f^2 weights: with `shapes=[(256, 64)]` they are cheap.

    Args:
        layer: `layer(inputs, weights, bias, rate) -> Z`: a training pass up to the nonlinearity;
            inputs of shape (batch, features), weights of (features, neurons), bias of (neurons,),
            Z of (batch, neurons).
        evaluate: the same for the evaluation pass.
        vjp: `vjp(inputs, weights, bias, dy, rate) -> (Z, dinputs)`: a training pass and the
            gradient of the inputs, same noise.
        apply: `apply(inputs, weights, bias, mask, rate)`: a training pass with the keep mask given.
        seed: `seed(n)`: resets the randomness.
        law: the law that its inputs follow.
        conventions: the interface that it declares; two dimensions, unless it says otherwise.
        name: how reports call it.

    """
    require_functions(layer=layer, evaluate=evaluate, vjp=vjp, apply=apply)
    return Target(
        train=_inputs_of(layer),
        evaluate=_inputs_of(evaluate) if evaluate else None,
        vjp=_inputs_and_gradient_of(vjp) if vjp else None,
        apply=with_mask(_inputs_of, apply) if apply else None,
        seed=seed,
        law=law,
        conventions=of_ndim(conventions, 2),
        name=name or f"inputs of {name_of(layer)}",
    )


class _Given(NamedTuple):
    inputs: Array
    weights: Array
    bias: Array


def _given(x: Array) -> _Given:
    features = x.shape[1]
    bias = np.full(2 * features, _BIAS, x.dtype)
    return _Given(np.sign(finite(x)), np.tile(np.eye(features, dtype=x.dtype), 2), bias)


def _inputs_of(layer: Layer) -> Pass:
    def passed(x: Array, rate: float, **key: int) -> Array:
        given = _given(x)
        return _read(x, given.bias, layer(*given, rate, **key), "layer")

    return passed


def _inputs_and_gradient_of(vjp: LayerVjp) -> Passes:
    def passed(x: Array, dy: Array, rate: float, **key: int) -> tuple[Array, Array]:
        given = _given(x)
        half = finite(dy) * dy.dtype.type(0.5)
        z, gradient = vjp(*given, np.concatenate((half, half), axis=1), rate, **key)
        return (
            _read(x, given.bias, z, "vjp"),
            of_shape(gradient, x.shape, "the gradient of vjp"),
        )

    return passed


def _read(x: Array, bias: Array, answer: Any, what: str) -> Array:
    z = of_shape(answer, (x.shape[0], 2 * x.shape[1]), what)
    both = z - bias
    mean = (both[:, : x.shape[1]] + both[:, x.shape[1] :]) * z.dtype.type(0.5)
    return np.asarray(np.abs(x) * mean)
