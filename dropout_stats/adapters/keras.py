"""Keras: layers, and functions on the tensors of the backend that the user chose."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import keras

from dropout_stats import dtypes
from dropout_stats.adapters.bridge import Bridge, declared_law
from dropout_stats.callables import name_of, parameters_of
from dropout_stats.conventions import Conventions, InvalidRates, RateDomain
from dropout_stats.errors import HarnessError
from dropout_stats.laws import Alpha, AnyLaw, GaussianMultiplicative, Inverted
from dropout_stats.signatures import builds_layers
from dropout_stats.target import Target

_FEATURE_MAP = Inverted(unit="channel-last")


class _Declared(NamedTuple):
    """What a dropout of Keras declares.

    Args:
        law: its law.
        ndims: the dimensions that it takes.
        rate_domain: constructors take rates from 0 to 1; where the law has no limit at 1, nobody
            says what is right there.
        half: whether it is held to its law in half precision, too.
        invalid: constructors refuse what is no rate; the function does not look at it.

    """

    law: AnyLaw
    ndims: tuple[int, int] = (0, 5)
    rate_domain: RateDomain = "[0, 1]"
    half: bool = True
    invalid: InvalidRates = "raise"


_DECLARED = {
    "Dropout": _Declared(Inverted()),
    "SpatialDropout1D": _Declared(_FEATURE_MAP, ndims=(3, 3)),
    "SpatialDropout2D": _Declared(_FEATURE_MAP, ndims=(4, 4)),
    "SpatialDropout3D": _Declared(_FEATURE_MAP, ndims=(5, 5)),
    "GaussianDropout": _Declared(GaussianMultiplicative(), rate_domain="unspecified"),
    "AlphaDropout": _Declared(Alpha(), rate_domain="unspecified", half=False),
    "dropout": _Declared(Inverted(), rate_domain="unspecified", invalid="unspecified"),
}
LAWS: dict[str, AnyLaw] = {name: declared.law for name, declared in _DECLARED.items()}
_HALF = ("float16", "bfloat16")
# A user's own layer or function promises none of that.
_UNDECLARED = Conventions(dtypes=("float32",), randomness="unspecified")


class Backend(NamedTuple):
    """The tensors below Keras."""

    to_native: Callable[[Any], Any]
    to_numpy: Callable[[Any], Any]
    vjp: Callable[..., tuple[Any, Any]]
    operations: Callable[..., list[str]] | None = None
    dtypes: tuple[str, ...] = dtypes.available()
    max_shapes: int | None = None


def adapt(target: Any, name: str) -> Target:
    """Adapt a class of layers, or a function of a tensor and the rate, on the user's backend."""
    if isinstance(target, keras.Layer):
        raise HarnessError(f"{name} is an instance, whose rate is fixed: hand over its class")
    if getattr(target, "__name__", None) == "GaussianNoise" and _is_of_keras(target):
        raise HarnessError(_NO_RATE.format(name=name))
    law = declared_law(target, "keras", LAWS, name)
    backend = backend_of_user()
    bridge = Bridge(
        to_native=backend.to_native,
        to_numpy=backend.to_numpy,
        to_key=_to_key,
        vjp=backend.vjp,
        optional_key=True,
        seed=keras.utils.set_random_seed,
        conventions=_conventions(target.__name__ if law else None, backend),
        framework="keras",
    )
    if not builds_layers(target):
        return bridge.of_function(target, name, law=law)
    return bridge.of_layer_class(
        _by_dtype(target, channels_last=law == _FEATURE_MAP),
        name,
        law=law,
        train=lambda layers, x: layers.of(x)(x, training=True),
        evaluate=lambda layers, x: layers.of(x)(x, training=False),
    )


def _to_key(parameter: str, key: int) -> Any:
    return keras.random.SeedGenerator(key) if parameter in ("rng", "generator") else key


_NO_RATE = """\
{name} takes the standard deviation of what it adds, and not a rate. Choose one, and judge that:
    layer = keras.layers.GaussianNoise(0.5)
    def noise(x, rate, training=True):
        return layer(x, training=training)
    target = dropout_stats.adapt(noise, framework="keras")
    dropout_stats.check(target, law=dropout_stats.laws.GaussianAdditive(std=0.5))"""


def _is_of_keras(target: Any) -> bool:
    return str(target.__module__).partition(".")[0] == "keras"


def _conventions(dropout: str | None, backend: Backend) -> Conventions:
    if dropout is None:
        return replace(_UNDECLARED, max_shapes=backend.max_shapes)
    declared = _DECLARED[dropout]
    return Conventions(
        dtypes=tuple(name for name in backend.dtypes if declared.half or name not in _HALF),
        rate_argument="rate",
        rate_domain=declared.rate_domain,
        invalid_rates=declared.invalid,
        randomness=_randomness(dropout),
        ndims=declared.ndims,
        max_shapes=backend.max_shapes,
    )


def _randomness(dropout: str) -> Any:
    """A layer owns the generator of its seeds, which starts when it is built.

    On PyTorch the dropout of single elements leaves that aside, unless it was given a seed, and
    draws from PyTorch's global generator.
    """
    return "global" if dropout == "Dropout" and keras.backend.backend() == "torch" else "owned"


def backend_of_user() -> Backend:
    """The tensors of the backend; which one is up to the user (KERAS_BACKEND, keras.json)."""
    name = keras.backend.backend()
    if name == "torch":
        from dropout_stats.adapters import torch as on_torch

        # Keras moves it to the device of its own choice.
        return Backend(
            lambda x: keras.ops.convert_to_tensor(on_torch.to_tensor(x, "cpu")),
            on_torch.to_array,
            on_torch.vjp,
            on_torch.operations,
        )
    if name == "jax":
        from dropout_stats.adapters import jax as on_jax

        return Backend(
            keras.ops.convert_to_tensor,
            on_jax.to_numpy,
            on_jax.vjp,
            on_jax.operations,
            dtypes=on_jax.DTYPES,
            max_shapes=on_jax.MAX_SHAPES,
        )
    if name == "tensorflow":
        from dropout_stats.adapters import tensorflow as on_tensorflow

        return Backend(
            lambda x: keras.ops.convert_to_tensor(x, dtype=x.dtype.name),
            on_tensorflow.to_numpy,
            on_tensorflow.vjp,
        )
    raise HarnessError(
        f"Keras runs on the backend {name!r}, whose tensors this adapter does not know: set "
        "KERAS_BACKEND to torch, jax or tensorflow"
    )


@dataclass(frozen=True)
class _Layers:
    """The layers of one rate, one for each type: a layer casts its input to its own type."""

    build: Callable[[str], Any]
    built: dict[str, Any] = field(default_factory=dict)

    def of(self, x: Any) -> Any:
        """The layer for tensors of this type."""
        dtype = keras.backend.standardize_dtype(x.dtype)
        if dtype not in self.built:
            self.built[dtype] = self.build(dtype)
        return self.built[dtype]


def _by_dtype(layer: Any, *, channels_last: bool) -> Any:
    """A constructor of `_Layers` that shows the parameters of the class.

    Where channels are is otherwise up to the user's keras.json.
    """
    parameters = parameters_of(layer)
    fixed = {"data_format": "channels_last"} if channels_last else {}
    fixed = {name: value for name, value in fixed.items() if name in parameters}
    takes_dtype = "dtype" in parameters or any(
        parameter.kind is parameter.VAR_KEYWORD
        for parameter in inspect.signature(layer).parameters.values()
    )

    def build(**given: Any) -> _Layers:
        def build_one(dtype: str) -> Any:
            return layer(**fixed, **given, **({"dtype": dtype} if takes_dtype else {}))

        # One at once, so that what the constructor refuses is refused here.
        return _Layers(build_one, {"float32": build_one("float32")})

    build.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [
            parameter.replace(kind=parameter.KEYWORD_ONLY)
            for name, parameter in parameters.items()
            if name != "dtype" and name not in fixed
        ]
    )
    build.__qualname__ = name_of(layer)
    return build
