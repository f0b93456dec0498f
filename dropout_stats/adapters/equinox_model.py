"""Models of Equinox: a marked copy in each mode, and a new key for each training pass."""

from __future__ import annotations

import inspect
from typing import Any

import equinox as eqx
import jax

from dropout_stats.adapters.jax_model import heard, look_into
from dropout_stats.adapters.looking import Inside

_LOOKED_AT = (eqx.nn.Dropout, eqx.nn.BatchNorm)


def inside(model: Any, *inputs: Any, **named: Any) -> Inside:
    """Make a target of each dropout of a model.

    The model is called as `model(*inputs, **named)`, and with a new `key=` for each pass where it
    takes one; in evaluation in the mode that `equinox.nn.inference_mode` makes. The input of one
    dropout is replaced on the way. A layer that is called several times is judged at its first
    call. A model that is mapped over a batch is handed over with one example.

    Args:
        model: an `equinox.Module`.
        *inputs: what it is called with.
        **named: more of it, by name.

    Raises:
        HarnessError: the model holds no dropout, or calls it inside a transformation.

    """
    return look_into(_Model(model, inputs, named), "a function (x, rate, key) of your own")


class _Model:
    """An Equinox model and what it is called with."""

    def __init__(self, model: Any, inputs: tuple[Any, ...], named: dict[str, Any]) -> None:
        self.model = model
        self.rates: dict[str, float] = {}
        norms: list[str] = []
        self._inputs, self._named = inputs, named
        self._key, self._passes = jax.random.key(0), 0

        def mark(path: Any, leaf: Any) -> Any:
            if not isinstance(leaf, _LOOKED_AT):
                return leaf
            name = jax.tree_util.keystr(path, simple=True, separator=".")
            if isinstance(leaf, eqx.nn.Dropout):
                self.rates[name] = float(leaf.p)
            else:
                norms.append(name)
            return _marked(leaf, name)

        marked = jax.tree_util.tree_map_with_path(
            mark, model, is_leaf=lambda leaf: isinstance(leaf, _LOOKED_AT)
        )
        self.norms = tuple(norms)
        self._modes = {
            training: eqx.nn.inference_mode(marked, not training) for training in (True, False)
        }
        self._takes_a_key = "key" in inspect.signature(type(model).__call__).parameters

    def seed(self, number: int) -> None:
        self._key, self._passes = jax.random.key(number), 0

    def call(self, *, training: bool, traced: bool) -> None:  # noqa: ARG002 - nothing is changed
        named = self._named
        if self._takes_a_key:
            named = {**named, "key": jax.random.fold_in(self._key, self._passes)}
            self._passes += 1
        self._modes[training](*self._inputs, **named)

    def shared_axes(self, name: str) -> tuple[int, ...]:  # noqa: ARG002 - there are none
        return ()


def _marked(module: Any, name: str) -> Any:
    """The same module, of the class that is heard."""
    kind: Any = type(module)
    marked = object.__new__(heard(kind, name))
    for field, value in vars(module).items():
        object.__setattr__(marked, field, value)
    return marked
