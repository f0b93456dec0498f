"""Are the normal scores of a law with a density standard normal?

A multiplier becomes a score by the law's own distribution function. Mean and deviation of the
scores are tested together; the moments of the noise are readings of the same sums.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from dropout_stats.checks.calls import shared_noise
from dropout_stats.checks.check import CONTINUOUS, SEVERAL_VALUED, StreamCheck
from dropout_stats.checks.stream import Stream
from dropout_stats.evidence.normal import NormalTest, Sums
from dropout_stats.results import Evidence, Finding, Verdict

_HALF = math.log(2)  # mean and deviation share the evidence


def _log_e_mean(test: NormalTest, sums: Sums) -> float:
    return test.log_e_mean(sums) - _HALF


def _log_e_deviation(test: NormalTest, sums: Sums) -> float:
    return test.log_e_deviation(sums) - _HALF


def decide_mean(stream: Stream) -> Verdict:
    """The verdict on the mean of the scores; a wrong deviation alone does not fail it."""
    return _decided(stream, _log_e_mean, NormalTest.excludes_mean, Sums.standardised)


def decide_noise_mean(stream: Stream) -> Verdict:
    """The same, unless the evaluation pass that was seen is not the law's mean."""
    return "fail" if _evaluation_shift(stream) else decide_mean(stream)


def decide_deviation(stream: Stream) -> Verdict:
    """The verdict on their deviation; a wrong mean alone does not fail it."""
    return _decided(stream, _log_e_deviation, NormalTest.excludes_deviation, Sums.centred)


def _decided(
    stream: Stream,
    log_e: Callable[[NormalTest, Sums], float],
    excludes: Callable[[NormalTest, Sums], bool],
    alone: Callable[[Sums], Sums],
) -> Verdict:
    """Fail where the evidence is there, and still is there with the other moment put right."""
    test, sums = stream.setting.score_test, stream.scores
    threshold = stream.setting.share.log_threshold
    if log_e(test, sums) >= threshold:
        return "fail" if log_e(test, alone(sums)) >= threshold else "inconclusive"
    return "pass" if sums.draws and excludes(test, sums) else "inconclusive"


def explain_mean(stream: Stream, verdict: Verdict) -> Finding:
    """Say what the mean of the scores is."""
    test, sums = stream.setting.score_test, stream.scores
    low, high = test.interval_mean(sums, stream.setting.share.probability)
    resolution = test.resolution_mean(sums)
    evidence = _evidence(sums, sums.mean, (low, high), _log_e_mean(test, sums), resolution)
    interval = f"[{low:.4g}, {high:.4g}]"
    seen = f"the mean of the normal scores is {sums.mean:.4g} in {interval}; expected 0"
    caught = f"A shift of {resolution:.2g} standard deviations would have been caught"
    return concluded(stream, verdict, seen, caught, evidence)


def explain_noise_mean(stream: Stream, verdict: Verdict) -> Finding:
    """Say how far the mean lies from the evaluation pass."""
    shift = _evaluation_shift(stream)
    if not shift:
        return explain_mean(stream, verdict)
    return beside_evaluation(stream, shift, stream.scores.draws)


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


def explain_deviation(stream: Stream, verdict: Verdict) -> Finding:
    """Say what the deviation of the scores is."""
    test, sums = stream.setting.score_test, stream.scores
    resolution = test.resolution_deviation(sums)
    log_e, deviation = _log_e_deviation(test, sums), sums.centred().deviation
    evidence = _evidence(sums, deviation, (None, None), log_e, resolution)
    seen = f"the deviation of the normal scores is {deviation:.5g}; expected 1"
    caught = f"A factor of 1 + {resolution:.2g} (or its inverse) would have been caught"
    return concluded(stream, verdict, seen, caught, evidence)


def _evidence(
    sums: Sums,
    estimate: float,
    interval: tuple[float | None, float | None],
    log_e: float,
    resolution: float,
) -> Evidence:
    return Evidence(
        units=sums.draws,
        estimate=estimate,
        low=interval[0],
        high=interval[1],
        log10_e=log_e / math.log(10),
        resolution=resolution if math.isfinite(resolution) else None,
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
        return Finding(verdict, f"{seen} (e-value 10^{evidence.log10_e:.1f})", evidence)
    return Finding(verdict, f"{seen}. Too few draws to exclude a departure", evidence)


def _evaluation_shift(stream: Stream) -> float:
    """How far the factor of the evaluation pass is from E[M]; 0 where that is so, or unknown."""
    seen, mean = stream.evaluation_factor, stream.setting.law.mean(stream.setting.rate)
    if seen is None or abs(seen - mean) <= 4 * stream.setting.tolerance * abs(mean):
        return 0.0
    return seen - mean


def _decide(stream: Stream) -> Verdict:
    verdicts = (decide_mean(stream), decide_deviation(stream))
    if stream.setting.score_test.log_e(stream.scores) >= stream.setting.share.log_threshold:
        return "fail"
    return "pass" if verdicts == ("pass", "pass") else "inconclusive"


def _explain(stream: Stream, verdict: Verdict) -> Finding:
    test, sums = stream.setting.score_test, stream.scores
    resolution = max(test.resolution_mean(sums), test.resolution_deviation(sums))
    evidence = _evidence(sums, sums.mean, (None, None), test.log_e(sums), resolution)
    seen = (
        f"{sums.draws} normal scores have mean {sums.mean:.4g} and deviation "
        f"{sums.deviation:.5g}; expected 0 and 1"
    )
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
    "mean and in strength.",
    how="Each multiplier becomes a standard normal score by the law's distribution function. "
    "Number, sum and sum of squares of the scores are tested: an e-value against other means, "
    "and one against other deviations, each half on the departure to resolve and half spread "
    "over all sizes. It passes once a mean, and a deviation, that is off by as much is excluded.",
    spends=True,
    decide=_decide,
    explain=_explain,
    unit="the shift of the mean of the scores, and the relative change of their deviation",
    laws=CONTINUOUS,
)
