"""A linear layer that drops its weights, read out with unit inputs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from dropout_stats.callables import name_of
from dropout_stats.conventions import Conventions
from dropout_stats.laws import AnyLaw
from dropout_stats.laws.reading import Array
from dropout_stats.readouts.common import (
    Pass,
    finite,
    of_ndim,
    of_shape,
    require_functions,
    with_mask,
)
from dropout_stats.target import Target

Connect: TypeAlias = Callable[..., Any]  # (inputs, weights, rate)
ConnectVjp: TypeAlias = Callable[..., tuple[Any, Any]]  # (inputs, weights, dy, rate)


def dropconnect(
    connect: Connect,
    evaluate: Connect | None = None,
    *,
    vjp: ConnectVjp | None = None,
    apply: Callable[..., Any] | None = None,
    seed: Callable[[int], object] | None = None,
    law: AnyLaw | None = None,
    conventions: Conventions | None = None,
    name: str = "",
) -> Target:
    """Make a target of a linear layer that drops its weights (Wan et al. 2013).

    The inputs are the unit matrix, so the outputs are the weights, and the gradient of the outputs
    is that of the dropped weights; the target's input is the weights.

    Args:
        connect: `connect(inputs, weights, rate) -> outputs`: a training pass without a bias; inputs
            of shape (batch, features), weights of (features, neurons), outputs of (batch, neurons).
        evaluate: the same for the evaluation pass.
        vjp: `vjp(inputs, weights, dy, rate) -> (outputs, dweights)`: a training pass and the
            gradient of the weights, same noise.
        apply: `apply(inputs, weights, mask, rate)`: a training pass with the keep mask given.
        seed: `seed(n)`: resets the randomness.
        law: the law that its weights follow.
        conventions: the interface that it declares; two dimensions, unless it says otherwise.
        name: how reports call it.

    """
    require_functions(connect=connect, evaluate=evaluate, vjp=vjp, apply=apply)
    return Target(
        train=_connections_of(connect),
        evaluate=_connections_of(evaluate) if evaluate else None,
        vjp=_connections_and_gradient_of(vjp) if vjp else None,
        apply=with_mask(_connections_of, apply) if apply else None,
        seed=seed,
        law=law,
        conventions=of_ndim(conventions, 2),
        name=name or f"weights of {name_of(connect)}",
    )


def _connections_of(function: Connect) -> Pass:
    def passed(x: Array, rate: float, **key: int) -> Array:
        outputs = function(np.eye(x.shape[0], dtype=x.dtype), finite(x), rate, **key)
        return finite(of_shape(outputs, x.shape, "connect"))

    return passed


def _connections_and_gradient_of(vjp: ConnectVjp) -> Callable[..., tuple[Array, Array]]:
    def passed(x: Array, dy: Array, rate: float, **key: int) -> tuple[Array, Array]:
        inputs = np.eye(x.shape[0], dtype=x.dtype)
        outputs, gradient = vjp(inputs, finite(x), finite(dy), rate, **key)
        y = finite(of_shape(outputs, x.shape, "vjp"))
        return y, finite(of_shape(gradient, x.shape, "the gradient of vjp"))

    return passed
