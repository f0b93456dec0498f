"""Plain Python: functions and classes on NumPy arrays."""

from __future__ import annotations

from typing import Any

from dropout_stats.adapters.bridge import Bridge
from dropout_stats.signatures import builds_layers
from dropout_stats.target import Target

BRIDGE = Bridge()


def adapt(target: Any, name: str) -> Target:
    """Adapt a function `(x, rate[, training])` or a class whose constructor takes the rate."""
    if builds_layers(target):
        return BRIDGE.of_layer_class(target, name)
    return BRIDGE.of_function(target, name)
