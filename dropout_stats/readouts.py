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
AttendVjp: TypeAlias = Callable[..., tuple[Any, Any]]  # (query, key, value, dy, rate)
Connect: TypeAlias = Callable[..., Any]  # (inputs, weights, rate)
ConnectVjp: TypeAlias = Callable[..., tuple[Any, Any]]  # (inputs, weights, dy, rate)
Step: TypeAlias = Callable[..., Any]  # (new, previous, rate)
StepVjp: TypeAlias = Callable[..., tuple[Any, Any, Any]]  # (new, previous, dy, rate)
Pass: TypeAlias = Callable[..., Array]  # (x, rate)


def attention(
    attend: Attend,
    evaluate: Attend | None = None,
    *,
    vjp: AttendVjp | None = None,
    seed: Callable[[int], object] | None = None,
    law: AnyLaw | None = None,
    conventions: Conventions | None = None,
    name: str = "",
) -> Target:
    """Make a target of attention that drops its weights.

    Queries and keys are 0, so all weights are 1/keys before dropout, and the values are the unit
    matrix, so the output *is* the matrix of weights. The target's input, of shape (batch, heads,
    queries, keys), is multiplied by it, times the number of keys. In the backward pass the gradient
    of the output is the unit matrix, so that of the values is the same matrix.

    Args:
        attend: `attend(query, key, value, rate) -> output`: a training pass without a mask; query
            and output of shape (batch, heads, queries, features), key and value of (batch, heads,
            keys, features). Here there are as many features as queries or keys, whichever are more.
        evaluate: the same for the evaluation pass.
        vjp: `vjp(query, key, value, dy, rate) -> (output, dvalue)`: a training pass and the
            gradient of the values, same noise.
        seed: `seed(n)`: resets the randomness.
        law: the law that its weights follow.
        conventions: the interface that it declares; four dimensions, unless it says otherwise.
        name: how reports call it.

    """
    _callable(attend=attend, evaluate=evaluate, vjp=vjp)
    return Target(
        train=_weights_of(attend),
        evaluate=_weights_of(evaluate) if evaluate else None,
        vjp=_weights_and_gradient_of(vjp) if vjp else None,
        seed=seed,
        law=law,
        conventions=_of_ndim(conventions, 4),
        name=name or f"weights of {name_of(attend)}",
    )


def _weights_of(attend: Attend) -> Pass:
    def weighted(x: Array, rate: float, **key: int) -> Array:
        query, keys, value = _attended(x)
        found = _of_shape(attend(query, keys, value, rate, **key), query.shape, "attend")
        return _weighed(x, found[..., : x.shape[-1]])

    return weighted


def _weights_and_gradient_of(vjp: AttendVjp) -> Callable[..., tuple[Array, Array]]:
    def passed(x: Array, dy: Array, rate: float, **key: int) -> tuple[Array, Array]:
        (query, keys, value), (queries, length) = _attended(x), x.shape[-2:]
        given = _units(x, queries, query.shape[-1])
        output, gradient = vjp(query, keys, value, given, rate, **key)
        found = _of_shape(output, query.shape, "vjp")
        back = _of_shape(gradient, value.shape, "the gradient of vjp")
        weights = back[..., :queries].swapaxes(-1, -2)
        return _weighed(x, found[..., :length]), _weighed(dy, weights)

    return passed


def _attended(x: Array) -> tuple[Array, Array, Array]:
    """Query, key and value whose weights are the noise on x."""
    queries, length = x.shape[-2:]
    width = max(queries, length)
    value = _units(x, length, width)
    return np.zeros((*x.shape[:-1], width), x.dtype), np.zeros_like(value), value


def _units(x: Array, rows: int, columns: int) -> Array:
    """A unit matrix for each batch and head of x."""
    unit = np.eye(rows, columns, dtype=x.dtype)
    return np.broadcast_to(unit, (*x.shape[:-2], *unit.shape)).copy()


def _weighed(x: Array, weights: Array) -> Array:
    return np.asarray(x * (weights * weights.dtype.type(x.shape[-1])))


def dropconnect(
    connect: Connect,
    evaluate: Connect | None = None,
    *,
    vjp: ConnectVjp | None = None,
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
        seed: `seed(n)`: resets the randomness.
        law: the law that its weights follow.
        conventions: the interface that it declares; two dimensions, unless it says otherwise.
        name: how reports call it.

    """
    _callable(connect=connect, evaluate=evaluate, vjp=vjp)
    return Target(
        train=_connections_of(connect),
        evaluate=_connections_of(evaluate) if evaluate else None,
        vjp=_connections_and_gradient_of(vjp) if vjp else None,
        seed=seed,
        law=law,
        conventions=_of_ndim(conventions, 2),
        name=name or f"weights of {name_of(connect)}",
    )


def _connections_of(function: Connect) -> Pass:
    def passed(x: Array, rate: float, **key: int) -> Array:
        outputs = function(np.eye(x.shape[0], dtype=x.dtype), _finite(x), rate, **key)
        return _finite(_of_shape(outputs, x.shape, "connect"))

    return passed


def _connections_and_gradient_of(vjp: ConnectVjp) -> Callable[..., tuple[Array, Array]]:
    def passed(x: Array, dy: Array, rate: float, **key: int) -> tuple[Array, Array]:
        inputs = np.eye(x.shape[0], dtype=x.dtype)
        outputs, gradient = vjp(inputs, _finite(x), _finite(dy), rate, **key)
        y = _finite(_of_shape(outputs, x.shape, "vjp"))
        return y, _finite(_of_shape(gradient, x.shape, "the gradient of vjp"))

    return passed


def zoneout(
    step: Step,
    evaluate: Step | None = None,
    *,
    vjp: StepVjp | None = None,
    seed: Callable[[int], object] | None = None,
    conventions: Conventions | None = None,
    name: str = "",
) -> Target:
    """Make a target of zoneout, which keeps the state of a unit in place of updating it.

    Krueger et al. (2017): state = previous where a unit is dropped, new where it is kept, and their
    mean in evaluation. The target's input is the new state x, the previous one is 2x, and the
    output is 2x less the state: x or 0 in training, and x * keep_prob in evaluation. That is
    test-scaled dropout. A state that is neither of the two, or a sum of both, is no such value. In
    the backward pass one of the two gets all of dy and the other nothing, so that by the chain rule
    x gets 2 dy - dnew - 2 dprevious: dy or 0.

    Args:
        step: `step(new, previous, rate) -> state`: a training pass.
        evaluate: the same for the evaluation pass.
        vjp: `vjp(new, previous, dy, rate) -> (state, dnew, dprevious)`: a training pass and the
            gradients of both states, same noise.
        seed: `seed(n)`: resets the randomness.
        conventions: the interface that it declares.
        name: how reports call it.

    """
    _callable(step=step, evaluate=evaluate, vjp=vjp)
    halves = [name for name in (conventions or Conventions()).dtypes if name in HALVES]
    if halves:
        raise UsageError(
            "updates are read from differences, which have too few digits in "
            f"{' and '.join(halves)}: ask for float32 or float64"
        )

    return Target(
        train=_updates_of(step),
        evaluate=_updates_of(evaluate) if evaluate else None,
        vjp=_updates_and_gradient_of(vjp) if vjp else None,
        seed=seed,
        law=TestScaled(),
        conventions=conventions,
        name=name or f"updates of {name_of(step)}",
    )


def _updates_of(function: Step) -> Pass:
    def passed(x: Array, rate: float, **key: int) -> Array:
        previous = _finite(2 * x)
        return previous - _of_shape(function(x, previous, rate, **key), x.shape, "step")

    return passed


def _updates_and_gradient_of(vjp: StepVjp) -> Callable[..., tuple[Array, Array]]:
    def passed(x: Array, dy: Array, rate: float, **key: int) -> tuple[Array, Array]:
        previous = _finite(2 * x)
        state, new, old = vjp(x, previous, _finite(dy), rate, **key)
        y = previous - _of_shape(state, x.shape, "vjp")
        dnew, dprevious = (_of_shape(one, x.shape, "a gradient of vjp") for one in (new, old))
        update = dy - dprevious
        return y, np.asarray(update + (update - dnew))

    return passed


def _callable(**functions: object) -> None:
    for name, function in functions.items():
        optional = name in ("evaluate", "vjp") and function is None
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
