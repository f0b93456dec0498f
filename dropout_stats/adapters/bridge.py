"""What a framework's adapter supplies: the way from NumPy to its arrays and back."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from typing import Any

from dropout_stats.conventions import Conventions
from dropout_stats.errors import HarnessError
from dropout_stats.laws import Inverted, Law
from dropout_stats.laws.reading import Array
from dropout_stats.signatures import FunctionCalls, LayerCalls, read_function, read_rate
from dropout_stats.target import Target


def _same(value: Any) -> Any:
    return value


def element_law(target: Any, root: str, known: Collection[str], name: str) -> Law | None:
    """The law of a framework's own dropout; None for what a user built on the framework.

    A framework's other dropouts (of channels, of samples, with other noise) have other laws: to
    hold them to this one would accuse correct code.

    Args:
        target: the class or function.
        root: the framework's package.
        known: names of its dropouts that draw for each element.
        name: how reports call it.

    Raises:
        HarnessError: it is another of the framework's own.

    """
    if str(target.__module__).partition(".")[0] not in (root, f"_{root}"):
        return None
    if target.__name__ in known:
        return Inverted()
    raise HarnessError(
        f"{name} is not one of {root}'s dropouts of single elements ({', '.join(known)}), and no "
        "other law is known to this version. If it does draw for each element, wrap it in a "
        "function (x, rate) of your own and say which law holds (--law)"
    )


@dataclass(frozen=True)
class Bridge:
    """How one framework's arrays, gradients and randomness are reached.

    Args:
        to_native: NumPy array -> the framework's array.
        to_numpy: the framework's output -> NumPy array.
        to_key: int -> what a parameter named `key`, `seed`, `rng` or `generator` takes.
        vjp: `vjp(call, x, dy) -> (y, dx)` on the framework's arrays; None where it has none.
        seed: resets the framework's global randomness; None where it has none.
        state: a fingerprint of the framework's global generators; None where it has none.
        conventions: what every target of the framework shares.

    """

    to_native: Callable[[Array], Any] = _same
    to_numpy: Callable[[Any], Any] = _same
    to_key: Callable[[str, int], Any] = lambda _, key: key
    vjp: Callable[[Callable[[Any], Any], Any, Any], tuple[Any, Any]] | None = None
    seed: Callable[[int], object] | None = None
    state: Callable[[], object] | None = None
    conventions: Conventions = field(default_factory=Conventions)

    def of_function(
        self,
        function: Callable[..., Any],
        name: str,
        *,
        law: Law | None = None,
        notes: tuple[str, ...] = (),
    ) -> Target:
        """Make a target of a function `f(x, rate[, training][, key])`."""
        calls = read_function(function)
        conventions, notes = self._declare(calls.rate.argument, calls.rate.note, notes)
        if calls.key:
            conventions = replace(conventions, randomness="key")
        return Target(
            train=self._train_numpy(calls),
            evaluate=self._evaluate(calls) if calls.training else None,
            vjp=self._vjp(calls) if self.vjp else None,
            evaluate_vjp=self._evaluate_vjp(calls) if self.vjp and calls.training else None,
            seed=None if calls.key else self.seed,
            state=self.state,
            name=name,
            law=law,
            conventions=conventions,
            notes=notes,
        )

    def of_layer_class(
        self,
        layer: Callable[..., Any],
        name: str,
        *,
        law: Law | None = None,
        notes: tuple[str, ...] = (),
        **calls: Callable[..., Any],
    ) -> Target:
        """Make a target of a class whose constructor takes the rate.

        Args:
            layer: the class.
            name: how reports call it.
            law: the law it declares.
            notes: what was assumed already.
            **calls: `train`, `evaluate`, `vjp`, `evaluate_vjp` of `Target.from_layer`, on native
                arrays.

        """
        rate = self._constructor(layer, name)
        conventions, notes = self._declare(rate.argument, rate.note, notes)

        def build(value: float) -> Any:
            return layer(value) if rate.name is None else layer(**{rate.name: value})

        made = LayerCalls(
            build,
            calls.get("train"),
            calls.get("evaluate"),
            calls.get("vjp"),
            self.seed,
            calls.get("evaluate_vjp"),
        )
        can_evaluate, can_differentiate = made.abilities()
        train, evaluate, vjp = made.train, made.evaluate, made.vjp

        def differentiate(x: Array, dy: Array, rate: float, **key: Any) -> tuple[Any, Any]:
            if self.vjp and not made.on_vjp:
                y, dx = self.vjp(
                    lambda v: train(v, rate, **key), self.to_native(x), self.to_native(dy)
                )
            else:
                y, dx = vjp(self.to_native(x), self.to_native(dy), rate, **key)
            return self.to_numpy(y), self.to_numpy(dx)

        def differentiate_evaluation(x: Array, dy: Array, rate: float) -> tuple[Any, Any]:
            if self.vjp and not made.on_evaluate_vjp:
                y, dx = self.vjp(lambda v: evaluate(v, rate), self.to_native(x), self.to_native(dy))
            else:
                y, dx = made.evaluate_vjp(self.to_native(x), self.to_native(dy), rate)
            return self.to_numpy(y), self.to_numpy(dx)

        return Target(
            train=lambda x, rate, **key: self.to_numpy(train(self.to_native(x), rate, **key)),
            evaluate=(lambda x, rate: self.to_numpy(evaluate(self.to_native(x), rate)))
            if can_evaluate
            else None,
            vjp=differentiate if self.vjp or can_differentiate else None,
            evaluate_vjp=differentiate_evaluation
            if can_evaluate and (self.vjp or made.on_evaluate_vjp)
            else None,
            seed=made.seed if self.seed else None,
            state=self.state,
            name=name,
            law=law,
            conventions=conventions,
            notes=notes,
        )

    @staticmethod
    def _constructor(layer: Callable[..., Any], name: str) -> Any:
        parameters = dict(inspect.signature(layer).parameters)
        rate = read_rate(name, parameters)
        missing = [
            p.name
            for p in parameters.values()
            if p.default is p.empty
            and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
            and p.name != rate.name
        ]
        if missing:
            raise HarnessError(
                f"{name} cannot be built from a rate alone: it needs {', '.join(missing)}.\n"
                "Say how it is built, and judge that:\n"
                f"    target = dropout_stats.Target.from_layer(lambda rate: {layer.__name__}"
                f"({', '.join(missing)}=..., {rate.name}=rate))"
            )
        return rate

    def _declare(
        self, argument: Any, note: str | None, notes: tuple[str, ...]
    ) -> tuple[Conventions, tuple[str, ...]]:
        """The framework's word on its rate goes before what a name suggests."""
        if self.conventions.rate_argument:
            return self.conventions, notes
        declared = replace(self.conventions, rate_argument=argument)
        return declared, (*notes, *((note,) if note else ()))

    def _train(self, calls: FunctionCalls, rate: float, key: int) -> Callable[[Any], Any]:
        native = self.to_key(calls.key, key) if calls.key else None
        return lambda x: calls.train(x, rate, native)

    def _train_numpy(self, calls: FunctionCalls) -> Callable[..., Any]:
        def train(x: Array, rate: float, key: int = 0) -> Any:
            return self.to_numpy(self._train(calls, rate, key)(self.to_native(x)))

        return train

    def _evaluate(self, calls: FunctionCalls) -> Callable[..., Any]:
        native = self.to_key(calls.key, 0) if calls.key else None
        return lambda x, rate: self.to_numpy(calls.evaluate(self.to_native(x), rate, native))

    def _vjp(self, calls: FunctionCalls) -> Callable[..., Any]:
        def vjp(x: Array, dy: Array, rate: float, key: int = 0) -> tuple[Any, Any]:
            if self.vjp is None:
                raise HarnessError("the bridge has no gradient")
            y, dx = self.vjp(self._train(calls, rate, key), self.to_native(x), self.to_native(dy))
            return self.to_numpy(y), self.to_numpy(dx)

        return vjp

    def _evaluate_vjp(self, calls: FunctionCalls) -> Callable[..., Any]:
        native = self.to_key(calls.key, 0) if calls.key else None

        def evaluate_vjp(x: Array, dy: Array, rate: float) -> tuple[Any, Any]:
            if self.vjp is None:
                raise HarnessError("the bridge has no gradient")
            y, dx = self.vjp(
                lambda v: calls.evaluate(v, rate, native), self.to_native(x), self.to_native(dy)
            )
            return self.to_numpy(y), self.to_numpy(dx)

        return evaluate_vjp
