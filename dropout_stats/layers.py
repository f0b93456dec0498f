"""How a layer whose rate is fixed when it is built wants to be called."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from copy import copy
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from dropout_stats.callables import constants_of, parameters_of
from dropout_stats.errors import HarnessError
from dropout_stats.modes import WORDED, Mode, not_understood, read_mode, read_words
from dropout_stats.signatures import KeyedCall, Wrapper, find_input, numpy_key, read_key

_ATTRIBUTES = ("training", "is_training", "train_mode")


class Abilities(NamedTuple):
    """What a layer can do.

    Args:
        evaluate: whether it has an evaluation pass.
        differentiate: whether it has a backward pass.
        key: name of the parameter of its call that takes randomness, if one is to be filled.
        mode: the parameter or attribute that selects the pass, if one does.
        note: how the mode was read, for the report.

    """

    evaluate: bool
    differentiate: bool
    key: str | None = None
    mode: Mode | None = None
    note: str | None = None


@dataclass(frozen=True)
class Entry:
    """How one layer is called.

    Args:
        layer: the layer.
        call: the layer itself, or its method `forward`.
        parameters: the parameters of the call.
        input: name of the parameter that takes the input; None: the first, by position.
        mode: the parameter of the call that selects the pass.
        attribute: the attribute that selects it.
        methods: whether `layer.train()` and `layer.eval()` do.
        key: the parameter of the call that takes randomness.
        needs_key: whether that one must be filled.

    """

    layer: Any
    call: Callable[..., Any]
    parameters: dict[str, inspect.Parameter]
    input: str | None
    mode: Mode | None
    attribute: Mode | None
    methods: bool
    key: str | None
    needs_key: bool

    @property
    def selects(self) -> Mode | None:
        """The parameter or attribute that selects the pass, if one does."""
        return self.mode or (None if self.methods else self.attribute)

    @property
    def note(self) -> str | None:
        """What a report should say of the mode."""
        if self.selects or self.methods:
            return self.selects.note if self.selects else None
        has = (n for n in WORDED if n in self.parameters or isinstance(_word(self.layer, n), str))
        worded = next(has, None)
        return not_understood(type(self.layer).__name__, worded) if worded else None

    def __call__(self, x: Any, *, evaluation: bool, key: Any = None) -> Any:
        """One pass."""
        if self.methods:
            (self.layer.eval if evaluation else self.layer.train)()
        elif self.attribute:
            setattr(self.layer, self.attribute.name, _value(self.attribute, evaluation))
        given = {self.mode.name: _value(self.mode, evaluation)} if self.mode else {}
        if self.key and key is not None:
            given[self.key] = key
        if self.input:
            return self.call(**{self.input: x}, **given)
        return self.call(x, **given)


def build_one(build: Callable[[float], Any], name: str) -> Any:
    """Build a layer, to look at it; HarnessError where that raises."""
    try:
        return build(0.5)
    except Exception as error:
        raise HarnessError(
            f"the layer could not be built: {name}(0.5) raised {type(error).__name__}: {error}"
        ) from error


def read_layer(layer: Any) -> Entry:
    """Read how to call a layer; HarnessError where it cannot be called."""
    call = _call(layer)
    shown = _showing(layer)
    try:
        parameters = parameters_of(shown)
    except (TypeError, ValueError):
        parameters = {}
    name = type(layer).__name__
    frozen = getattr(getattr(layer, "__dataclass_params__", None), "frozen", False)
    methods = all(callable(getattr(layer, method, None)) for method in ("train", "eval"))
    mode = read_mode(name, parameters, shown)
    if methods and mode and parameters[mode.name].default is None:
        mode = None  # None means: as train() and eval() said
    needed = read_key(parameters)
    x = find_input(parameters)
    _require_nothing_else(name, parameters, (x, mode.name if mode else None, needed))
    return Entry(
        layer=layer,
        call=call,
        parameters=parameters,
        input=x if x != next(iter(parameters), None) else None,
        mode=mode,
        attribute=None if frozen else _attribute(layer, name, shown),
        methods=methods,
        key=needed or read_key(parameters, optional=True),
        needs_key=needed is not None,
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
        to_key: name of a parameter, int -> what it takes as randomness.
        optional_key: whether a parameter for randomness is filled even where it has a default.
        switch: `switch(layer, evaluation) -> layer in that mode`, for layers that are not changed
            in place; it gives None where the layer has no mode.
        wrapper: what each training pass is entered through, once for each layer; None: nothing.

    """

    build: Callable[[float], Any]
    on_train: Callable[..., Any] | None = None
    on_evaluate: Callable[..., Any] | None = None
    on_vjp: Callable[..., Any] | None = None
    on_seed: Callable[[int], object] | None = None
    on_evaluate_vjp: Callable[..., Any] | None = None
    to_key: Callable[[str, int], Any] = numpy_key
    optional_key: bool = False
    switch: Callable[[Any, bool], Any] | None = None
    wrapper: Wrapper | None = None
    _entered: dict[float, KeyedCall] = field(default_factory=dict)
    _layers: dict[float, Any] = field(default_factory=dict)
    _entries: dict[tuple[float, bool], Entry] = field(default_factory=dict)

    def layer(self, rate: float) -> Any:
        """The layer of this rate, built when it is first asked for."""
        # NaN is not equal to itself: it may be tried once, but never kept.
        if rate not in self._layers:
            self._layers[rate] = self.build(rate)
        return self._layers[rate]

    def train(self, x: Any, rate: float, key: int | None = None) -> Any:
        """One training pass."""
        if self.on_train is None:
            return self._pass(x, rate, key, evaluation=False)
        on_train, layer = self.on_train, self.layer(rate)
        return self._enter(rate, lambda v, k: on_train(layer, v, **_named(k)))(x, key)

    def evaluate(self, x: Any, rate: float) -> Any:
        """One evaluation pass."""
        if self.on_evaluate:
            return self.on_evaluate(self.layer(rate), x)
        return self._pass(x, rate, None, evaluation=True)

    def vjp(self, x: Any, dy: Any, rate: float, key: int | None = None) -> tuple[Any, Any]:
        """One training pass and its backward pass."""
        layer = self.layer(rate)
        if self.on_vjp:
            y, dx = self.on_vjp(layer, x, dy, **_named(key))
            return y, dx
        y = copy(self.train(x, rate, key))  # backward may write into the same buffer
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
        self._entries.clear()
        self._entered.clear()
        if self.on_seed:
            self.on_seed(number)

    def abilities(self) -> Abilities:
        """What the layer can do; builds one to look."""
        layer = build_one(self.build, "build")
        differentiate = self.on_vjp is not None or callable(getattr(layer, "backward", None))
        if self.on_train and self.on_evaluate:
            return Abilities(evaluate=True, differentiate=differentiate)
        try:
            entry = read_layer(layer)
        except HarnessError:
            if self.on_train is None:
                raise
            return Abilities(self.on_evaluate is not None, differentiate)
        if self.on_evaluate:
            return Abilities(evaluate=True, differentiate=differentiate, key=self._key(entry))
        switched = self.switch is not None and self.switch(layer, True) is not None
        return Abilities(
            evaluate=bool(entry.selects) or entry.methods or switched,
            differentiate=differentiate,
            key=None if self.on_train else self._key(entry),
            mode=entry.selects,
            note=None if switched else entry.note,
        )

    def _key(self, entry: Entry) -> str | None:
        return entry.key if entry.needs_key or self.optional_key else None

    def _pass(self, x: Any, rate: float, key: int | None, *, evaluation: bool) -> Any:
        entry = self._entry(rate, evaluation)
        if key is None and self._key(entry):
            key = 0  # an evaluation pass has no use for it
        native = None if key is None or entry.key is None else self.to_key(entry.key, key)
        if evaluation:
            return entry(x, evaluation=True, key=native)
        return self._enter(rate, lambda v, k: entry(v, evaluation=False, key=k))(x, native)

    def _enter(self, rate: float, call: KeyedCall) -> KeyedCall:
        """The training pass of this rate, as it is entered."""
        if self.wrapper is None:
            return call
        if rate not in self._entered:
            self._entered[rate] = self.wrapper(call)
        return self._entered[rate]

    def _entry(self, rate: float, evaluation: bool) -> Entry:
        layer = self.layer(rate)
        place = (rate, evaluation)
        if place not in self._entries:
            switched = self.switch(layer, evaluation) if self.switch else None
            self._entries[place] = read_layer(layer if switched is None else switched)
        return self._entries[place]


def _require_nothing_else(
    name: str, parameters: dict[str, inspect.Parameter], given: tuple[str | None, ...]
) -> None:
    """Raise HarnessError where the call needs what nobody knows; a first parameter is the input."""
    needed = [n for n, p in parameters.items() if p.default is p.empty and n not in given]
    if given[0] is None:
        needed = needed[1:]
    if needed:
        raise HarnessError(
            f"a call of {name} needs {', '.join(needed)}, and nothing says what they are; say how "
            "it is called, on NumPy arrays: "
            "dropout_stats.Target.from_layer(build, train=lambda layer, x: ...)"
        )


def _call(layer: Any) -> Callable[..., Any]:
    if callable(layer):
        return layer  # type: ignore[no-any-return]  # callable() narrows to a bare callable
    if callable(getattr(layer, "forward", None)):
        return layer.forward  # type: ignore[no-any-return]  # an attribute of an unknown object
    raise HarnessError(
        f"a {type(layer).__name__} can neither be called nor has it a method `forward`; say how "
        "it is called, on NumPy arrays: "
        "dropout_stats.Target.from_layer(build, train=lambda layer, x: ...)"
    )


def _showing(layer: Any) -> Callable[..., Any]:
    """The method whose parameters say how to call: `forward`, where the call hands on to it."""
    call = _call(layer)
    try:
        anything = not parameters_of(call)
    except (TypeError, ValueError):
        anything = True
    forward = getattr(layer, "forward", None)
    return forward if anything and callable(forward) else call


def _attribute(layer: Any, name: str, function: Callable[..., Any]) -> Mode | None:
    flag = next((n for n in _ATTRIBUTES if isinstance(getattr(layer, n, None), bool)), None)
    if flag:
        return Mode(flag, True, False)
    worded = next((n for n in WORDED if isinstance(_word(layer, n), str)), None)
    if worded is None:
        return None
    return read_words(name, worded, _word(layer, worded), constants_of(function))


def _word(layer: Any, name: str) -> Any:
    return getattr(layer, name, None)


def _value(mode: Mode, evaluation: bool) -> Any:
    return mode.evaluation if evaluation else mode.training


def _named(key: Any) -> dict[str, Any]:
    return {} if key is None else {"key": key}
