"""Models of Flax NNX: modules that are changed in place, and own their streams of keys."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from dropout_stats.adapters.jax_model import heard, look_into
from dropout_stats.adapters.looking import Inside

_MODES = ("deterministic", "use_running_average")


def inside(model: Any, *inputs: Any, **named: Any) -> Inside:
    """Make a target of each dropout of a model.

    The model is called as `model(*inputs, **named)`, after `model.train()` or `model.eval()`, and
    the input of one dropout is replaced on the way. A layer that is called several times is judged
    at its first call.

    Args:
        model: an `nnx.Module`; afterwards it is in the mode in which it was.
        *inputs: what it is called with.
        **named: more of it, by name; `rngs=` too.

    Raises:
        HarnessError: the model holds no dropout, or calls it inside a transformation.

    """
    return look_into(_Model(model, inputs, named), "a function (x, rate, key) of your own")


class _Model:
    """An NNX model and what it is called with."""

    def __init__(self, model: Any, inputs: tuple[Any, ...], named: dict[str, Any]) -> None:
        self.model, self._inputs, self._named = model, inputs, named
        modules = {_name(path): module for path, module in nnx.iter_modules(model)}
        self._dropouts = {n: m for n, m in modules.items() if isinstance(m, nnx.Dropout)}
        norms = {n: m for n, m in modules.items() if isinstance(m, nnx.BatchNorm)}
        self._looked_at = {**self._dropouts, **norms}
        self._with_modes = [m for m in modules.values() if any(hasattr(m, a) for a in _MODES)]
        self.norms = tuple(norms)
        self.rates = {name: float(layer.rate) for name, layer in self._dropouts.items()}

    def seed(self, number: int) -> None:
        streams = [
            stream
            for root in (self.model, *self._named.values())
            if isinstance(root, (nnx.Module, nnx.Rngs, nnx.RngStream))
            for _, stream in nnx.iter_graph(root)
            if isinstance(stream, nnx.RngStream)
        ]
        for place, stream in enumerate(streams):
            key = jax.random.fold_in(jax.random.key(number), place)
            shape = stream.key[...].shape
            stream.key[...] = jax.random.split(key, shape) if shape else key
            stream.count[...] = jnp.zeros_like(stream.count[...])

    def call(self, *, training: bool, traced: bool) -> None:
        with self._heard():
            if traced:  # a trace must not change what is outside of it
                named = {name: _cloned(value) for name, value in self._named.items()}
                self._pass(nnx.clone(self.model), named, training=training)
            else:
                with self._restored():
                    self._pass(self.model, self._named, training=training)

    def _pass(self, model: Any, named: dict[str, Any], *, training: bool) -> None:
        (model.train if training else model.eval)()
        model(*self._inputs, **named)

    def shared_axes(self, name: str) -> tuple[int, ...]:
        return tuple(self._dropouts[name].broadcast_dims)

    @contextmanager
    def _heard(self) -> Iterator[None]:
        """Mark the modules for a while."""
        classes: dict[str, Any] = {name: type(module) for name, module in self._looked_at.items()}
        try:
            for name, module in self._looked_at.items():
                object.__setattr__(module, "__class__", heard(classes[name], name))
            yield
        finally:
            for name, module in self._looked_at.items():
                object.__setattr__(module, "__class__", classes[name])

    @contextmanager
    def _restored(self) -> Iterator[None]:
        """Put modes, and what was learnt, back."""
        modes = [
            (module, attribute, getattr(module, attribute))
            for module in self._with_modes
            for attribute in _MODES
            if hasattr(module, attribute)
        ]
        learnt = jax.tree.map(lambda value: value, nnx.state(self.model, nnx.BatchStat))
        try:
            yield
        finally:
            for module, attribute, value in modes:
                setattr(module, attribute, value)
            nnx.update(self.model, learnt)


def _name(path: tuple[Any, ...]) -> str:
    return ".".join(map(str, path))


def _cloned(value: Any) -> Any:
    return nnx.clone(value) if isinstance(value, (nnx.Rngs, nnx.RngStream)) else value
