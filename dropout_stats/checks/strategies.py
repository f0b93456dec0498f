"""Generated calls, and the search for the smallest one that is wrong. Hypothesis does both.

It is imported on use. It never draws noise: it chooses which calls are made, and the target's own
randomness goes on between them as if it were not there.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import numpy as np

from dropout_stats.checks.single import C_ORDER, FILLINGS, LAYOUTS, PLAIN, Call
from dropout_stats.conventions import Conventions
from dropout_stats.inputs import branch

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

_Item = TypeVar("_Item")
_Shape: TypeAlias = tuple[int, ...]
Shapes: TypeAlias = "SearchStrategy[_Shape] | None"  # None: any

# Sizes at which vector loops, blocks and threads change over, each with its neighbours.
_POWERS = tuple(2**n + step for n in range(4, 11) for step in (-1, 0, 1))
_LARGE = (10_001, 12_289, 16_383, 20_000)
_LENGTHS = (*range(1, 10), *_POWERS, *_LARGE)
_SMALL_SHAPES = (
    (3,),
    (2, 3),
    (8,),
    (4, 5),
    (2, 3, 4),
    (33,),
    (2, 3, 2, 5),
    (1, 7),
    (2, 1, 3, 2, 2),
)
RATES = (0.0, 1e-6, 1e-3, 0.1, 0.3, 0.5, 0.9, 0.999)
_SHRINK_CALLS = 300  # calls spent on making a wrong one smaller
_SECONDS = 5.0  # a target that is compiled for each shape should declare max_shapes


@dataclass(frozen=True)
class Space:
    """The calls to choose from: for each part of a call, its possibilities, the simplest first.

    Args:
        shapes: a strategy of shapes.
        dtype: the type.
        rates: drop rates.
        layouts: names from `LAYOUTS`.
        fillings: names from `FILLINGS`.
        shapes_vary: whether any length of an axis will do.

    """

    shapes: SearchStrategy[_Shape]
    dtype: str
    rates: Sequence[float]
    layouts: Sequence[str] = (C_ORDER,)
    fillings: Sequence[str] = (PLAIN,)
    shapes_vary: bool = False

    def calls(self) -> SearchStrategy[Call]:
        """Return the strategy of calls."""
        from hypothesis import strategies as st

        return st.builds(
            Call,
            shape=self.shapes,
            dtype=st.just(self.dtype),
            rate=one_of(self.rates),
            layout=one_of(self.layouts),
            filling=one_of(self.fillings),
        )


def one_of(items: Sequence[_Item]) -> SearchStrategy[_Item]:
    """Choose one item; the first is the simplest.

    The place is made of coin tosses. Hypothesis takes a twentieth of its integers from the
    constants in whatever local modules happen to be loaded, so with integers the same seed would
    make other calls in another process.
    """
    from hypothesis import strategies as st

    if len(items) == 1:
        return st.just(items[0])
    coins = st.tuples(*[st.booleans()] * (len(items) - 1).bit_length())
    return coins.map(lambda tosses: items[_binary(tosses) % len(items)])


def _binary(tosses: Sequence[bool]) -> int:
    return sum(bit << place for place, bit in enumerate(reversed(tosses)))


def all_shapes(conventions: Conventions) -> SearchStrategy[_Shape]:
    """Shapes of every declared rank: tiny ones, those around powers of 2, large ones, empty ones.

    More than five dimensions are generated only where fewer are refused.
    """
    from hypothesis import strategies as st

    low, high = conventions.ndims
    ranks = [rank for rank in range(2, 6) if low <= rank <= high]
    kinds: list[SearchStrategy[_Shape]] = []
    if low <= 1 <= high:
        kinds += [one_of([(size,) for size in sizes]) for sizes in (range(1, 10), _POWERS, _LARGE)]
    if ranks:
        kinds += [one_of(ranks).flatmap(_tiny)]
    if 2 in ranks:
        kinds += [st.tuples(one_of(range(1, 5)), one_of(_POWERS))]
    degenerate = [shape for shape in ((), (0,), (2, 0, 3)) if low <= len(shape) <= high]
    kinds += [one_of(degenerate)] if degenerate else []
    return one_of(kinds or [_tiny(low)]).flatmap(lambda kind: kind)


def _tiny(rank: int) -> SearchStrategy[_Shape]:
    from hypothesis import strategies as st

    return st.tuples(*[one_of(range(1, 6))] * rank)


def few_shapes(conventions: Conventions) -> SearchStrategy[_Shape]:
    """A few small shapes of the declared ranks, for checks that vary something else."""
    low, high = conventions.ndims
    known = [shape for shape in _SMALL_SHAPES if low <= len(shape) <= high]
    return one_of(known or [(2,) * low])


def given_shapes(shapes: Sequence[_Shape]) -> SearchStrategy[_Shape]:
    """Exactly these, the smallest first."""
    return one_of(sorted(shapes, key=lambda shape: (int(np.prod(shape)), shape)))


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
        found = find(space.calls(), ask, settings=quiet, random=random.Random(start))  # noqa: S311
    found = found or next((call for call, wrong in answers.items() if wrong), None)
    smallest_call = found and _simplified(found, space, ask)
    noise.settle()
    return smallest_call


def _simplified(call: Call, space: Space, is_wrong: Callable[[Call], bool]) -> Call:
    """Go to simpler neighbours that are wrong, too, until there is none.

    Hypothesis makes coins smaller one by one, and can be stuck between two items.
    """
    while simpler := next(filter(is_wrong, _neighbours(call, space)), None):
        call = simpler
    return call


def _neighbours(call: Call, space: Space) -> Iterator[Call]:
    """Calls that are simpler in one part, the simplest first."""
    parts: dict[str, Sequence[Any]] = {
        "filling": space.fillings,
        "layout": space.layouts,
        "rate": space.rates,
    }
    for part, items in parts.items():
        for item in items[: items.index(getattr(call, part))]:
            yield replace(call, **{part: item})
    if space.shapes_vary:
        for axis, length in enumerate(call.shape):
            for shorter in (n for n in _LENGTHS if n < length):
                shape = (*call.shape[:axis], shorter, *call.shape[axis + 1 :])
                yield replace(call, shape=shape)


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


def space_of_shapes(conventions: Conventions, dtype: str, rate: float, shapes: Shapes) -> Space:
    """Vary the shape."""
    if shapes is not None:
        return Space(shapes, dtype, (rate,))
    return Space(all_shapes(conventions), dtype, (rate,), shapes_vary=True)


def space_of_layouts(conventions: Conventions, dtype: str, rate: float, shapes: Shapes) -> Space:
    """Vary the layout in memory."""
    return Space(_small(conventions, shapes), dtype, (rate,), layouts=tuple(LAYOUTS))


def space_of_values(conventions: Conventions, dtype: str, rate: float, shapes: Shapes) -> Space:
    """Vary the values, and drop nothing now and then."""
    return Space(_small(conventions, shapes), dtype, (rate, 0.0), fillings=tuple(FILLINGS))


def space_of_rates(conventions: Conventions, dtype: str, rate: float, shapes: Shapes) -> Space:
    """Vary the rate: the ends, what lies near them, and some in between."""
    ends = (1.0,) if conventions.rate_domain == "[0, 1]" else ()
    between = (0.017, 0.123, 0.25, 0.401, 0.666, 0.789, 0.95)
    return Space(_small(conventions, shapes), dtype, (rate, *RATES, *ends, *between))


def _small(conventions: Conventions, shapes: Shapes) -> SearchStrategy[_Shape]:
    return few_shapes(conventions) if shapes is None else shapes
