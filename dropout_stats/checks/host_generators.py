"""Are the generators of the host program left alone?"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from dropout_stats.checks.bench import Bench
from dropout_stats.checks.check import Probe
from dropout_stats.results import Case, Evidence, Finding

_TRIES = 3
_LEAST_PAUSE = 0.01


@dataclass(frozen=True)
class _Generator:
    """A generator that belongs to the whole program.

    Args:
        name: how messages call it.
        read: its state.
        restore: sets a state that was read.
        draw: draws once, so that its state is one that nobody else has set.

    """

    name: str
    read: Callable[[], Any]
    restore: Callable[[Any], object]
    draw: Callable[[], object]


_NEW_RATES = (0.271, 0.272, 0.273, 0.274)  # two for each generator, at which nothing was built

_OF_THE_HOST = (
    _Generator(
        "NumPy's global generator (numpy.random)",
        lambda: np.random.get_state(legacy=False),
        np.random.set_state,
        np.random.random_sample,
    ),
    _Generator(
        "Python's global generator (random)",
        random.getstate,
        random.setstate,
        random.random,
    ),
)


def _host_generators(bench: Bench, case: Case) -> Finding:
    quiet = bench.conventions.randomness in ("owned", "key", "none")
    judge = _leaves_alone if quiet else _does_not_reset
    passes = _passes(bench, case)
    for make in passes.values():
        make()  # a first call may seed a generator of its own from the host's
    for generator in _OF_THE_HOST:
        problem = _on_a_drawn_state(generator, passes, judge)
        if problem:
            return _accuse(bench, problem)
    problem = _by_its_own_state(bench, passes, quiet=quiet) or _when_built(bench, case)
    if problem:
        return _accuse(bench, problem)
    done = "as they were" if quiet else "in their stream: no pass sets them back"
    return Finding("pass", f"{', '.join(passes)} leave the generators of the host {done}")


def _when_built(bench: Bench, case: Case) -> str | None:
    """The same of a first pass at a rate: it may build a layer, whose constructor may seed."""
    if bench.conventions.max_shapes is not None or bench.conventions.rates:
        return None
    x, rates = bench.inputs(bench.largest_shape, case.dtype, case.id), iter(_NEW_RATES)
    for generator in _OF_THE_HOST:
        found = generator.read()
        problem = _does_not_reset(generator, lambda: bench.caller.train(x.copy(), next(rates)))
        generator.restore(found)
        if problem:
            return f"the first pass at a rate {problem}"
    return None


def _accuse(bench: Bench, problem: str) -> Finding:
    declared = bench.conventions.randomness or "global"
    return Finding(
        "fail",
        f"{problem}; expected otherwise, for its randomness is {declared!r}. Every other draw of "
        "the program changes with it: draw from a generator of your own, and never seed a global "
        "one in a call",
        Evidence(math.prod(bench.largest_shape)),
    )


def _passes(bench: Bench, case: Case) -> dict[str, Callable[[], object]]:
    """Every kind of pass that the target has, by name."""
    caller, rate = bench.caller, case.rate or 0.0
    x = bench.inputs(bench.largest_shape, case.dtype, case.id)
    passes: dict[str, Callable[[], object]] = {"train": lambda: caller.train(x.copy(), rate)}
    if caller.can_evaluate:
        passes["evaluate"] = lambda: caller.evaluate(x.copy(), rate)
    if caller.can_differentiate:
        passes["vjp"] = lambda: caller.vjp(x.copy(), x.copy(), rate)
    return passes


def _on_a_drawn_state(
    generator: _Generator,
    passes: Mapping[str, Callable[[], object]],
    judge: Callable[[_Generator, Callable[[], object]], str | None],
) -> str | None:
    """Judge each pass. A generator that nobody but us has touched gets its state back."""
    found = generator.read()
    for name, make in passes.items():
        problem = judge(generator, make)
        if problem:
            return f"{name} {problem}"
    generator.draw()
    drawn = _frozen(generator.read())
    for make in passes.values():
        make()
    if _frozen(generator.read()) == drawn:
        generator.restore(found)
    return None


def _leaves_alone(generator: _Generator, make: Callable[[], object]) -> str | None:
    started = time.perf_counter()
    if not all(_changes(generator, make) for _ in range(_TRIES)):
        return None
    pause = max(_LEAST_PAUSE, 2 * (time.perf_counter() - started))
    if _changes(generator, lambda: time.sleep(pause)):
        return None  # another thread of the program draws from it
    return f"changes the state of {generator.name}"


def _changes(generator: _Generator, make: Callable[[], object]) -> bool:
    generator.draw()
    before = _frozen(generator.read())
    make()
    return bool(_frozen(generator.read()) != before)


def _does_not_reset(generator: _Generator, make: Callable[[], object]) -> str | None:
    """Drawing moves a state on; only setting it makes one state of two different ones."""
    states = []
    for _ in range(2):
        generator.draw()
        make()
        states.append(_frozen(generator.read()))
    return None if states[0] != states[1] else f"sets {generator.name} to a fixed state"


def _by_its_own_state(
    bench: Bench, passes: Mapping[str, Callable[[], object]], *, quiet: bool
) -> str | None:
    """The same by the fingerprint of other global generators, where the target gives one."""
    caller = bench.caller
    if caller.state() is None:
        return None
    for name, make in passes.items():
        if quiet:
            before = _frozen(caller.state())
            make()
            if _frozen(caller.state()) != before:
                return f"{name} changes the state of a global generator (Target.state)"
        elif caller.can_restart and _resets(bench, make):
            return f"{name} sets a global generator (Target.state) to a fixed state"
    return None


def _resets(bench: Bench, make: Callable[[], object]) -> bool:
    caller = bench.caller
    before, after = [], []
    for number in (1, 2):
        caller.restart(number)
        before.append(_frozen(caller.state()))
        make()
        after.append(_frozen(caller.state()))
    return bool(before[0] != before[1] and after[0] == after[1])


def _frozen(value: Any) -> Any:
    """A state as values that can be compared."""
    if isinstance(value, dict):
        return {name: _frozen(part) for name, part in value.items()}
    if isinstance(value, tuple | list):
        return tuple(_frozen(part) for part in value)
    return value.tobytes() if isinstance(value, np.ndarray) else value


HOST_GENERATORS = Probe(
    id="randomness.host_generators",
    question="Are the global generators of NumPy, Python and the framework left alone?",
    why="A dropout that seeds a global generator makes every other draw of the program repeat "
    "itself: shuffling, augmentation, initialisation. One that has a generator or a key of its own "
    "need not touch them at all.",
    demands="A target whose randomness is its own, a key or none shall leave the global "
    "generators of NumPy, Python and the framework as they are. Any other shall never set one "
    "to a fixed state.",
    how="Training, evaluation and backward passes, after one of each. The state of each "
    "generator is compared before and after; a change counts if it comes three times and not in "
    "a pause as long, in which another thread may draw. Of a target that draws from global "
    "generators, and of a first pass at a new rate, which may build a layer, it is asked whether "
    "two different states become one. The generators of a framework are known by `Target.state`.",
    places="once",
    ask=_host_generators,
)
