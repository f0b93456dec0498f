"""Has the noise of a law with a density the law's mean and variance?

Two questions, apart from each other. Whether the draws follow the law at all is a matter of their
scores, and what `noise.marginal` spends its error probability on. Where it refutes the law, mean
and variance of the multipliers themselves say which of them is wrong.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple, cast

from dropout_stats import dtypes
from dropout_stats.checks.scores import beside_evaluation, concluded
from dropout_stats.checks.stream import Stream
from dropout_stats.evidence.normal import NormalTest, Sums
from dropout_stats.evidence.powers import Interval, Powers
from dropout_stats.laws.continuous import Multiplicative
from dropout_stats.laws.indirect import moments_of
from dropout_stats.laws.law import Moments
from dropout_stats.results import Evidence, Finding, Verdict


class _Seen(NamedTuple):
    """A moment in its own units, and what is known of it by now."""

    declared: float
    estimate: float
    interval: Interval  # at the error probability of a check
    likely: Interval  # at the probability to miss a departure
    departure: float  # of this moment: what is to be resolved
    reached: float  # the smallest that scores exclude where they are multiples of the noise

    @property
    def is_refuted(self) -> bool:
        """Whether the declared value lies outside of the interval."""
        return not self.interval[0] <= self.declared <= self.interval[1]

    @property
    def excluded(self) -> float:
        """The smallest departure that the multipliers exclude."""
        return max(self.declared - self.likely[0], self.likely[1] - self.declared)

    @property
    def is_told(self) -> bool:
        """Whether they exclude a departure as large as the moment itself, or the one to resolve."""
        return self.excluded <= max(abs(self.declared), self.departure)


@dataclass(frozen=True)
class Moment:
    """Mean or variance of the noise."""

    name: Callable[[Moments], str]
    seen: Callable[[Stream], _Seen]
    excludes: Callable[[NormalTest, Sums], bool]

    def decide(self, stream: Stream) -> Verdict:
        """Fail where the law is refuted, and this moment of the multipliers is not the law's."""
        if not stream.scores.draws:
            return "inconclusive"
        if not _is_refuted(stream):
            if not self.excludes(stream.setting.score_test, stream.scores):
                return "inconclusive"
            told = _law(stream).is_normal or self.seen(stream).is_told
            return "pass" if told else "not-applicable"
        seen = self.seen(stream)
        if seen.is_refuted:
            return "fail"
        return "pass" if seen.excluded <= seen.departure else "inconclusive"

    def explain(self, stream: Stream, verdict: Verdict) -> Finding:
        """Say what it is."""
        if not stream.scores.draws:
            return Finding("inconclusive", "no multiplier is possible: see noise.support")
        seen = self.seen(stream)
        law, (low, high) = _law(stream), seen.interval
        by_scores = law.is_normal and not _is_refuted(stream)
        reached = seen.reached if by_scores else seen.excluded
        log_e = stream.setting.score_test.log_e(stream.scores) / math.log(10)
        impossible = stream.violations and not _scores_refute(stream)
        evidence = Evidence(
            units=stream.scores.draws,
            estimate=seen.estimate,
            low=low if math.isfinite(low) else None,
            high=high if math.isfinite(high) else None,
            log10_e=None if impossible else log_e,
            resolution=reached if math.isfinite(reached) else None,
        )
        said = (
            f"{self.name(moments_of(law))} = {seen.estimate:.7g} in [{low:.7g}, {high:.7g}], "
            f"asymptotically; expected {seen.declared:.7g}"
        )
        if verdict == "not-applicable":
            message = (
                f"{said}. So many draws would not show a shift of {reached:.2g}, more than the "
                "moment itself: the law is judged by noise.marginal, on its scores"
            )
            return Finding(verdict, message, replace(evidence, resolution=None))
        shift = f"A shift of {reached:.2g}"
        caught = f"{shift} would have been caught, unless rare, far values carry it"
        return concluded(stream, verdict, said, caught, evidence)


def _is_refuted(stream: Stream) -> bool:
    """Whether the law is: by its scores, or by multipliers that it does not allow."""
    return bool(stream.violations) or _scores_refute(stream)


def _scores_refute(stream: Stream) -> bool:
    test, share = stream.setting.score_test, stream.setting.share
    return test.log_e(stream.scores) >= share.log_threshold


def _seen_mean(stream: Stream) -> _Seen:
    setting, powers = stream.setting, _powers(stream)
    law, test = setting.law, setting.score_test
    deviation, declared = math.sqrt(law.variance(setting.rate)), law.mean(setting.rate)

    def interval(alpha: float) -> Interval:
        low, high = powers.interval_mean(alpha, test.departure)
        return declared + (low - test.band) * deviation, declared + (high + test.band) * deviation

    return _Seen(
        declared=declared,
        estimate=declared + powers.mean * deviation,
        interval=interval(setting.share.probability),
        likely=interval(1 - test.power),
        departure=test.departure * deviation,
        reached=test.resolution_mean(stream.scores) * deviation,
    )


def _seen_variance(stream: Stream) -> _Seen:
    setting, powers = stream.setting, _powers(stream)
    test, declared = setting.score_test, setting.law.variance(setting.rate)

    def interval(alpha: float) -> Interval:
        low, high = powers.interval_variance(alpha, test.departure)
        slack = _slack(stream) + _of_variance(test.band) * declared
        return max(low * declared - slack, 0.0), high * declared + slack

    return _Seen(
        declared=declared,
        estimate=powers.variance * declared,
        interval=interval(setting.share.probability),
        likely=interval(1 - test.power),
        departure=_of_variance(test.departure) * declared,
        reached=_of_variance(test.resolution_deviation(stream.scores)) * declared,
    )


def _of_variance(change: float) -> float:
    """The relative change of a variance whose deviation changes by so much."""
    return (1 + change) ** 2 - 1


def _powers(stream: Stream) -> Powers:
    return Powers.of(stream.powers, _law(stream).kurtosis(stream.setting.rate))


def _law(stream: Stream) -> Multiplicative:
    return cast("Multiplicative", stream.setting.law)  # no other is asked


def _slack(stream: Stream) -> float:
    """What the rounding of outputs may add to a variance: three times that of even rounding."""
    law, rate = stream.setting.law, stream.setting.rate
    eps = dtypes.precision(stream.setting.output_dtype).eps
    return eps**2 / 4 * (law.mean(rate) ** 2 + law.variance(rate))


MEAN = Moment(lambda named: named.mean, _seen_mean, NormalTest.excludes_mean)
VARIANCE = Moment(lambda named: named.variance, _seen_variance, NormalTest.excludes_deviation)


def decide_noise_mean(stream: Stream) -> Verdict:
    """As of the mean, unless the evaluation pass that was seen is not the law's mean."""
    return "fail" if _evaluation_shift(stream) else MEAN.decide(stream)


def explain_noise_mean(stream: Stream, verdict: Verdict) -> Finding:
    """Say how far the mean lies from the evaluation pass."""
    shift = _evaluation_shift(stream)
    if not shift:
        return MEAN.explain(stream, verdict)
    return beside_evaluation(stream, shift, stream.scores.draws)


def _evaluation_shift(stream: Stream) -> float:
    """How far the factor of the evaluation pass is from E[M]; 0 where that is so, or unknown."""
    seen, mean = stream.evaluation_factor, stream.setting.law.mean(stream.setting.rate)
    if seen is None or abs(seen - mean) <= 4 * stream.setting.tolerance * abs(mean):
        return 0.0
    return seen - mean
