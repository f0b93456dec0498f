"""Factors that are neither the law's nor those of a known bug."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from dropout_stats.diagnose.accounting import Named
from dropout_stats.diagnose.by_law import BY_EVALUATION, BY_KEPT, ELSEWHERE
from dropout_stats.diagnose.failures import Failures
from dropout_stats.diagnose.matching import Observed, differ, kept_factor
from dropout_stats.laws import AnyLaw
from dropout_stats.results import Diagnosis


@dataclass(frozen=True)
class _Factor:
    """One of the two factors of a dropout.

    Args:
        check: id of the check that compares it.
        seen: what was observed of it.
        lawful: what the law makes it at a rate.
        takes: ids or patterns of the checks that a wrong one makes fail.
        other: what to say of another factor; of one that is the same at all rates, `fixed`.

    """

    check: str
    seen: Callable[[Observed], float | None]
    lawful: Callable[[AnyLaw, float], float]
    takes: tuple[str, ...]
    other: Diagnosis
    fixed: Diagnosis


_SEEN = "by {seen:.4g} at rate {rate:.4g}, where the law has {lawful:.4g}"
KEPT = _Factor(
    "support.kept_value",
    lambda one: one.kept,
    kept_factor,
    BY_KEPT,
    Diagnosis(
        "kept values have another scale",
        f"kept values are multiplied {_SEEN}",
        "multiply them by the scale of the law: 1/(1 - rate) for inverted dropout, 1 for "
        "test-scaled dropout",
    ),
    Diagnosis(
        "the rate does not reach the scale",
        f"kept values are multiplied {_SEEN}, and by the same number at all rates that were tried",
        "compute the scale from the rate that the mask of the same call is drawn with",
    ),
)
EVALUATION = _Factor(
    "inference.law",
    lambda one: one.evaluation,
    lambda law, rate: law.evaluation_factor(rate),
    BY_EVALUATION,
    Diagnosis(
        "evaluation has another factor",
        f"the evaluation pass multiplies {_SEEN}",
        "make evaluation the identity (inverted), or multiply by 1 - rate there (test-scaled)",
    ),
    Diagnosis(
        "the rate does not reach the evaluation pass",
        f"the evaluation pass multiplies {_SEEN}, and by the same number at all rates that were "
        "tried",
        "hand the rate on to the evaluation pass. While the rate is annealed no one factor fits "
        "all steps: scale in training instead (inverted), where evaluation is the identity",
    ),
)


def name_factor(
    factor: _Factor, observed: Sequence[Observed], law: AnyLaw, failures: Failures
) -> list[Named]:
    """Say what the factor is, where it is one number at each rate and not that of the law."""
    failed = {
        (r.case.rate, r.case.dtype)
        for r in failures.results
        if r.check == factor.check and not r.symptoms
    }
    seen = [
        (one, value) for one in observed if (value := factor.seen(one)) is not None and value >= 0
    ]
    wrong = [
        (one, value)
        for one, value in seen
        if (one.rate, one.dtype) in failed and differ(one, value, factor.lawful(law, one.rate))
    ]
    if not wrong:
        return []
    one, value = wrong[0]
    is_fixed = not any(differ(other, value, theirs) for other, theirs in seen)
    varies = len({factor.lawful(law, other.rate) for other, _ in seen}) > 1
    diagnosis = factor.fixed if is_fixed and varies else factor.other
    explanation = diagnosis.explanation.format(
        seen=value, rate=one.rate, lawful=factor.lawful(law, one.rate)
    )
    follows = (*ELSEWHERE, "gradient.*")
    return [Named(replace(diagnosis, explanation=explanation), factor.takes, follows)]
