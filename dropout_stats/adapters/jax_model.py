"""Every dropout inside a model on JAX, judged where it is: what Flax and Equinox share.

A module that is looked at gets a class of its own for as long as a pass takes: a subclass, which
hands each call to whoever listens. Such a class goes with the module through copies, modes and
compiled parts.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol

import jax
import jax.numpy as jnp

from dropout_stats.adapters import jax as shared
from dropout_stats.adapters.looking import (
    PASSES,
    TRIES,
    Inside,
    after_a_dropout,
    require_some,
)
from dropout_stats.conventions import Conventions
from dropout_stats.errors import HarnessError
from dropout_stats.laws import AnyLaw
from dropout_stats.laws.reading import Array
from dropout_stats.target import Target


@dataclass(frozen=True)
class Heard:
    """One call of a module that is looked at.

    Args:
        place: the name of the module.
        proceed: the call of its own class.
        args: what it is called with.
        named: more of it, by name.
        first: the name of its first parameter.

    """

    place: str
    proceed: Callable[..., Any]
    args: tuple[Any, ...]
    named: dict[str, Any]
    first: str

    @property
    def given(self) -> Any:
        """Its input."""
        return self.args[0] if self.args else self.named.get(self.first)

    @property
    def mode(self) -> str | None:
        """The argument that says in which mode it runs, whatever the mode of the model."""
        return next((name for name in _MODES if self.named.get(name) is not None), None)

    def answer(self) -> Any:
        """What it answers."""
        return self.proceed(*self.args, **self.named)

    def answer_to(self, x: Any) -> Any:
        """What it answers to another input."""
        if self.args:
            return self.proceed(x, *self.args[1:], **self.named)
        return self.proceed(**{**self.named, self.first: x})


Listener = Callable[[Heard], Any]
_listeners: list[Listener] = []
_MODES = ("inference", "deterministic")


class _Reached(BaseException):
    """A traced call has been made: what the model does afterwards may not be traceable."""


class _NotCalledError(RuntimeError):
    """The layer was not called in a pass."""


class Model(Protocol):
    """A model of one framework and what it is called with.

    Args:
        model: the model itself.
        rates: those of its dropouts, by name.
        norms: names of its batch normalisations.
        is_told: whether the arguments that select the mode were handed over.

    """

    model: Any
    rates: dict[str, float]
    norms: tuple[str, ...]
    is_told: bool

    def seed(self, number: int) -> None:
        """Reset its randomness."""

    def call(self, *, training: bool, traced: bool) -> None:
        """Make a pass whose calls are heard; a traced one must leave the model as it was."""

    def law(self, name: str, ndim: int) -> AnyLaw | None:
        """The law of a dropout; None where a subclass has a call of its own."""


@cache
def heard(base: Any, place: str) -> Any:
    """A subclass for the module of this name, which hands its calls to whoever listens."""
    first = list(inspect.signature(base.__call__).parameters)[1]

    def call(self: Any, *args: Any, **named: Any) -> Any:
        def proceed(*args: Any, **named: Any) -> Any:
            return base.__call__(self, *args, **named)

        return _listeners[-1](Heard(place, proceed, args, named, first))

    body = {"__call__": call, "__module__": base.__module__, "__qualname__": base.__qualname__}
    return type(base)(base.__name__, (base,), body)


def renewed(given: Any, *numbers: int, is_leaf: Callable[[Any], bool] | None = None) -> Any:
    """Arguments in which each key is another one, that the numbers choose."""

    def renew(leaf: Any) -> Any:
        if not _is_key(leaf):
            return leaf
        for number in numbers:
            leaf = _folded(leaf, number)
        return leaf

    return jax.tree_util.tree_map(renew, given, is_leaf=is_leaf)


def _is_key(leaf: Any) -> bool:
    typed = isinstance(leaf, jax.Array) and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
    return typed or _is_raw(leaf)


def _is_raw(leaf: Any) -> bool:
    """Whether it is a key as `jax.random.PRNGKey` makes them."""
    return isinstance(leaf, jax.Array) and leaf.dtype == jnp.uint32 and leaf.shape == (2,)


def _folded(key: Any, number: int) -> Any:
    if _is_raw(key) or not key.ndim:
        return jax.random.fold_in(key, number)
    several = jax.vmap(lambda one: jax.random.fold_in(one, number))(key.reshape(-1))
    return several.reshape(key.shape)


def look_into(model: Model, function: str) -> Inside:
    """Make a target of each dropout."""
    require_some(model.rates, model.model, function)
    given = _first_inputs(model)
    called = {name: rate for name, rate in model.rates.items() if name in given}
    drops = [name for name, rate in called.items() if 0 < rate < 1]
    mapped = tuple(name for name in drops if isinstance(given[name], jax.core.Tracer))
    return Inside(
        targets={
            name: _Place(model, name, given[name]).target() for name in drops if name not in mapped
        },
        idle=tuple(name for name, rate in called.items() if rate in (0, 1)),
        unused=tuple(name for name in model.rates if name not in called),
        shifted=after_a_dropout(given, called, model.norms),
        mapped=mapped,
    )


@contextmanager
def _listening(listener: Listener) -> Iterator[None]:
    """Compiled parts are run as they are written: their insides are to be seen."""
    _listeners.append(listener)
    try:
        with jax.disable_jit():
            yield
    finally:
        _listeners.pop()


def _first_inputs(model: Model) -> dict[str, Any]:
    """What each module is called with first, in the order of these calls."""
    given: dict[str, Any] = {}

    def note(call: Heard) -> Any:
        if call.mode and not model.is_told and call.place in model.rates:
            raise HarnessError(_TOLD.format(kind=type(model.model).__name__, call=call))
        given.setdefault(call.place, call.given)
        return call.answer()

    with _listening(note):
        for _ in range(PASSES):
            model.call(training=True, traced=False)
    return given


_TOLD = """\
{kind} calls {call.place} with {call.mode}=..., so that the mode of the model does not reach it. \
Say which arguments of the model select the mode:
    dropout_stats.inside(model, ..., training=dict(...), evaluation=dict(...))
and dict() for both where there are none"""


@dataclass(frozen=True)
class _Place:
    """A dropout where a model calls it."""

    model: Model
    name: str
    given: Any

    def train(self, x: Array, rate: float) -> Any:  # noqa: ARG002 - it is that of the layer
        for _ in range(TRIES):
            try:
                return shared.to_numpy(self._passed(jnp.asarray(x), training=True))
            except _NotCalledError:
                continue
        raise self._never_called()

    def evaluate(self, x: Array, rate: float) -> Any:  # noqa: ARG002 - as above
        try:
            return shared.to_numpy(self._passed(jnp.asarray(x), training=False))
        except _NotCalledError:
            return x  # a dropout that is not called in evaluation changes nothing there

    def vjp(self, x: Array, dy: Array, rate: float) -> Any:  # noqa: ARG002 - as above
        def traced(v: Any) -> Any:
            return self._traced(v, training=True)

        for _ in range(TRIES):
            try:
                return shared.to_numpy(shared.vjp(traced, jnp.asarray(x), jnp.asarray(dy)))
            except _NotCalledError:
                continue
            finally:
                with _listening(Heard.answer):  # what a trace draws, it does not use up
                    self.model.call(training=True, traced=False)
        raise self._never_called()

    def operations(self, x: Array, rate: float) -> list[str]:  # noqa: ARG002 - as above
        def traced(v: Any) -> Any:
            try:
                return self._traced(v, training=False)
            except _NotCalledError:
                return v

        return shared.operations(traced, jnp.asarray(x))

    def target(self) -> Target:
        return Target(
            train=self.train,
            evaluate=self.evaluate,
            vjp=self.vjp,
            operations=self.operations,
            seed=self.model.seed,
            law=self.model.law(self.name, self.given.ndim),
            conventions=Conventions(
                dtypes=(str(self.given.dtype),),
                rates=(self.model.rates[self.name],),
                shapes=(tuple(self.given.shape),),
                evaluation_graph="empty",
            ),
            name=f"{type(self.model.model).__name__}.{self.name}",
        )

    def _passed(self, x: Any, *, training: bool) -> Any:
        """What the layer makes of this input at its first call of a pass of the model."""
        found: list[Any] = []

        def replace(call: Heard) -> Any:
            if call.place != self.name or found:
                return call.answer()
            found.append(call.answer_to(x))
            return found[0]

        with _listening(replace):
            self.model.call(training=training, traced=False)
        if not found:
            raise _NotCalledError
        return found[0]

    def _traced(self, x: Any, *, training: bool) -> Any:
        """The same inside a trace, where the pass ends with that call."""
        found: list[Any] = []

        def replace(call: Heard) -> Any:
            if call.place != self.name:
                return call.answer()
            found.append(call.answer_to(x))
            raise _Reached

        try:
            with _listening(replace):
                self.model.call(training=training, traced=True)
        except _Reached:
            return found[0]
        raise _NotCalledError

    def _never_called(self) -> RuntimeError:
        return RuntimeError(f"the model did not call {self.name} in {TRIES} passes")
