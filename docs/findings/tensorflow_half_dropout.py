"""Dropout of half-precision tensors draws random numbers of the type that the tensor has.

Eagerly these have 7 or 10 bits. XLA draws them in float32 and rounds them to the type, as it does
with the rate. With `xla` as an argument it prints what is compiled, else what is run eagerly.
"""

import sys

import numpy as np
import tensorflow as tf

UNITS, CALLS = 2**20, 64


def dropped(dtype: tf.DType, rate: float, *, compiled: bool) -> int:
    """How many of UNITS * CALLS units are dropped."""
    x = tf.ones(UNITS, dtype)
    drop = tf.function(lambda v: tf.nn.dropout(v, rate), jit_compile=True)
    drop = drop if compiled else lambda v: tf.nn.dropout(v, rate)
    return sum(UNITS - int(tf.math.count_nonzero(drop(x))) for _ in range(CALLS))


print("tensorflow", tf.__version__, *sys.argv[1:])
tf.random.set_seed(0)
for dtype in (tf.float32, tf.float16, tf.bfloat16):
    for rate in (0.001, 0.01, 0.1, 0.3, 0.9, 0.999):
        units = UNITS * CALLS
        share = dropped(dtype, rate, compiled="xla" in sys.argv) / units
        off = (share - rate) / np.sqrt(rate * (1 - rate) / units)
        print(f"{dtype.name} rate {rate}: dropped {share:.6f}, {off:+.1f} standard errors")
