"""What a framework's adapter supplies: the way from NumPy to its arrays and back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np

from dropout_stats.adapters.constructors import (
    Constructor,
    how_built,
    read_constructor,
    shown_name,
)
from dropout_stats.adapters.conversion import keeping_type
from dropout_stats.adapters.rehearsal import evaluates, require
from dropout_stats.callables import name_of, underlying
from dropout_stats.conventions import Conventions
from dropout_stats.errors import HarnessError, UsageError, did_you_mean
from dropout_stats.laws import AnyLaw
from dropout_stats.laws.reading import Array
from dropout_stats.layers import Abilities, LayerCalls
from dropout_stats.modes import Mode, not_understood
from dropout_stats.signatures import (
    FunctionCalls,
    RateParameter,
    Wrapper,
    numpy_key,
    read_function,
)
from dropout_stats.target import Target


def _same(value: Any) -> Any:
    return value


def declared_law(target: Any, root: str, known: Mapping[str, AnyLaw], name: str) -> AnyLaw | None:
    """The law of a framework's own dropout; None for what a user built on the framework.

    A framework's other dropouts (with other noise) have other laws: to hold them to one of these
    would accuse correct code.

    Args:
        target: the class or function.
        root: the framework's package.
        known: the laws of its dropouts, by their names.
        name: how reports call it.

    Raises:
        HarnessError: it is another of the framework's own.

    """
    if isinstance(target, partial):
        _require_own(underlying(target), root, name)
        return None
    if not _is_of(target, root):
        return None
    if target.__name__ in known:
        return known[target.__name__]
    raise HarnessError(
        f"{name} is not one of {root}'s dropouts whose law is known to this version "
        f"({', '.join(known)}). If one of the laws holds for it all the same, wrap it in a "
        "function (x, rate) of your own and say which (--law)"
    )


def _is_of(target: Any, root: str) -> bool:
    return str(getattr(target, "__module__", "")).partition(".")[0] in (root, f"_{root}")


def _require_own(target: Any, root: str, name: str) -> None:
    """Raise HarnessError for a class of the framework: the law assumed of others may accuse it."""
    if isinstance(target, type) and _is_of(target, root):
        raise HarnessError(
            f"{name} is {root}'s {target.__name__} with arguments, which may have another law:\n"
            f"{how_built(f'lambda rate: {target.__name__}(...)', root)}\n"
            "and say its law (--law)"
        )


def wrapper_of(wrap: str | None, known: Mapping[str, Wrapper]) -> Wrapper | None:
    """The wrapper of a name; None: none.

    Raises:
        UsageError: the framework's adapter cannot enter such a wrapper.

    """
    if wrap is not None and wrap not in known:
        raise UsageError(
            f"wrap must be one of {', '.join(known)}, which this adapter can enter, got {wrap!r}."
            f"{did_you_mean(str(wrap), known)}"
        )
    return known[wrap] if wrap else None


@dataclass(frozen=True)
class Bridge:
    """How one framework's arrays, gradients and randomness are reached.

    Args:
        to_native: NumPy array -> the framework's array.
        to_numpy: the framework's output -> NumPy array.
        to_key: name of a parameter (`key`, `seed`, `rng`, `generator`), int -> what it takes.
        vjp: `vjp(call, x, dy) -> (y, dx)` on the framework's arrays; None where it has none.
        seed: resets the framework's global randomness; None where it has none.
        state: a fingerprint of the framework's global generators; None where it has none.
        lanes: `lanes(call, x, keys) -> y` of shape (len(keys), *x.shape): the call, mapped over
            lanes that share the input; `call(x, key)` takes what it is mapped over. Used where the
            framework's own law is declared. None where the framework maps nothing.
        operations: `operations(call, x) -> names` of the operations in the traced call; None where
            the framework does not trace.
        conventions: what every target of the framework shares.
        optional_key: whether a call gets its randomness even where that has a default.
        wrapper: what training passes are entered through, such as a compiler; None: nothing.
        framework: the name of the adapter, for messages; None where the arrays are to be chosen.

    """

    to_native: Callable[[Array], Any] = _same
    to_numpy: Callable[[Any], Any] = _same
    to_key: Callable[[str, int], Any] = numpy_key
    vjp: Callable[[Callable[[Any], Any], Any, Any], tuple[Any, Any]] | None = None
    seed: Callable[[int], object] | None = None
    state: Callable[[], object] | None = None
    lanes: Callable[[Callable[[Any, Any], Any], Any, Sequence[int]], Any] | None = None
    operations: Callable[[Callable[[Any], Any], Any], Sequence[str]] | None = None
    conventions: Conventions = field(default_factory=Conventions)
    optional_key: bool = False
    wrapper: Wrapper | None = None
    framework: str | None = None
    _given: Callable[[Array], Any] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_given", keeping_type(self.to_native, self.to_numpy))

    def of_function(
        self,
        function: Callable[..., Any],
        name: str,
        *,
        law: AnyLaw | None = None,
        notes: tuple[str, ...] = (),
    ) -> Target:
        """Make a target of a function `f(x, rate[, training][, key])`."""
        calls = read_function(function, optional_key=self.optional_key)
        calls = replace(calls, wrapper=self.wrapper)
        conventions, notes = self._declare(calls.rate, notes)
        if calls.key:
            conventions = replace(conventions, randomness="key")
        target = Target(
            train=self._train_numpy(calls),
            evaluate=self._evaluate(calls) if calls.mode else None,
            vjp=self._vjp(calls) if self.vjp else None,
            evaluate_vjp=self._evaluate_vjp(calls) if self.vjp and calls.mode else None,
            seed=None if calls.key else self.seed,
            state=self.state,
            peers=self._peers(lambda x, rate, key: self._train(calls, rate, key)(x), law),
            operations=self._operations(self._evaluate_native(calls)) if calls.mode else None,
            convert=self._convert,
            name=name,
            law=law,
            conventions=conventions,
            notes=(*notes, *calls.notes),
        )
        if law is None:
            require(target, [*_doubts(calls.rate), *self._key_doubts(calls.key)])
        return _with_mode(target, name_of(function), calls.mode)

    def of_layer_class(
        self,
        layer: Callable[..., Any],
        name: str,
        *,
        law: AnyLaw | None = None,
        notes: tuple[str, ...] = (),
        filled: tuple[str, ...] = (),
        **calls: Callable[..., Any],
    ) -> Target:
        """Make a target of a class whose constructor takes the rate, or of what builds layers.

        Args:
            layer: the class, or `build(rate) -> layer`.
            name: how reports call it.
            law: the law it declares.
            notes: what was assumed already.
            filled: parameters of the constructor that are filled already, for messages.
            **calls: `train`, `evaluate`, `vjp`, `evaluate_vjp` of `Target.from_layer`, on native
                arrays; `operations(layer, x)`, where a call cannot be traced as it is; and `switch`
                of `LayerCalls`.

        """
        constructor = read_constructor(layer, name, self.framework, filled)
        conventions, notes = self._declare(constructor.rate, notes)
        made = self._layers(layer, constructor, calls)
        doubts = _doubts(constructor.rate) + self._key_doubts(constructor.key)
        advice = how_built(f"lambda rate: {shown_name(layer)}(...)", self.framework)
        can = _abilities(made, name, doubts, advice)
        if constructor.key:
            conventions = replace(conventions, randomness="owned")
        if can.key:
            conventions = replace(conventions, randomness="key")
        target = Target(
            train=lambda x, rate, **key: self.to_numpy(made.train(self._given(x), rate, **key)),
            evaluate=(lambda x, rate: self.to_numpy(made.evaluate(self._given(x), rate)))
            if can.evaluate
            else None,
            vjp=self._layer_vjp(made) if self.vjp or can.differentiate else None,
            evaluate_vjp=self._layer_evaluate_vjp(made)
            if can.evaluate and (self.vjp or made.on_evaluate_vjp)
            else None,
            seed=made.seed if self.seed or constructor.key else None,
            state=self.state,
            peers=self._peers(
                lambda x, rate, key: made.train(x, rate, **({"key": key} if can.key else {})), law
            ),
            operations=self._layer_operations(made, calls) if can.evaluate else None,
            convert=self._convert,
            name=name,
            law=law,
            conventions=conventions,
            notes=(*notes, *((can.note,) if can.note and not can.mode else ())),
        )
        if law is None:
            keys = (constructor.key, can.key)
            doubts = [doubt for key in keys for doubt in self._key_doubts(key)]
            require(target, [*_doubts(constructor.rate), *doubts])
        return _with_mode(target, name_of(layer), can.mode)

    def _convert(self, x: Array) -> Any:
        return self.to_numpy(self.to_native(x))

    def _layers(
        self,
        layer: Callable[..., Any],
        constructor: Constructor,
        calls: dict[str, Callable[..., Any]],
    ) -> LayerCalls:
        rate, key = constructor
        seeds = [0]

        def build(value: float) -> Any:
            given = {key: self.to_key(key, seeds[0])} if key else {}
            return layer(**{str(rate.name): value}, **given)

        def seed(number: int) -> None:
            seeds[0] = number
            if self.seed:
                self.seed(number)

        return LayerCalls(
            build,
            calls.get("train"),
            calls.get("evaluate"),
            calls.get("vjp"),
            seed,
            on_evaluate_vjp=calls.get("evaluate_vjp"),
            to_key=self.to_key,
            optional_key=self.optional_key,
            switch=calls.get("switch"),
            wrapper=self.wrapper,
        )

    def _layer_vjp(self, made: LayerCalls) -> Callable[..., Any]:
        def vjp(x: Array, dy: Array, rate: float, **key: Any) -> tuple[Any, Any]:
            if self.vjp and not made.on_vjp:
                y, dx = self.vjp(
                    lambda v: made.train(v, rate, **key), self._given(x), self.to_native(dy)
                )
            else:
                y, dx = made.vjp(self._given(x), self.to_native(dy), rate, **key)
            return self.to_numpy(y), self.to_numpy(dx)

        return vjp

    def _layer_evaluate_vjp(self, made: LayerCalls) -> Callable[..., Any]:
        def evaluate_vjp(x: Array, dy: Array, rate: float) -> tuple[Any, Any]:
            if self.vjp and not made.on_evaluate_vjp:
                y, dx = self.vjp(
                    lambda v: made.evaluate(v, rate), self._given(x), self.to_native(dy)
                )
            else:
                y, dx = made.evaluate_vjp(self._given(x), self.to_native(dy), rate)
            return self.to_numpy(y), self.to_numpy(dx)

        return evaluate_vjp

    def _declare(
        self, rate: RateParameter, notes: tuple[str, ...]
    ) -> tuple[Conventions, tuple[str, ...]]:
        """The framework's word on its rate goes before what a name suggests."""
        if self.conventions.rate_argument:
            return self.conventions, notes
        declared = replace(self.conventions, rate_argument=rate.argument)
        return declared, (*notes, *((rate.note,) if rate.note else ()))

    def _key_doubts(self, key: str | None) -> list[str]:
        if key is None:
            return []
        given = type(self.to_key(key, 0))
        return [f"its parameter {key!r} was given a {given.__module__}.{given.__qualname__}"]

    def _train(self, calls: FunctionCalls, rate: float, key: int) -> Callable[[Any], Any]:
        native = self.to_key(calls.key, key) if calls.key else None
        return lambda x: calls.train(x, rate, native)

    def _train_numpy(self, calls: FunctionCalls) -> Callable[..., Any]:
        def train(x: Array, rate: float, key: int = 0) -> Any:
            return self.to_numpy(self._train(calls, rate, key)(self._given(x)))

        return train

    def _peers(
        self, train: Callable[[Any, float, Any], Any], law: AnyLaw | None
    ) -> Callable[..., Any] | None:
        """Lanes of one call; nobody else's code is expected to be mapped."""
        lanes = self.lanes
        if lanes is None or law is None:
            return None

        def peers(x: Array, rate: float, count: int, key: int = 0) -> Any:
            keys = np.random.SeedSequence(key).generate_state(count) >> np.uint32(1)
            mapped = lanes(lambda v, k: train(v, rate, k), self._given(x), keys.tolist())
            return self.to_numpy(mapped)

        return peers

    def _operations(self, evaluate: Callable[[Any, float], Any]) -> Callable[..., Any] | None:
        trace = self.operations
        if trace is None:
            return None

        def operations(x: Array, rate: float) -> Sequence[str]:
            given = self._given(x)
            evaluate(given, rate)  # a layer that is built inside a trace would keep parts of it
            return trace(lambda v: evaluate(v, rate), given)

        return operations

    def _layer_operations(
        self, made: LayerCalls, calls: Mapping[str, Callable[..., Any]]
    ) -> Callable[..., Any] | None:
        own = calls.get("operations")
        if own is None:
            return self._operations(made.evaluate)
        return lambda x, rate: own(made.layer(rate), self._given(x))

    def _evaluate_native(self, calls: FunctionCalls) -> Callable[[Any, float], Any]:
        native = self.to_key(calls.key, 0) if calls.key else None
        return lambda x, rate: calls.evaluate(x, rate, native)

    def _evaluate(self, calls: FunctionCalls) -> Callable[..., Any]:
        evaluate = self._evaluate_native(calls)
        return lambda x, rate: self.to_numpy(evaluate(self._given(x), rate))

    def _vjp(self, calls: FunctionCalls) -> Callable[..., Any]:
        def vjp(x: Array, dy: Array, rate: float, key: int = 0) -> tuple[Any, Any]:
            if self.vjp is None:
                raise HarnessError("the bridge has no gradient")
            y, dx = self.vjp(self._train(calls, rate, key), self._given(x), self.to_native(dy))
            return self.to_numpy(y), self.to_numpy(dx)

        return vjp

    def _evaluate_vjp(self, calls: FunctionCalls) -> Callable[..., Any]:
        native = self.to_key(calls.key, 0) if calls.key else None

        def evaluate_vjp(x: Array, dy: Array, rate: float) -> tuple[Any, Any]:
            if self.vjp is None:
                raise HarnessError("the bridge has no gradient")
            y, dx = self.vjp(
                lambda v: calls.evaluate(v, rate, native), self._given(x), self.to_native(dy)
            )
            return self.to_numpy(y), self.to_numpy(dx)

        return evaluate_vjp


def _abilities(made: LayerCalls, name: str, doubts: list[str], advice: str) -> Abilities:
    try:
        return made.abilities()
    except HarnessError as error:
        assumed = f"\nPerhaps it wants to be built otherwise: {'; '.join(doubts)}" if doubts else ""
        built = f"\n{advice}" if error.__cause__ else ""
        raise HarnessError(f"{name}: {error}{assumed}{built}") from error.__cause__


def _doubts(rate: RateParameter) -> list[str]:
    return [rate.assumed] if rate.assumed else []


def _with_mode(target: Target, owner: str, mode: Mode | None) -> Target:
    """Say how the mode was read; leave the evaluation pass out where its word was a guess amiss."""
    if mode is None or mode.note is None:
        return target
    if mode.assumed and not evaluates(target):
        return replace(
            target,
            evaluate=None,
            evaluate_vjp=None,
            notes=(*target.notes, not_understood(owner, mode.name)),
        )
    return replace(target, notes=(*target.notes, mode.note))
