"""How a function wants to be called, read from the names of its parameters."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

from dropout_stats.callables import is_instance, name_of, parameters_of, underlying
from dropout_stats.conventions import RateArgument
from dropout_stats.errors import HarnessError
from dropout_stats.modes import FLAGS, WORDED, Mode, not_understood, read_mode

_RATE_NAMES = (
    "rate",
    "drop_rate",
    "dropout_rate",
    "drop_prob",
    "dropout_prob",
    "drop_probability",
    "dropout_probability",
    "p_drop",
    "p_dropout",
    "drop_p",
    "dropout_p",
    "drop_ratio",
    "dropout_ratio",
    "dropout",
    "drop",
    "ratio",
    "p",
    "prob",
)
_KEEP_NAMES = (
    "keep_prob",
    "keep_rate",
    "keep_ratio",
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
_IF_KEPT = "if it is a keep probability, declare rate_argument='keep_prob' (--keep-prob)"
_INSTANCE = "It is an instance, whose rate is fixed: hand over its class"
_PERHAPS_NO_NUMBER = ("dropout", "drop", "keep")  # a layer, a flag or a mask has such names, too
_GENERATORS = ("rng", "generator")
_KEYS = ("key", "seed", *_GENERATORS, "rng_key", "prng_key", "dropout_key", "dropout_rng")

Parameters = Mapping[str, inspect.Parameter]
# A pass at one rate: of the input and of what it takes as randomness; and how it is entered, by a
# compiler for one.
KeyedCall: TypeAlias = Callable[[Any, Any], Any]
Wrapper: TypeAlias = Callable[[KeyedCall], KeyedCall]


@dataclass(frozen=True)
class RateParameter:
    """The parameter that takes the rate.

    Args:
        name: its name; None where there is no signature to read.
        argument: whether it takes the rate or the keep probability.
        note: how that was decided, for the report; None where the name is `rate`.
        assumed: what may be wrong about it, in words; None where its name leaves no doubt.

    """

    name: str | None
    argument: RateArgument
    note: str | None
    assumed: str | None = None


@dataclass(frozen=True)
class FunctionCalls:
    """Calls a function by the names of its parameters.

    Args:
        function: the function.
        rate: its rate parameter.
        input: name of the parameter that takes the input; None: the first, by position.
        mode: its parameter for the mode.
        key: name of the parameter that takes randomness, if it is to be given.
        positional: the parameters that can only be given by position, with their defaults, up to
            the last that is given.
        notes: what else was read and is not plain, for the report.
        wrapper: what each training pass is entered through, once for each rate; None: nothing.

    """

    function: Callable[..., Any]
    rate: RateParameter
    input: str | None = None
    mode: Mode | None = None
    key: str | None = None
    positional: tuple[tuple[str, Any], ...] = ()
    notes: tuple[str, ...] = ()
    wrapper: Wrapper | None = None
    _entered: dict[float, KeyedCall] = field(default_factory=dict, repr=False, compare=False)

    def train(self, x: Any, rate: float, key: Any = None) -> Any:
        """One training pass."""

        def call(v: Any, k: Any) -> Any:
            return self._call(v, rate, k, {self.mode.name: self.mode.training} if self.mode else {})

        if self.wrapper is None:
            return call(x, key)
        if rate not in self._entered:
            self._entered[rate] = self.wrapper(call)
        return self._entered[rate](x, key)

    def evaluate(self, x: Any, rate: float, key: Any = None) -> Any:
        """One evaluation pass; only where there is a parameter for the mode."""
        if self.mode is None:
            raise HarnessError("the function has no parameter for the mode")
        return self._call(x, rate, key, {self.mode.name: self.mode.evaluation})

    def _call(self, x: Any, rate: float, key: Any, given: dict[str, Any]) -> Any:
        if self.rate.name is None:
            return self.function(x, rate)
        given[self.rate.name] = rate
        if self.key:
            given[self.key] = key
        if self.input:
            given[self.input] = x
        leading = [given.pop(name, default) for name, default in self.positional]
        return self.function(*(() if self.input else (x,)), *leading, **given)


def read_function(function: Callable[..., Any], *, optional_key: bool = False) -> FunctionCalls:
    """Read how to call a function.

    Args:
        function: the function.
        optional_key: whether a parameter for randomness is filled even where it has a default.

    Raises:
        HarnessError: its parameters cannot be filled.

    """
    name = name_of(function)
    try:
        parameters = parameters_of(function)
    except (TypeError, ValueError):
        return _unread(function, f"{name} shows no signature")
    if not parameters:
        return _unread(function, f"{name} takes any arguments")
    first, x = next(iter(parameters)), _input(name, parameters)
    rest = {n: p for n, p in parameters.items() if n != x}
    rate = read_rate(name, rest, _INSTANCE if is_instance(function) else None)
    mode = read_mode(name, rest, function)
    key = read_key(rest, optional=optional_key)
    given = (rate.name, key, mode.name if mode else None)
    missing = [n for n, p in rest.items() if p.default is p.empty and n not in given]
    if missing:
        raise HarnessError(
            f"{name} needs the parameters {', '.join(missing)}, and nothing says what they are.\n"
            f"{wrap(name)}"
        )
    notes = [f"{name}: parameter {x!r} was read as the input"] if x != first else []
    if mode is None:
        notes += [not_understood(name, n) for n in WORDED if n in rest]
    return FunctionCalls(
        function,
        rate,
        input=None if x == first else x,
        mode=mode,
        key=key,
        positional=_positional(rest if x == first else parameters, (*given, x)),
        notes=tuple(notes),
    )


def find_input(parameters: Parameters) -> str | None:
    """Return the first parameter whose name is not one of those that mean something else."""
    meant = (*_RATE_NAMES, *_KEEP_NAMES, *_KEYS, *FLAGS, *WORDED)
    return next((name for name in parameters if name not in meant), None)


def builds_layers(target: Any) -> bool:
    """Whether it is a class of layers, or a function of a rate and no input, which builds them."""
    if isinstance(underlying(target), type):
        return True
    try:
        parameters = parameters_of(target)
    except (TypeError, ValueError):
        return False
    return not is_instance(target) and takes_rate_alone(parameters)


def takes_rate_alone(parameters: Parameters) -> bool:
    """Whether there is a parameter for the rate, and none for an input."""
    has_rate = any(name in (*_RATE_NAMES, *_KEEP_NAMES) for name in parameters)
    return has_rate and find_input(parameters) is None


def read_rate(owner: str, parameters: Parameters, advice: str | None = None) -> RateParameter:
    """Find the parameter that takes the rate; HarnessError with advice where there is none."""
    for name in parameters:
        if name in (*_RATE_NAMES, *_KEEP_NAMES):
            return _named_rate(owner, name)
    first = next((n for n in parameters if n not in (*FLAGS, *_KEYS, *WORDED)), None)
    if first is None:
        raise HarnessError(f"{owner} has no parameter for the rate.\n{advice or wrap(owner)}")
    assumed = f"its parameter {first!r} was assumed to be the drop rate"
    note = f"{owner}: parameter {first!r} was assumed to be the drop rate; {_IF_KEPT}"
    return RateParameter(first, "rate", note, assumed)


def read_key(parameters: Parameters, *, optional: bool = False) -> str | None:
    """Find the parameter that takes randomness.

    Args:
        parameters: the parameters.
        optional: whether one that has a default counts.

    """
    for name, parameter in parameters.items():
        if name in _KEYS and (optional or parameter.default is parameter.empty):
            return name
    return None


def numpy_key(parameter: str, key: int) -> Any:
    """Return what a parameter for randomness is handed in plain Python."""
    return np.random.default_rng(key) if parameter in _GENERATORS else key


def wrap(name: str) -> str:
    """Return the words that say how to describe what cannot be read."""
    function = name.rpartition(":")[2].rpartition(".")[2]
    return (
        "Wrap it in a function of the input and the rate, and judge that:\n"
        f"    def dropout(x, rate):\n        return {function}(x, ...)\n"
        "or describe it with dropout_stats.Target(train=..., evaluate=..., vjp=...)"
    )


def _unread(function: Callable[..., Any], why: str) -> FunctionCalls:
    called = "it was called as f(x, rate)"
    return FunctionCalls(function, RateParameter(None, "rate", f"{why}: {called}", called))


def _input(name: str, parameters: Parameters) -> str:
    x = find_input(parameters)
    if x is None or parameters[x].kind is inspect.Parameter.KEYWORD_ONLY:
        raise HarnessError(f"{name} has no positional parameter for its input.\n{wrap(name)}")
    return x


def _named_rate(owner: str, name: str) -> RateParameter:
    argument: RateArgument = "keep_prob" if name in _KEEP_NAMES else "rate"
    read = f"was read as the {'keep probability' if name in _KEEP_NAMES else 'drop rate'}"
    note = f"{owner}: parameter {name!r} {read}"
    if name in _AMBIGUOUS:
        note += f"; {_IF_KEPT}"
    assumed = f"its parameter {name!r} {read}" if name in _PERHAPS_NO_NUMBER else None
    return RateParameter(name, argument, None if name == "rate" else note, assumed)


def _positional(
    parameters: Parameters, given: tuple[str | None, ...]
) -> tuple[tuple[str, Any], ...]:
    only = [(n, p.default) for n, p in parameters.items() if p.kind is p.POSITIONAL_ONLY]
    last = max((i for i, (n, _) in enumerate(only) if n in given), default=-1)
    return tuple(only[: last + 1])
