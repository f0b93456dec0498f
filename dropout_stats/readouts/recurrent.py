"""A stack of recurrent layers with dropout between them, read out through cells that pass on."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from dropout_stats.callables import name_of
from dropout_stats.conventions import Conventions
from dropout_stats.errors import UsageError
from dropout_stats.laws import AnyLaw, Inverted, TestScaled
from dropout_stats.laws.reading import Array
from dropout_stats.readouts.common import (
    Pass,
    Passes,
    finite,
    of_ndim,
    of_shape,
    require_functions,
)
from dropout_stats.target import Target
from dropout_stats.values import require, whole

Network: TypeAlias = Callable[..., Any]  # (inputs, weights, biases, rate)
NetworkVjp: TypeAlias = Callable[..., tuple[Any, Any]]  # (inputs, weights, biases, dy, rate)

# How small |z| must be for tanh z to be z in each type.
_LINEAR = {"float32": 2.0**-13, "float64": 2.0**-27}


def recurrent(
    network: Network,
    evaluate: Network | None = None,
    *,
    layers: int = 3,
    vjp: NetworkVjp | None = None,
    seed: Callable[[int], object] | None = None,
    law: AnyLaw | None = None,
    conventions: Conventions | None = None,
    name: str = "",
) -> Target:
    """Make a target of a stack of recurrent layers that drops what one hands to the next.

    The weights of inputs are unit matrices and there is no memory, so that each layer hands on what
    it is given: small numbers, for which tanh is the identity, as a rectifier is. The first and the
    last layer add to it, so that dropout before the first or after the last one looks different.
    What comes out is the product of all masks, so each is asked for at the rate at which
    independent ones drop a unit with probability `rate`. One mask for all of them drops less.

    Args:
        network: `network(inputs, weights, biases, rate) -> outputs`: a training pass, from a state
            of zeros; inputs and outputs of shape (batch, time, features); for each layer weights
            of its inputs, of shape (features, features), and a bias, of shape (features,). Its
            recurrent weights must be 0 and its nonlinearity tanh or a rectifier; where it has
            gates, the input and the output must pass and the memory must not.
        evaluate: the same for the evaluation pass.
        layers: how many there are, at least two.
        vjp: `vjp(inputs, weights, biases, dy, rate) -> (outputs, dinputs)`: a training pass and
            the gradient of the inputs, same noise.
        seed: `seed(n)`: resets the randomness.
        law: the law of each mask: inverted or test-scaled dropout, whose products are such again;
            with two layers, any.
        conventions: the interface that it declares; three dimensions, unless it says otherwise.
        name: how reports call it.

    """
    require_functions(network=network, evaluate=evaluate, vjp=vjp)
    require(whole("layers", layers) >= 2, "layers", layers, "at least 2: dropout is between them")
    if layers > 2 and not isinstance(law, Inverted | TestScaled | None):
        raise UsageError(
            f"a product of several masks of {law} is of another law: ask with layers=2"
        )
    held = of_ndim(conventions, 3)
    others = [dtype for dtype in held.dtypes if dtype not in _LINEAR]
    if others:
        raise UsageError(
            "what recurrent layers hand on is read from small numbers, in float32 or float64; "
            f"asked for {' and '.join(others)}"
        )
    stack = _Stack(layers, of_keep_prob=held.rate_argument == "keep_prob")
    return Target(
        train=stack.masks_of(network),
        evaluate=stack.masks_of(evaluate) if evaluate else None,
        vjp=stack.masks_and_gradient_of(vjp) if vjp else None,
        seed=seed,
        law=law,
        conventions=held,
        name=name or f"between layers of {name_of(network)}",
    )


class _Given(NamedTuple):
    inputs: Array
    weights: list[Array]
    biases: list[Array]
    small: float


class _Stack(NamedTuple):
    """So many layers, which take the rate or 1 - rate."""

    layers: int
    of_keep_prob: bool

    def masks_of(self, network: Network) -> Pass:
        def passed(x: Array, rate: float, **key: int) -> Array:
            each, given = self._each(rate), self._given(x, rate)
            outputs = network(given.inputs, given.weights, given.biases, each, **key)
            return _read(x, given.small, outputs, "network")

        return passed

    def masks_and_gradient_of(self, vjp: NetworkVjp) -> Passes:
        def passed(x: Array, dy: Array, rate: float, **key: int) -> tuple[Array, Array]:
            each, given = self._each(rate), self._given(x, rate)
            outputs, gradient = vjp(
                given.inputs, given.weights, given.biases, finite(dy), each, **key
            )
            y = _read(x, given.small, outputs, "vjp")
            return y, of_shape(gradient, x.shape, "the gradient of vjp")

        return passed

    def _each(self, rate: float) -> float:
        """What one mask is asked for."""
        masks = self.layers - 1
        if masks == 1:
            return rate
        if self.of_keep_prob:
            return math.exp(math.log(rate) / masks) if rate > 0 else rate
        return -math.expm1(math.log1p(-rate) / masks) if rate < 1 else rate

    def _given(self, x: Array, rate: float) -> _Given:
        keep_prob = float(rate if self.of_keep_prob else 1 - rate)
        most = _LINEAR[x.dtype.name] / 4 * (keep_prob if 0 < keep_prob <= 1 else 1)
        small = 2.0 ** math.floor(math.log2(most))
        features = x.shape[-1]
        added = np.zeros((self.layers, features), x.dtype)
        added[[0, -1]] = small
        inputs = np.full_like(finite(x), small)
        return _Given(inputs, [np.eye(features, dtype=x.dtype)] * self.layers, list(added), small)


def _read(x: Array, small: float, outputs: Any, what: str) -> Array:
    """Of 2 small, the product m of the masks is kept, and small is added: 2 m + 1."""
    found = of_shape(outputs, x.shape, what)
    return np.asarray(x * ((found / found.dtype.type(small) - 1) / 2))
