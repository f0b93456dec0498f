"""Dropout of Keras on PyTorch: the masks of one seed are those of the next, a call later."""

import os

os.environ["KERAS_BACKEND"] = "torch"

import keras
import numpy as np

CALLS, UNITS = 6, 4096


def masks(seed: int) -> list[np.ndarray]:
    """The masks of so many calls of one layer."""
    layer, x = keras.layers.Dropout(0.5, seed=seed), np.ones(UNITS, np.float32)
    return [keras.ops.convert_to_numpy(layer(x, training=True)) != 0 for _ in range(CALLS)]


print("keras", keras.__version__, "on", keras.backend.backend())
one, other = masks(1), masks(2)
for later in range(3):
    pairs = zip(one[later:], other, strict=False)
    equal = [float((first == second).mean()) for first, second in pairs]
    print(f"call n + {later} of seed 1 and call n of seed 2 agree in", *(f"{e:.4f}" for e in equal))
