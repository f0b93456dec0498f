"""The calls that everything else is made of: plan, run, diagnose, report."""

from __future__ import annotations

import platform
import time
from dataclasses import asdict, replace
from importlib.metadata import PackageNotFoundError, version
from typing import Unpack

import numpy as np
import scipy

from dropout_stats.adapters import adapt
from dropout_stats.call import Caller
from dropout_stats.diagnose import diagnose
from dropout_stats.errors import TargetError
from dropout_stats.inputs import branch, distinct
from dropout_stats.laws import AnyLaw
from dropout_stats.options import Options, read_options
from dropout_stats.planning import Plan, make_plan
from dropout_stats.report.model import Report
from dropout_stats.reproduce import variable_of
from dropout_stats.results import Case, Result
from dropout_stats.run import Run
from dropout_stats.selftest import Remark, ask_all
from dropout_stats.settling import left_open, settle
from dropout_stats.target import Target
from dropout_stats.through import through


def check(target: object, law: AnyLaw | str | None = None, **options: Unpack[Options]) -> Report:
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
    target: object, law: AnyLaw | str | None = None, **options: Unpack[Options]
) -> None:
    """Raise AssertionError with the failure text unless the target passes; see `check`."""
    check(target, law, **options).raise_for_failures()


def plan(target: object, law: AnyLaw | str | None = None, **options: Unpack[Options]) -> Plan:
    """Say what `check` would run: cases, units, seconds (from a few timed calls), resolutions.

    Takes the arguments of `check`.
    """
    bound = bind(target, law, **options)
    return replace(bound.plan, seconds=_estimate(bound))


def smoke(
    target: object, law: AnyLaw | str | None = None, **options: Unpack[Options]
) -> tuple[Remark, ...]:
    """Tell in seconds whether an adapter reaches its target, before a run judges the target.

    Takes the arguments of `check`. Each remark says what was asked, what came of it and, in
    `blame`, who is to repair it: None, the adapter or the implementation.
    """
    bound = bind(target, law, **options)
    with np.errstate(all="ignore"):
        return ask_all(bound.plan, bound.target)


class BoundRun(Run):
    """A run together with its target and the moment it began."""

    def __init__(self, plan: Plan, target: Target) -> None:
        super().__init__(plan, target)
        self.target = target
        self.started = time.monotonic()


def bind(target: object, law: AnyLaw | str | None = None, **options: Unpack[Options]) -> BoundRun:
    """Adapt the target and plan its run; every front end starts here."""
    asked = read_options(law, options)
    adapted = adapt(target)
    plan = replace(make_plan(adapted, asked), variable=variable_of(target, "target"))
    return BoundRun(plan, through(plan.law, adapted, plan.conventions))


def finish(
    bound: BoundRun, results: tuple[Result, ...], observations: tuple[str, ...] | None = None
) -> Report:
    """Make the report of the results that a bound run gave.

    Args:
        bound: the run.
        results: its results, whatever is expected of them.
        observations: what was observed; by default what the run observed in this process.

    """
    plan = bound.plan
    observed = bound.observations if observations is None else observations
    expected, absent = plan.asked.expected, _absent(plan, results)
    results = settle(results, expected, absent)
    return Report(
        target=plan.target,
        law=plan.law_name,
        law_source=plan.law_source,
        conventions=asdict(plan.conventions),
        results=results,
        diagnoses=diagnose(results, plan.law),
        observations=(
            *observed,
            *left_open(results, expected, absent),
            *_remarks(plan, bound.target),
        ),
        seed=plan.asked.seed,
        false_alarm=plan.asked.false_alarm,
        power=plan.asked.power,
        versions=versions(),
        seconds=round(time.monotonic() - bound.started, 3),
    )


def _absent(plan: Plan, results: tuple[Result, ...]) -> tuple[Case, ...]:
    """The cases of the full plan that have no result."""
    there = {result.case for result in results}
    planned = (planned.case for planned in plan.cases)
    return (*plan.deselected, *(case for case in planned if case not in there))


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
    caller = Caller(bound.target, bound.plan.conventions, bound.plan.asked.seed)
    total = 0.0
    for stream in bound.plan.streams:
        setting = stream.setting
        rng = np.random.default_rng(branch(bound.plan.asked.seed, "inputs", "estimate"))
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


def versions() -> dict[str, str]:
    """The versions of this library and what it stands on."""
    return {
        "dropout_stats": _own_version(),
        "numpy": np.__version__,
        "scipy": scipy.__version__,
        "python": platform.python_version(),
    }


def _own_version() -> str:
    try:
        return version("dropout-stats")
    except PackageNotFoundError:  # copied into another project, or on a path
        return "not installed"
