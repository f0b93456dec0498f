"""Each dropout of a model becomes a target, by listening to what the model calls.

A pass of the model is made as it is used, and each call of a dropout is handed to whoever listens,
who may replace its input. How calls are heard is up to the module of each framework, a `Model`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import Any, Protocol

from dropout_stats.adapters.looking import (
    PASSES,
    TRIES,
    Inside,
    after_a_dropout,
    first_pass,
    require_some,
    without_size,
)
from dropout_stats.adapters.repeats import Repeats, drawn_by, repeats_of
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

    @property
    def is_frozen(self) -> bool:
        """Whether a normalisation is told to collect nothing, whatever the mode of the model."""
        stays = any(self.named.get(name) is True for name in (*_MODES, "use_running_average"))
        return stays or self.named.get("training") is False

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


def hear(call: Heard) -> Any:
    """Hand a call to whoever listens."""
    return _listeners[-1](call)


class _Reached(BaseException):
    """A traced call has been made: what the model does afterwards may not be traceable."""


class _NotCalledError(RuntimeError):
    """The layer was not called in a pass."""


@dataclass(frozen=True)
class Arrays:
    """The arrays of a framework.

    Args:
        to_native: from NumPy.
        to_numpy: and back.
        vjp: a call and its gradient.
        dtype: the name of the type of one.
        operations: what the output of a call needs; None where that cannot be told.
        is_abstract: whether it stands for values that a transformation hides.
        as_written: where compiled parts run as they are written: their insides are to be seen.

    """

    to_native: Callable[[Array], Any]
    to_numpy: Callable[[Any], Any]
    vjp: Callable[..., Any]
    dtype: Callable[[Any], str]
    operations: Callable[..., list[str]] | None = None
    is_abstract: Callable[[Any], bool] = lambda _: False
    as_written: Callable[[], AbstractContextManager[Any]] = nullcontext


class Model(Protocol):
    """A model of one framework and what it is called with.

    Args:
        model: the model itself.
        arrays: those of its framework.
        rates: those of its dropouts, by name; complete once a pass was made.
        is_told: whether it is known how its mode is selected.

    """

    model: Any
    arrays: Arrays
    rates: dict[str, float]
    is_told: bool

    @property
    def norms(self) -> Collection[str]:
        """Names of its batch normalisations; complete once a pass was made."""

    def seed(self, number: int) -> None:
        """Reset its randomness."""

    def call(self, *, training: bool, traced: bool) -> Any:
        """Make a pass whose calls are heard; a traced one must leave the model as it was."""

    def law(self, name: str, shape: tuple[int, ...]) -> AnyLaw | None:
        """The law of a dropout; None where a subclass has a call of its own."""


def look_into(model: Model, function: str) -> Inside:
    """Make a target of each dropout.

    Args:
        model: the model.
        function: how a dropout that is a function is judged, for the error where there is no other.

    Raises:
        HarnessError: the model cannot be called, holds no dropout, or calls one in a mode that
            nobody said how to select.

    """
    given = _first_inputs(model)
    require_some(
        model.rates, model.model, function, lambda: drawn_by(lambda mode: _repeated(model, mode))
    )
    called = {name: rate for name, rate in model.rates.items() if name in given}
    drops = [name for name, rate in called.items() if 0 < rate < 1]
    mapped = tuple(name for name in drops if model.arrays.is_abstract(given[name]))
    judged = [name for name in drops if name not in mapped]
    with first_pass(model.model, "an evaluation"):
        repeats = _repeated(model, training=False, passed_by=judged)
    repeats.require_a_report(model.model, judged)
    shifted = after_a_dropout(given, called, model.norms)
    said = without_size(given, judged, shifted)
    return Inside(
        targets={
            name: replace(
                _Place(model, name, given[name]).target(),
                notes=(*repeats.notes(model.model), *said.get(name, ())),
                noise_beside=repeats.in_evaluation(model.model),
            )
            for name in judged
        },
        idle=tuple(name for name, rate in called.items() if rate in (0, 1)),
        unused=tuple(name for name in model.rates if name not in called),
        shifted=shifted,
        mapped=mapped,
        evaluation_differs=repeats.differ,
    )


@contextmanager
def _listening(model: Model, listener: Listener) -> Iterator[None]:
    _listeners.append(listener)
    try:
        with model.arrays.as_written():
            yield
    finally:
        _listeners.pop()


def _first_inputs(model: Model) -> dict[str, Any]:
    """What each module is called with first, in the order of these calls."""
    given: dict[str, Any] = {}

    def note(call: Heard) -> Any:
        if call.mode and not model.is_told and call.place in model.rates:
            raise HarnessError(_TOLD.format(kind=type(model.model).__name__, call=call))
        if call.place in model.norms and call.is_frozen:
            return call.answer()
        if model.arrays.is_abstract(given.setdefault(call.place, call.given)):
            given[call.place] = call.given  # a loop may be traced before it runs
        return call.answer()

    with _listening(model, note), first_pass(model.model, "a training"):
        for _ in range(PASSES):
            model.call(training=True, traced=False)
    return given


def _repeated(model: Model, training: bool, passed_by: Collection[str] = ()) -> Repeats:
    """Compare passes of the whole model in which the first call of some dropouts does nothing."""

    def call() -> Any:
        left = set(passed_by)

        def pass_by(call: Heard) -> Any:
            answer = call.answer()
            if call.place not in left or model.arrays.is_abstract(call.given):
                return answer
            left.remove(call.place)
            return call.given if _is_alike(call.given, answer) else answer

        with _listening(model, pass_by):
            return model.call(training=training, traced=False)

    return repeats_of(call, model.arrays.to_numpy)


def _is_alike(one: Any, other: Any) -> bool:
    """Whether one array can stand for another."""
    kinds = [(getattr(a, "shape", None), getattr(a, "dtype", None)) for a in (one, other)]
    return kinds[0] == kinds[1]


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
                return self._passed(x, training=True)
            except _NotCalledError:
                continue
        raise self._never_called()

    def evaluate(self, x: Array, rate: float) -> Any:  # noqa: ARG002 - as above
        try:
            return self._passed(x, training=False)
        except _NotCalledError:
            return x  # a dropout that is not called in evaluation changes nothing there

    def vjp(self, x: Array, dy: Array, rate: float) -> Any:  # noqa: ARG002 - as above
        arrays = self.model.arrays
        at, along = arrays.to_native(x), arrays.to_native(dy)
        for _ in range(TRIES):
            try:
                return arrays.to_numpy(arrays.vjp(self._traced, at, along))
            except _NotCalledError:
                continue
            finally:
                with _listening(self.model, Heard.answer):  # what a trace draws is not used up
                    self.model.call(training=True, traced=False)
        raise self._never_called()

    def operations(self, x: Array, rate: float) -> list[str]:  # noqa: ARG002 - as above
        """Those that the layer leaves in the graph of an evaluation pass of the model.

        Only the layer is traced, in the mode in which it is called there: what the model does
        before may depend on values, which a trace has not.
        """
        arrays = self.model.arrays
        operations = arrays.operations
        assert operations  # noqa: S101 - else the target has none
        found: list[list[str]] = []

        def trace(call: Heard) -> Any:
            if not found and self._is_it(call):
                given = arrays.to_native(x)
                # Tracers count the parameters of a function, and `self` of a method among them.
                found.append(operations(lambda v: call.answer_to(v), given))  # noqa: PLW0108
            return call.answer()

        with _listening(self.model, trace):
            self.model.call(training=False, traced=False)
        return found[0] if found else []

    def target(self) -> Target:
        shape, can_tell = tuple(self.given.shape), self.model.arrays.operations is not None
        law = self.model.law(self.name, shape)
        return Target(
            train=self.train,
            evaluate=self.evaluate,
            vjp=self.vjp,
            operations=self.operations if can_tell else None,
            seed=self.model.seed,
            law=law,
            conventions=Conventions(
                dtypes=(self.model.arrays.dtype(self.given),),
                rates=(self.model.rates[self.name],),
                shapes=(shape,),
                evaluation_graph="empty" if can_tell and law else "unspecified",
            ),
            name=f"{type(self.model.model).__name__}.{self.name}",
        )

    def _is_it(self, call: Heard) -> bool:
        return call.place == self.name and not self.model.arrays.is_abstract(call.given)

    def _passed(self, x: Array, *, training: bool) -> Any:
        """What the layer makes of this input at its first call of a pass of the model."""
        arrays = self.model.arrays
        found: list[Any] = []

        def replace(call: Heard) -> Any:
            if found or not self._is_it(call):
                return call.answer()
            found.append(call.answer_to(arrays.to_native(x)))
            return found[0]

        with _listening(self.model, replace):
            self.model.call(training=training, traced=False)
        if not found:
            raise _NotCalledError
        return arrays.to_numpy(found[0])

    def _traced(self, x: Any) -> Any:
        """The same of a training pass inside a trace, where it ends with that call."""
        found: list[Any] = []

        def replace(call: Heard) -> Any:
            if not self._is_it(call):
                return call.answer()
            found.append(call.answer_to(x))
            raise _Reached

        try:
            with _listening(self.model, replace):
                self.model.call(training=True, traced=True)
        except _Reached:
            return found[0]
        raise _NotCalledError

    def _never_called(self) -> RuntimeError:
        return RuntimeError(f"the model did not call {self.name} in {TRIES} passes")
