"""Functions `(x, rate, key)` and classes on JAX arrays, and what the frameworks on JAX share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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
CONVENTIONS = Conventions(
    dtypes=DTYPES, rate_argument="rate", max_shapes=MAX_SHAPES, evaluation_graph="empty"
)


def adapt(target: Any, name: str) -> Target:
    """Adapt a function of a JAX array and the rate, or a class whose constructor takes the rate."""
    bridge = bridge_of(Conventions(dtypes=("float32",), max_shapes=MAX_SHAPES))
    if isinstance(target, type):
        return bridge.of_layer_class(target, name)
    return bridge.of_function(target, name)


def bridge_of(conventions: Conventions) -> Bridge:
    """Return the bridge of a framework whose calls take their key, and change nothing."""
    return Bridge(
        to_native=jnp.asarray,
        to_numpy=to_numpy,
        to_key=to_key,
        vjp=vjp,
        lanes=lanes,
        operations=operations,
        optional_key=True,
        conventions=conventions,
    )


def to_numpy(y: Any) -> Any:
    """Copy a JAX array to NumPy; bfloat16 becomes `ml_dtypes.bfloat16`."""
    if isinstance(y, tuple):
        return tuple(to_numpy(item) for item in y)
    return np.asarray(y) if isinstance(y, jax.Array) else y


def to_key(parameter: str, key: int) -> Any:
    """Return a typed JAX key; the integer itself where the parameter is called `seed`."""
    return key if parameter == "seed" else jax.random.key(key)


def lanes(call: Any, x: Any, keys: Sequence[int]) -> Any:
    """Map a keyed call over its key."""
    return jax.vmap(lambda key: call(x, key))(jnp.asarray(keys))


def operations(call: Any, x: Any) -> list[str]:
    """Names of the primitives that the output of a call needs, also inside compiled parts."""
    return list(_primitives(jax.make_jaxpr(call)(x).jaxpr))


def _primitives(jaxpr: Any) -> Iterator[str]:
    for equation in _needed(jaxpr):
        parts = [part for part in equation.params.values() if hasattr(part, "jaxpr")]
        for part in parts:
            yield from _primitives(part.jaxpr)
        if not parts:
            yield equation.primitive.name


def _needed(jaxpr: Any) -> list[Any]:
    """The equations without those whose results nobody reads, such as a key that is not used."""
    read = {id(variable) for variable in jaxpr.outvars}
    needed = []
    for equation in reversed(jaxpr.eqns):
        if any(id(variable) in read for variable in equation.outvars):
            needed.append(equation)
            read |= {id(variable) for variable in equation.invars}
    return needed[::-1]


def vjp(call: Any, x: Any, dy: Any) -> tuple[Any, Any]:
    """One pass and its gradient, from the same noise."""

    def output(v: Any) -> Any:
        answer = call(v)
        return answer[0] if isinstance(answer, tuple) else answer

    y, pull = jax.vjp(output, x)
    return y, pull(dy)[0]
