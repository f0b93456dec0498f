"""Flax NNX: layers that own a stream of keys; `flax_linen.py` has the rest of Flax."""

from __future__ import annotations

import inspect
from dataclasses import replace
from functools import partial
from typing import Any

import jax.numpy as jnp
from flax import linen, nnx

from dropout_stats.adapters import flax_linen
from dropout_stats.adapters import jax as shared
from dropout_stats.adapters.bridge import Bridge, declared_law, wrapper_of
from dropout_stats.callables import initialised_by, name_of, underlying
from dropout_stats.conventions import Conventions
from dropout_stats.errors import HarnessError
from dropout_stats.laws import Inverted
from dropout_stats.layers import build_one
from dropout_stats.signatures import takes_rate_alone
from dropout_stats.target import Target

# Its own transformations split the keys of a layer, and bring their state back to it.
_EVERY_KEY = nnx.StateAxes({nnx.RngState: 0, ...: None})


def adapt(target: Any, name: str, *, wrap: str | None = None) -> Target:
    """Adapt a class of modules, or a function that returns the weights of an attention.

    Args:
        target: the class, a function that builds modules of a rate, or that of an attention.
        name: how reports call it.
        wrap: what training passes are entered through, as for functions on JAX arrays; by NNX's own
            transformations for its modules, which cannot be exported.

    """
    kind = _kind(target, name)
    if kind is None:
        return flax_linen.adapt_attention(target, name, wrap)
    if issubclass(kind, linen.Module):
        return flax_linen.adapt_layer(target, kind, name, wrap)
    if issubclass(kind, nnx.Module):
        return _adapt_layer(target, name, wrap)
    raise HarnessError(
        f"{name} is no class of modules of flax.nnx or flax.linen, nor builds any: wrap it in "
        "dropout_stats.Target(train=..., evaluate=...)"
    )


def _kind(target: Any, name: str) -> type | None:
    """The class of modules, or of those that are built; None for another function."""
    below = underlying(target)
    if isinstance(below, type):
        return below
    parameters = initialised_by(target)
    keys = {"rngs": nnx.Rngs(0)} if parameters.pop("rngs", None) else {}
    if not takes_rate_alone(parameters):
        return None
    return type(build_one(partial(target, **keys), name))


def _adapt_layer(target: Any, name: str, wrap: str | None) -> Target:
    """Adapt what builds an `nnx.Module` as `layer(rate, rngs=nnx.Rngs(seed))`."""
    law = declared_law(target, "flax", {"Dropout": Inverted()}, name)
    declared = flax_linen.CONVENTIONS if law else Conventions()
    seeds = [0]

    def seed(number: int) -> None:
        seeds[0] = number

    parameters = initialised_by(target)
    takes_keys = parameters.pop("rngs", None) is not None

    def build(**rate: float) -> Any:
        return target(**rate, **({"rngs": nnx.Rngs(seeds[0])} if takes_keys else {}))

    build.__signature__ = inspect.Signature(list(parameters.values()))  # type: ignore[attr-defined]
    build.__qualname__ = name_of(target)
    bridge = Bridge(
        to_native=jnp.asarray,
        to_numpy=shared.to_numpy,
        to_key=shared.to_key,
        seed=seed,
        # A user's own layer may draw from elsewhere than the keys that it is handed.
        conventions=shared.entered_by(
            wrap, replace(declared, randomness="owned" if law else "unspecified")
        ),
        framework="flax",
    )
    enter = wrapper_of(wrap, _WRAPPERS)
    called = enter(_call) if enter else _call
    return bridge.of_layer_class(
        build,
        name,
        law=law,
        filled=("rngs",) if takes_keys else (),
        train=partial(_train, called),
        evaluate=_evaluate,
        vjp=partial(_vjp, called),
        evaluate_vjp=_evaluate_vjp,
        operations=_operations,
    )


def _call(layer: Any, x: Any) -> Any:
    return layer(x)


def _mapped(call: Any) -> Any:
    return nnx.jit(_by_rows(nnx.vmap(call, in_axes=(_EVERY_KEY, 0))))


def _scanned(call: Any) -> Any:
    return nnx.jit(_by_rows(nnx.scan(call, in_axes=(_EVERY_KEY, 0), out_axes=0)))


def _by_rows(call: Any) -> Any:
    """The call with a key for each row."""

    def run(layer: Any, x: Any) -> Any:
        return nnx.split_rngs(splits=len(x))(call)(layer, x)

    return run


_WRAPPERS: dict[str, Any] = {
    "jit": nnx.jit,
    "vmap": _mapped,
    "scan": _scanned,
    "checkpoint": lambda call: nnx.jit(nnx.remat(call)),
}


def _train(call: Any, layer: Any, x: Any) -> Any:
    layer.train()
    return call(layer, x)


def _evaluate(layer: Any, x: Any) -> Any:
    layer.eval()
    return layer(x)


def _vjp(call: Any, layer: Any, x: Any, dy: Any) -> tuple[Any, Any]:
    """Differentiate a copy, since a trace must not advance the layer's own stream; then do so."""
    layer.train()
    answer = shared.vjp(lambda v: call(nnx.clone(layer), v), x, dy)  # a copy inside the trace
    call(layer, x)
    return answer


def _evaluate_vjp(layer: Any, x: Any, dy: Any) -> tuple[Any, Any]:
    layer.eval()
    return shared.vjp(lambda v: nnx.clone(layer)(v), x, dy)  # noqa: PLW0108 - a copy, as above


def _operations(layer: Any, x: Any) -> list[str]:
    layer.eval()
    return shared.operations(lambda v: nnx.clone(layer)(v), x)  # noqa: PLW0108 - as above
