"""MLX: modules and functions on its arrays."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import mlx.core as mx
import numpy as np
from mlx import nn

from dropout_stats import dtypes
from dropout_stats.adapters.bridge import Bridge, declared_law
from dropout_stats.conventions import Conventions
from dropout_stats.errors import HarnessError
from dropout_stats.laws import AnyLaw, Inverted
from dropout_stats.laws.reading import Array
from dropout_stats.signatures import builds_layers
from dropout_stats.target import Target

LAWS: dict[str, AnyLaw] = {
    "Dropout": Inverted(),
    "Dropout2d": Inverted(unit="channel-last"),
    "Dropout3d": Inverted(unit="channel-last"),
}
# Batch, space, channels; with one dimension fewer they mean one sample without a batch.
NDIMS = {"Dropout": (0, 5), "Dropout2d": (4, 4), "Dropout3d": (5, 5)}
CONVENTIONS = Conventions(
    dtypes=tuple(name for name in dtypes.available() if name != "float64"),
    rate_argument="rate",
    rate_domain="[0, 1)",
    randomness="global",
)
# A user's own layer or function promises none of that.
_UNDECLARED = Conventions(dtypes=("float32",), randomness="unspecified")


def adapt(target: Any, name: str) -> Target:
    """Adapt a class of layers, or a function of an array and the rate."""
    if isinstance(target, nn.Module):
        raise HarnessError(f"{name} is an instance, whose rate is fixed: hand over its class")
    law = declared_law(target, "mlx", LAWS, name)
    declared = replace(CONVENTIONS, ndims=NDIMS[target.__name__]) if law else _UNDECLARED
    bridge = Bridge(
        to_native=mx.array,
        to_numpy=to_numpy,
        to_key=_to_key,
        vjp=_vjp,
        seed=mx.random.seed,
        state=_state,
        conventions=declared,
        framework="mlx",
    )
    if builds_layers(target):
        return bridge.of_layer_class(target, name, law=law)
    return bridge.of_function(target, name, law=law)


def to_numpy(y: Any) -> Any:
    """The array, or each of a tuple of them, in NumPy; anything else as it is."""
    if isinstance(y, tuple):
        return tuple(to_numpy(item) for item in y)
    if not isinstance(y, mx.array):
        return y
    if y.dtype == mx.bfloat16:
        return np.array(y.view(mx.uint16)).view(dtypes.as_dtype("bfloat16"))
    return np.array(y)


def _to_key(parameter: str, key: int) -> Any:
    return key if parameter == "seed" else mx.random.key(key)


def _vjp(call: Any, x: Any, dy: Any) -> tuple[Any, Any]:
    def output(v: Any) -> Any:
        answer = call(v)
        return answer[0] if isinstance(answer, tuple) else answer

    (y,), (dx,) = mx.vjp(output, [x], [dy])
    return y, dx


def _state() -> bytes:
    states: list[Array] = [np.array(one) for one in mx.random.state]
    return b"".join(one.tobytes() for one in states)
