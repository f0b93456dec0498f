"""Many runs of `dropout_stats.check` on conforming targets, coarse ones and default ones."""

from __future__ import annotations

import multiprocessing
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple, TypeVar

from scipy.stats import binomtest

import dropout_stats
from dropout_stats.options import DEFAULT_RATES

_Task = TypeVar("_Task")
_Outcome = TypeVar("_Outcome")

COARSE = 2.0**-5
# The generated calls are exact and spend no error probability, and take half of a coarse run. 11
# has no divisor in common with the numbers of rates and types: they meet each of them.
STRUCTURE_EVERY = 11


class Judged(NamedTuple):
    """One run."""

    verdict: str
    failing: tuple[str, ...]
    seconds: float


class Accused(NamedTuple):
    """Verdicts of conforming runs."""

    runs: int
    fails: int
    others: Counter[str]
    failing: Counter[str]
    seconds: float

    @property
    def bound(self) -> float:
        """Clopper and Pearson's upper 99 % bound of the probability to fail."""
        interval = binomtest(self.fails, self.runs, alternative="less").proportion_ci(0.99, "exact")
        return float(interval.high)


def coarse_options(target: dropout_stats.Target, number: int) -> dict[str, Any]:
    """Options of a coarse run: one rate and one type, all of them in turn."""
    dtypes = (target.conventions or dropout_stats.Conventions()).dtypes
    return {
        "rates": [DEFAULT_RATES[number % len(DEFAULT_RATES)]],
        "dtypes": [dtypes[number // len(DEFAULT_RATES) % len(dtypes)]],
        "resolution": COARSE,
        "skip": [] if number % STRUCTURE_EVERY == 0 else ["structure.*"],
    }


def judged(target: dropout_stats.Target, seed: int, **options: Any) -> Judged:
    """Run once."""
    report = dropout_stats.check(target, seed=seed, max_seconds=600.0, **options)
    failing = tuple(dict.fromkeys(result.check for result in report.failures))
    return Judged(report.verdict, failing, report.seconds)


def spread(
    judge: Callable[[_Task], _Outcome], tasks: Iterable[_Task], workers: int
) -> Iterator[_Outcome]:
    """Judge each task, in so many processes; outcomes come in the order of the tasks."""
    if workers == 1:
        yield from map(judge, tasks)
        return
    with multiprocessing.get_context("spawn").Pool(workers) as pool:
        yield from pool.imap(judge, tasks, chunksize=10)


def accused(outcomes: Sequence[Judged]) -> Accused:
    """Count the verdicts."""
    verdicts = Counter(outcome.verdict for outcome in outcomes)
    return Accused(
        runs=len(outcomes),
        fails=verdicts["fail"],
        others=Counter({v: n for v, n in verdicts.items() if v not in ("fail", "pass")}),
        failing=Counter(check for outcome in outcomes for check in outcome.failing),
        seconds=sum(outcome.seconds for outcome in outcomes),
    )


def named(counts: Counter[str]) -> str:
    """Return counts as words."""
    return ", ".join(f"{what} {count}" for what, count in counts.most_common()) or "none"
