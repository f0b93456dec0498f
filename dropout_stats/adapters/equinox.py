"""Equinox: layers that take their key at each call."""

from __future__ import annotations

import inspect
from dataclasses import replace
from typing import Any

import jax.numpy as jnp
from equinox import nn

from dropout_stats.adapters import jax as shared
from dropout_stats.adapters.bridge import Bridge, element_law
from dropout_stats.errors import HarnessError
from dropout_stats.target import Target

_BRIDGE = Bridge(
    to_native=jnp.asarray,
    to_numpy=shared.to_numpy,
    to_key=shared.to_key,
    vjp=shared.vjp,
    conventions=replace(shared.CONVENTIONS, randomness="key"),
)


def adapt(target: Any, name: str) -> Target:
    """Adapt an `equinox.Module` class called as `layer(x, key=..., inference=...)`."""
    if not isinstance(target, type):
        raise HarnessError(
            f"{name} is no class: hand over the layer's class, or wrap it in a function (x, rate)"
        )

    takes_mode = "inference" in inspect.signature(target.__call__).parameters

    def train(layer: Any, x: Any, key: int) -> Any:
        mode = {"inference": False} if takes_mode else {}
        return layer(x, key=shared.to_key("key", key), **mode)

    def evaluate(layer: Any, x: Any) -> Any:
        return layer(x, inference=True) if takes_mode else nn.inference_mode(layer)(x)

    return _BRIDGE.of_layer_class(
        target,
        name,
        law=element_law(target, "equinox", ("Dropout",), name),
        train=train,
        evaluate=evaluate,
    )
