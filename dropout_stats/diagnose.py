"""From what was observed to a named bug and its fix.

A signature gives, as functions of the rate, what a bug makes of the three things that were
observed: the share of kept units, the factor of a kept value and the factor of the evaluation
pass. A signature that agrees with everything observed explains it; where none does, those that
agree in what they are about are named as parts of the answer.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from dropout_stats.laws import Law
from dropout_stats.laws.reading import kept_tolerance
from dropout_stats.quantised import quantised
from dropout_stats.results import Diagnosis, Result

_OfRate = Callable[[float], float]
_DROPS = -1.0  # stands for an evaluation pass that drops


@dataclass(frozen=True)
class Signature:
    """One bug, by what it makes of each observable; None: what the law says.

    Args:
        name: the bug in a few words.
        keep: share of kept units.
        kept: factor of a kept value.
        evaluation: factor of the evaluation pass.
        explanation: why it looks like this.
        fix: what to change.
        laws: names of the laws under which it is a bug; () for all.

    """

    name: str
    explanation: str
    fix: str
    keep: _OfRate | None = None
    kept: _OfRate | None = None
    evaluation: _OfRate | None = None
    laws: tuple[str, ...] = ()


@dataclass(frozen=True)
class Observed:
    """What was observed at one rate and type; None where it could not be."""

    rate: float
    dtype: str
    keep: tuple[float, float] | None
    kept: float | None
    evaluation: float | None


def _one(_: float) -> float:
    return 1.0


def _zero(_: float) -> float:
    return 0.0


def _rate(rate: float) -> float:
    return rate


def _keep_prob(rate: float) -> float:
    return 1 - rate


def _over_rate(rate: float) -> float:
    return 1 / rate


def _over_keep_prob(rate: float) -> float:
    return 1 / (1 - rate)


def _keep_prob_squared(rate: float) -> float:
    return (1 - rate) ** 2


def _over_keep_prob_squared(rate: float) -> float:
    return 1 / (1 - rate) ** 2


def _drops(_: float) -> float:
    return _DROPS


_BOTH_HALVES = "At rate 0.5 the two are the same number, so a test at 0.5 cannot see it."

SIGNATURES: tuple[Signature, ...] = (
    Signature(
        "no scaling",
        "kept values pass unchanged in training and the evaluation pass is the identity, so the "
        "mean of the training pass is keep_prob * a while evaluation gives a",
        "divide by 1 - rate in training (inverted), or multiply by 1 - rate in evaluation and "
        "declare laws.TestScaled()",
        kept=_one,
        evaluation=_one,
    ),
    Signature(
        "test-scaled dropout held to the inverted law",
        "kept values pass unchanged in training and the evaluation pass multiplies by keep_prob: "
        "this is the other strategy, done right",
        "declare laws.TestScaled() (--law test-scaled), or divide by 1 - rate in training and "
        "leave evaluation alone",
        kept=_one,
        evaluation=_keep_prob,
        laws=("inverted",),
    ),
    Signature(
        "inverted dropout held to the test-scaled law",
        "kept values are divided by keep_prob in training and the evaluation pass is the identity: "
        "this is the other strategy, done right",
        "declare laws.Inverted() (--law inverted)",
        kept=_over_keep_prob,
        evaluation=_one,
        laws=("test-scaled",),
    ),
    Signature(
        "keep probability and drop rate swapped in the scale",
        "kept values are a/rate; they should be a/(1 - rate): scaled by 1/rate. " + _BOTH_HALVES,
        "divide by 1 - rate",
        kept=_over_rate,
    ),
    Signature(
        "keep probability and drop rate swapped in the mask",
        "a unit is kept with probability rate; it should be 1 - rate. The scale is right. "
        + _BOTH_HALVES,
        "keep where uniform >= rate (or draw the mask with probability 1 - rate)",
        keep=_rate,
    ),
    Signature(
        "keep probability and drop rate swapped in mask and scale",
        "a unit is kept with probability rate and divided by rate: the number handed over is used "
        "as the keep probability throughout. " + _BOTH_HALVES,
        "if the parameter is meant to be the keep probability, declare "
        "Conventions(rate_argument='keep_prob'); otherwise use 1 - rate in both places",
        keep=_rate,
        kept=_over_rate,
        laws=("inverted",),
    ),
    Signature(
        "scaled twice",
        "kept values are a/(1 - rate)^2: two places divide by keep_prob",
        "remove one of the two divisions",
        kept=_over_keep_prob_squared,
    ),
    Signature(
        "applied twice",
        "a unit is kept with probability (1 - rate)^2 and kept values are a/(1 - rate)^2: two "
        "dropouts in a row. The mean is still right, so a test of the mean cannot see it",
        "remove one of the two dropouts",
        keep=_keep_prob_squared,
        kept=_over_keep_prob_squared,
        laws=("inverted",),
    ),
    Signature(
        "applied twice",
        "a unit is kept with probability (1 - rate)^2: two dropouts in a row",
        "remove one of the two dropouts",
        keep=_keep_prob_squared,
        laws=("test-scaled",),
    ),
    Signature(
        "scaled in both modes",
        "training divides by keep_prob and evaluation multiplies by keep_prob: each strategy "
        "scales in one of the passes only",
        "make evaluation the identity (inverted), or do not scale in training (test-scaled)",
        kept=_over_keep_prob,
        evaluation=_keep_prob,
    ),
    Signature(
        "scaled in both modes",
        "the evaluation pass divides by keep_prob, as only the training pass of inverted dropout "
        "does",
        "make evaluation the identity",
        evaluation=_over_keep_prob,
        laws=("inverted",),
    ),
    Signature(
        "evaluation scaled by the rate instead of keep_prob",
        "the evaluation pass multiplies by rate; it should multiply by 1 - rate. " + _BOTH_HALVES,
        "multiply by 1 - rate in evaluation",
        kept=_one,
        evaluation=_rate,
    ),
    Signature(
        "evaluation scaled by the rate",
        "the evaluation pass multiplies by rate; inverted dropout leaves evaluation alone",
        "make evaluation the identity",
        evaluation=_rate,
        laws=("inverted",),
    ),
    Signature(
        "dropping in evaluation",
        "the evaluation pass drops units as the training pass does: the mode does not reach it",
        "return the input unchanged (inverted) or times 1 - rate (test-scaled) in evaluation",
        evaluation=_drops,
    ),
    Signature(
        "never dropping",
        "every unit is kept, and unchanged: the training pass is the identity",
        "check that the mask is applied, that its result is used, that the rate arrives, and that "
        "training mode is on",
        keep=_one,
        kept=_one,
    ),
    Signature(
        "never dropping",
        "every unit is kept: the scale is applied, but no mask",
        "check that the mask is drawn with the rate and applied",
        keep=_one,
    ),
    Signature(
        "always dropping",
        "no unit is kept",
        "check the comparison that makes the mask, and that the rate is not truncated to an "
        "integer",
        keep=_zero,
    ),
)

# Failures that name their cause by themselves: check id, and what it means.
_BY_CHECK: tuple[tuple[str, Diagnosis], ...] = (
    (
        "calls.count_dispersion",
        Diagnosis(
            "units do not draw independently",
            "the number of kept units varies from call to call otherwise than independent units "
            "make it vary: too much where units share a draw, too little where the count is fixed",
            "draw one number for each unit; check the shape of the mask and that it is not "
            "broadcast",
        ),
    ),
    (
        "calls.repeated_mask",
        Diagnosis(
            "the same mask comes back",
            "calls return masks that earlier calls returned: the seed is constant, the generator "
            "is not advanced, or the mask is cached",
            "draw from one generator that lives across calls; never seed inside the call",
        ),
    ),
    (
        "gradient.dropped_is_zero",
        Diagnosis(
            "the backward pass does not apply the mask",
            "dropped units receive a gradient, as if the forward pass had kept them",
            "keep the mask of the forward pass and multiply dy by it",
        ),
    ),
    (
        "gradient.same_noise",
        Diagnosis(
            "the backward pass disagrees with its forward pass",
            "the gradient of kept units is not dy times output/input: another mask, or another "
            "scale",
            "multiply dy by the mask and the scale of the same forward pass",
        ),
    ),
)


def diagnose(results: Sequence[Result], law: Law) -> tuple[Diagnosis, ...]:
    """Name the causes that explain the failures, best first; () where nothing failed."""
    # A call that raised has no evidence: its message says all there is to say.
    failed = {result.check for result in results if result.verdict == "fail" and result.evidence}
    if not failed:
        return ()
    observed = _observe(results)
    bugs = [s for s in SIGNATURES if not s.laws or law.name in s.laws]
    explaining = [s for s in bugs if _deviates(s, observed, law) and _explains(s, observed, law)]
    shared = "calls.count_dispersion" in failed
    parts = [] if shared else [s for s in bugs if _is_part(s, observed, law)]
    found = _simplest_first(explaining) or parts
    named = [] if explaining else list(quantised(results, law))
    named += [Diagnosis(s.name, s.explanation, s.fix) for s in found]
    named += [cause for check, cause in _BY_CHECK if check in failed - _explained(failed, results)]
    by_name = {diagnosis.name: diagnosis for diagnosis in reversed(named)}
    return tuple(dict.fromkeys(by_name[diagnosis.name] for diagnosis in named))


def _explained(failed: set[str], results: Sequence[Result]) -> set[str]:
    """Failures that another failure is the cause of."""
    gone = set()
    if "calls.count_dispersion" in failed:  # shared draws make few masks, which then come back
        gone.add("calls.repeated_mask")
    if {"gradient.same_noise", "gradient.dropped_is_zero"} <= failed:
        one_factor = all(
            result.evidence.estimate is not None
            for result in results
            if result.check == "gradient.same_noise"
            and result.evidence
            and result.verdict == "fail"
        )
        gone.add("gradient.same_noise" if one_factor else "gradient.dropped_is_zero")
    return gone


def _observe(results: Iterable[Result]) -> list[Observed]:
    by_place: dict[tuple[float, str], dict[str, Result]] = {}
    for result in results:
        if result.case.rate is not None:
            place = by_place.setdefault((result.case.rate, result.case.dtype), {})
            place[result.check] = result
    return [
        Observed(
            rate=rate,
            dtype=dtype,
            keep=_interval(found.get("rate.marginal")),
            kept=_kept(found.get("support.kept_value")),
            evaluation=_evaluation(found.get("inference.law")),
        )
        for (rate, dtype), found in by_place.items()
        if 0 < rate < 1
    ]


def _interval(result: Result | None) -> tuple[float, float] | None:
    evidence = result.evidence if result else None
    if result is None or evidence is None or result.verdict == "inconclusive":
        return None
    return (evidence.low or 0.0, 1.0 if evidence.high is None else evidence.high)


def _kept(result: Result | None) -> float | None:
    """The one factor of kept values; NaN, which agrees with nothing, where there are several."""
    if result is None or result.evidence is None:
        return None
    if result.verdict == "fail" and result.evidence.estimate is None:
        return math.nan
    return result.evidence.estimate


def _evaluation(result: Result | None) -> float | None:
    evidence = result.evidence if result else None
    if evidence is None:
        return None
    if evidence.estimate is None and evidence.low is not None and evidence.high is not None:
        return _DROPS if min(abs(evidence.low), abs(evidence.high)) == 0 else None
    return evidence.estimate


def _expected(s: Signature, law: Law, rate: float) -> tuple[float, float, float]:
    return (
        (s.keep or _keep_prob)(rate),
        (s.kept or law.kept_factor)(rate),
        (s.evaluation or law.evaluation_factor)(rate),
    )


def _explains(s: Signature, observed: Sequence[Observed], law: Law) -> bool:
    return all(_agrees(seen, *_expected(s, law, seen.rate)) for seen in observed)


def _is_part(s: Signature, observed: Sequence[Observed], law: Law) -> bool:
    """Whether the signature agrees, in what it is about, wherever that was observed."""
    about = [
        Observed(
            seen.rate,
            seen.dtype,
            seen.keep if s.keep else None,
            seen.kept if s.kept else None,
            seen.evaluation if s.evaluation else None,
        )
        for seen in observed
    ]
    return _deviates(s, about, law) and _explains(s, about, law)


def _deviates(s: Signature, observed: Sequence[Observed], law: Law) -> bool:
    """Whether what was observed is the bug's rather than the law's."""
    lawful = Signature("", "", "")
    return not _explains(lawful, observed, law) and any(
        _expected(s, law, seen.rate) != _expected(lawful, law, seen.rate) for seen in observed
    )


def _simplest_first(found: list[Signature]) -> list[Signature]:
    return sorted(found, key=lambda s: sum(f is not None for f in (s.keep, s.kept, s.evaluation)))


def _agrees(seen: Observed, keep: float, kept: float, evaluation: float) -> bool:
    tolerance = 4 * kept_tolerance(seen.dtype, seen.rate)
    return (
        (seen.keep is None or seen.keep[0] <= keep <= seen.keep[1])
        and (seen.kept is None or keep == 0 or _near(seen.kept, kept, tolerance))
        and (seen.evaluation is None or _near(seen.evaluation, evaluation, tolerance))
    )


def _near(one: float, other: float, tolerance: float) -> bool:
    return abs(one - other) <= tolerance * max(abs(one), abs(other))
