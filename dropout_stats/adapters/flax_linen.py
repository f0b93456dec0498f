"""Flax Linen: modules that are applied with a key, and the weights of its attention."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import jax.numpy as jnp
from flax import linen
from flax.errors import FlaxError

from dropout_stats.adapters import jax as shared
from dropout_stats.adapters.bridge import declared_law
from dropout_stats.adapters.rehearsal import first_output
from dropout_stats.callables import parameters_of
from dropout_stats.conventions import Conventions
from dropout_stats.errors import HarnessError, UsageError
from dropout_stats.laws import AnyLaw, Inverted
from dropout_stats.modes import Mode, read_mode
from dropout_stats.target import Target

LAWS: dict[str, AnyLaw] = {
    "Dropout": Inverted(),
    "dot_product_attention_weights": Inverted(unit=(0, 1)),  # batch and heads share their draws
}
CONVENTIONS = replace(shared.CONVENTIONS, rate_domain="[0, 1]")
# Weights are read as multiples of one over the number of keys, which half precision rounds.
_WEIGHTS = replace(
    shared.CONVENTIONS,
    dtypes=("float32",),
    ndims=(4, 4),
    evaluation_graph="unspecified",  # the softmax is there in evaluation, too
)


def adapt_layer(target: Any, kind: Any, name: str, wrap: str | None) -> Target:
    """Adapt modules without parameters.

    Args:
        target: their class, or a function that builds them of a rate.
        kind: their class.
        name: how reports call it.
        wrap: what training passes are entered through, as for functions on JAX arrays.

    """
    law = declared_law(target, "flax", LAWS, name)
    if law:
        bridge = shared.bridge_of(CONVENTIONS, wrap, framework="flax")
        return bridge.of_function(_dropout(target), name, law=law)
    mode = read_mode(name, parameters_of(kind.__call__), kind.__call__)
    if mode is None:
        raise HarnessError(
            f"the call of {name} has no parameter such as deterministic or train, so nothing "
            "selects the pass. Wrap it in a function, and judge that:\n"
            "    def dropout(x, rate, key, deterministic):\n"
            f"        layer = {kind.__name__}(rate, ...)\n"
            "        return layer.apply({}, x, rngs={'dropout': key})"
        )
    undeclared = Conventions(dtypes=("float32",), randomness="key", max_shapes=shared.MAX_SHAPES)
    train, evaluate = _applied(mode, mode.training), _applied(mode, mode.evaluation)
    bridge = shared.bridge_of(undeclared, wrap, framework="flax")
    made = bridge.of_layer_class(target, name, train=train, evaluate=evaluate)
    try:
        first_output(made)
    except FlaxError as error:
        raise HarnessError(
            f"{name} was applied without parameters, and raised {type(error).__name__}: make a "
            "function (x, rate, key, deterministic) that applies it to those that it needs"
        ) from error
    return made


def adapt_attention(target: Any, name: str, wrap: str | None) -> Target:
    """Adapt the function that returns the weights of an attention, dropped."""
    law = declared_law(target, "flax", LAWS, name)
    if wrap:
        raise UsageError(f"{name} is read out as it is: wrap= does not apply")
    bridge = shared.bridge_of(_WEIGHTS, framework="flax")
    return bridge.of_function(_weights(target), name, law=law)


def _dropout(layer: Any) -> Any:
    def dropout(x: Any, rate: float, key: Any, deterministic: bool = False) -> Any:
        return layer(rate).apply({}, x, deterministic, rngs={"dropout": key})

    return dropout


def _applied(mode: Mode, value: Any) -> Any:
    def apply(layer: linen.Module, x: Any, key: int = 0) -> Any:
        keys = dict.fromkeys(("dropout", "params"), shared.to_key("key", key))  # any other: params
        return layer.apply({}, x, **{mode.name: value}, rngs=keys)

    return apply


def _weights(attention: Any) -> Any:
    """With zeros for queries and keys, all weights are one over the number of keys."""

    def weights(x: Any, rate: float, key: Any, deterministic: bool = False) -> Any:
        batch, heads, queries, keys = x.shape
        found = attention(
            jnp.zeros((batch, queries, heads, 1), x.dtype),
            jnp.zeros((batch, keys, heads, 1), x.dtype),
            dropout_rng=key,
            dropout_rate=rate,
            deterministic=deterministic,
        )
        return x * (found * keys)

    return weights
