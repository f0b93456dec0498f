"""What the JAX frameworks share: arrays, keys and gradients."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

from dropout_stats import dtypes
from dropout_stats.conventions import Conventions

# float64 needs a global switch of JAX that an adapter has no business to throw.
DTYPES = tuple(name for name in dtypes.available() if name != "float64")
CONVENTIONS = Conventions(dtypes=DTYPES, rate_argument="rate")


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
