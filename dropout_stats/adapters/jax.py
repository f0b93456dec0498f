"""Functions `(x, rate, key)` and classes on JAX arrays, and what the frameworks on JAX share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from dropout_stats import dtypes
from dropout_stats.adapters.bridge import Bridge, wrapper_of
from dropout_stats.conventions import Conventions
from dropout_stats.signatures import builds_layers
from dropout_stats.target import Target

# float64 needs a global switch of JAX that an adapter has no business to throw.
DTYPES = tuple(name for name in dtypes.available() if name != "float64")
# Each new shape is compiled, which takes a good part of a second.
MAX_SHAPES = 8
CONVENTIONS = Conventions(
    dtypes=DTYPES, rate_argument="rate", max_shapes=MAX_SHAPES, evaluation_graph="empty"
)


def adapt(target: Any, name: str, *, wrap: str | None = None) -> Target:
    """Adapt a function of a JAX array and the rate, or a class whose constructor takes the rate.

    Args:
        target: the function or class.
        name: how reports call it.
        wrap: what training passes are entered through: `"jit"`, `"vmap"` or `"scan"` over the first
            axis with a key for each part, `"checkpoint"`, or `"export"`.

    """
    bridge = bridge_of(
        Conventions(dtypes=("float32",), max_shapes=MAX_SHAPES), wrap, framework="jax"
    )
    if builds_layers(target):
        return bridge.of_layer_class(target, name)
    return bridge.of_function(target, name)


def bridge_of(conventions: Conventions, wrap: str | None = None, *, framework: str) -> Bridge:
    """Return the bridge of a framework whose calls take their key, and change nothing."""
    return Bridge(
        to_native=jnp.asarray,
        to_numpy=to_numpy,
        to_key=to_key,
        vjp=vjp,
        lanes=None if wrap else lanes,
        operations=operations,
        optional_key=True,
        conventions=entered_by(wrap, conventions),
        wrapper=wrapper_of(wrap, WRAPPERS),
        framework=framework,
    )


def to_numpy(y: Any) -> Any:
    """Copy a JAX array to NumPy; bfloat16 becomes `ml_dtypes.bfloat16`."""
    if isinstance(y, tuple):
        return tuple(to_numpy(item) for item in y)
    return np.asarray(y) if isinstance(y, jax.Array) else y


def to_key(parameter: str, key: int) -> Any:
    """Return a typed JAX key; the integer itself where the parameter is called `seed`."""
    return key if parameter == "seed" else jax.random.key(key)


def entered_by(wrap: str | None, conventions: Conventions) -> Conventions:
    """The conventions of passes that are entered so: what is mapped has a first axis."""
    low, high = conventions.ndims
    mapped = wrap in ("vmap", "scan")
    return replace(conventions, ndims=(max(1, low), high)) if mapped else conventions


def _parts_of(key: Any, number: int) -> Any:
    """A key, or seed, for each part."""
    if key is None:
        return None
    if _is_typed(key):
        return jax.random.split(key, number)
    return jax.random.bits(jax.random.key(key), (number,), jnp.uint32) >> 1


def _is_typed(key: Any) -> bool:
    """Whether it is a key and no seed: inside a compiled call both are arrays."""
    return isinstance(key, jax.Array) and jnp.issubdtype(key.dtype, jax.dtypes.prng_key)


def _mapped(call: Any) -> Any:
    def run(x: Any, key: Any) -> Any:
        keys = _parts_of(key, len(x))
        return jax.vmap(call, in_axes=(0, None if key is None else 0))(x, keys)

    return jax.jit(run)


def _scanned(call: Any) -> Any:
    def step(carry: Any, part: Any) -> Any:
        return carry, call(*part)

    def run(x: Any, key: Any) -> Any:
        return jax.lax.scan(step, 0, (x, _parts_of(key, len(x))))[1]

    return jax.jit(run)


def _exported(call: Any) -> Any:
    """The exported program of each shape and type; keys cannot cross, so their data does."""
    from jax import export

    programs: dict[Any, Any] = {}

    def on_data(x: Any, data: Any) -> Any:
        typed = getattr(data, "dtype", None) == jnp.uint32 and data.ndim
        return call(x, jax.random.wrap_key_data(data) if typed else data)

    def run(x: Any, key: Any) -> Any:
        data = jax.random.key_data(key) if _is_typed(key) else key
        place = (x.shape, x.dtype)
        if place not in programs:
            programs[place] = jax.jit(export.export(jax.jit(on_data))(x, data).call)
        return programs[place](x, data)

    return run


WRAPPERS: dict[str, Any] = {
    "jit": jax.jit,
    "vmap": _mapped,
    "scan": _scanned,
    "checkpoint": lambda call: jax.jit(jax.checkpoint(call)),
    "export": _exported,
}


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
