"""Attention that drops its weights, read out with equal scores."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from dropout_stats.callables import name_of
from dropout_stats.conventions import Conventions
from dropout_stats.laws import AnyLaw
from dropout_stats.laws.reading import Array
from dropout_stats.readouts.common import Pass, of_ndim, of_shape, require_functions, with_mask
from dropout_stats.target import Target

Attend: TypeAlias = Callable[..., Any]  # (query, key, value, rate)
AttendVjp: TypeAlias = Callable[..., tuple[Any, Any]]  # (query, key, value, dy, rate)


def attention(
    attend: Attend,
    evaluate: Attend | None = None,
    *,
    vjp: AttendVjp | None = None,
    apply: Callable[..., Any] | None = None,
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
        apply: `apply(query, key, value, mask, rate)`: a training pass with the keep mask given.
        seed: `seed(n)`: resets the randomness.
        law: the law that its weights follow.
        conventions: the interface that it declares; four dimensions, unless it says otherwise.
        name: how reports call it.

    """
    require_functions(attend=attend, evaluate=evaluate, vjp=vjp, apply=apply)
    return Target(
        train=_weights_of(attend),
        evaluate=_weights_of(evaluate) if evaluate else None,
        vjp=_weights_and_gradient_of(vjp) if vjp else None,
        apply=with_mask(_weights_of, apply) if apply else None,
        seed=seed,
        law=law,
        conventions=of_ndim(conventions, 4),
        name=name or f"weights of {name_of(attend)}",
    )


def _weights_of(attend: Attend) -> Pass:
    def weighted(x: Array, rate: float, **key: int) -> Array:
        query, keys, value = _attended(x)
        found = of_shape(attend(query, keys, value, rate, **key), query.shape, "attend")
        return _weighed(x, found[..., : x.shape[-1]])

    return weighted


def _weights_and_gradient_of(vjp: AttendVjp) -> Callable[..., tuple[Array, Array]]:
    def passed(x: Array, dy: Array, rate: float, **key: int) -> tuple[Array, Array]:
        (query, keys, value), (queries, length) = _attended(x), x.shape[-2:]
        given = _units(x, queries, query.shape[-1])
        output, gradient = vjp(query, keys, value, given, rate, **key)
        found = of_shape(output, query.shape, "vjp")
        back = of_shape(gradient, value.shape, "the gradient of vjp")
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
