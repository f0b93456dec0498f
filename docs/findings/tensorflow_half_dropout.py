"""Eager dropout of half-precision tensors draws as many random bits as the type has."""

import numpy as np
import tensorflow as tf

UNITS, CALLS = 2**20, 64


def dropped(dtype: tf.DType, rate: float) -> int:
    """How many of UNITS * CALLS units are dropped."""
    x = tf.ones(UNITS, dtype)
    return sum(UNITS - int(tf.math.count_nonzero(tf.nn.dropout(x, rate))) for _ in range(CALLS))


print("tensorflow", tf.__version__)
tf.random.set_seed(0)
for dtype in (tf.float32, tf.float16, tf.bfloat16):
    for rate in (0.001, 0.01, 0.1, 0.3, 0.9, 0.999):
        units = UNITS * CALLS
        share, error = dropped(dtype, rate) / units, np.sqrt(rate * (1 - rate) / units)
        off = (share - rate) / error
        print(f"{dtype.name} rate {rate}: dropped {share:.6f}, {off:+.1f} standard errors")
