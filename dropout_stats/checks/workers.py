"""Do threads and forked processes that draw at the same time draw masks of their own?"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence

from dropout_stats.checks import forking
from dropout_stats.checks.bench import Bench
from dropout_stats.checks.check import Probe
from dropout_stats.checks.fingerprints import (
    NO_NOISE,
    calls_needed,
    draw,
    lacks_noise,
    too_alike,
)
from dropout_stats.errors import TargetError
from dropout_stats.results import Case, Evidence, Finding

_THREADS, _ROUNDS = 4, 8
_WORKERS = 3
_PATIENCE = 30.0  # seconds; a thread or process that is not done then is taken to hang


def _threads(bench: Bench, case: Case) -> Finding:
    if bench.conventions.threads == "unspecified":
        return _undeclared("threads")
    return _ask(bench, case, _from_threads, f"{_ROUNDS} calls in each of {_THREADS} threads")


def _forks(bench: Bench, case: Case) -> Finding:
    if bench.conventions.workers == "unspecified":
        return _undeclared("workers")
    if bench.conventions.randomness == "key":
        return Finding("not-applicable", "each call is handed its key: nothing is inherited")
    if not hasattr(os, "fork"):
        return Finding("not-applicable", "this system cannot fork a process")
    return _ask(bench, case, _from_workers, f"one call here and in each of {_WORKERS} workers")


def _undeclared(field: str) -> Finding:
    return Finding("not-applicable", f"nothing is declared about it (Conventions({field}=...))")


def _ask(
    bench: Bench,
    case: Case,
    gather: Callable[[Callable[[], bytes]], list[bytes]],
    what: str,
) -> Finding:
    """Gather masks of one input from everywhere; all must differ."""
    rate, shape = case.rate or 0.0, bench.largest_shape
    calls = calls_needed(bench, shape, rate)
    if bench.conventions.randomness == "none":
        return Finding("not-applicable", "declared to have no randomness of its own")
    if calls is None:
        return too_alike(shape, rate)
    bench.caller.seed(case.id)
    x = bench.inputs(shape, case.dtype, case.id)
    bench.caller.train(x.copy(), rate)  # what is built at a first call is built before
    try:
        masks = gather(lambda: draw(bench, x, rate, calls))
    except TimeoutError as error:
        return Finding("inconclusive", str(error))
    if lacks_noise(masks[0], x, calls):
        return NO_NOISE
    return _judge(masks, calls * x.size, what)


def _judge(masks: Sequence[bytes], units: int, what: str) -> Finding:
    different = len(set(masks))
    evidence = Evidence(units * len(masks), estimate=float(different))
    if different == len(masks):
        return Finding("pass", f"{what}: {different} masks of {units} units all differ", evidence)
    return Finding(
        "fail",
        f"{what}: only {different} of {len(masks)} masks of {units} units differ; expected all, so "
        "some draw the same noise. Draw from one generator under a lock, or give each thread and "
        "process a stream of its own (numpy.random.SeedSequence.spawn; os.register_at_fork after a "
        "fork)",
        evidence,
    )


def _from_threads(draw_mask: Callable[[], bytes]) -> list[bytes]:
    """The masks of all rounds; all threads start each round together."""
    barrier = threading.Barrier(_THREADS, timeout=_PATIENCE)
    masks: list[bytes] = []
    problems: list[TargetError] = []

    def work() -> None:
        try:
            for _ in range(_ROUNDS):
                barrier.wait()
                masks.append(draw_mask())
        except TargetError as error:
            problems.append(error)
            barrier.abort()
        except threading.BrokenBarrierError:
            pass  # another thread says why

    # Daemons: a target that hangs must not keep the program from ending.
    threads = [threading.Thread(target=work, daemon=True) for _ in range(_THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(_PATIENCE)
    if problems:
        raise problems[0]
    if len(masks) < _THREADS * _ROUNDS:
        raise TimeoutError(f"calls in {_THREADS} threads did not return in {_PATIENCE:g} seconds")
    return masks


def _from_workers(draw_mask: Callable[[], bytes]) -> list[bytes]:
    answers = forking.call_in_workers(draw_mask, _WORKERS, _PATIENCE)
    return [draw_mask(), *answers]


THREADS = Probe(
    id="randomness.threads",
    question="Do calls in several threads at once draw different masks, where that is declared?",
    why="A generator for each thread that is seeded by the number of the thread, or a state that "
    "is read and written without a lock, gives several threads the same mask.",
    demands="Where threads='independent' is declared, calls in several threads at once shall "
    "draw masks of their own.",
    how="Four threads draw eight masks each, and begin each of them together. All 32 must "
    "differ; a mask is made as for `randomness.fresh`. Threads that do not return within 30 "
    "seconds leave it inconclusive.",
    places="once",
    ask=_threads,
)

FORKS = Probe(
    id="randomness.forks",
    question="Do forked workers draw different masks, where that is declared?",
    why="A forked process inherits the state of every generator, so the workers of a data loader "
    "all draw the same noise unless each is seeded anew.",
    demands="Where workers='independent' is declared, forked processes shall draw masks of "
    "their own.",
    how="After a first call three processes are forked. Each of them draws a mask, and so does "
    "their parent. All four must differ; a mask is made as for `randomness.fresh`. Not asked of "
    "a target with keys, nor where a system cannot fork.",
    places="once",
    ask=_forks,
)
