"""Models of Flax NNX: modules that are changed in place, and own their streams of keys."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from dropout_stats.adapters.jax_model import ARRAYS, FUNCTION, heard, law_of_flax, renewed
from dropout_stats.adapters.listening import look_into
from dropout_stats.adapters.looking import Inside, by_mode
from dropout_stats.laws import AnyLaw

_MODES = ("deterministic", "use_running_average")


def inside(
    model: Any,
    *inputs: Any,
    training: Mapping[str, Any] | None = None,
    evaluation: Mapping[str, Any] | None = None,
    **named: Any,
) -> Inside:
    """Make a target of each dropout of a model.

    The model is called as `model(*inputs, **named)`, after `model.train()` or `model.eval()`, and
    the input of one dropout is replaced on the way. Keys among its arguments are new ones in each
    pass. A layer that is called several times is judged at its first call.

    Args:
        model: an `nnx.Module`; afterwards it is in the mode and the state in which it was.
        *inputs: what it is called with.
        training: more of it in a training pass, where arguments select the mode.
        evaluation: likewise in an evaluation pass.
        **named: more of it in both, by name.

    Raises:
        HarnessError: the model holds no dropout, or calls one in a mode that nobody said how to
            select.

    """
    is_told = training is not None or evaluation is not None
    modes = by_mode(named, training, evaluation)
    before = jax.tree.map(lambda value: value, nnx.state(model))
    try:
        return look_into(_Model(model, inputs, modes, is_told), FUNCTION)
    finally:
        nnx.update(model, before)


class _Model:
    """An NNX model and what it is called with."""

    arrays = ARRAYS

    def __init__(
        self, model: Any, inputs: tuple[Any, ...], named: dict[bool, dict[str, Any]], is_told: bool
    ) -> None:
        self.model, self._inputs, self._named, self.is_told = model, inputs, named, is_told
        modules = {_name(path): module for path, module in nnx.iter_modules(model)}
        self._dropouts = {n: m for n, m in modules.items() if isinstance(m, nnx.Dropout)}
        norms = {n: m for n, m in modules.items() if isinstance(m, nnx.BatchNorm)}
        self._looked_at = {**self._dropouts, **norms}
        self._with_modes = [m for m in modules.values() if any(hasattr(m, a) for a in _MODES)]
        self.norms = tuple(norms)
        self.rates = {name: float(layer.rate) for name, layer in self._dropouts.items()}
        self._seed, self._passes = 0, 0

    def seed(self, number: int) -> None:
        self._seed, self._passes = number, 0
        given = jax.tree_util.tree_leaves((self._inputs, self._named), is_leaf=_is_node)
        streams = [
            stream
            for root in (self.model, *filter(_is_node, given))
            for _, stream in nnx.iter_graph(root)
            if isinstance(stream, nnx.RngStream)
        ]
        for place, stream in enumerate(streams):
            before = stream.key[...]
            key = jax.random.fold_in(
                jax.random.key(number, impl=jax.random.key_impl(before)), place
            )
            stream.key[...] = jax.random.split(key, before.shape) if before.shape else key
            stream.count[...] = jnp.zeros_like(stream.count[...])

    def call(self, *, training: bool, traced: bool) -> Any:
        self._passes += 1
        given = (self._inputs, self._named[training])
        inputs, named = renewed(given, self._seed, self._passes, is_leaf=_is_node)
        with self._heard():
            if traced:  # a trace must not change what is outside of it
                inputs, named = jax.tree_util.tree_map(_cloned, (inputs, named), is_leaf=_is_node)
                return self._pass(nnx.clone(self.model), inputs, named, training=training)
            with self._restored():
                return self._pass(self.model, inputs, named, training=training)

    def _pass(
        self, model: Any, inputs: tuple[Any, ...], named: dict[str, Any], *, training: bool
    ) -> Any:
        (model.train if training else model.eval)()
        return model(*inputs, **named)

    def law(self, name: str, shape: tuple[int, ...]) -> AnyLaw | None:
        layer = self._dropouts[name]
        if type(layer).__call__ is not nnx.Dropout.__call__:
            return None
        return law_of_flax(layer.broadcast_dims, len(shape))

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
        collected = nnx.state(self.model, nnx.Any(nnx.BatchStat, nnx.Cache))
        learnt = jax.tree.map(lambda value: value, collected)
        try:
            yield
        finally:
            for module, attribute, value in modes:
                setattr(module, attribute, value)
            nnx.update(self.model, learnt)


def _name(path: tuple[Any, ...]) -> str:
    return ".".join(map(str, path))


def _is_node(value: Any) -> bool:
    return isinstance(value, (nnx.Module, nnx.Rngs, nnx.RngStream))


def _cloned(value: Any) -> Any:
    return nnx.clone(value) if _is_node(value) else value
