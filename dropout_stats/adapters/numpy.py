"""Plain Python: functions and classes on NumPy arrays."""

from __future__ import annotations

from typing import Any

import numpy as np

from dropout_stats.adapters.bridge import Bridge
from dropout_stats.target import Target


def _to_key(parameter: str, key: int) -> Any:
    return np.random.default_rng(key) if parameter in ("rng", "generator") else key


BRIDGE = Bridge(to_key=_to_key)


def adapt(target: Any, name: str) -> Target:
    """Adapt a function `(x, rate[, training])` or a class whose constructor takes the rate."""
    if isinstance(target, type):
        return BRIDGE.of_layer_class(target, name)
    return BRIDGE.of_function(target, name)
