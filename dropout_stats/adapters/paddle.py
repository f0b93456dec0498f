"""PaddlePaddle: layers and functions on its tensors, scaled in training or in evaluation."""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import Any

import numpy as np
import paddle

from dropout_stats import dtypes
from dropout_stats.adapters.bridge import Bridge, declared_law
from dropout_stats.conventions import Conventions
from dropout_stats.errors import HarnessError, UsageError, did_you_mean
from dropout_stats.laws import Alpha, AnyLaw, Inverted, TestScaled
from dropout_stats.laws.reading import Array
from dropout_stats.signatures import builds_layers
from dropout_stats.target import Target

_CHANNEL = Inverted(unit="channel")
LAWS: dict[str, AnyLaw] = {
    "Dropout": Inverted(),
    "Dropout2D": _CHANNEL,
    "Dropout3D": _CHANNEL,
    "AlphaDropout": Alpha(),
    "dropout": Inverted(),
    "dropout2d": _CHANNEL,
    "dropout3d": _CHANNEL,
    "alpha_dropout": Alpha(),
}
# The dropout of single elements takes a mode, which is a law.
MODES: dict[str, AnyLaw] = {"upscale_in_train": Inverted(), "downscale_in_infer": TestScaled()}
NDIMS = {"Dropout2D": 4, "dropout2d": 4, "Dropout3D": 5, "dropout3d": 5}
CONVENTIONS = Conventions(
    dtypes=dtypes.available(), rate_argument="rate", rate_domain="[0, 1]", randomness="global"
)
# Masks of whole channels take another path, which has no half precision on a processor.
_BY_AXIS = replace(CONVENTIONS, dtypes=("float32", "float64"))
# A user's own layer or function promises none of that.
_UNDECLARED = Conventions(dtypes=("float32",), randomness="unspecified")


def adapt(target: Any, name: str, *, mode: str | None = None) -> Target:
    """Adapt a class of layers, or a function of a tensor and the rate.

    Args:
        target: the class or function.
        name: how reports call it.
        mode: of the dropout of single elements, `upscale_in_train` (its default) or
            `downscale_in_infer`.

    """
    if isinstance(target, paddle.nn.Layer):
        raise HarnessError(f"{name} is an instance, whose rate is fixed: hand over its class")
    law = declared_law(target, "paddle", LAWS, name)
    conventions = CONVENTIONS if law else _UNDECLARED
    if law and target.__name__ in NDIMS:
        conventions = replace(_BY_AXIS, ndims=(NDIMS[target.__name__],) * 2)
    if mode is not None:
        law = _law_of(mode, target.__name__ if law else None, name)
        target = _in_mode(target, mode)
    bridge = Bridge(
        to_native=to_tensor,
        to_numpy=to_array,
        vjp=_vjp,
        seed=paddle.seed,
        conventions=conventions,
        framework="paddle",
    )
    if builds_layers(target):
        return bridge.of_layer_class(target, name, law=law)
    return bridge.of_function(target, name, law=law)


def to_tensor(x: Array) -> Any:
    """The array as a tensor of the same type."""
    return paddle.to_tensor(x.view(np.uint16) if x.dtype.name == "bfloat16" else x)


def to_array(y: Any) -> Any:
    """The tensor, or each of a tuple of them, as an array; anything else as it is."""
    if isinstance(y, tuple):
        return tuple(to_array(item) for item in y)
    if not isinstance(y, paddle.Tensor):
        return y
    array = np.asarray(y.numpy())
    return array.view(dtypes.as_dtype("bfloat16")) if y.dtype == paddle.bfloat16 else array


def _law_of(mode: str, dropout: str | None, name: str) -> AnyLaw:
    if mode not in MODES:
        raise UsageError(
            f"mode={mode!r}: expected one of {', '.join(MODES)}.{did_you_mean(mode, MODES)}"
        )
    if dropout not in ("Dropout", "dropout"):
        raise UsageError(f"{name} has no mode; paddle.nn:Dropout and its function have one")
    return MODES[mode]


def _in_mode(target: Any, mode: str) -> Any:
    if isinstance(target, type):
        return functools.partial(target, mode=mode)

    @functools.wraps(target)
    def dropout(x: Any, p: float, training: bool = True) -> Any:
        return target(x, p, training=training, mode=mode)

    del dropout.__wrapped__  # it has the parameters that it shows
    return dropout


def _vjp(call: Any, x: Any, dy: Any) -> tuple[Any, Any]:
    x = x.clone()
    x.stop_gradient = False
    answer = call(x * 1)
    y = answer[0] if isinstance(answer, tuple) else answer
    if y.stop_gradient:
        return y, paddle.zeros_like(x)
    (dx,) = paddle.grad([y], [x], grad_outputs=[dy])
    return y, dx
