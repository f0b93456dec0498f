"""Models of Keras, on whichever backend is chosen: layers whose `call` is replaced for a while."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, cast

import keras
import numpy as np

from dropout_stats.adapters.conversion import keeping_type
from dropout_stats.adapters.keras import LAWS, backend_of_user
from dropout_stats.adapters.listening import Arrays, Heard, hear, look_into
from dropout_stats.adapters.looking import Inside, by_mode
from dropout_stats.callables import parameters_of
from dropout_stats.errors import HarnessError
from dropout_stats.laws import AnyLaw

_DROPOUTS = (keras.layers.Dropout, keras.layers.GaussianDropout, keras.layers.AlphaDropout)
_Values = list[tuple[keras.Variable, Any]]


def inside(
    model: keras.Layer,
    *inputs: Any,
    training: Mapping[str, Any] | None = None,
    evaluation: Mapping[str, Any] | None = None,
    **named: Any,
) -> Inside:
    """Make a target of each dropout of a model.

    The model is called as `model(*inputs, training=True, **named)` or with `training=False`, and
    the input of one dropout is replaced on the way, after the layer has cast it to its own type. A
    layer that is called several times is judged at its first call. Dropouts that are functions are
    not seen, nor is noise that has no rate, such as `GaussianNoise`.

    Args:
        model: a `keras.Model`, or any other layer, that is built; afterwards its weights and the
            states of its seeds are as they were.
        *inputs: what it is called with.
        training: more of it in a training pass, where other arguments select the mode, too.
        evaluation: likewise in an evaluation pass.
        **named: more of it in both, by name.

    Raises:
        HarnessError: the model is not built, cannot be called so, or holds no dropout.

    """
    if not model.built:
        raise HarnessError(
            f"{type(model).__name__} is not built, so that it has no weights yet: call it once "
            "with these inputs, and hand it over then"
        )
    modes = by_mode(named, training, evaluation)
    modes = {mode: {"training": mode, **arguments} for mode, arguments in modes.items()}
    with _restored(model.variables), _generator_kept():
        return look_into(_Model(model, inputs, modes), "keras.random:dropout")


class _Model:
    """A Keras model and what it is called with."""

    is_told = True  # Keras hands the mode on to the layers inside

    def __init__(
        self, model: keras.Layer, inputs: tuple[Any, ...], named: dict[bool, dict[str, Any]]
    ) -> None:
        self.model, self._inputs, self._named = model, inputs, named
        self.arrays = _arrays()
        layers = _named_layers(model)
        self._dropouts = {n: one for n, one in layers.items() if isinstance(one, _DROPOUTS)}
        self.rates = {name: float(layer.rate) for name, layer in self._dropouts.items()}
        self._norms = {
            n: one
            for n, one in layers.items()
            if isinstance(one, keras.layers.BatchNormalization)
            and one.trainable  # else it collects nothing
        }
        weights = {id(weight) for weight in model.weights}
        self._seeds = [state for state in model.variables if id(state) not in weights]

    @property
    def norms(self) -> tuple[str, ...]:
        return tuple(self._norms)

    def seed(self, number: int) -> None:
        keras.utils.set_random_seed(number)
        for place, state in enumerate(self._seeds):
            drawn = np.random.SeedSequence((number, place)).generate_state(1)[0]
            state.assign(np.array([drawn >> 1, 0]))  # where seeds are signed, too

    def call(self, *, training: bool, traced: bool) -> Any:  # noqa: ARG002 - all is put back
        with self._heard(), _restored(self.model.non_trainable_weights):
            return self.model(*self._inputs, **self._named[training])

    def law(self, name: str, shape: tuple[int, ...]) -> AnyLaw | None:
        layer = self._dropouts[name]
        base: Any = next(base for base in type(layer).__mro__ if _is_declared(base))
        if getattr(layer.call, "__func__", None) is not base.call:
            return None
        law: Any = LAWS[base.__name__]
        noise_shape = getattr(layer, "noise_shape", None)
        if getattr(layer, "data_format", None) == "channels_first":
            law = replace(law, unit="channel")
        elif noise_shape:
            law = replace(law, unit=_shared(noise_shape, shape))
        return cast("AnyLaw", law)

    @contextmanager
    def _heard(self) -> Iterator[None]:
        """Replace calls for a while; past Keras, which would track the change."""
        looked_at = {**self._dropouts, **self._norms}
        before = {name: vars(layer).get("call") for name, layer in looked_at.items()}
        try:
            for name, layer in looked_at.items():
                object.__setattr__(layer, "call", _hearing(name, layer.call))
            yield
        finally:
            for name, layer in looked_at.items():
                object.__delattr__(layer, "call")
                if before[name]:
                    object.__setattr__(layer, "call", before[name])


def _hearing(name: str, call: Any) -> Any:
    """The call of a layer, which is handed to whoever listens."""
    first = next(iter(parameters_of(call)))

    def hearing(*args: Any, **named: Any) -> Any:
        return hear(Heard(name, call, args, named, first))

    return hearing


def _named_layers(model: keras.Layer) -> dict[str, Any]:
    """The layers of a model, by the names along the way to them; the model itself has none."""
    found: dict[str, Any] = {}
    seen: set[int] = set()

    def walk(layer: Any, name: str) -> None:
        if id(layer) in seen:
            return
        seen.add(id(layer))
        while name in found:
            name += "_again"  # layers of one's own may share a name
        found[name] = layer
        for part in layer._flatten_layers(include_self=False, recursive=False):
            walk(part, f"{name}.{part.name}" if name else part.name)

    walk(model, "")
    return found


def _is_declared(kind: Any) -> bool:
    return kind.__name__ in LAWS and str(kind.__module__).partition(".")[0] == "keras"


def _shared(noise_shape: tuple[int | None, ...], shape: tuple[int, ...]) -> Any:
    """The axes along which noise of this shape is repeated."""
    full = (*((1,) * (len(shape) - len(noise_shape))), *noise_shape)
    drawn_once = [axis for axis, drawn in enumerate(full) if drawn == 1]
    return tuple(axis for axis in drawn_once if shape[axis] != 1) or "element"


@contextmanager
def _restored(variables: list[keras.Variable]) -> Iterator[None]:
    """Put the values of variables back."""
    before: _Values = [(one, np.array(keras.ops.convert_to_numpy(one))) for one in variables]
    try:
        yield
    finally:
        for variable, value in before:
            variable.assign(value)


@contextmanager
def _generator_kept() -> Iterator[None]:
    """PyTorch's dropout draws from a global generator, and not from the seeds of a layer."""
    if keras.backend.backend() != "torch":
        yield
        return
    import torch

    with torch.random.fork_rng():
        yield


def _arrays() -> Arrays:
    """The tensors of the backend, and how its compiled parts run as they are written."""
    below = backend_of_user()
    arrays = Arrays(
        keeping_type(below.to_native, below.to_numpy),
        below.to_numpy,
        below.vjp,
        dtype=lambda x: str(keras.backend.standardize_dtype(x.dtype)),
        operations=below.operations,
    )
    name = keras.backend.backend()
    if name == "jax":
        from dropout_stats.adapters.jax_model import ARRAYS

        return replace(arrays, is_abstract=ARRAYS.is_abstract, as_written=ARRAYS.as_written)
    if name == "tensorflow":
        return replace(arrays, is_abstract=lambda x: not hasattr(x, "numpy"), as_written=_eagerly)
    return arrays


@contextmanager
def _eagerly() -> Iterator[None]:
    import tensorflow as tf

    before = tf.config.functions_run_eagerly()
    tf.config.run_functions_eagerly(True)
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(before)
