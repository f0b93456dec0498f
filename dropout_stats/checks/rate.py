"""Is the keep probability 1 - rate?"""

from __future__ import annotations

import math

from dropout_stats.checks.calls import shared_noise
from dropout_stats.checks.check import TWO_VALUED, StreamCheck
from dropout_stats.checks.stream import Stream
from dropout_stats.evidence.betting import log_capital
from dropout_stats.laws import is_dependent
from dropout_stats.results import Evidence, Finding, Verdict


def keep_verdict(stream: Stream, keep_prob: float) -> Verdict:
    """The verdict of the counts on one keep probability, for the law's or a moment's."""
    test = stream.setting.keep_test(keep_prob)
    if test.log_e(stream.counts) >= stream.setting.share.log_threshold:
        return "fail"
    return "pass" if test.excludes_departures(stream.counts) else "inconclusive"


def keep_evidence(stream: Stream, keep_prob: float) -> Evidence:
    """The numbers behind `keep_verdict`, in units of the keep probability."""
    setting = stream.setting
    test = setting.keep_test(keep_prob)
    low, high = test.interval(stream.counts, setting.share.probability)
    resolution = test.resolution(stream.counts)
    return Evidence(
        units=stream.counts.trials,
        estimate=stream.counts.share if stream.counts.trials else None,
        low=low,
        high=high,
        log10_e=test.log_e(stream.counts) / math.log(10),
        resolution=resolution if math.isfinite(resolution) else None,
    )


def stands_by_calls(stream: Stream, keep_prob: float) -> bool:
    """Whether the keep probability is still refuted with whole calls as the units.

    Only calls with a new mask count: a copy says nothing new. Nothing is assumed of the units of
    one call among each other.
    """
    against = log_capital(stream.novel_shares, keep_prob)
    return against >= stream.setting.share.log_threshold


def nearest_keep_probs(stream: Stream) -> tuple[float, ...]:
    """The lawful keep probabilities, the one nearest to the observed share first."""
    lawful, share = stream.setting.keep_probs, stream.counts.share
    return tuple(sorted(lawful, key=lambda keep_prob: abs(keep_prob - share)))


def _decide(stream: Stream) -> Verdict:
    """Fail where all lawful keep probabilities are refuted, pass where one is confirmed."""
    verdicts = [keep_verdict(stream, keep_prob) for keep_prob in nearest_keep_probs(stream)]
    if all(verdict == "fail" for verdict in verdicts):
        return "fail"
    return "pass" if "pass" in verdicts else "inconclusive"


def _explain(stream: Stream, verdict: Verdict) -> Finding:
    setting = stream.setting
    keep_prob = nearest_keep_probs(stream)[0]
    evidence = keep_evidence(stream, keep_prob)
    counts = stream.counts
    seen = (
        f"{_counted(stream)} = {counts.share:.7g}; "
        f"declared keep probability {_declared(setting.keep_probs)} (rate {setting.rate:g})"
    )
    if verdict == "pass":
        # Near 0 and 1 a difference as large as can be told from chance exists on one side only.
        size = evidence.resolution or setting.departure
        message = f"{seen}. A difference of {size:.2g} would have been caught"
        return Finding("pass", message, evidence)
    if verdict == "inconclusive":
        return Finding(
            "inconclusive",
            f"{seen}. Too few units for the declared resolution {setting.departure:.2g}"
            + (f": {evidence.resolution:.2g} was reached" if evidence.resolution else ""),
            evidence,
        )
    dependence = shared_noise(stream)
    if dependence and not stands_by_calls(stream, keep_prob):
        return Finding(
            "inconclusive",
            f"{seen}. But {dependence}, so these units are not so many independent draws. With "
            f"whole calls as the units ({len(stream.novel_shares)} brought a new mask) the rate is "
            "not refuted: repair that first",
            evidence,
        )
    return Finding(
        "fail",
        f"{seen}. The keep probability lies in [{evidence.low:.7g}, {evidence.high:.7g}] "
        f"(e-value 10^{evidence.log10_e:.1f}, threshold "
        f"10^{setting.share.log_threshold / math.log(10):.1f})",
        evidence,
    )


def _counted(stream: Stream) -> str:
    """What was counted: units, or the independent bits that are made of their masks."""
    kept, units = stream.counts.successes, stream.counts.trials
    if is_dependent(stream.setting.law):
        return f"of {units} independent bits, made of the masks, {kept} say kept"
    return f"kept {kept} of {units} units"


def _declared(keep_probs: tuple[float, ...]) -> str:
    return " or ".join(f"{keep_prob:.7g}" for keep_prob in keep_probs)


MARGINAL = StreamCheck(
    id="rate.marginal",
    question="Is a unit kept with probability 1 - rate?",
    why="A swapped keep probability, a quantised threshold, dropout applied twice or never, and "
    "a wrong comparison all show in the share of kept units, at rates other than 0.5.",
    demands="A training pass shall keep each unit with probability 1 - rate or, under a law of "
    "quantised rates, with a neighbour of it on the declared grid.",
    how="Kept units are counted. The e-value is a mixture of likelihood ratios to the declared "
    "keep probability, half of it on the planned departure and half spread over all sizes; a "
    "departure of 2^-22, which correct code in float32 may show, is not accused. It passes once "
    "the planned departure is excluded on both sides. Of exact counts and blocks the independent "
    "bits are counted that masks are made into, places of blocks each by its own keep "
    "probability. Where units are known not to draw independently, it fails only if whole calls, "
    "each as one unit, refute the rate as well.",
    unit="the difference of the keep probability from the declared one",
    spends=True,
    decide=_decide,
    explain=_explain,
    laws=TWO_VALUED,
)
