"""The implementation under test, as plain callables on NumPy arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from dropout_stats.callables import name_of
from dropout_stats.conventions import Conventions
from dropout_stats.errors import UsageError
from dropout_stats.laws import AnyLaw, is_law
from dropout_stats.layers import LayerCalls
from dropout_stats.modes import not_understood


class Output(NamedTuple):
    """What `train` may return instead of a bare array.

    Args:
        y: the output.
        mask: the keep mask that the target says it used; it is checked, never trusted.

    """

    y: Any
    mask: Any = None


@dataclass(frozen=True)
class Steps:
    """The steps of a schedule, at each of which a target has a rate of its own.

    Args:
        train: `train(x, step) -> y`: one training pass at a step.
        rates: the declared drop rate of each step that can be judged, in the order of training.
        left_out: how many others there are, whose rates are too near 0 or 1 to be told from them.

    """

    train: Callable[..., Any]
    rates: Mapping[int, float]
    left_out: int = 0


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
        peers: `peers(x, rate, count) -> y` of shape (count, *x.shape): one pass of each of `count`
            layers, workers, lanes or ranks on the same input.
        operations: `operations(x, rate) -> names` of the operations in the traced evaluation pass.
        convert: `convert(x) -> x`: the array to where the target takes it, and back.
        name: how reports call it.
        law: the law that it declares.
        conventions: the interface that it declares.
        notes: what an adapter did or assumed, for the report.
        spec: the command-line words that name it, for reproductions; None where it has none.
        noise_beside: what else draws noise in evaluation in the model that the target is part of;
            it fails `inference.deterministic`. Empty where nothing does.
        steps: the steps of the schedule that it follows; None where it follows none.

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
    peers: Callable[..., Any] | None = None
    operations: Callable[..., Any] | None = None
    convert: Callable[[Any], Any] | None = None
    name: str = ""
    law: AnyLaw | None = None
    conventions: Conventions | None = None
    notes: tuple[str, ...] = ()
    spec: str | None = None
    noise_beside: str = ""
    steps: Steps | None = None

    def __post_init__(self) -> None:
        for field in (
            "train",
            "evaluate",
            "vjp",
            "evaluate_vjp",
            "seed",
            "state",
            "apply",
            "peers",
            "operations",
            "convert",
        ):
            value = getattr(self, field)
            if not callable(value) and not (value is None and field != "train"):
                raise UsageError(
                    f"Target({field}=...) must be callable, got {type(value).__name__}"
                )
        if self.law is not None and not is_law(self.law):
            raise UsageError(f"Target(law=...) must be a law such as Inverted(), got {self.law!r}")
        if not isinstance(self.conventions, Conventions | None):
            raise UsageError(
                f"Target(conventions=...) must be a Conventions(...), got {self.conventions!r}"
            )
        if not self.name:
            object.__setattr__(self, "name", name_of(self.train))

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
        law: AnyLaw | None = None,
        conventions: Conventions | None = None,
    ) -> Target:
        """Make a target of a layer whose rate is fixed when it is built.

        The layer is built once a rate: rebuilding it at each call would fake repeated masks.

        Args:
            build: `build(rate) -> layer`.
            train: `train(layer, x) -> y`; by default the layer is put into training mode
                (`layer.train()`, or `layer.training = True`) and called. Where its call needs a
                `key`, `seed`, `rng` or `generator`, it gets one that never repeats.
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
        can = calls.abilities()
        note, evaluates = can.note, can.evaluate
        if can.mode and can.mode.assumed:
            note, evaluates = not_understood(name or name_of(build), can.mode.name), False
        if can.key:
            conventions = replace(conventions or Conventions(), randomness="key")
        return Target(
            train=calls.train,
            evaluate=calls.evaluate if evaluates else None,
            vjp=calls.vjp if can.differentiate else None,
            evaluate_vjp=calls.evaluate_vjp if evaluate_vjp else None,
            seed=calls.seed if seed else None,
            name=name or name_of(build),
            law=law,
            conventions=conventions,
            notes=(note,) if note else (),
        )
