"""From what was observed to named bugs and their fixes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from dropout_stats.diagnose.accounting import Named, account
from dropout_stats.diagnose.bugs import Signature
from dropout_stats.diagnose.densities import name_noise
from dropout_stats.diagnose.failures import Failures, failures_of
from dropout_stats.diagnose.matching import (
    explaining,
    has_another_rate,
    partly_explaining,
    same_at_all_rates,
)
from dropout_stats.diagnose.naming import blames_draws, name_causes
from dropout_stats.diagnose.quantised import quantised
from dropout_stats.laws import Alpha, AnyLaw, is_two_valued
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
_CONSTANTS = Diagnosis(
    "the constants of alpha dropout are wrong",
    "outputs are neither a x + b, as of kept units, nor a s + b, as of dropped ones",
    "s = -1.7580993408473766, a = ((1 - rate) (1 + rate s^2))^(-1/2) and b = -a rate s, with the "
    "rate as the probability to drop",
)
# What fails where a share of kept units, a kept value or an evaluation pass is wrong.
_BY_KEEP = ("rate.marginal", "moments.*")
_BY_KEPT = ("support.kept_value", "moments.*", "structure.*", "precision.*", "gradient.forward")
_BY_EVALUATION = ("inference.*", "moments.noise_mean", "gradient.evaluation")
_ENDS = ("limits.*",)


def diagnose(results: Sequence[Result], law: AnyLaw) -> tuple[Diagnosis, ...]:
    """Name the causes that explain the failures, roots first; () where nothing failed.

    Failures that are expected need no diagnosis, but their numbers may show what else follows.
    """
    failures = failures_of(results)
    if not failures.checks:
        return ()
    causes = name_causes(failures)
    found = _by_rate(results, law, failures)
    drawn = blames_draws(failures)
    named = [*causes, *found] if drawn else [*found, *causes]
    return account(named, (result.check for result in failures.results))


def _by_rate(results: Sequence[Result], law: AnyLaw, failures: Failures) -> list[Named]:
    """What rate, kept value and evaluation factor say together; of other noise, its scores."""
    if not is_two_valued(law):
        return [] if blames_draws(failures) else name_noise(results, law, failures)
    if isinstance(law, Alpha) and "support.kept_value" in failures.checks:
        return [Named(_CONSTANTS, (*_BY_KEEP, *_BY_KEPT), _ENDS)]
    alone = _only_type(results, failures)
    if alone:
        within = [result for result in results if result.case.dtype == alone]
        coarse = [_of_keep(diagnosis) for diagnosis in quantised(within, law)]
        explanation = _ONE_TYPE.explanation.format(dtype=alone)
        named = Named(replace(_ONE_TYPE, explanation=explanation), (), ("*",), is_remark=True)
        return coarse or [named, *_signatures(within, law, failures)]
    return _signatures(results, law, failures)


def _signatures(results: Sequence[Result], law: AnyLaw, failures: Failures) -> list[Named]:
    found = explaining(results, law)
    if not found and blames_draws(failures):
        return []
    if not found and same_at_all_rates(results):
        return [_of_keep(_NO_RATE)]
    if not found and has_another_rate(results, law):
        return [Named(_ANOTHER_RATE, (*_BY_KEEP, *_BY_KEPT), _ENDS)]
    coarse = [] if found else [_of_keep(diagnosis) for diagnosis in quantised(results, law)]
    return [*coarse, *map(_of_signature, found or partly_explaining(results, law))]


def _of_keep(diagnosis: Diagnosis) -> Named:
    return Named(diagnosis, _BY_KEEP, _ENDS)


def _of_signature(bug: Signature) -> Named:
    takes = [
        *(_BY_KEEP if bug.keep else ()),
        *(_BY_KEPT if bug.kept else ()),
        *(_BY_EVALUATION if bug.evaluation else ()),
    ]
    follows = _ENDS if bug.keep or bug.kept else ()
    return Named(Diagnosis(bug.name, bug.explanation, bug.fix), tuple(takes), follows)


def _only_type(results: Sequence[Result], failures: Failures) -> str | None:
    """The one type of several in which a keep probability failed, if it is one."""
    tried = {result.case.dtype for result in results if result.check == "rate.marginal"}
    failed = {r.case.dtype for r in failures.results if r.check == "rate.marginal"}
    if len(tried) > 1 and len(failed) == 1 and failures.dtypes == failed:
        return next(iter(failed))
    return None
