"""The search for a wrong call, and for the smallest one. Hypothesis does both.

It is imported on use. It never draws noise: it chooses which calls are made, and the target's own
randomness goes on between them as if it were not there.
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
_SECONDS = 5.0  # a target that is compiled for each shape should declare max_shapes


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
    from hypothesis import HealthCheck, Phase, Verbosity, find, settings
    from hypothesis.errors import Flaky, NoSuchExample

    answers: dict[Call, bool] = {}
    noise, deadline = _Noise(), time.monotonic() + _SECONDS

    def ask(call: Call) -> bool:
        if call not in answers:
            if len(answers) >= examples + _SHRINK_CALLS or time.monotonic() > deadline:
                return False
            with noise.own():
                answers[call] = is_wrong(call)
        return answers[call]

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
    start = int(branch(seed, "inputs", "generated calls", space.dtype).generate_state(1)[0])
    found: Call | None = None
    with suppress(NoSuchExample, Flaky):
        found = find(_calls(space), ask, settings=quiet, random=random.Random(start))  # noqa: S311
    found = found or next((call for call, wrong in answers.items() if wrong), None)
    smallest_call = found and _simplified(found, space, ask)
    noise.settle()
    return smallest_call


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
