"""What an adapter costs: a call through it, over calling the framework and converting to NumPy.

A training pass of a million float32 units at rate 0.3. Both are given the same NumPy array and give
back another. The smallest processor time of so many calls each, in turn, three times over; the
ratio is the median of the three.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from tables import print_table

import dropout_stats as ds

RATE, UNITS, CALLS = 0.3, 1_000_000, 9


def torch_layer(x: np.ndarray) -> Callable[[int], Any]:
    import torch

    torch.set_num_threads(1)
    layer = torch.nn.Dropout(RATE).train()
    return lambda _: layer(torch.from_numpy(x)).numpy()


def equinox_layer(x: np.ndarray) -> Callable[[int], Any]:
    import equinox
    import jax

    layer = equinox.nn.Dropout(RATE)
    return lambda key: np.asarray(layer(jax.numpy.asarray(x), key=jax.random.key(key)))


def linen_layer(x: np.ndarray) -> Callable[[int], Any]:
    import jax
    from flax import linen

    def call(key: int) -> Any:
        rngs = {"dropout": jax.random.key(key)}
        return np.asarray(linen.Dropout(RATE).apply({}, jax.numpy.asarray(x), False, rngs=rngs))

    return call


def haiku_function(x: np.ndarray) -> Callable[[int], Any]:
    import haiku
    import jax

    return lambda key: np.asarray(haiku.dropout(jax.random.key(key), RATE, jax.numpy.asarray(x)))


def mlx_layer(x: np.ndarray) -> Callable[[int], Any]:
    import mlx.core as mx
    from mlx import nn

    layer = nn.Dropout(RATE)
    return lambda _: np.array(layer(mx.array(x)))


def tensorflow_function(x: np.ndarray) -> Callable[[int], Any]:
    import tensorflow as tf

    return lambda _: tf.nn.dropout(tf.constant(x), RATE).numpy()


def paddle_layer(x: np.ndarray) -> Callable[[int], Any]:
    import paddle

    layer = paddle.nn.Dropout(RATE)
    return lambda _: layer(paddle.to_tensor(x)).numpy()


DIRECT = {
    "torch.nn:Dropout": torch_layer,
    "equinox.nn:Dropout": equinox_layer,
    "flax.linen:Dropout": linen_layer,
    "haiku:dropout": haiku_function,
    "mlx.nn:Dropout": mlx_layer,
    "tensorflow.nn:dropout": tensorflow_function,
    "paddle.nn:Dropout": paddle_layer,
}


def milliseconds(call: Callable[[int], Any], calls: int) -> float:
    """The smallest processor time of a call, after one that is not counted."""
    call(0)
    found = []
    for number in range(1, calls + 1):
        started = time.process_time()
        call(number)
        found.append(time.process_time() - started)
    return 1000 * min(found)


def main() -> None:
    """Print a row for each framework that is installed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    calls = 1 if parser.parse_args().quick else CALLS
    x = np.random.default_rng(0).standard_normal(UNITS).astype(np.float32)
    rows = []
    for spec, direct in DIRECT.items():
        if importlib.util.find_spec(spec.split(":")[0].split(".")[0]) is None:
            continue
        target, call = ds.adapt(spec), direct(x)
        keyed = bool(target.conventions and target.conventions.randomness == "key")

        def through(key: int, target: Any = target, keyed: bool = keyed) -> Any:
            return target.train(x, RATE, **({"key": key} if keyed else {}))

        pairs = [(milliseconds(call, calls), milliseconds(through, calls)) for _ in range(3)]
        ratio = statistics.median(after / before for before, after in pairs)
        shown = [f"{min(part):.1f}" for part in zip(*pairs, strict=True)]
        rows.append((spec, *shown, f"{ratio:.3f}"))
    heads = ("target", "directly, ms", "through the adapter, ms", "ratio")
    print_table("One training pass of 1,000,000 float32 units", heads, rows)
    print("target: a ratio of at most 1.2")


if __name__ == "__main__":
    main()
