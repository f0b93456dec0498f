"""Models of Equinox: a marked copy in each mode, and new keys for each training pass."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax

from dropout_stats.adapters.jax_model import ARRAYS, FUNCTION, heard, renewed
from dropout_stats.adapters.listening import look_into
from dropout_stats.adapters.looking import Inside, by_mode
from dropout_stats.laws import AnyLaw, Inverted

_LOOKED_AT = (eqx.nn.Dropout, eqx.nn.BatchNorm)


def inside(
    model: Any,
    *inputs: Any,
    training: Mapping[str, Any] | None = None,
    evaluation: Mapping[str, Any] | None = None,
    **named: Any,
) -> Inside:
    """Make a target of each dropout of a model.

    The model is called as `model(*inputs, **named)`, in evaluation in the mode that
    `equinox.nn.inference_mode` makes. Keys among its arguments are new ones in each pass, and so is
    `key=` where the model takes one and none is given. The input of one dropout is replaced on the
    way. A layer that is called several times is judged at its first call. A model that is mapped
    over a batch is handed over with one example.

    Args:
        model: an `equinox.Module`.
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
    return look_into(_Model(model, inputs, modes, is_told), FUNCTION)


class _Model:
    """An Equinox model and what it is called with."""

    arrays = ARRAYS

    def __init__(
        self, model: Any, inputs: tuple[Any, ...], named: dict[bool, dict[str, Any]], is_told: bool
    ) -> None:
        self.model, self.is_told = model, is_told
        self.rates: dict[str, float] = {}
        self._kinds: dict[str, Any] = {}
        self._inputs, self._named = inputs, named
        self._seed, self._passes = 0, 0

        def mark(path: Any, leaf: Any) -> Any:
            if not isinstance(leaf, _LOOKED_AT):
                return leaf
            name = jax.tree_util.keystr(path, simple=True, separator=".")
            self._kinds[name] = type(leaf)
            if isinstance(leaf, eqx.nn.Dropout):
                self.rates[name] = float(leaf.p)
            return _marked(leaf, name)

        marked = jax.tree_util.tree_map_with_path(
            mark, model, is_leaf=lambda leaf: isinstance(leaf, _LOOKED_AT)
        )
        self.norms = tuple(name for name in self._kinds if name not in self.rates)
        self._modes = {mode: eqx.nn.inference_mode(marked, not mode) for mode in (True, False)}
        self._signature = inspect.signature(type(model).__call__)

    def seed(self, number: int) -> None:
        self._seed, self._passes = number, 0

    def call(self, *, training: bool, traced: bool) -> Any:  # noqa: ARG002 - nothing is changed
        self._passes += 1
        key = jax.random.fold_in(jax.random.key(self._seed), self._passes)
        # States, which may be used once, are copied on the way.
        inputs, named = renewed((self._inputs, self._named[training]), self._seed, self._passes)
        bound = self._signature.bind_partial(self.model, *inputs, **named).arguments
        if "key" in self._signature.parameters and "key" not in bound:
            named = {**named, "key": key}
        return self._modes[training](*inputs, **named)

    def law(self, name: str, shape: tuple[int, ...]) -> AnyLaw | None:  # noqa: ARG002 - any
        is_own = self._kinds[name].__call__ is not eqx.nn.Dropout.__call__
        return None if is_own else Inverted()


def _marked(module: Any, name: str) -> Any:
    """The same module, of the class that is heard."""
    kind: Any = type(module)
    marked = object.__new__(heard(kind, name))
    for field, value in vars(module).items():
        object.__setattr__(marked, field, value)
    return marked
