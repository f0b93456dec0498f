"""The implementation under test, as plain callables on NumPy arrays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from dropout_stats.conventions import Conventions
from dropout_stats.errors import UsageError
from dropout_stats.laws import Law
from dropout_stats.signatures import LayerCalls


class Output(NamedTuple):
    """What `train` may return instead of a bare array.

    Args:
        y: the output.
        mask: the keep mask that the target says it used; it is checked, never trusted.

    """

    y: Any
    mask: Any = None


@dataclass(frozen=True, kw_only=True)
class Target:
    """A dropout under test. Every callable takes and returns NumPy arrays.

    Args:
        train: `train(x, rate) -> y`: one training pass with fresh noise; may return `Output`.
        evaluate: `evaluate(x, rate) -> y`: one evaluation pass.
        vjp: `vjp(x, dy, rate) -> (y, dx)`: a training pass and its backward pass, same noise.
        evaluate_vjp: `evaluate_vjp(x, dy, rate) -> (y, dx)`: an evaluation pass and its backward
            pass.
        seed: `seed(n)`: resets the target's randomness; each n from 0 to 2**31 - 1 starts other
            noise, and the same n the same noise.
        state: `state() -> value`: a fingerprint, to be compared with ==, of the global generators
            in its reach, those of NumPy and of Python aside.
        apply: `apply(x, noise, rate) -> y`: the training pass with the keep mask given.
        name: how reports call it.
        law: the law that it declares.
        conventions: the interface that it declares.
        notes: what an adapter did or assumed, for the report.
        spec: the command-line words that name it, for reproductions; None where it has none.

    With `Conventions(randomness="key")` train and vjp also get `key=`, an int below 2**31 that
    never repeats, except where a check asks what the same key gives.
    With `Conventions(rate_argument="keep_prob")` they get 1 - rate in place of the rate.

    """

    train: Callable[..., Any]
    evaluate: Callable[..., Any] | None = None
    vjp: Callable[..., Any] | None = None
    evaluate_vjp: Callable[..., Any] | None = None
    seed: Callable[[int], object] | None = None
    state: Callable[[], object] | None = None
    apply: Callable[..., Any] | None = None
    name: str = ""
    law: Law | None = None
    conventions: Conventions | None = None
    notes: tuple[str, ...] = ()
    spec: str | None = None

    def __post_init__(self) -> None:
        for field in ("train", "evaluate", "vjp", "evaluate_vjp", "seed", "state", "apply"):
            value = getattr(self, field)
            if not callable(value) and not (value is None and field != "train"):
                raise UsageError(
                    f"Target({field}=...) must be callable, got {type(value).__name__}"
                )
        if not self.name:
            name = getattr(self.train, "__qualname__", type(self.train).__name__)
            object.__setattr__(self, "name", name)

    @staticmethod
    def from_layer(
        build: Callable[[float], Any],
        *,
        train: Callable[..., Any] | None = None,
        evaluate: Callable[..., Any] | None = None,
        vjp: Callable[..., Any] | None = None,
        evaluate_vjp: Callable[..., Any] | None = None,
        seed: Callable[[int], object] | None = None,
        name: str = "",
        law: Law | None = None,
        conventions: Conventions | None = None,
    ) -> Target:
        """Make a target of a layer whose rate is fixed when it is built.

        The layer is built once a rate: rebuilding it at each call would fake repeated masks.

        Args:
            build: `build(rate) -> layer`.
            train: `train(layer, x) -> y`; by default the layer is put into training mode
                (`layer.train()`, or `layer.training = True`) and called.
            evaluate: `evaluate(layer, x) -> y`; by default `layer.eval()` (or
                `layer.training = False`) and a call, where the layer has such a mode.
            vjp: `vjp(layer, x, dy) -> (y, dx)`; by default a training pass and
                `layer.backward(dy)`, where the layer has one.
            evaluate_vjp: `evaluate_vjp(layer, x, dy) -> (y, dx)`.
            seed: `seed(n)`; built layers are thrown away first, so that a generator that a layer
                made at construction starts again.
            name: how reports call it.
            law: the law that it declares.
            conventions: the interface that it declares; `build` gets what `rate_argument` says.

        """
        calls = LayerCalls(build, train, evaluate, vjp, seed, evaluate_vjp)
        can_evaluate, can_differentiate = calls.abilities()
        return Target(
            train=calls.train,
            evaluate=calls.evaluate if can_evaluate else None,
            vjp=calls.vjp if can_differentiate else None,
            evaluate_vjp=calls.evaluate_vjp if evaluate_vjp else None,
            seed=calls.seed if seed else None,
            name=name or getattr(build, "__qualname__", type(build).__name__),
            law=law,
            conventions=conventions,
        )
