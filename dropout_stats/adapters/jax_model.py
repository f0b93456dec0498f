"""Every dropout inside a model on JAX, judged where it is: what Flax and Equinox share.

A module that is looked at gets a class of its own for as long as a pass takes: a subclass, which
hands each call to whoever listens. Such a class goes with the module through copies, modes and
compiled parts.
"""

from __future__ import annotations

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
from dropout_stats.laws import Inverted
from dropout_stats.laws.reading import Array
from dropout_stats.target import Target

Listener = Callable[[str, Callable[..., Any], tuple[Any, ...], dict[str, Any]], Any]
_listeners: list[Listener] = []


class Model(Protocol):
    """A model of one framework and what it is called with.

    Args:
        model: the model itself.
        rates: those of its dropouts, by name.
        norms: names of its batch normalisations.

    """

    model: Any
    rates: dict[str, float]
    norms: tuple[str, ...]

    def seed(self, number: int) -> None:
        """Reset its randomness."""

    def call(self, *, training: bool, traced: bool) -> None:
        """Make a pass whose calls are heard; a traced one must leave the model as it was."""

    def shared_axes(self, name: str) -> tuple[int, ...]:
        """The axes along which a dropout shares its draws."""


@cache
def heard(base: Any, place: str) -> Any:
    """A subclass for the module of this name, which hands its calls to whoever listens."""

    def call(self: Any, *args: Any, **named: Any) -> Any:
        def proceed(*args: Any, **named: Any) -> Any:
            return base.__call__(self, *args, **named)

        return _listeners[-1](place, proceed, args, named)

    body = {"__call__": call, "__module__": base.__module__, "__qualname__": base.__qualname__}
    return type(base)(base.__name__, (base,), body)


def look_into(model: Model, function: str) -> Inside:
    """Make a target of each dropout."""
    require_some(model.rates, model.model, function)
    given = _first_inputs(model)
    called = {name: rate for name, rate in model.rates.items() if name in given}
    return Inside(
        targets={
            name: _Place(model, name, given[name]).target(rate)
            for name, rate in called.items()
            if 0 < rate < 1
        },
        idle=tuple(name for name, rate in called.items() if rate in (0, 1)),
        unused=tuple(name for name in model.rates if name not in called),
        shifted=after_a_dropout(given, called, model.norms),
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


def _as_it_is(
    _: str, proceed: Callable[..., Any], args: tuple[Any, ...], named: dict[str, Any]
) -> Any:
    return proceed(*args, **named)


def _first_inputs(model: Model) -> dict[str, Any]:
    """What each module is called with first, in the order of these calls."""
    given: dict[str, Any] = {}

    def note(
        name: str, proceed: Callable[..., Any], args: tuple[Any, ...], named: dict[str, Any]
    ) -> Any:
        value = next(iter((*args, *named.values())), None)
        if isinstance(value, jax.core.Tracer):
            raise HarnessError(
                f"{type(model.model).__name__}.{name} is called inside a transformation such as "
                "jax.vmap, where its input cannot be replaced: hand over the model that is mapped, "
                "and one example"
            )
        given.setdefault(name, value)
        return proceed(*args, **named)

    with _listening(note):
        for _ in range(PASSES):
            model.call(training=True, traced=False)
    return given


@dataclass(frozen=True)
class _Place:
    """A dropout where a model calls it."""

    model: Model
    name: str
    given: Any

    def train(self, x: Array, rate: float) -> Any:  # noqa: ARG002 - it is that of the layer
        return shared.to_numpy(self._passed(jnp.asarray(x), training=True))

    def evaluate(self, x: Array, rate: float) -> Any:  # noqa: ARG002 - as above
        return shared.to_numpy(self._passed(jnp.asarray(x), training=False))

    def vjp(self, x: Array, dy: Array, rate: float) -> Any:  # noqa: ARG002 - as above
        def traced(v: Any) -> Any:
            return self._passed(v, training=True, traced=True)

        answer = shared.vjp(traced, jnp.asarray(x), jnp.asarray(dy))
        with _listening(_as_it_is):  # what a trace draws, it does not use up
            self.model.call(training=True, traced=False)
        return shared.to_numpy(answer)

    def operations(self, x: Array, rate: float) -> list[str]:  # noqa: ARG002 - as above
        return shared.operations(
            lambda v: self._passed(v, training=False, traced=True), jnp.asarray(x)
        )

    def target(self, rate: float) -> Target:
        axes = tuple(axis % self.given.ndim for axis in self.model.shared_axes(self.name))
        return Target(
            train=self.train,
            evaluate=self.evaluate,
            vjp=self.vjp,
            operations=self.operations,
            seed=self.model.seed,
            law=Inverted(unit=axes or "element"),
            conventions=Conventions(
                dtypes=(str(self.given.dtype),),
                rates=(rate,),
                shapes=(tuple(self.given.shape),),
                evaluation_graph="empty",
            ),
            name=f"{type(self.model.model).__name__}.{self.name}",
        )

    def _passed(self, x: Any, *, training: bool, traced: bool = False) -> Any:
        """What the layer makes of this input at its first call of a pass of the model."""
        found: list[Any] = []

        def replace(
            name: str, proceed: Callable[..., Any], args: tuple[Any, ...], named: dict[str, Any]
        ) -> Any:
            if name != self.name or found:
                return proceed(*args, **named)
            found.append(
                proceed(x, *args[1:], **named)
                if args
                else proceed(**{**named, next(iter(named)): x})
            )
            return found[0]

        for _ in range(TRIES if training else 1):
            with _listening(replace):
                self.model.call(training=training, traced=traced)
            if found:
                return found[0]
        if not training:
            return x  # a dropout that is not called in evaluation changes nothing there
        raise RuntimeError(f"the model did not call the layer in {TRIES} passes")
