"""Flax NNX: layers that own a stream of keys."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import jax.numpy as jnp
from flax import nnx

from dropout_stats.adapters import jax as shared
from dropout_stats.adapters.bridge import Bridge, element_law
from dropout_stats.errors import HarnessError
from dropout_stats.target import Target


def adapt(target: Any, name: str) -> Target:
    """Adapt an `nnx.Module` class built as `layer(rate, rngs=nnx.Rngs(seed))`."""
    if not (isinstance(target, type) and issubclass(target, nnx.Module)):
        raise HarnessError(
            f"{name} is no flax.nnx.Module class; other parts of Flax have no adapter yet: wrap "
            "it in dropout_stats.Target(train=..., evaluate=...)"
        )
    seeds = [0]

    def seed(number: int) -> None:
        seeds[0] = number

    def build(rate: float) -> Any:
        return target(rate, rngs=nnx.Rngs(seeds[0]))

    law = element_law(target, "flax", ("Dropout",), name)
    bridge = Bridge(
        to_native=jnp.asarray,
        to_numpy=shared.to_numpy,
        seed=seed,
        # A user's own layer may draw from elsewhere than the keys that it is handed.
        conventions=replace(shared.CONVENTIONS, randomness="owned" if law else "unspecified"),
    )
    return bridge.of_layer_class(
        build,
        name,
        law=law,
        train=_train,
        evaluate=_evaluate,
        vjp=_vjp,
        evaluate_vjp=_evaluate_vjp,
    )


def _train(layer: Any, x: Any) -> Any:
    layer.train()
    return layer(x)


def _evaluate(layer: Any, x: Any) -> Any:
    layer.eval()
    return layer(x)


def _vjp(layer: Any, x: Any, dy: Any) -> tuple[Any, Any]:
    """Differentiate a copy, since a trace must not advance the layer's own stream; then do so."""
    layer.train()
    # The copy is made inside the trace.
    answer = shared.vjp(lambda v: nnx.clone(layer)(v), x, dy)  # noqa: PLW0108
    layer(x)
    return answer


def _evaluate_vjp(layer: Any, x: Any, dy: Any) -> tuple[Any, Any]:
    layer.eval()
    return shared.vjp(lambda v: nnx.clone(layer)(v), x, dy)  # noqa: PLW0108 - as above
