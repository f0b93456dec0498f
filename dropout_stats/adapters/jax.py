"""JAX functions `(x, rate, key)`, and what the frameworks on JAX share."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from dropout_stats import dtypes
from dropout_stats.adapters.bridge import Bridge
from dropout_stats.conventions import Conventions
from dropout_stats.target import Target

# float64 needs a global switch of JAX that an adapter has no business to throw.
DTYPES = tuple(name for name in dtypes.available() if name != "float64")
# Each new shape is compiled, which takes a good part of a second.
MAX_SHAPES = 8
CONVENTIONS = Conventions(dtypes=DTYPES, rate_argument="rate", max_shapes=MAX_SHAPES)


def adapt(target: Any, name: str) -> Target:
    """Adapt a function of a JAX array, the rate and a key."""
    bridge = Bridge(
        to_native=jnp.asarray,
        to_numpy=to_numpy,
        to_key=to_key,
        vjp=vjp,
        conventions=Conventions(dtypes=("float32",), max_shapes=MAX_SHAPES),
    )
    return bridge.of_function(target, name)


def to_numpy(y: Any) -> Any:
    """Copy a JAX array to NumPy; bfloat16 becomes `ml_dtypes.bfloat16`."""
    return np.asarray(y) if isinstance(y, jax.Array) else y


def to_key(_: str, key: int) -> Any:
    """Return a typed JAX key."""
    return jax.random.key(key)


def vjp(call: Any, x: Any, dy: Any) -> tuple[Any, Any]:
    """One pass and its gradient, from the same noise."""
    y, pull = jax.vjp(call, x)
    return y, pull(dy)[0]
