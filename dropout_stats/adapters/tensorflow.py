"""TensorFlow: functions of a tensor and the rate, eager and compiled by XLA."""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import Any

import numpy as np
import tensorflow as tf

from dropout_stats import dtypes
from dropout_stats.adapters.bridge import Bridge, declared_law
from dropout_stats.conventions import Conventions
from dropout_stats.errors import HarnessError
from dropout_stats.laws import AnyLaw, Inverted
from dropout_stats.target import Target

LAWS: dict[str, AnyLaw] = {
    "dropout_v2": Inverted(),  # tf.nn.dropout
    "stateless_dropout": Inverted(),
    "general_dropout": Inverted(),
}
# Each new shape is compiled, which takes a good part of a second.
MAX_SHAPES = 8
CONVENTIONS = Conventions(
    dtypes=dtypes.available(), rate_argument="rate", rate_domain="[0, 1)", randomness="global"
)
# A user's own function may draw from a generator of its own.
_UNDECLARED = Conventions(dtypes=("float32",), randomness="unspecified")


def adapt(target: Any, name: str, *, jit_compile: bool = False) -> Target:
    """Adapt a function of a tensor and the rate.

    Args:
        target: the function.
        name: how reports call it.
        jit_compile: whether training passes run as `tf.function(..., jit_compile=True)`.

    """
    if isinstance(target, type):
        raise HarnessError(
            f"{name} is a class: wrap it in a function of a tensor and the rate, and judge that "
            "with --option framework=tensorflow"
        )
    law = declared_law(target, "tensorflow", LAWS, name)
    conventions = CONVENTIONS if law else _UNDECLARED
    if jit_compile:
        # XLA heeds a key, and not the global seed (tensorflow/tensorflow#59678).
        conventions = replace(conventions, randomness="unspecified", max_shapes=MAX_SHAPES)
    if law and target.__name__ == "general_dropout":
        target = functools.partial(target, uniform_sampler=tf.random.uniform)
    bridge = Bridge(
        to_native=tf.constant,
        to_numpy=to_numpy,
        to_key=_to_key,
        vjp=vjp,
        seed=tf.random.set_seed,
        conventions=conventions,
        wrapper=_compiled if jit_compile else None,
        framework="tensorflow",
    )
    return bridge.of_function(target, name, law=law)


def _compiled(call: Any) -> Any:
    return tf.function(call, jit_compile=True)


def to_numpy(y: Any) -> Any:
    """The tensor, or each of a tuple of them, as an array; anything else as it is."""
    if isinstance(y, tuple):
        return tuple(to_numpy(item) for item in y)
    return np.asarray(y.numpy()) if isinstance(y, tf.Tensor) else y  # 0-d ones become numbers


def _to_key(parameter: str, key: int) -> Any:
    if parameter == "seed":
        return tf.constant([key, 0], tf.int64)  # two numbers are a stateless seed
    return tf.random.Generator.from_seed(key)


def vjp(call: Any, x: Any, dy: Any) -> tuple[Any, Any]:
    """One pass and its gradient, from the same noise."""
    with tf.GradientTape() as tape:
        tape.watch(x)
        answer = call(x)
        y = answer[0] if isinstance(answer, tuple) else answer
    dx = tape.gradient(y, x, output_gradients=dy)
    return y, tf.zeros_like(x) if dx is None else dx
