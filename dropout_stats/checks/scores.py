"""Are the normal scores of a law with a density standard normal?

A multiplier becomes a score by the law's own distribution function. Mean, deviation and
reach of the scores are tested together.
"""

from __future__ import annotations

import math

from scipy.special import ndtri

from dropout_stats.checks.calls import shared_noise
from dropout_stats.checks.check import CONTINUOUS, SEVERAL_VALUED, StreamCheck
from dropout_stats.checks.stream import Stream
from dropout_stats.results import Evidence, Finding, Verdict


def beside_evaluation(stream: Stream, shift: float, draws: int) -> Finding:
    """Say that the evaluation pass is so far from the mean of the training pass."""
    mean = stream.setting.law.mean(stream.setting.rate)
    return Finding(
        "fail",
        f"the evaluation pass is {mean + shift:.7g} times the input, and the mean of the training "
        f"pass {mean:.7g} times; expected the same: the noise about the evaluation pass has "
        "another mean than 0",
        Evidence(draws, estimate=-shift),
    )


def concluded(
    stream: Stream, verdict: Verdict, seen: str, caught: str, evidence: Evidence
) -> Finding:
    """Say what a verdict on draws means; too few of them were independent where units share."""
    if verdict == "pass":
        return Finding(verdict, f"{seen}. {caught}", evidence)
    if verdict == "fail":
        dependence = shared_noise(stream)
        if dependence:
            message = f"{seen}. But {dependence}: not so many independent draws"
            return Finding("inconclusive", message, evidence)
        by = "" if evidence.log10_e is None else f" (e-value 10^{evidence.log10_e:.1f})"
        return Finding(verdict, seen + by, evidence)
    return Finding(verdict, f"{seen}. Too few draws to exclude a departure", evidence)


def _decide(stream: Stream) -> Verdict:
    test, sums = stream.setting.score_test, stream.scores
    if test.log_e(sums) >= stream.setting.share.log_threshold:
        return "fail"
    confirmed = sums.draws and test.excludes_mean(sums) and test.excludes_deviation(sums)
    return "pass" if confirmed and not stream.violations else "inconclusive"


def _largest(draws: int) -> float:
    """The median of the largest absolute value of so many scores."""
    return float(-ndtri(-math.expm1(-math.log(2) / max(draws, 1)) / 2))


def _explain(stream: Stream, verdict: Verdict) -> Finding:
    test, sums = stream.setting.score_test, stream.scores
    if not sums.draws:
        return Finding("inconclusive", "no multiplier is possible: see noise.support")
    resolution = max(test.resolution_mean(sums), test.resolution_deviation(sums))
    evidence = Evidence(
        units=sums.draws,
        estimate=sums.mean,
        log10_e=test.log_e(sums) / math.log(10),
        resolution=resolution if math.isfinite(resolution) else None,
    )
    seen = (
        f"{sums.draws} normal scores have mean {sums.mean:.4g}, root mean square "
        f"{sums.deviation:.5g} and largest absolute value {sums.largest:.3g}; expected 0, 1 and "
        f"about {_largest(sums.draws):.2g}"
    )
    if verdict == "inconclusive" and stream.violations:
        return Finding(verdict, f"{seen}. Others are impossible: see noise.support", evidence)
    caught = f"A shift of {resolution:.2g}, or a factor of 1 + {resolution:.2g}, would be caught"
    return concluded(stream, verdict, seen, caught, evidence)


def _support(stream: Stream) -> Verdict:
    if stream.violations:
        return "fail"
    return "pass" if stream.counts.trials else "inconclusive"


def _explain_support(stream: Stream, verdict: Verdict) -> Finding:
    evidence = Evidence(stream.counts.trials)
    if verdict == "fail":
        return Finding(
            verdict,
            f"{stream.violations} of {stream.counts.trials} outputs are impossible: "
            f"{stream.example}",
            evidence,
        )
    return Finding(verdict, f"each of {stream.counts.trials} multipliers is possible", evidence)


SUPPORT = StreamCheck(
    id="noise.support",
    question="Is every multiplier one that the declared noise can be?",
    why="NaN, infinities, multipliers beyond the ends of a bounded noise and values that are none "
    "of the declared ones come from overflow, from the logarithm of 0, or from other noise.",
    demands="Every output of a training pass shall be the input times a multiplier that the law "
    "allows.",
    how="Every output of every call is divided by its input; the quotient must be finite and in "
    "the support of the law. Where that is a few values, the output must be one of them times "
    "its input, within the tolerance of `support.kept_value`.",
    spends=False,
    decide=_support,
    explain=_explain_support,
    on=("usual", "rank", "tiny", "peers"),
    waits=False,
    laws=SEVERAL_VALUED + CONTINUOUS,
)

MARGINAL = StreamCheck(
    id="noise.marginal",
    question="Has the noise the declared mean and the declared strength?",
    why="A variance that is taken for a deviation, rate / (1 - rate) that became rate or "
    "(1 - rate) / rate, and noise whose mean is not 1 all pass a test of a few draws.",
    demands="The multiplier shall have the distribution that the law gives it at this rate, in "
    "mean, in strength and in how far it reaches.",
    how="Each multiplier becomes a standard normal score by the law's distribution function. "
    "Number, sum, sum of squares and largest absolute value of the scores are tested: an e-value "
    "against other means, one against other deviations, one against both at once and one against "
    "tails that are missing, each half on the departure to resolve and half spread over all "
    "sizes. It passes once a mean, and a deviation, that is off by as much is excluded. In half "
    "precision what roundings of the noise may change is not held against a target.",
    spends=True,
    decide=_decide,
    explain=_explain,
    unit="the shift of the mean of the scores, and the relative change of their deviation",
    laws=CONTINUOUS,
)
