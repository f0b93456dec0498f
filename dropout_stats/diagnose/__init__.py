"""From what was observed to named bugs and their fixes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from dropout_stats.diagnose.accounting import Named, account
from dropout_stats.diagnose.bugs import Signature
from dropout_stats.diagnose.by_law import BY_EVALUATION, BY_KEEP, BY_KEPT, ELSEWHERE, name_of_law
from dropout_stats.diagnose.densities import name_noise
from dropout_stats.diagnose.factors import EVALUATION, KEPT, name_factor
from dropout_stats.diagnose.failures import Failures, failures_of
from dropout_stats.diagnose.matching import (
    explaining,
    has_another_rate,
    observe,
    partly_explaining,
    same_at_all_rates,
)
from dropout_stats.diagnose.naming import blames_draws, name_causes
from dropout_stats.diagnose.quantised import quantised
from dropout_stats.diagnose.several_valued import name_values
from dropout_stats.diagnose.unanswered import name_unanswered
from dropout_stats.laws import AnyLaw, SeveralValued, is_two_valued
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
_ANOTHER_RATE = Diagnosis(
    "another rate is used throughout",
    "the share of kept units and their scale belong to each other, but to another rate than the "
    "one that was handed over. The mean is right, so a test of the mean cannot see it",
    "use the rate as it is handed over; look at schedules and at rates that are stored elsewhere",
)


def diagnose(results: Sequence[Result], law: AnyLaw) -> tuple[Diagnosis, ...]:
    """Name the causes that explain the failures, roots first; () where nothing failed.

    Failures that are expected need no diagnosis, but their numbers may show what else follows.
    """
    answered = _of_answers(results, law)
    explained = {check for diagnosis in answered for check in diagnosis.checks}
    unanswered = name_unanswered(results, explained)
    return (*unanswered.roots, *answered, *unanswered.others)


def _of_answers(results: Sequence[Result], law: AnyLaw) -> tuple[Diagnosis, ...]:
    """What explains the failures of calls that were answered."""
    failures = failures_of(results)
    if not failures.checks:
        return ()
    causes, of_law = name_causes(failures), name_of_law(law, failures)
    found = _by_rate(results, law, failures)
    drawn = blames_draws(failures)
    named = [*of_law, *causes, *found] if drawn else [*of_law, *found, *causes]
    return account(named, (result.check for result in failures.results))


def _by_rate(results: Sequence[Result], law: AnyLaw, failures: Failures) -> list[Named]:
    """What rate, kept value and evaluation factor say together; of other noise, its scores."""
    if not is_two_valued(law) and blames_draws(failures):
        return []
    if isinstance(law, SeveralValued):
        return name_values(failures)
    if not is_two_valued(law):
        return name_noise(results, law, failures)
    alone = _only_type(results, failures)
    if alone:
        within = [result for result in results if result.case.dtype == alone]
        coarse = _of_types(quantised(within, law))
        explanation = _ONE_TYPE.explanation.format(dtype=alone)
        named = Named(replace(_ONE_TYPE, explanation=explanation), (), ("*",), is_remark=True)
        return coarse or [named, *_signatures(within, law, failures)]
    return _signatures(results, law, failures)


def _signatures(results: Sequence[Result], law: AnyLaw, failures: Failures) -> list[Named]:
    found = explaining(results, law)
    if not found and blames_draws(failures):
        return []
    if not found and same_at_all_rates(results):
        return [_no_rate(results, law, failures)]
    if not found and has_another_rate(results, law):
        return [Named(_ANOTHER_RATE, (*BY_KEEP, *BY_KEPT), ELSEWHERE)]
    counted = "support.count" in failures.checks  # a wrong number is no coarse rate
    coarse = [] if found or counted else _of_types(quantised(results, law))
    named = found or partly_explaining(results, law)
    return [*coarse, *map(_of_signature, named), *_of_factors(results, law, failures, named)]


def _of_factors(
    results: Sequence[Result], law: AnyLaw, failures: Failures, named: Sequence[Signature]
) -> list[Named]:
    """Factors that no signature is about."""
    observed = observe(results)
    kept = [] if any(bug.kept for bug in named) else name_factor(KEPT, observed, law, failures)
    if any(bug.evaluation for bug in named):
        return kept
    return [*kept, *name_factor(EVALUATION, observed, law, failures)]


def _no_rate(results: Sequence[Result], law: AnyLaw, failures: Failures) -> Named:
    """One rate for all masks; what is kept may be scaled by it, too."""
    scaled = name_factor(KEPT, observe(results), law, failures)
    said = "; ".join([_NO_RATE.explanation, *(one.diagnosis.explanation for one in scaled)])
    takes = (*BY_KEEP, *(BY_KEPT if scaled else ()))
    return Named(replace(_NO_RATE, explanation=said), takes, ELSEWHERE)


def _of_keep(diagnosis: Diagnosis) -> Named:
    return Named(diagnosis, BY_KEEP, ELSEWHERE)


def _of_types(diagnoses: Sequence[Diagnosis]) -> list[Named]:
    """One a type: the same checks fail in each, and are accounted for by the first."""
    first = [_of_keep(diagnosis) for diagnosis in diagnoses[:1]]
    return first + [Named(diagnosis, (), is_remark=True) for diagnosis in diagnoses[1:]]


def _of_signature(bug: Signature) -> Named:
    takes = [
        *(BY_KEEP if bug.keep else ()),
        *(BY_KEPT if bug.kept else ()),
        *(BY_EVALUATION if bug.evaluation else ()),
    ]
    follows = [
        *(ELSEWHERE if bug.keep or bug.kept else ()),
        *(["randomness.idle"] if bug.evaluation else ()),
    ]
    return Named(Diagnosis(bug.name, bug.explanation, bug.fix), tuple(takes), tuple(follows))


def _only_type(results: Sequence[Result], failures: Failures) -> str | None:
    """The one type of several in which a keep probability failed, if it is one."""
    tried = {result.case.dtype for result in results if result.check == "rate.marginal"}
    failed = {r.case.dtype for r in failures.results if r.check == "rate.marginal"}
    if len(tried) > 1 and len(failed) == 1 and failures.dtypes == failed:
        return next(iter(failed))
    return None
