"""Penzai: layers on arrays with named axes, which take a stream of keys beside their input."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
from penzai import pz

from dropout_stats.adapters import jax as shared
from dropout_stats.adapters.bridge import declared_law
from dropout_stats.adapters.constructors import read_constructor
from dropout_stats.callables import initialised_by, name_of, underlying
from dropout_stats.errors import HarnessError
from dropout_stats.laws import AnyLaw, Inverted
from dropout_stats.layers import build_one
from dropout_stats.signatures import builds_layers
from dropout_stats.target import Target

LAWS: dict[str, AnyLaw] = {"StochasticDropout": Inverted()}


def adapt(target: Any, name: str, *, wrap: str | None = None) -> Target:
    """Adapt `penzai.nn.StochasticDropout`, or a layer that derives from it.

    Args:
        target: the class, or a function that builds layers of a rate.
        name: how reports call it.
        wrap: what training passes are entered through, as for functions on JAX arrays.

    """
    build = _builder(target, name)
    if build is None or not isinstance(build_one(build, name), pz.nn.StochasticDropout):
        raise HarnessError(
            f"{name} is no layer that derives from penzai.pz.nn.StochasticDropout: wrap it in a "
            "function (x, rate, key) of your own"
        )
    law = declared_law(target, "penzai", LAWS, name)
    bridge = shared.bridge_of(shared.CONVENTIONS, wrap, framework="penzai")
    return bridge.of_function(_called(build), name, law=law)


def _builder(target: Any, name: str) -> Callable[[float], Any] | None:
    """What builds a layer of a rate; None for what builds none."""
    below = underlying(target)
    is_other = isinstance(below, type) and not issubclass(below, pz.nn.StochasticDropout)
    if is_other or not builds_layers(target):
        return None

    def build(**given: Any) -> Any:
        return target(**given)

    parameters = initialised_by(target).values()
    build.__signature__ = inspect.Signature(list(parameters))  # type: ignore[attr-defined]
    build.__qualname__ = name_of(target)
    rate = read_constructor(build, name, "penzai").rate
    return lambda value: target(**{str(rate.name): value})


def _called(build: Callable[[float], Any]) -> Any:
    def dropout(x: Any, rate: float, key: Any, deterministic: bool = False) -> Any:
        made = build(rate)
        axes = [f"axis{number}" for number in range(x.ndim)]
        stream = pz.RandomStream.from_base_key(key)
        named = pz.nx.wrap(jnp.asarray(x)).tag(*axes)
        y = (made.disable() if deterministic else made)(named, random_stream=stream)
        return y.untag(*axes).unwrap()

    return dropout
