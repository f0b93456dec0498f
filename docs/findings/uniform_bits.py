"""How fine the uniform numbers of a framework are, in each type: no rate can be finer.

The least k for which all of a million numbers are multiples of 2^-k, and that of those above 1/2,
for whatever is installed. A mask may be drawn from other numbers than these.
"""

import importlib
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import numpy as np

NUMBERS = 1_000_000
DTYPES = ("float16", "bfloat16", "float32", "float64")


def of_torch(torch: Any, dtype: str) -> Any:
    """`torch.rand`, on a processor."""
    return torch.rand(NUMBERS, dtype=getattr(torch, dtype)).double().numpy()


def of_jax(jax: Any, dtype: str) -> Any:
    """`jax.random.uniform`; float64 takes a switch."""
    numbers = jax.random.uniform(jax.random.key(0), (NUMBERS,), dtype)
    if str(numbers.dtype) != dtype:
        raise TypeError(f"{dtype} became {numbers.dtype}")
    return np.asarray(numbers, np.float64)


def of_tensorflow(tf: Any, dtype: str) -> Any:
    """`tf.random.uniform`, eagerly."""
    return tf.cast(tf.random.uniform((NUMBERS,), dtype=dtype), "float64").numpy()


def of_paddle(paddle: Any, dtype: str) -> Any:
    """`paddle.uniform`."""
    return paddle.uniform([NUMBERS], dtype, 0.0, 1.0).astype("float64").numpy()


def of_mlx(mx: Any, dtype: str) -> Any:
    """`mlx.core.random.uniform`."""
    numbers = mx.random.uniform(shape=(NUMBERS,), dtype=getattr(mx, dtype))
    return np.array(numbers.astype(mx.float32), np.float64)


def of_tinygrad(tinygrad: Any, dtype: str) -> Any:
    """`Tensor.rand`."""
    kind = getattr(tinygrad.dtypes, dtype)
    return tinygrad.Tensor.rand(NUMBERS, dtype=kind).cast(tinygrad.dtypes.float64).numpy()


PLACES: dict[str, Callable[[Any, str], Any]] = {
    "torch": of_torch,
    "jax": of_jax,
    "tensorflow": of_tensorflow,
    "paddle": of_paddle,
    "mlx.core": of_mlx,
    "tinygrad": of_tinygrad,
}


def bits(numbers: Any) -> int:
    """The least k for which all are multiples of 2^-k."""
    return next(k for k in range(1075) if (np.ldexp(numbers, k) % 1 == 0).all())


for place, uniforms in PLACES.items():
    try:
        module = importlib.import_module(place)
    except ImportError:
        continue
    for dtype in DTYPES:
        try:
            drawn = uniforms(module, dtype)
            above = bits(drawn[drawn > 0.5])
            said = f"{bits(drawn)} bits, {above} above 1/2, at most {drawn.max():.9g}"
        except Exception as error:  # noqa: BLE001 - a type that the framework lacks
            said = f"{type(error).__name__}: {str(error).splitlines()[0][:60]}"
        package = {"paddle": "paddlepaddle", "tensorflow": "tensorflow-cpu"}.get(place)
        print(package or place, version(package or place.partition(".")[0]), dtype, said)
