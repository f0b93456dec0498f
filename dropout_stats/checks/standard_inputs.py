"""Are mean 0 and variance 1 of inputs from N(0, 1) kept, as alpha dropout shall keep them?

A reading of the counts of `rate.marginal`: the outputs of kept and of dropped units are exact, so
both moments are functions of the keep probability.
"""

from __future__ import annotations

import math

from dropout_stats.checks.calls import shared_noise
from dropout_stats.checks.evaluated import evaluation_factor, lawful_evaluation_factor
from dropout_stats.checks.rate import (
    MARGINAL,
    keep_evidence,
    nearest_keep_probs,
    stands_by_calls,
)
from dropout_stats.checks.stream import Stream
from dropout_stats.laws.indirect import KeepsStandard, keeps_standard
from dropout_stats.results import Evidence, Finding, Verdict


def applies(stream: Stream) -> bool:
    """Whether the law keeps the mean of such inputs in place of that of each input."""
    return keeps_standard(stream.setting.law)


def decide(stream: Stream) -> Verdict:
    """As of the rate, where the outputs are those of the law."""
    if stream.violations:
        return "not-applicable"
    return "fail" if _evaluates_otherwise(stream) else MARGINAL.decide(stream)


def explain(stream: Stream, verdict: Verdict) -> Finding:
    """Say what the moments are."""
    if stream.violations:
        return Finding(
            "not-applicable",
            "outputs are not those of the law, so the counts do not give mean and variance: see "
            "support.kept_value",
        )
    keep_prob = nearest_keep_probs(stream)[0]
    seen = keep_evidence(stream, keep_prob)
    found, said = _moments(stream, seen, keep_prob)
    if _evaluates_otherwise(stream):
        factor, lawful = evaluation_factor(stream), lawful_evaluation_factor(stream)
        other = f"The evaluation pass multiplies by {factor:.7g}; the law by {lawful:.7g}"
        return Finding("fail", f"{said}. {other}", found)
    if verdict == "fail":
        dependence = shared_noise(stream)
        if dependence and not stands_by_calls(stream, keep_prob):
            message = f"{said}. But {dependence}: not so many independent draws"
            return Finding("inconclusive", message, found)
        return Finding("fail", said, found)
    if verdict == "pass":
        reached = found.resolution
        caught = f". A shift of that mean by {reached:.2g} would have been caught"
        return Finding("pass", said + (caught if reached else ""), found)
    return Finding(verdict, f"{said}. Too few units to exclude a shift", found)


def _evaluates_otherwise(stream: Stream) -> bool:
    return evaluation_factor(stream) != lawful_evaluation_factor(stream)


def _moments(stream: Stream, seen: Evidence, keep_prob: float) -> tuple[Evidence, str]:
    """The evidence on the mean, and what both moments are, in words."""
    law, rate = stream.setting.law, stream.setting.rate
    assert keeps_standard(law)  # noqa: S101 - no other is asked
    low, high = seen.low or 0.0, 1.0 if seen.high is None else seen.high
    share = stream.counts.share
    means = sorted(law.of_standard(q, rate)[0] for q in (low, high))
    peak = min(max(_peak(law, rate), low), high)
    variances = [law.of_standard(q, rate)[1] for q in (low, high, peak)]
    mean, variance = law.of_standard(share, rate)
    lawful = law.of_standard(keep_prob, rate)
    slope = law.of_standard(1.0, rate)[0] - law.of_standard(0.0, rate)[0]
    evidence = Evidence(
        units=seen.units,
        estimate=mean,
        low=means[0],
        high=means[1],
        log10_e=seen.log10_e,
        resolution=None if seen.resolution is None else abs(slope) * seen.resolution,
    )
    said = (
        f"of inputs from N(0, 1) the outputs have mean {_short(mean)} in [{_short(means[0])}, "
        f"{_short(means[1])}] and variance {variance:.7g} in [{min(variances):.7g}, "
        f"{max(variances):.7g}]; expected {_short(lawful[0])} and {lawful[1]:.7g} (over such "
        "inputs together: at a given a, E[A] is not a)"
    )
    return evidence, said


def _peak(law: KeepsStandard, rate: float) -> float:
    """The keep probability at which the variance, a parabola in it, is largest."""
    none, half, each = (law.of_standard(q, rate)[1] for q in (0.0, 0.5, 1.0))
    bend = 2 * (none + each - 2 * half)
    return (none - each + bend) / (2 * bend) if bend else 0.0


def _short(value: float) -> str:
    """Without the digits of rounding about 0."""
    return f"{0.0 if math.isclose(value, 0, abs_tol=1e-12) else value:.4g}"
