"""Dropout inside a layer: targets whose input is what the dropout acts on.

A layer that drops attention weights, connections or updates of a state hides them in sums. With
inputs that are chosen for it the sums have one term each, so that the layer gives its noise away:
nothing is recovered by fitting, and every check is asked as of a dropout that stands alone. Under
`Conventions(randomness="key")` the layer gets the keyword `key`, as `Target.train` does; what it
attends to must then have another name.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from dropout_stats.callables import name_of
from dropout_stats.conventions import Conventions
from dropout_stats.dtypes import HALVES
from dropout_stats.errors import UsageError
from dropout_stats.laws import AnyLaw, TestScaled
from dropout_stats.laws.reading import Array
from dropout_stats.target import Target
from dropout_stats.values import require

Attend: TypeAlias = Callable[..., Any]  # (query, key, value, rate)
Connect: TypeAlias = Callable[..., Any]  # (inputs, weights, rate)
Step: TypeAlias = Callable[..., Any]  # (new, previous, rate)
Pass: TypeAlias = Callable[..., Array]  # (x, rate)


def attention(
    attend: Attend,
    evaluate: Attend | None = None,
    *,
    seed: Callable[[int], object] | None = None,
    law: AnyLaw | None = None,
    conventions: Conventions | None = None,
    name: str = "",
) -> Target:
    """Make a target of attention that drops its weights.

    Queries and keys are 0, so all weights are 1/keys before dropout, and the values are the unit
    matrix, so the output *is* the matrix of weights. The target's input, of shape (batch, heads,
    queries, keys), is multiplied by it, times the number of keys.

    Args:
        attend: `attend(query, key, value, rate) -> output`: a training pass without a mask; query
            and output of shape (batch, heads, queries, features), key and value of (batch, heads,
            keys, features). Here there are as many features as keys.
        evaluate: the same for the evaluation pass.
        seed: `seed(n)`: resets the randomness.
        law: the law that its weights follow.
        conventions: the interface that it declares; four dimensions, unless it says otherwise.
        name: how reports call it.

    """
    _callable(attend=attend, evaluate=evaluate)
    return Target(
        train=_weights_of(attend),
        evaluate=_weights_of(evaluate) if evaluate else None,
        seed=seed,
        law=law,
        conventions=_of_ndim(conventions, 4),
        name=name or f"weights of {name_of(attend)}",
    )


def _weights_of(attend: Attend) -> Pass:
    def weighted(x: Array, rate: float, **key: int) -> Array:
        lead, length = x.shape[:-2], x.shape[-1]
        unit = np.broadcast_to(np.eye(length, dtype=x.dtype), (*lead, length, length)).copy()
        query, keys = np.zeros_like(x), np.zeros_like(unit)
        found = _of_shape(attend(query, keys, unit, rate, **key), x.shape, "attend")
        return np.asarray(x * (found * found.dtype.type(length)))

    return weighted


def dropconnect(
    connect: Connect,
    evaluate: Connect | None = None,
    *,
    seed: Callable[[int], object] | None = None,
    law: AnyLaw | None = None,
    conventions: Conventions | None = None,
    name: str = "",
) -> Target:
    """Make a target of a linear layer that drops its weights (Wan et al. 2013).

    The inputs are the unit matrix, so the outputs are the weights; the target's input is the
    weights.

    Args:
        connect: `connect(inputs, weights, rate) -> outputs`: a training pass without a bias; inputs
            of shape (batch, features), weights of (features, neurons), outputs of (batch, neurons).
        evaluate: the same for the evaluation pass.
        seed: `seed(n)`: resets the randomness.
        law: the law that its weights follow.
        conventions: the interface that it declares; two dimensions, unless it says otherwise.
        name: how reports call it.

    """
    _callable(connect=connect, evaluate=evaluate)

    def weights_of(function: Connect) -> Pass:
        def passed(x: Array, rate: float, **key: int) -> Array:
            outputs = function(np.eye(x.shape[0], dtype=x.dtype), _finite(x), rate, **key)
            return _finite(_of_shape(outputs, x.shape, "connect"))

        return passed

    return Target(
        train=weights_of(connect),
        evaluate=weights_of(evaluate) if evaluate else None,
        seed=seed,
        law=law,
        conventions=_of_ndim(conventions, 2),
        name=name or f"weights of {name_of(connect)}",
    )


def zoneout(
    step: Step,
    evaluate: Step | None = None,
    *,
    seed: Callable[[int], object] | None = None,
    conventions: Conventions | None = None,
    name: str = "",
) -> Target:
    """Make a target of zoneout, which keeps the state of a unit in place of updating it.

    Krueger et al. (2017): state = previous where a unit is dropped, new where it is kept, and their
    mean in evaluation. The target's input is the new state x, the previous one is 2x, and the
    output is 2x less the state: x or 0 in training, and x * keep_prob in evaluation. That is
    test-scaled dropout. A state that is neither of the two, or a sum of both, is no such value.

    Args:
        step: `step(new, previous, rate) -> state`: a training pass.
        evaluate: the same for the evaluation pass.
        seed: `seed(n)`: resets the randomness.
        conventions: the interface that it declares.
        name: how reports call it.

    """
    _callable(step=step, evaluate=evaluate)
    halves = [name for name in (conventions or Conventions()).dtypes if name in HALVES]
    if halves:
        raise UsageError(
            "updates are read from differences, which have too few digits in "
            f"{' and '.join(halves)}: ask for float32 or float64"
        )

    def updates_of(function: Step) -> Pass:
        def passed(x: Array, rate: float, **key: int) -> Array:
            previous = _finite(2 * x)
            return previous - _of_shape(
                np.asarray(function(x, previous, rate, **key)), x.shape, "step"
            )

        return passed

    return Target(
        train=updates_of(step),
        evaluate=updates_of(evaluate) if evaluate else None,
        seed=seed,
        law=TestScaled(),
        conventions=conventions,
        name=name or f"updates of {name_of(step)}",
    )


def _callable(**functions: object) -> None:
    for name, function in functions.items():
        optional = name == "evaluate" and function is None
        require(optional or callable(function), name, function, "a function")


def _of_ndim(conventions: Conventions | None, ndim: int) -> Conventions:
    """The conventions, of so many dimensions unless they say otherwise."""
    return (conventions or Conventions()).over(Conventions(ndims=(ndim, ndim)))


def _finite(x: Array) -> Array:
    if not np.isfinite(x).all():
        raise ValueError("a readout by sums takes finite inputs")
    return x


def _of_shape(answer: Any, shape: tuple[int, ...], what: str) -> Array:
    if not hasattr(answer, "__array__"):
        raise ValueError(f"{what} returned a {type(answer).__name__}; expected one array")
    found = np.asarray(answer)
    if found.shape != shape:
        raise ValueError(f"{what} returned the shape {found.shape}; expected {shape}")
    return found
