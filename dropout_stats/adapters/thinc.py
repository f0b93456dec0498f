"""Thinc: functions that make a model of a rate; its backward pass is a closure."""

from __future__ import annotations

import inspect
from typing import Any

import thinc.api
from thinc.model import Model

from dropout_stats.adapters.bridge import Bridge, declared_law
from dropout_stats.conventions import Conventions
from dropout_stats.errors import HarnessError
from dropout_stats.laws import AnyLaw, Inverted
from dropout_stats.laws.reading import Array
from dropout_stats.target import Target

LAWS: dict[str, AnyLaw] = {"Dropout": Inverted()}
# The mask is float32 whatever the input is.
CONVENTIONS = Conventions(
    dtypes=("float32", "float64"),
    rate_argument="rate",
    rate_domain="[0, 1]",
    randomness="global",
)


def adapt(target: Any, name: str) -> Target:
    """Adapt a function that makes a `thinc.model.Model` of the rate."""
    if not inspect.isfunction(target):
        raise HarnessError(
            f"{name} is no function that makes a model of the rate, such as thinc.api:Dropout"
        )
    law = declared_law(target, "thinc", LAWS, name)
    # A model of a user's own may draw from elsewhere.
    undeclared = Conventions(dtypes=("float32",), randomness="unspecified")
    bridge = Bridge(
        seed=thinc.api.fix_random_seed,
        conventions=CONVENTIONS if law else undeclared,
        framework="thinc",
    )
    return bridge.of_layer_class(
        target,
        name,
        law=law,
        train=lambda layer, x: _pass(layer, x, training=True)[0],
        evaluate=lambda layer, x: _pass(layer, x, training=False)[0],
        vjp=lambda layer, x, dy: _vjp(layer, x, dy, training=True),
        evaluate_vjp=lambda layer, x, dy: _vjp(layer, x, dy, training=False),
    )


def _pass(layer: Model[Any, Any], x: Array, *, training: bool) -> tuple[Any, Any]:
    y, backward = layer(x, is_train=training)
    return y, backward


def _vjp(layer: Model[Any, Any], x: Array, dy: Array, *, training: bool) -> tuple[Any, Any]:
    y, backward = _pass(layer, x, training=training)
    return y, backward(dy)
