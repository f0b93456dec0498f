"""The search for a wrong call, and for the smallest one.

A space of few calls is gone through whole. In a larger one Hypothesis, which is imported on use,
chooses the calls. It never draws noise: the target's own randomness goes on between the calls as if
Hypothesis were not there.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import numpy as np

from dropout_stats.checks.single import Call
from dropout_stats.checks.spaces import Space
from dropout_stats.inputs import branch

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

_SHRINK_CALLS = 300  # calls spent on making a wrong one smaller
# A target that is compiled for each shape should declare max_shapes. What others do on the machine
# must not decide what is found: seconds of this thread count, and only many of the clock.
_SECONDS = 5.0
_PATIENCE = 15.0


def smallest(
    space: Space, is_wrong: Callable[[Call], bool], *, examples: int, seed: int
) -> Call | None:
    """Search for a wrong call and make it as small as it gets; None if none was met.

    Args:
        space: the calls to choose from.
        is_wrong: whether a call is wrong; asked once a call, so that a target with randomness of
            its own has one answer for each.
        examples: so many calls are tried.
        seed: seed of the run.

    """
    asked = _Asked(is_wrong, examples + _SHRINK_CALLS)
    rng = np.random.default_rng(branch(seed, "inputs", "generated calls", space.dtype))
    if space.size <= examples:
        calls = (space.call(int(number)) for number in rng.permutation(space.size))
        found = next(filter(asked, calls), None)
    else:
        found = _generated(space, asked, examples, int(rng.integers(2**32)))
    return found and _simplified(found, space, asked)


class _Asked:
    """Whether a call is wrong: one answer each, and False once there have been enough."""

    def __init__(self, is_wrong: Callable[[Call], bool], most: int) -> None:
        self._is_wrong = is_wrong
        self._most = most
        self._busy_until = time.thread_time() + _SECONDS
        self._waits_until = time.monotonic() + _PATIENCE
        self.answers: dict[Call, bool] = {}

    @property
    def _is_over(self) -> bool:
        late = time.thread_time() > self._busy_until or time.monotonic() > self._waits_until
        return late or len(self.answers) >= self._most

    def __call__(self, call: Call) -> bool:
        if call not in self.answers:
            if self._is_over:
                return False
            self.answers[call] = self._is_wrong(call)
        return self.answers[call]


def _generated(space: Space, asked: _Asked, examples: int, start: int) -> Call | None:
    """Let Hypothesis choose calls, and make a wrong one smaller."""
    from hypothesis import HealthCheck, Phase, Verbosity, find, settings
    from hypothesis.errors import Flaky, NoSuchExample

    noise = _Noise()

    def ask(call: Call) -> bool:
        with noise.own():
            return asked(call)

    quiet = settings(
        max_examples=examples,
        database=None,
        derandomize=False,
        deadline=None,
        phases=(Phase.generate, Phase.shrink),
        verbosity=Verbosity.quiet,
        suppress_health_check=list(HealthCheck),
        backend="hypothesis",
    )
    found: Call | None = None
    with suppress(NoSuchExample, Flaky):
        found = find(_calls(space), ask, settings=quiet, random=random.Random(start))  # noqa: S311
    noise.settle()
    return found or next((call for call, wrong in asked.answers.items() if wrong), None)


def _simplified(call: Call, space: Space, is_wrong: Callable[[Call], bool]) -> Call:
    """Go to simpler neighbours that are wrong, too, until there is none.

    Hypothesis makes coins smaller one by one, and can be stuck between two numbers.
    """
    while simpler := next(filter(is_wrong, space.simpler(call)), None):
        call = simpler
    return call


def _calls(space: Space) -> SearchStrategy[Call]:
    """Choose a call by its number, which is made of coin tosses.

    Hypothesis takes a twentieth of its integers from the constants in whatever local modules happen
    to be loaded, so with integers the same seed would make other calls in another process.
    """
    from hypothesis import strategies as st

    coins = st.tuples(*[st.booleans()] * (space.size - 1).bit_length())
    return coins.map(lambda tosses: space.call(_binary(tosses)))


def _binary(tosses: tuple[bool, ...]) -> int:
    return sum(bit << place for place, bit in enumerate(reversed(tosses)))


class _Noise:
    """Keeps the global generators away from Hypothesis, which seeds them anew for each example.

    With its seed a target on `numpy.random` would draw the same mask in every example.
    """

    def __init__(self) -> None:
        self._state = self._now()

    @contextmanager
    def own(self) -> Iterator[None]:
        """Give the target the generators as it left them."""
        hypothesis = self._now()
        self.settle()
        try:
            yield
        finally:
            self._state = self._now()
            self._restore(hypothesis)

    def settle(self) -> None:
        """Leave the generators as the target left them."""
        self._restore(self._state)

    @staticmethod
    def _now() -> tuple[Any, Any]:
        return random.getstate(), np.random.get_state()

    @staticmethod
    def _restore(state: tuple[Any, Any]) -> None:
        random.setstate(state[0])
        np.random.set_state(state[1])
