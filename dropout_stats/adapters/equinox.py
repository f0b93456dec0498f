"""Equinox: layers that take their key at each call, and are not changed in place."""

from __future__ import annotations

from typing import Any

import equinox as eqx
from equinox import nn

from dropout_stats.adapters import jax as shared
from dropout_stats.adapters.bridge import declared_law
from dropout_stats.conventions import Conventions
from dropout_stats.errors import HarnessError
from dropout_stats.laws import Inverted
from dropout_stats.signatures import builds_layers
from dropout_stats.target import Target


def adapt(target: Any, name: str, *, wrap: str | None = None) -> Target:
    """Adapt an `equinox.Module` class, or a function that builds its layers of a rate.

    Args:
        target: the class or function.
        name: how reports call it.
        wrap: what training passes are entered through, as for functions on JAX arrays.

    """
    if not builds_layers(target):
        raise HarnessError(
            f"{name} is no class, nor builds one's layers of a rate: hand over the layer's class, "
            "or wrap it in a function (x, rate)"
        )
    law = declared_law(target, "equinox", {"Dropout": Inverted()}, name)
    conventions = shared.CONVENTIONS if law else Conventions()
    bridge = shared.bridge_of(conventions, wrap, framework="equinox")
    return bridge.of_layer_class(target, name, law=law, switch=_switch)


def _switch(layer: Any, evaluation: bool) -> Any:
    """Return the layer in a mode; None where nothing of it has an attribute `inference`."""
    modes = [nn.inference_mode(layer, value) for value in (False, True)]
    return None if eqx.tree_equal(*modes) else modes[evaluation]
