"""Penzai: layers on arrays with named axes, which take a stream of keys beside their input."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
from penzai import pz

from dropout_stats.adapters import jax as shared
from dropout_stats.adapters.bridge import declared_law
from dropout_stats.errors import HarnessError
from dropout_stats.laws import AnyLaw, Inverted
from dropout_stats.target import Target

LAWS: dict[str, AnyLaw] = {"StochasticDropout": Inverted()}


def adapt(target: Any, name: str) -> Target:
    """Adapt `penzai.nn.StochasticDropout`, or a layer that derives from it."""
    if not (isinstance(target, type) and issubclass(target, pz.nn.StochasticDropout)):
        raise HarnessError(
            f"{name} is no layer that derives from penzai.pz.nn.StochasticDropout: wrap it in a "
            "function (x, rate, key) of your own"
        )
    try:
        target(0.5)
    except TypeError as error:
        raise HarnessError(
            f"{name} cannot be built from a rate alone ({error}): wrap it in a function "
            "(x, rate, key) of your own"
        ) from error
    law = declared_law(target, "penzai", LAWS, name)
    return shared.bridge_of(shared.CONVENTIONS).of_function(_called(target), name, law=law)


def _called(layer: Any) -> Any:
    def dropout(x: Any, rate: float, key: Any, deterministic: bool = False) -> Any:
        made = layer(rate)
        axes = [f"axis{number}" for number in range(x.ndim)]
        stream = pz.RandomStream.from_base_key(key)
        named = pz.nx.wrap(jnp.asarray(x)).tag(*axes)
        y = (made.disable() if deterministic else made)(named, random_stream=stream)
        return y.untag(*axes).unwrap()

    return dropout
