"""Models on JAX: what those of Equinox, Flax NNX and Flax Linen share.

A module of Equinox or NNX that is looked at gets a class of its own for as long as a pass takes: a
subclass, which hands each call to whoever listens. Such a class goes with the module through
copies, modes and compiled parts.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp

from dropout_stats.adapters import jax as shared
from dropout_stats.adapters.conversion import keeping_type
from dropout_stats.adapters.listening import Arrays, Heard, hear
from dropout_stats.laws import Inverted

ARRAYS = Arrays(
    to_native=keeping_type(jnp.asarray, shared.to_numpy),
    to_numpy=shared.to_numpy,
    vjp=shared.vjp,
    dtype=lambda x: str(x.dtype),
    operations=shared.operations,
    is_abstract=lambda x: isinstance(x, jax.core.Tracer),
    as_written=jax.disable_jit,
)
FUNCTION = "a function (x, rate, key) of your own"


@cache
def heard(base: Any, place: str) -> Any:
    """A subclass for the module of this name, which hands its calls to whoever listens."""
    first = first_parameter(base)

    def call(self: Any, *args: Any, **named: Any) -> Any:
        def proceed(*args: Any, **named: Any) -> Any:
            return base.__call__(self, *args, **named)

        return hear(Heard(place, proceed, args, named, first))

    body = {"__call__": call, "__module__": base.__module__, "__qualname__": base.__qualname__}
    return type(base)(base.__name__, (base,), body)


def first_parameter(kind: Any) -> str:
    """The name of the input of a class of modules."""
    return list(inspect.signature(kind.__call__).parameters)[1]


def law_of_flax(broadcast_dims: Sequence[int], ndim: int) -> Inverted:
    """That of a dropout of Flax, whose mask is shared along some dimensions."""
    return Inverted(unit=tuple(axis % ndim for axis in broadcast_dims) or "element")


def renewed(given: Any, *numbers: int, is_leaf: Callable[[Any], bool] | None = None) -> Any:
    """Arguments in which each key is another one, that the numbers choose."""

    def renew(leaf: Any) -> Any:
        if not _is_key(leaf):
            return leaf
        for number in numbers:
            leaf = _folded(leaf, number)
        return leaf

    return jax.tree_util.tree_map(renew, given, is_leaf=is_leaf)


def _is_key(leaf: Any) -> bool:
    typed = isinstance(leaf, jax.Array) and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
    return typed or _is_raw(leaf)


def _is_raw(leaf: Any) -> bool:
    """Whether it is a key as `jax.random.PRNGKey` makes them."""
    return isinstance(leaf, jax.Array) and leaf.dtype == jnp.uint32 and leaf.shape == (2,)


def _folded(key: Any, number: int) -> Any:
    if _is_raw(key) or not key.ndim:
        return jax.random.fold_in(key, number)
    several = jax.vmap(lambda one: jax.random.fold_in(one, number))(key.reshape(-1))
    return several.reshape(key.shape)
