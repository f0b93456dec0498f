"""Haiku: its function of a key, a rate and an array."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from dropout_stats.adapters import jax as shared
from dropout_stats.adapters.bridge import declared_law
from dropout_stats.errors import HarnessError
from dropout_stats.laws import AnyLaw, Inverted
from dropout_stats.target import Target

LAWS: dict[str, AnyLaw] = {"dropout": Inverted()}
CONVENTIONS = replace(shared.CONVENTIONS, rate_domain="[0, 1)")


def adapt(target: Any, name: str, *, wrap: str | None = None) -> Target:
    """Adapt `haiku.dropout`.

    Args:
        target: the function.
        name: how reports call it.
        wrap: what training passes are entered through, as for functions on JAX arrays.

    """
    law = None if isinstance(target, type) else declared_law(target, "haiku", LAWS, name)
    if law is None:
        raise HarnessError(
            f"{name} needs haiku.transform: make a function of it, and judge that:\n"
            "    def dropout(x, rate, key):\n"
            "        apply = haiku.transform(lambda x: ...).apply\n"
            "        return apply({}, key, x)"
        )
    bridge = shared.bridge_of(CONVENTIONS, wrap, framework="haiku")
    return bridge.of_function(target, name, law=law)
