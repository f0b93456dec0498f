"""Flax NNX: layers that own a stream of keys; `flax_linen.py` has the rest of Flax."""

from __future__ import annotations

import inspect
from dataclasses import replace
from typing import Any

import jax.numpy as jnp
from flax import linen, nnx

from dropout_stats.adapters import flax_linen
from dropout_stats.adapters import jax as shared
from dropout_stats.adapters.bridge import Bridge, declared_law
from dropout_stats.conventions import Conventions
from dropout_stats.errors import HarnessError
from dropout_stats.laws import Inverted
from dropout_stats.target import Target


def adapt(target: Any, name: str) -> Target:
    """Adapt a class of modules, or a function that returns the weights of an attention."""
    if inspect.isfunction(target):
        return flax_linen.adapt_attention(target, name)
    if isinstance(target, type) and issubclass(target, linen.Module):
        return flax_linen.adapt_layer(target, name)
    if isinstance(target, type) and issubclass(target, nnx.Module):
        return _adapt_layer(target, name)
    raise HarnessError(
        f"{name} is no class of modules of flax.nnx or flax.linen: wrap it in "
        "dropout_stats.Target(train=..., evaluate=...)"
    )


def _adapt_layer(target: Any, name: str) -> Target:
    """Adapt an `nnx.Module` class built as `layer(rate, rngs=nnx.Rngs(seed))`."""
    law = declared_law(target, "flax", {"Dropout": Inverted()}, name)
    declared = flax_linen.CONVENTIONS if law else Conventions()
    seeds = [0]

    def seed(number: int) -> None:
        seeds[0] = number

    parameters = _constructor(target)
    takes_keys = parameters.pop("rngs", None) is not None

    def build(**rate: float) -> Any:
        return target(**rate, **({"rngs": nnx.Rngs(seeds[0])} if takes_keys else {}))

    build.__signature__ = inspect.Signature(list(parameters.values()))  # type: ignore[attr-defined]
    build.__qualname__ = target.__qualname__
    bridge = Bridge(
        to_native=jnp.asarray,
        to_numpy=shared.to_numpy,
        to_key=shared.to_key,
        seed=seed,
        # A user's own layer may draw from elsewhere than the keys that it is handed.
        conventions=replace(declared, randomness="owned" if law else "unspecified"),
    )
    return bridge.of_layer_class(
        build,
        name,
        law=law,
        train=_train,
        evaluate=_evaluate,
        vjp=_vjp,
        evaluate_vjp=_evaluate_vjp,
        operations=_operations,
    )


def _constructor(target: Any) -> dict[str, inspect.Parameter]:
    """The parameters of the constructor: the class itself shows those of its metaclass."""
    parameters = list(inspect.signature(target.__init__).parameters.values())
    return {parameter.name: parameter for parameter in parameters[1:]}


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


def _operations(layer: Any, x: Any) -> list[str]:
    layer.eval()
    return shared.operations(lambda v: nnx.clone(layer)(v), x)  # noqa: PLW0108 - as above
