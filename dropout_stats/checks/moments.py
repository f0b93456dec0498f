"""Mean, zero-mean noise and variance: readings of what the rate, or the noise, is judged by.

For a two-valued law each moment is a function of the kept value (exact) and the keep probability
(tested), so each claim says: given the kept value that was seen, the keep probability is the one
that the declared moment needs. For a conforming target that is the law's keep probability, judged
by the same counts and the same test as `rate.marginal`: nothing more is spent. For a law with a
density they say what is wrong where `noise.marginal` refutes the law, for one of several values
they are readings of the counts of `noise.values`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeAlias

from dropout_stats.checks import noise_moments, noise_values, standard_inputs
from dropout_stats.checks.calls import shared_noise
from dropout_stats.checks.check import ALL_LAWS, StreamCheck
from dropout_stats.checks.evaluated import evaluation_factor, lawful_evaluation_factor
from dropout_stats.checks.rate import (
    keep_evidence,
    keep_verdict,
    nearest_keep_probs,
    stands_by_calls,
)
from dropout_stats.checks.stream import Stream
from dropout_stats.laws import two_valued
from dropout_stats.laws.dependent import without_moments
from dropout_stats.laws.indirect import moments_of
from dropout_stats.laws.law import Moments
from dropout_stats.results import Evidence, Finding, Verdict

# The keep probabilities that a moment allows, the nearest to the observed share first.
_Needed: TypeAlias = Callable[[Stream, float], tuple[float, ...]]
_Judge: TypeAlias = tuple[Callable[[Stream], Verdict], Callable[[Stream, Verdict], Finding]]


def _is_lawful(stream: Stream, kept: float) -> bool:
    return kept == two_valued(stream.setting.law).kept_factor(stream.setting.rate)


def _needed_for_mean(stream: Stream, kept: float) -> tuple[float, ...]:
    if _is_lawful(stream, kept):
        return nearest_keep_probs(stream)
    return (stream.setting.law.mean(stream.setting.rate) / kept,)


def _needed_for_noise_mean(stream: Stream, kept: float) -> tuple[float, ...]:
    centre = evaluation_factor(stream)
    if _is_lawful(stream, kept) and centre == lawful_evaluation_factor(stream):
        return nearest_keep_probs(stream)
    return (centre / kept,)


def _needed_for_variance(stream: Stream, kept: float) -> tuple[float, ...]:
    """In pairs: q and 1 - q give the same variance; () where none gives so large a one."""
    if _is_lawful(stream, kept):
        lawful = stream.setting.keep_probs
    else:
        declared = stream.setting.law.variance(stream.setting.rate)
        discriminant = 1 - 4 * declared / kept**2
        if discriminant < 0:
            return ()
        lawful = ((1 + math.sqrt(discriminant)) / 2,)
    share = stream.counts.share
    both = {q for one in lawful for q in (one, 1 - one)}
    return tuple(sorted(both, key=lambda q: (abs(q - share), q)))


def _mean_of(kept: float, keep_prob: float) -> float:
    return kept * keep_prob


def _variance_of(kept: float, keep_prob: float) -> float:
    return kept**2 * keep_prob * (1 - keep_prob)


def _decide(needed: _Needed) -> Callable[[Stream], Verdict]:
    def decide(stream: Stream) -> Verdict:
        kept = stream.kept_factor()
        if not kept or _unequal(stream):
            return "not-applicable"
        verdicts = [_verdict_on(stream, keep_prob) for keep_prob in needed(stream, kept)]
        if all(verdict == "fail" for verdict in verdicts):
            return "fail" if stream.counts.trials else "inconclusive"
        return verdicts[0] if verdicts[0] == "pass" else "inconclusive"

    return decide


def _unequal(stream: Stream) -> str | None:
    """Say why no mean or variance is that of each unit; None where they are."""
    setting = stream.setting
    why = without_moments(setting.law, setting.shape, setting.rate)
    if why is None:
        return None
    return (
        f"{why}, so neither E[A] = a nor one variance holds at each. What they follow from is held "
        "by rate.marginal, to the keep probability of each place, and by support.kept_value"
    )


def _verdict_on(stream: Stream, keep_prob: float) -> Verdict:
    if 0 < keep_prob < 1:
        return keep_verdict(stream, keep_prob)
    # Whether all units are kept (or none) is no matter of chance: the counts say it.
    close = 4 * stream.setting.tolerance
    certain = abs(keep_prob - round(stream.counts.share)) <= close
    return "pass" if certain and stream.counts.share in (0.0, 1.0) else "fail"


def _explain(
    name: Callable[[Moments], str],
    needed: _Needed,
    moment: Callable[[float, float], float],
    centre: Callable[[Stream], float],
    declared: Callable[[Stream], float],
) -> Callable[[Stream, Verdict], Finding]:
    """Make the explanation of one moment.

    `name` picks its name; `moment` maps (kept factor, keep probability) to the moment; `centre` is
    subtracted from it and `declared` is what should come out.
    """

    def explain(stream: Stream, verdict: Verdict) -> Finding:
        unequal = _unequal(stream)
        if unequal:
            return Finding("not-applicable", unequal)
        named = moments_of(stream.setting.law)
        called = name(named)
        kept = stream.kept_factor()
        if not kept:
            return Finding(
                "not-applicable",
                f"the outputs are not two-valued, so the counts do not give {called}: see "
                "support.kept_value",
            )
        keep_prob = next(iter(needed(stream, kept)), math.nan)
        reachable = 0 < keep_prob < 1
        evidence = keep_evidence(stream, keep_prob if reachable else stream.setting.keep_prob)
        shift, target = centre(stream), declared(stream)

        def at(q: float | None) -> float | None:
            return None if q is None else moment(kept, q) - shift

        low, high = _image(at, evidence.low, evidence.high)
        widest = [
            abs((at(keep_prob + step) or 0.0) - (at(keep_prob) or 0.0))
            for step in (evidence.resolution or 0.0, -(evidence.resolution or 0.0))
        ]
        found = Evidence(
            units=evidence.units,
            estimate=at(evidence.estimate),
            low=low,
            high=high,
            log10_e=evidence.log10_e if reachable else None,
            resolution=max(widest) if reachable and evidence.resolution else None,
        )
        seen = f"{called} = {found.estimate:.7g} in [{low:.7g}, {high:.7g}]; expected {target:.7g}"
        seen += f", where {named.where}" if named.where else ""
        if verdict == "fail":
            dependence = shared_noise(stream)
            if reachable and dependence and not stands_by_calls(stream, keep_prob):
                message = f"{seen}. But {dependence}: not so many independent draws"
                return Finding("inconclusive", message, found)
            return Finding("fail", seen, found)
        if verdict == "pass":
            reached = found.resolution
            caught = f". A shift of {reached:.2g} would have been caught" if reached else ""
            return Finding("pass", seen + caught, found)
        return Finding(verdict, f"{seen}. Too few units to exclude a shift", found)

    return explain


def _image(
    at: Callable[[float | None], float | None], low: float | None, high: float | None
) -> tuple[float, float]:
    ends = [low or 0.0, 1.0 if high is None else high]
    if ends[0] < 0.5 < ends[1]:
        ends.append(0.5)  # the variance peaks there
    values = [at(end) or 0.0 for end in ends]
    return min(values), max(values)


def _check(
    name: str,
    question: str,
    why: str,
    judges: tuple[_Judge, _Judge, _Judge],
    *,
    demands: str,
    how: str,
    unit: str,
) -> StreamCheck:
    by_kind = dict(zip(ALL_LAWS, judges, strict=True))

    def judge(stream: Stream) -> _Judge:
        return by_kind[stream.setting.law.kind]

    return StreamCheck(
        id=f"moments.{name}",
        question=question,
        why=why,
        demands=demands,
        how=how,
        spends=False,
        decide=lambda stream: judge(stream)[0](stream),
        explain=lambda stream, verdict: judge(stream)[1](stream, verdict),
        unit=unit,
        follows="rate.marginal",
        reads=noise_values.ID,
    )


def _mean_name(named: Moments) -> str:
    return named.mean


def _variance_name(named: Moments) -> str:
    return named.variance


def _zero(_: Stream) -> float:
    return 0.0


def _law_noise_mean(stream: Stream) -> float:
    """0, but for laws whose evaluation pass is another, or a keep probability that is quantised."""
    law, rate = stream.setting.law, stream.setting.rate
    mean, evaluated = law.mean(rate), law.evaluation_factor(rate)
    return 0.0 if math.isclose(mean, evaluated, rel_tol=1e-12) else mean - evaluated


def _law_mean(stream: Stream) -> float:
    return stream.setting.law.mean(stream.setting.rate)


def _law_variance(stream: Stream) -> float:
    return stream.setting.law.variance(stream.setting.rate)


def _either(ask: Callable[[Stream], bool], one: _Judge, other: _Judge) -> _Judge:
    """The first judge where `ask` says so, else the second."""
    return (
        lambda stream: (one if ask(stream) else other)[0](stream),
        lambda stream, verdict: (one if ask(stream) else other)[1](stream, verdict),
    )


MEAN = _check(
    "mean",
    "Is the mean of the training pass the law's (E[A] = a for inverted dropout)?",
    "A wrong scale and a wrong rate both shift the mean, unless one hides the other.",
    (
        (
            _decide(_needed_for_mean),
            _explain(_mean_name, _needed_for_mean, _mean_of, _zero, _law_mean),
        ),
        (noise_values.decide_mean, noise_values.explain_mean),
        (noise_moments.MEAN.decide, noise_moments.MEAN.explain),
    ),
    demands="The mean of a training pass shall be the law's: E[A] = a for inverted dropout, "
    "E[A] = (1 - rate) a for test-scaled dropout.",
    how="The mean is the kept factor, which is read off the outputs, times the keep "
    "probability. So the keep probability that the declared mean needs, given that factor, is "
    "tested on the counts of `rate.marginal`, by the same e-value. Not asked where the outputs "
    "have no common factor, or of blocks, whose places are kept with different probabilities. Of "
    "alpha dropout and of noise that is added it is about the factor that they are read as, which "
    "the message names. Of several values, the counts of `noise.values`. Of noise with a density "
    "an asymptotic confidence sequence of the multipliers, which fails it only where "
    "`noise.marginal` or `noise.support` refutes the law; a mean that the far tail carries (a "
    "probability of 1e-7 at 1e7) is not seen, and it is not applicable where a shift as large as "
    "the moment itself would not be.",
    unit="the shift of E[A]/a: the kept factor times the difference of the keep probability",
)

NOISE_MEAN = _check(
    "noise_mean",
    "Is the evaluation pass the mean of the training pass (zero-mean noise)?",
    "A network is trained with one mean and used with another: dropping or scaling in evaluation, "
    "or a scale in neither pass.",
    (
        _either(
            standard_inputs.applies,
            (standard_inputs.decide, standard_inputs.explain),
            (
                _decide(_needed_for_noise_mean),
                _explain(
                    lambda _: "E[noise]/a",
                    _needed_for_noise_mean,
                    _mean_of,
                    evaluation_factor,
                    _law_noise_mean,
                ),
            ),
        ),
        (noise_values.decide_noise_mean, noise_values.explain_noise_mean),
        (noise_moments.decide_noise_mean, noise_moments.explain_noise_mean),
    ),
    demands="The evaluation pass shall be the mean of the training pass: the noise, which is "
    "their difference, shall have mean 0; under alpha dropout, where inputs are from N(0, 1).",
    how="As for `moments.mean`: the keep probability at which the mean of the training pass is "
    "the evaluation pass, both as they were seen, is tested on the same counts. Where there is "
    "no evaluation pass, the law's stands for it. Of alpha dropout mean and variance of the "
    "outputs of inputs from N(0, 1) follow from the keep probability and the outputs of kept and "
    "of dropped units; it passes where `rate.marginal` and the evaluation pass do. Of noise with a "
    "density as asymptotic, and as blind to the far tail, as `moments.mean`.",
    unit="the shift of E[noise]/a: the kept factor times the difference of the keep probability",
)

VARIANCE = _check(
    "variance",
    "Is the variance of the training pass the law's?",
    "The strength of the regularisation is the variance of the noise.",
    (
        (
            _decide(_needed_for_variance),
            _explain(_variance_name, _needed_for_variance, _variance_of, _zero, _law_variance),
        ),
        (noise_values.decide_variance, noise_values.explain_variance),
        (noise_moments.VARIANCE.decide, noise_moments.VARIANCE.explain),
    ),
    demands="The variance of a training pass shall be the law's: rate (1 - rate) a^2 times the "
    "square of the kept factor.",
    how="As for `moments.mean`. Two keep probabilities, q and 1 - q, give the same variance: it "
    "fails where both are refuted, or where none gives so large a variance. Of noise with a "
    "density as asymptotic, and as blind to the far tail, as `moments.mean`.",
    unit="the shift of Var[A]/a^2 that the difference of the keep probability makes",
)
