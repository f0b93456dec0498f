"""The calls that everything else is made of: plan, run, diagnose, report."""

from __future__ import annotations

import platform
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from importlib.metadata import version
from typing import Any, TypedDict, Unpack

import numpy as np
import scipy

from dropout_stats import laws
from dropout_stats.adapters import adapt
from dropout_stats.call import Caller
from dropout_stats.conventions import Conventions
from dropout_stats.diagnose import diagnose
from dropout_stats.errors import TargetError, UsageError, did_you_mean
from dropout_stats.inputs import branch, distinct
from dropout_stats.laws import Law
from dropout_stats.planning import Plan, known_patterns, make_plan
from dropout_stats.report.model import Report
from dropout_stats.results import Result
from dropout_stats.run import Run
from dropout_stats.target import Target


class Options(TypedDict, total=False):
    """The keyword arguments of `check`, `assert_conforms`, `plan` and `parametrize_checks`.

    Attributes:
        conventions: the interface that the target is held to; by default the one it declares.
        rates: drop rates; default .001, .1, .3, .9 and .999.
        dtypes: types it is fed; by default those it declares. The first is read most finely.
        shapes: shapes it is fed; the largest is that of the streams.
        checks: only the checks that match one of these ids or patterns, such as `"rate.*"`.
        skip: not the checks that match one of these.
        false_alarm: total probability that a conforming target fails; default 1e-6.
        power: probability of catching a departure as large as a stated resolution; default 0.99.
        resolution: departure of the keep probability to resolve, in standard deviations of one
            unit; default 2**-10. The other resolutions follow from it.
        max_seconds: time for sampling; what is undecided then is inconclusive. Default 60.
        seed: seed of the run; fresh by default.

    """

    conventions: Conventions | None
    rates: Sequence[float] | None
    dtypes: Sequence[str] | None
    shapes: Sequence[Sequence[int]] | None
    checks: Sequence[str] | None
    skip: Sequence[str]
    false_alarm: float
    power: float
    resolution: float | None
    max_seconds: float
    seed: int | None


def check(target: object, law: Law | str | None = None, **options: Unpack[Options]) -> Report:
    """Judge a dropout implementation.

    Args:
        target: a `Target`, an import string `"package.module:attribute"` or `"path/file.py:name"`,
            a function `(x, rate[, training])`, or a layer class.
        law: the law it is held to; by default the one it declares, else inverted dropout.
        **options: see `Options`.

    Returns:
        The report. It never raises for what the target does: see `Report.raise_for_failures`.

    Raises:
        HarnessError: the target could not be found or adapted.
        UsageError: an argument makes no sense.

    """
    bound = bind(target, law, **options)
    return finish(bound, tuple(bound.results()))


def assert_conforms(
    target: object, law: Law | str | None = None, **options: Unpack[Options]
) -> None:
    """Raise AssertionError with the failure text unless the target passes; see `check`."""
    check(target, law, **options).raise_for_failures()


def plan(target: object, law: Law | str | None = None, **options: Unpack[Options]) -> Plan:
    """Say what `check` would run: cases, units, seconds (from a few timed calls), resolutions.

    Takes the arguments of `check`.
    """
    bound = bind(target, law, **options)
    return replace(bound.plan, seconds=_estimate(bound))


class BoundRun(Run):
    """A run together with its target and the moment it began."""

    def __init__(self, plan: Plan, target: Target) -> None:
        super().__init__(plan, target)
        self.target = target
        self.started = time.monotonic()


def bind(target: object, law: Law | str | None = None, **options: Unpack[Options]) -> BoundRun:
    """Adapt the target and plan its run; every front end starts here."""
    for name in options:
        if name not in Options.__annotations__:
            known = Options.__annotations__
            raise UsageError(f"unknown option {name!r}.{did_you_mean(name, known)}")
    wanted, skip = options.get("checks"), options.get("skip", ())
    known_patterns(wanted, "checks")
    known_patterns(skip, "skip")
    _require_types(law, options)
    adapted = adapt(target)
    declared = laws.by_name(law) if isinstance(law, str) else law
    conventions = (options.get("conventions") or Conventions()).over(adapted.conventions)
    sampling: Any = {
        name: value
        for name, value in options.items()
        if name not in ("checks", "skip", "conventions")
    }
    full = make_plan(
        target=adapted.name,
        spec=adapted.spec,
        law=declared or adapted.law or laws.Inverted(),
        law_source="argument" if declared else "target" if adapted.law else "assumed",
        conventions=conventions,
        **sampling,
    )
    return BoundRun(full.selecting(wanted, skip), adapted)


def _require_types(law: object, options: Options) -> None:
    if isinstance(law, type) or not (law is None or isinstance(law, str) or hasattr(law, "read")):
        raise UsageError(f"law takes a law such as laws.Inverted(), or its name; got {law!r}")
    conventions = options.get("conventions")
    if not (conventions is None or isinstance(conventions, Conventions)):
        raise UsageError(f"conventions takes a Conventions(...), got {conventions!r}")


def finish(
    bound: BoundRun, results: tuple[Result, ...], observations: tuple[str, ...] | None = None
) -> Report:
    """Make the report of the results that a bound run gave.

    Args:
        bound: the run.
        results: its results.
        observations: what was observed; by default what the run observed in this process.

    """
    plan = bound.plan
    observed = bound.observations if observations is None else observations
    return Report(
        target=plan.target,
        law=plan.law.name,
        law_source=plan.law_source,
        conventions=asdict(plan.conventions),
        results=results,
        diagnoses=diagnose(results, plan.law),
        observations=(*observed, *_remarks(plan, bound.target)),
        seed=plan.seed,
        false_alarm=plan.false_alarm,
        power=plan.power,
        versions={
            "dropout_stats": version("dropout-stats"),
            "numpy": np.__version__,
            "scipy": scipy.__version__,
            "python": platform.python_version(),
        },
        seconds=round(time.monotonic() - bound.started, 3),
    )


def _remarks(plan: Plan, target: Target) -> tuple[str, ...]:
    said = []
    if target.seed is None and plan.conventions.randomness != "key":
        said.append("the target cannot be seeded: a run with the same seed draws other noise")
    if plan.rates == (0.5,):
        said.append(
            "only rate 0.5 was tried: there a keep probability and a drop rate are the same "
            "number, so swapped ones, a division by the rate and an evaluation scaled by the rate "
            "cannot be seen; try asymmetric rates such as 0.1 and 0.9"
        )
    return tuple(said)


def _estimate(bound: BoundRun) -> float:
    """Seconds for a conforming target, from three timed calls a stream."""
    caller = Caller(bound.target, bound.plan.conventions, bound.plan.seed)
    total = 0.0
    for stream in bound.plan.streams:
        setting = stream.setting
        rng = np.random.default_rng(branch(bound.plan.seed, "inputs", "estimate"))
        x = distinct(rng, setting.shape, setting.dtype)
        try:
            caller.train(x, setting.rate)
            started = time.perf_counter()
            for _ in range(3):
                caller.train(x, setting.rate)
        except TargetError:
            continue  # the run itself says so
        total += (time.perf_counter() - started) / 3 * stream.expected_calls
    return total * 1.25
