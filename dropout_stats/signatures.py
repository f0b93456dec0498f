"""How a function or a layer wants to be called, read from the names of its parameters."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from copy import copy
from dataclasses import dataclass, field
from typing import Any

from dropout_stats.conventions import RateArgument
from dropout_stats.errors import HarnessError

_RATE_NAMES = (
    "rate",
    "drop_rate",
    "dropout_rate",
    "drop_prob",
    "dropout_prob",
    "drop_probability",
    "p_drop",
    "p_dropout",
    "dropout_p",
    "dropout",
    "drop",
    "ratio",
    "p",
    "prob",
)
_KEEP_NAMES = (
    "keep_prob",
    "keep_rate",
    "keep_probability",
    "keep_p",
    "p_keep",
    "keep",
    "keepprob",
    "retain_prob",
    "survival_prob",
    "survival_rate",
)
_AMBIGUOUS = ("p", "prob", "dropout", "drop", "ratio")
_TRAINING: dict[str, tuple[Any, Any]] = {
    **dict.fromkeys(("training", "train", "is_training", "is_train"), (True, False)),
    **dict.fromkeys(("deterministic", "inference", "is_test", "evaluate", "test"), (False, True)),
}
_KEYS = ("key", "seed", "rng", "generator")

_Parameters = dict[str, inspect.Parameter]


@dataclass(frozen=True)
class RateParameter:
    """The parameter that takes the rate.

    Args:
        name: its name; None where there is no signature to read.
        argument: whether it takes the rate or the keep probability.
        note: how that was decided, for the report; None where the name is `rate`.

    """

    name: str | None
    argument: RateArgument
    note: str | None


@dataclass(frozen=True)
class FunctionCalls:
    """Calls a function `f(x, rate[, training][, key])` by the names of its parameters.

    Args:
        function: the function.
        rate: its rate parameter.
        training: name of the parameter for the mode, with its values for training and evaluation.
        key: name of the parameter that takes randomness, if it must be given.
        positional: the parameters that can only be given by position, with their defaults, up to
            the last that is given.

    """

    function: Callable[..., Any]
    rate: RateParameter
    training: tuple[str, Any, Any] | None = None
    key: str | None = None
    positional: dict[str, Any] = field(default_factory=dict)

    def train(self, x: Any, rate: float, key: Any = None) -> Any:
        """One training pass."""
        given = {self.rate.name: rate}
        if self.training:
            given[self.training[0]] = self.training[1]
        if self.key:
            given[self.key] = key
        return self._call(x, given)

    def evaluate(self, x: Any, rate: float, key: Any = None) -> Any:
        """One evaluation pass; only where there is a parameter for the mode."""
        if self.training is None:
            raise HarnessError("the function has no parameter for the mode")
        given = {self.rate.name: rate, self.training[0]: self.training[2]}
        if self.key:
            given[self.key] = key
        return self._call(x, given)

    def _call(self, x: Any, given: dict[str | None, Any]) -> Any:
        if self.rate.name is None:
            return self.function(x, given[None])
        leading = [given.get(name, default) for name, default in self.positional.items()]
        named = {str(n): value for n, value in given.items() if n not in self.positional}
        return self.function(x, *leading, **named)


def read_function(function: Callable[..., Any]) -> FunctionCalls:
    """Read how to call a function; HarnessError where its parameters cannot be filled."""
    name = getattr(function, "__qualname__", repr(function))
    try:
        parameters = dict(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        note = f"{name} shows no signature: it was called as f(x, rate)"
        return FunctionCalls(function, RateParameter(None, "rate", note))
    named = [p.name for p in parameters.values() if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    if not named:
        note = f"{name} takes any arguments: it was called as f(x, rate)"
        return FunctionCalls(function, RateParameter(None, "rate", note))
    if parameters[named[0]].kind is inspect.Parameter.KEYWORD_ONLY:
        raise HarnessError(f"{name} takes no positional parameter for its input.\n{_wrap(name)}")
    if named[0] in (*_RATE_NAMES, *_KEEP_NAMES):
        raise HarnessError(f"{name} takes its rate before its input.\n{_wrap(name)}")
    rest = {n: parameters[n] for n in named[1:]}
    training, key = _training(rest), _key(rest)
    rate = read_rate(name, {n: p for n, p in rest.items() if n not in _TRAINING and n not in _KEYS})
    taken = {rate.name, key, training[0] if training else None}
    missing = [n for n, p in rest.items() if p.default is p.empty and n not in taken]
    if missing:
        raise HarnessError(
            f"{name} needs the parameters {', '.join(missing)}, and nothing says what they are.\n"
            f"{_wrap(name)}"
        )
    only = {n: p.default for n, p in rest.items() if p.kind is p.POSITIONAL_ONLY}
    last = max((i for i, n in enumerate(only) if n in taken), default=-1)
    positional = dict(list(only.items())[: last + 1])
    return FunctionCalls(function, rate, training, key, positional)


def read_rate(owner: str, parameters: _Parameters) -> RateParameter:
    """Find the parameter that takes the rate; HarnessError where there is none."""
    for name in parameters:
        if name in _KEEP_NAMES:
            return RateParameter(
                name, "keep_prob", f"{owner}: parameter {name!r} was read as the keep probability"
            )
        if name in _RATE_NAMES:
            note = f"{owner}: parameter {name!r} was read as the drop rate"
            if name in _AMBIGUOUS:
                note += "; if it is a keep probability, declare rate_argument='keep_prob'"
            return RateParameter(name, "rate", None if name == "rate" else note)
    first = next(iter(parameters), None)
    if first is None:
        raise HarnessError(f"{owner} has no parameter for the rate.\n{_wrap(owner)}")
    note = (
        f"{owner}: parameter {first!r} was assumed to be the drop rate; if it is a keep "
        "probability, declare rate_argument='keep_prob'"
    )
    return RateParameter(first, "rate", note)


def _training(parameters: _Parameters) -> tuple[str, Any, Any] | None:
    for name in parameters:
        if name in _TRAINING:
            return (name, *_TRAINING[name])
    return None


def _key(parameters: _Parameters) -> str | None:
    for name, parameter in parameters.items():
        if name in _KEYS and parameter.default is parameter.empty:
            return name
    return None


def _wrap(name: str) -> str:
    return (
        "Wrap it in a function of the input and the rate, and judge that:\n"
        f"    def dropout(x, rate):\n        return {name.rsplit('.', maxsplit=1)[-1]}(x, ...)\n"
        "or describe it with dropout_stats.Target(train=..., evaluate=..., vjp=...)"
    )


@dataclass
class LayerCalls:
    """Calls a layer whose rate is fixed when it is built, and builds it once a rate.

    Args:
        build: `build(rate) -> layer`.
        on_train: `on_train(layer, x, **key) -> y`; None: training mode, then a call.
        on_evaluate: `on_evaluate(layer, x) -> y`; None: evaluation mode, then a call.
        on_vjp: `on_vjp(layer, x, dy, **key) -> (y, dx)`; None: a call and `layer.backward(dy)`.
        on_seed: `on_seed(n)`.
        on_evaluate_vjp: `on_evaluate_vjp(layer, x, dy) -> (y, dx)`.

    """

    build: Callable[[float], Any]
    on_train: Callable[..., Any] | None = None
    on_evaluate: Callable[..., Any] | None = None
    on_vjp: Callable[..., Any] | None = None
    on_seed: Callable[[int], object] | None = None
    on_evaluate_vjp: Callable[..., Any] | None = None
    _layers: dict[float, Any] = field(default_factory=dict)

    def layer(self, rate: float) -> Any:
        """The layer of this rate, built when it is first asked for."""
        # NaN is not equal to itself: it may be tried once, but never kept.
        if rate not in self._layers:
            self._layers[rate] = self.build(rate)
        return self._layers[rate]

    def train(self, x: Any, rate: float, **key: Any) -> Any:
        """One training pass."""
        layer = self.layer(rate)
        if self.on_train:
            return self.on_train(layer, x, **key)
        return _call_in_mode(layer, x, 0, key)

    def evaluate(self, x: Any, rate: float) -> Any:
        """One evaluation pass."""
        layer = self.layer(rate)
        return self.on_evaluate(layer, x) if self.on_evaluate else _call_in_mode(layer, x, 1, {})

    def vjp(self, x: Any, dy: Any, rate: float, **key: Any) -> tuple[Any, Any]:
        """One training pass and its backward pass."""
        layer = self.layer(rate)
        if self.on_vjp:
            y, dx = self.on_vjp(layer, x, dy, **key)
            return y, dx
        y = copy(self.train(x, rate, **key))  # backward may write into the same buffer
        dx = layer.backward(dy)
        return y, dx[0] if isinstance(dx, tuple) and dx else dx

    def evaluate_vjp(self, x: Any, dy: Any, rate: float) -> tuple[Any, Any]:
        """One evaluation pass and its backward pass; only where it was said how."""
        if self.on_evaluate_vjp is None:
            raise HarnessError("nothing says how to differentiate the evaluation pass")
        y, dx = self.on_evaluate_vjp(self.layer(rate), x, dy)
        return y, dx

    def seed(self, number: int) -> None:
        """Forget the layers (their generators may start at construction) and seed."""
        self._layers.clear()
        if self.on_seed:
            self.on_seed(number)

    def abilities(self) -> tuple[bool, bool]:
        """Whether the layer can evaluate and differentiate; builds one to look."""
        if self.on_evaluate and self.on_vjp:
            return True, True
        try:
            layer = self.build(0.5)
        except Exception as error:
            raise HarnessError(
                f"the layer could not be built: build(0.5) raised {type(error).__name__}: {error}"
            ) from error
        return (
            self.on_evaluate is not None or _mode_of(layer) is not None,
            self.on_vjp is not None or callable(getattr(layer, "backward", None)),
        )


def _entry(layer: Any) -> Callable[..., Any]:
    if callable(layer):
        return layer  # type: ignore[no-any-return]  # callable() narrows to a bare callable
    if callable(getattr(layer, "forward", None)):
        return layer.forward  # type: ignore[no-any-return]  # an attribute of an unknown object
    raise HarnessError(
        f"a {type(layer).__name__} can neither be called nor has it a method `forward`; say how "
        "it is called: Target.from_layer(build, train=lambda layer, x: ...)"
    )


def _mode_of(layer: Any) -> str | None:
    """How the mode of a layer is set: a parameter of its call, methods, an attribute, or not."""
    parameter = _mode_parameter(layer)
    if parameter:
        return parameter[0]
    if callable(getattr(layer, "train", None)) and callable(getattr(layer, "eval", None)):
        return "train()"
    flags = ("training", "is_training")
    return next((name for name in flags if isinstance(getattr(layer, name, None), bool)), None)


def _mode_parameter(layer: Any) -> tuple[str, Any, Any] | None:
    try:
        parameters: Iterable[str] = inspect.signature(_entry(layer)).parameters
    except (TypeError, ValueError):
        return None
    return next(((name, *_TRAINING[name]) for name in parameters if name in _TRAINING), None)


def _call_in_mode(layer: Any, x: Any, evaluation: int, key: dict[str, Any]) -> Any:
    parameter = _mode_parameter(layer)
    if parameter:
        return _entry(layer)(x, **{parameter[0]: parameter[1 + evaluation]}, **key)
    mode = _mode_of(layer)
    if mode == "train()":
        (layer.eval if evaluation else layer.train)()
    elif mode:
        setattr(layer, mode, not evaluation)
    return _entry(layer)(x, **key)
