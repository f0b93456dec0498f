"""numpy-ml: the backward pass of Dropout does not apply the mask of its forward pass.

Needs numpy-ml. Around a layer that does nothing the gradient of the wrapper is its own; around a
fully connected layer of the package it is compared with differences of the output.
"""

import collections
import collections.abc
from importlib.metadata import version
from types import SimpleNamespace

import numpy as np

collections.Hashable = collections.abc.Hashable  # numpy_ml wants what Python 3.10 removed
from numpy_ml.neural_nets.layers import FullyConnected  # noqa: E402
from numpy_ml.neural_nets.wrappers import Dropout  # noqa: E402

UNITS, STEP = 100_000, 1e-5

print("numpy-ml", version("numpy-ml"), "NumPy", np.__version__)
for rate in (0.1, 0.5, 0.9):
    nothing = SimpleNamespace(trainable=True, hyperparameters={}, _init_params=lambda: None)
    nothing.forward = nothing.backward = lambda values, _: values
    np.random.seed(0)
    layer, dy = Dropout(nothing, rate), np.ones((1, UNITS))
    y = layer.forward(np.ones((1, UNITS)))
    dx = layer.backward(dy)
    dropped = y == 0
    print(
        f"rate {rate}: {dropped.sum()} of {UNITS} are dropped, and {(dx[dropped] != 0).sum()} of "
        f"these have a gradient, {np.unique(dx[dropped])}; of kept ones {np.unique(dx[~dropped])}; "
        f"dy was 1, and is now {np.unique(dy)}"
    )

layer = Dropout(FullyConnected(64), 0.5)
x = np.random.standard_normal((1, 32))
layer.forward(x, retain_derived=False)  # makes its parameters


def total(inputs: np.ndarray) -> float:
    """The sum of the outputs, always with one mask."""
    np.random.seed(1)
    return float(layer.forward(inputs, retain_derived=False).sum())


steps = STEP * np.eye(x.size)
differences = np.array([total(x + step) - total(x - step) for step in steps]) / (2 * STEP)
dropped = np.abs(differences) < STEP
np.random.seed(1)
layer.forward(x)
dx = layer.backward(np.ones((1, 64))).ravel()
print(
    f"FullyConnected(64), rate 0.5: {dropped.sum()} of {x.size} inputs do not change the output, "
    f"their gradients are {np.abs(dx[dropped]).min():.2f} to {np.abs(dx[dropped]).max():.2f} in "
    f"size; those of the others are right within {np.abs(dx - differences)[~dropped].max():.0e}"
)
