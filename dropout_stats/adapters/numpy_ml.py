"""numpy-ml: a dropout that wraps a layer, written for NumPy alone."""

from __future__ import annotations

import collections
import collections.abc
from typing import Any

import numpy as np

from dropout_stats.adapters.bridge import Bridge, declared_law
from dropout_stats.conventions import Conventions
from dropout_stats.errors import HarnessError
from dropout_stats.laws import Inverted
from dropout_stats.laws.reading import Array
from dropout_stats.target import Target

_SHIM = (
    "numpy_ml imports collections.Hashable, which Python 3.10 removed: the adapter supplied it "
    "(collections.abc.Hashable)"
)
_IDENTITY = "the wrapper was put around an identity layer, so that its own noise is judged"


class _Identity:
    """A base layer that does nothing; trainable means training mode in numpy-ml."""

    def __init__(self) -> None:
        self.trainable = True
        self.hyperparameters: dict[str, Any] = {}

    def _init_params(self) -> None:
        """Nothing to initialise."""

    def forward(self, x: Array, _retain_derived: bool = True) -> Array:
        return x

    def backward(self, dy: Array, _retain_grads: bool = True) -> Array:
        return dy


def prepare() -> None:
    """Make numpy-ml importable."""
    if not hasattr(collections, "Hashable"):
        collections.Hashable = collections.abc.Hashable  # type: ignore[attr-defined]


def adapt(target: Any, name: str) -> Target:
    """Adapt `numpy_ml.neural_nets.wrappers.Dropout`, or a wrapper class like it."""
    if not isinstance(target, type):
        raise HarnessError(
            f"{name} is no wrapper class such as numpy_ml.neural_nets.wrappers.Dropout"
        )
    law = declared_law(target, "numpy_ml", {"Dropout": Inverted()}, name)
    bridge = Bridge(
        seed=np.random.seed,
        conventions=Conventions(
            rate_argument="rate", randomness="global" if law else "unspecified"
        ),
    )

    def build(p: float) -> Any:
        return target(_Identity(), p)

    return bridge.of_layer_class(
        build,
        name,
        law=law,
        train=_in_mode(True),
        evaluate=_in_mode(False),
        vjp=_vjp,
        notes=(_SHIM, _IDENTITY),
    )


def _in_mode(training: bool) -> Any:
    def call(layer: Any, x: Array) -> Any:
        layer._base_layer.trainable = training  # unfreeze() freezes in 0.1.2
        return layer.forward(x, retain_derived=False)

    return call


def _vjp(layer: Any, x: Array, dy: Array) -> tuple[Any, Any]:
    layer._base_layer.trainable = True
    return layer.forward(x), layer.backward(dy)
