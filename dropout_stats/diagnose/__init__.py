"""From what was observed to named bugs and their fixes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from dropout_stats.diagnose.causes import blames_draws, name_causes
from dropout_stats.diagnose.failures import Failures, failures_of
from dropout_stats.diagnose.matching import explaining, partly_explaining, same_at_all_rates
from dropout_stats.diagnose.quantised import quantised
from dropout_stats.laws import Law
from dropout_stats.results import Diagnosis, Result

__all__ = ["diagnose"]

_ONE_TYPE = Diagnosis(
    "wrong for one type only",
    "everything that failed, failed in {dtype}; the same checks pass in the other types",
    "look at what is computed in that type: do not draw, compare or round probabilities in it",
)
_NO_RATE = Diagnosis(
    "the rate does not reach the mask",
    "the share of kept units is the same at all rates that were tried",
    "hand the rate on to the place where the mask is drawn",
)


def diagnose(results: Sequence[Result], law: Law) -> tuple[Diagnosis, ...]:
    """Name the causes that explain the failures, best first; () where nothing failed."""
    failures = failures_of(results)
    if not failures.checks:
        return ()
    causes = name_causes(failures)
    found = _by_rate(results, law, failures)
    drawn = blames_draws(failures)
    named = [*causes, *found] if drawn else [*found, *causes]
    by_name = {diagnosis.name: diagnosis for diagnosis in reversed(named)}
    return tuple(dict.fromkeys(by_name[diagnosis.name] for diagnosis in named))


def _by_rate(results: Sequence[Result], law: Law, failures: Failures) -> list[Diagnosis]:
    """What rate, kept value and evaluation factor say together."""
    alone = _only_type(results, failures)
    if alone:
        within = [result for result in results if result.case.dtype == alone]
        coarse = quantised(within, law)
        explanation = _ONE_TYPE.explanation.format(dtype=alone)
        named = replace(_ONE_TYPE, explanation=explanation)
        return list(coarse) or [named, *_signatures(within, law, failures)]
    return _signatures(results, law, failures)


def _signatures(results: Sequence[Result], law: Law, failures: Failures) -> list[Diagnosis]:
    found = explaining(results, law)
    if not found and blames_draws(failures):
        return []
    if not found and same_at_all_rates(results):
        return [_NO_RATE]
    coarse = [] if found else list(quantised(results, law))
    bugs = found or partly_explaining(results, law)
    return [*coarse, *(Diagnosis(bug.name, bug.explanation, bug.fix) for bug in bugs)]


def _only_type(results: Sequence[Result], failures: Failures) -> str | None:
    """The one type of several in which a keep probability failed, if it is one."""
    tried = {result.case.dtype for result in results if result.check == "rate.marginal"}
    failed = {r.case.dtype for r in failures.results if r.check == "rate.marginal"}
    if len(tried) > 1 and len(failed) == 1 and failures.dtypes == failed:
        return next(iter(failed))
    return None
