"""Guarded calls: the target gets what it declared, and whatever it does instead has a name."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from dropout_stats.conventions import Conventions
from dropout_stats.errors import NoAnswerError, RaisedError
from dropout_stats.inputs import branch
from dropout_stats.laws.reading import Array
from dropout_stats.target import Output, Target

_KEY_SPACE = 2**31  # every framework takes such a key


class Answer(NamedTuple):
    """What a training pass gave: the output, and the mask if the target returned one."""

    y: Array
    mask: Array | None


class Caller:
    """Calls one target as its conventions say.

    Args:
        target: the target.
        conventions: the conventions it is held to.
        seed: the seed of the run; keys and reseedings derive from it.

    """

    def __init__(self, target: Target, conventions: Conventions, seed: int) -> None:
        self._target = target
        self._conventions = conventions
        self._seed = seed
        start, multiplier = branch(seed, "keys").generate_state(2)
        self._key_start, self._key_multiplier = int(start), int(multiplier) | 1
        self._keys: Iterator[int] = self._scattered(0)
        self.observations: dict[str, None] = {}

    @property
    def can_evaluate(self) -> bool:
        """Whether the target has an evaluation pass."""
        return self._target.evaluate is not None

    @property
    def can_differentiate(self) -> bool:
        """Whether the target has a backward pass."""
        return self._target.vjp is not None

    @property
    def can_apply(self) -> bool:
        """Whether the target takes its noise from outside."""
        return self._target.apply is not None

    @property
    def can_differentiate_evaluation(self) -> bool:
        """Whether the evaluation pass has a backward pass."""
        return self._target.evaluate_vjp is not None

    @property
    def has_peers(self) -> bool:
        """Whether the target offers peers."""
        return self._target.peers is not None

    @property
    def can_trace(self) -> bool:
        """Whether the operations of the evaluation pass can be asked for."""
        return self._target.operations is not None

    @property
    def can_restart(self) -> bool:
        """Whether the same noise can be asked for again, by a seed or by a key."""
        return self._conventions.randomness == "key" or self._target.seed is not None

    def number(self, *labels: object) -> int:
        """A seed or key for one place of the run, below 2^31."""
        return int(branch(self._seed, "target", *labels).generate_state(1)[0]) >> 1

    def seed(self, *labels: object) -> None:
        """Reset the target's randomness for one place of the run, if it can be reset."""
        number = self.number(*labels)
        self._keys = self._scattered(number)
        self._reseed(number)

    def restart(self, number: int) -> None:
        """Reset the target's randomness to that of this number, if it can be reset.

        A target with keys gets the number as its next key, then the numbers after it.
        """
        self._keys = itertools.count(number)
        self._reseed(number)

    def state(self) -> object:
        """The fingerprint of the target's global generators; None where it gives none."""
        return None if self._target.state is None else self._guard("state()", self._target.state)

    def train(self, x: Array, rate: float) -> Answer:
        """One training pass."""
        answer = self._ask("train", self._target.train, x, rate, **self._key())
        if type(answer) is np.ndarray and answer.dtype.kind == "f":
            return Answer(answer, None)  # the usual case, in a loop of thousands
        return self._answered(self.describe("train", x, rate), answer)

    @property
    def steps(self) -> Mapping[int, float]:
        """The declared rate of each step of the schedule that the target follows."""
        return self._target.steps.rates if self._target.steps else {}

    @property
    def steps_left_out(self) -> int:
        """How many steps cannot be judged."""
        return self._target.steps.left_out if self._target.steps else 0

    def train_at(self, x: Array, step: int) -> Answer:
        """One training pass at a step of the schedule."""
        if self._target.steps is None:
            raise TypeError("the target follows no schedule")
        call = self.describe_step(x, step)
        return self._answered(
            call, self._guard(call, self._target.steps.train, x, step, **self._key())
        )

    def _answered(self, call: str, answer: Any) -> Answer:
        mask = None
        if isinstance(answer, Output):
            answer, mask = answer
        elif isinstance(answer, tuple) and answer and _is_arraylike(answer[0]):
            self.observations[
                f"train returned a tuple of {len(answer)}; its first item was taken as the output"
            ] = None
            answer = answer[0]
        if mask is None:
            return Answer(_as_array(call, answer), None)
        return Answer(_as_array(call, answer), _as_array(f"the mask of {call}", np.asarray(mask)))

    def evaluate(self, x: Array, rate: float) -> Array:
        """One evaluation pass."""
        if self._target.evaluate is None:
            raise TypeError("the target has no evaluation pass")
        call = self.describe("evaluate", x, rate)
        answer = self._guard(call, self._target.evaluate, x, self._argument(rate))
        first = answer[0] if isinstance(answer, tuple) and answer else answer
        return _as_array(call, first)

    def operations(self, x: Array, rate: float) -> tuple[str, ...]:
        """Names of the operations in the traced evaluation pass."""
        if self._target.operations is None:
            raise TypeError("the evaluation pass of the target cannot be traced")
        call = self.describe("operations", x, rate)
        return tuple(map(str, self._guard(call, self._target.operations, x, self._argument(rate))))

    def vjp(self, x: Array, dy: Array, rate: float) -> tuple[Array, Array]:
        """One training pass and its backward pass: output and gradient with respect to x."""
        if self._target.vjp is None:
            raise TypeError("the target has no backward pass")
        return self._pull("vjp", self._target.vjp, x, dy, rate, **self._key())

    def evaluate_vjp(self, x: Array, dy: Array, rate: float) -> tuple[Array, Array]:
        """One evaluation pass and its backward pass: output and gradient with respect to x."""
        if self._target.evaluate_vjp is None:
            raise TypeError("the evaluation pass has no backward pass")
        return self._pull("evaluate_vjp", self._target.evaluate_vjp, x, dy, rate)

    def _pull(
        self, name: str, function: Callable[..., Any], x: Array, dy: Array, rate: float, **key: int
    ) -> tuple[Array, Array]:
        call = self.describe(name, x, rate)
        answer = self._guard(call, function, x, dy, self._argument(rate), **key)
        if not (isinstance(answer, tuple) and len(answer) == 2):
            raise NoAnswerError(call, f"returned {_kind(answer)}; expected the pair (y, dx)")
        return _as_array(call, answer[0]), _as_array(call, answer[1])

    def peers(self, x: Array, rate: float, count: int) -> Array:
        """One training pass of each of several peers on the same input: shape (count, *x.shape)."""
        if self._target.peers is None:
            raise TypeError("the target offers no peers")
        call = self.describe("peers", x, rate)
        answer = self._guard(
            call, self._target.peers, x, self._argument(rate), count, **self._key()
        )
        return _as_array(call, answer)

    def apply(self, x: Array, noise: Array, rate: float) -> Array:
        """The training pass with the keep mask given."""
        if self._target.apply is None:
            raise TypeError("the target does not take its noise from outside")
        call = self.describe("apply", x, rate)
        return _as_array(
            call, self._guard(call, self._target.apply, x, noise, self._argument(rate))
        )

    def _ask(
        self, name: str, function: Callable[..., Any], x: Array, rate: float, **key: int
    ) -> Any:
        """Call, and describe the call only where it raised."""
        try:
            return function(x, self._argument(rate), **key)
        except (Exception, SystemExit) as error:
            raise RaisedError(self.describe(name, x, rate), _raised(error)) from error

    def _argument(self, rate: float) -> float:
        return self._conventions.from_rate(rate)

    def _key(self) -> dict[str, int]:
        if self._conventions.randomness != "key":
            return {}
        return {"key": next(self._keys)}  # from an iterator: several threads may call

    def _scattered(self, start: int) -> Iterator[int]:
        """Keys that look random and do not repeat within 2^31."""
        numbers = itertools.count(self._key_start + start % _KEY_SPACE + 1)
        return map(partial(_scatter, multiplier=self._key_multiplier), numbers)

    def _reseed(self, number: int) -> None:
        if self._target.seed is not None:
            self._guard(f"seed({number})", self._target.seed, number)

    def describe(self, name: str, x: Array, rate: float) -> str:
        """A call in words."""
        argument = f"{self._conventions.rate_argument or 'rate'}={self._argument(rate):g}"
        return f"{name}(x of shape {x.shape} {x.dtype.name}, {argument})"

    @staticmethod
    def describe_step(x: Array, step: int) -> str:
        """A training pass at a step in words."""
        return f"train(x of shape {x.shape} {x.dtype.name}, step={step})"

    @staticmethod
    def _guard(call: str, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except (Exception, SystemExit) as error:
            raise RaisedError(call, _raised(error)) from error


def _raised(error: BaseException) -> str:
    try:
        said = str(error)
    except Exception:  # noqa: BLE001 - it is the target's own code
        said = "(its message cannot be read)"
    # A report must be encodable, whatever an exception says.
    plain = said.encode("utf-8", "backslashreplace").decode("utf-8")
    return f"raised {type(error).__name__}: {plain}"


def _scatter(number: int, multiplier: int) -> int:
    """Map the numbers below 2^31 onto themselves, one to one, so that keys look random.

    Keys must never repeat, and their low bits must not count: a target that uses few of them
    draws from a pool of masks. Odd factors and xor-shifts are invertible modulo 2^31.
    """
    for _ in range(3):
        number = (number * multiplier) % _KEY_SPACE
        number ^= number >> 15
    return number


def _is_arraylike(value: object) -> bool:
    return isinstance(value, (np.ndarray, np.generic)) or hasattr(value, "__array__")


def _kind(value: object) -> str:
    if isinstance(value, tuple):
        return f"a tuple of {len(value)}"
    return "None" if value is None else f"a {type(value).__name__}"


def _as_array(call: str, value: object) -> Array:
    if not _is_arraylike(value):
        raise NoAnswerError(call, f"returned {_kind(value)}; expected an array")
    try:
        array = np.asarray(value)
    except Exception as error:
        raise NoAnswerError(
            call,
            f"returned {_kind(value)} that does not become a NumPy array "
            f"({type(error).__name__}: {error})",
        ) from error
    if array.dtype.kind not in "fiub" and array.dtype.name != "bfloat16":
        raise NoAnswerError(call, f"returned an array of {array.dtype}; expected real numbers")
    return array
