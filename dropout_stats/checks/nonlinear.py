"""Is the gap behind a nonlinear unit the law's: E f(z) in training, f(z) in evaluation?

The masks of the target are pushed through a unit whose E f(z) is known with a proved error; what
they make of it is a mean of independent values of a known finite set.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dropout_stats.checks.block import Block
from dropout_stats.checks.calls import masks_repeat
from dropout_stats.checks.check import TWO_VALUED, StreamCheck
from dropout_stats.checks.context import Place
from dropout_stats.checks.evaluated import evaluation_factor, lawful_evaluation_factor
from dropout_stats.checks.rate import nearest_keep_probs
from dropout_stats.checks.stream import Stream
from dropout_stats.checks.unit import FUNCTIONS, SUMS, Unit, inputs_of, mean_test, rows_of, unit_of
from dropout_stats.evidence.means import MeanTest
from dropout_stats.evidence.numerics import log_sum_exp
from dropout_stats.gap.activations import activation_of
from dropout_stats.laws import AnyLaw, is_dependent, is_indirect, two_valued
from dropout_stats.laws.reading import Array
from dropout_stats.results import Evidence, Finding, Verdict

ID = "gap.nonlinear"


class SumTally:
    """How often the unit's inputs add up to 0, 1, ..., before they are scaled."""

    def __init__(self, place: Place, inputs: Sequence[Array]) -> None:  # noqa: ARG002 - as a context
        self._rows = rows_of(place.units)
        total = Unit(inputs_of(place.units), place.keep_prob).total
        self.histogram = np.zeros(total + 1, np.int64)

    def add(self, block: Block) -> None:
        """Take whole calls."""
        words = SUMS[block.packed[:, : 8 * self._rows]].reshape(-1, 8)
        sums = words.sum(axis=1, dtype=np.uint16)
        self.histogram += np.bincount(sums, minlength=len(self.histogram))


class _Gap(NamedTuple):
    """E f(z) - f(evaluation) as it was seen, and as it is under the law."""

    seen: float
    lawful: float
    evaluated: float
    away: float  # of E f(z) from the law's, in standard deviations of f(z)


@dataclass(frozen=True)
class _Seen:
    """A stream, against one of the lawful keep probabilities.

    Args:
        stream: what was read.
        keep_prob: the keep probability.
        kept: the kept factor that was seen, over the law's.

    """

    stream: Stream
    keep_prob: float
    kept: float

    @property
    def is_resolvable(self) -> bool:
        return math.isfinite(self.stream.setting.factors[ID])

    @property
    def counts(self) -> NDArray[np.int64]:
        tally = self.stream.tallies[ID]
        assert isinstance(tally, SumTally)  # noqa: S101 - made by this check
        return tally.histogram

    @property
    def unit(self) -> Unit:
        return unit_of(inputs_of(self.stream.setting.units), self.keep_prob)

    @cached_property
    def tests(self) -> dict[str, MeanTest]:
        setting = self.stream.setting
        # As for the rate, the lawful keep probabilities share the chance of a miss.
        power = 1 - (1 - setting.power) / len(setting.keep_probs)
        shift = setting.factors[ID] if self.is_resolvable else 1.0
        return {f: mean_test(self.unit, f, self.kept, shift, power) for f in FUNCTIONS}

    @property
    def log_e(self) -> float:
        """Of the mean of the e-values of the functions, which share their sums."""
        logs = np.array([test.log_e(self.counts) for test in self.tests.values()])
        return log_sum_exp(logs) - math.log(len(logs))

    def verdict(self) -> Verdict:
        """What the training passes say."""
        if self.log_e >= self.stream.setting.share.log_threshold:
            return "fail"
        if not self.is_resolvable:
            return "not-applicable" if self.stream.is_long_enough else "inconclusive"
        excluded = all(test.excludes_shift(self.counts) for test in self.tests.values())
        return "pass" if excluded else "inconclusive"

    def gap(self, f: str) -> _Gap:
        """Both gaps of one function."""
        test, rows = self.tests[f], int(self.counts.sum())
        mean = float(self.counts @ test.values) / rows
        expected = (test.low + test.high) / 2
        evaluated = self._at(f, evaluation_factor(self.stream))
        lawful = expected - self._at(f, lawful_evaluation_factor(self.stream))
        away = abs(mean - expected) / test.deviation
        return _Gap(mean - evaluated, lawful, evaluated, away)

    def _at(self, f: str, factor: float) -> float:
        """f(z) where an evaluation pass multiplies by this factor."""
        setting = self.stream.setting
        kept = two_valued(setting.law).kept_factor(setting.rate)
        return float(
            activation_of(f).values(self.unit.z(np.array([self.unit.total]), factor / kept))[0]
        )


def _seen(stream: Stream) -> list[_Seen]:
    """Against each lawful keep probability, the nearest first; empty where there is no z."""
    if _has_other_draws(stream.setting.law):
        return []
    kept = stream.kept_factor()
    if not kept:
        return []
    relative = kept / two_valued(stream.setting.law).kept_factor(stream.setting.rate)
    return [_Seen(stream, keep_prob, relative) for keep_prob in nearest_keep_probs(stream)]


def _has_other_draws(law: AnyLaw) -> bool:
    """Whether the bits of a stream are not what a next layer would be given."""
    return is_dependent(law) or is_indirect(law)


def _decide(stream: Stream) -> Verdict:
    seen = _seen(stream)
    if not stream.counts.trials or not seen:
        return "not-applicable" if stream.counts.trials else "inconclusive"
    if evaluation_factor(stream) != lawful_evaluation_factor(stream):
        return "fail"
    verdicts = [one.verdict() for one in seen]
    if all(verdict == "fail" for verdict in verdicts):
        return "fail"
    decided: tuple[Verdict, ...] = ("pass", "not-applicable")
    return next((verdict for verdict in decided if verdict in verdicts), "inconclusive")


def _explain(stream: Stream, verdict: Verdict) -> Finding:
    if _has_other_draws(stream.setting.law):
        return Finding(
            "not-applicable",
            "what this law makes of its input is no sum over independent kept units: E f(z) has no "
            "closed form here",
        )
    seen = _seen(stream)
    if not seen:
        return Finding(
            "not-applicable",
            "the outputs are not two-valued, so that masks do not give z: see support.kept_value",
        )
    one = seen[0]
    gaps = {f: one.gap(f) for f in FUNCTIONS}
    evidence = _evidence(one, gaps)
    said = ", ".join(
        f"{gap.seen:.5g} for {f} (expected {gap.lawful:.5g})" for f, gap in gaps.items()
    )
    message = (
        f"behind a unit of {one.unit.inputs} inputs, E f(z) in training less f(z) in evaluation is "
        f"{said}"
    )
    declared = stream.setting.factors[ID]
    if verdict == "fail":
        return _failed(one, message, evidence)
    if not one.is_resolvable:
        return Finding(verdict, f"{message}. So few rows cannot show a shift of it", evidence)
    if verdict == "inconclusive":
        few = f"Too few rows for the declared shift of E f(z), {declared:.2g} standard deviations"
        return Finding("inconclusive", f"{message}. {few}", evidence)
    shift = f"A shift of E f(z) by {declared:.2g} standard deviations of f(z)"
    return Finding("pass", f"{message}. {shift} would have been caught", evidence)


def _failed(one: _Seen, message: str, evidence: Evidence) -> Finding:
    stream = one.stream
    evaluates, lawful = evaluation_factor(stream), lawful_evaluation_factor(stream)
    if evaluates != lawful:
        said = f"The evaluation pass multiplies by {evaluates:.7g}; the law by {lawful:.7g}"
        return Finding("fail", f"{message}. {said}", evidence)
    if masks_repeat(stream):
        few = f"But only {stream.repeats.distinct} of {stream.calls} masks were new"
        return Finding("inconclusive", f"{message}. {few}: repair that first", evidence)
    return Finding(
        "fail",
        f"{message} (e-value 10^{evidence.log10_e:.1f}, threshold "
        f"10^{stream.setting.share.log_threshold / math.log(10):.1f})",
        evidence,
    )


def _evidence(one: _Seen, gaps: dict[str, _Gap]) -> Evidence:
    """Of the function that is farthest from the law."""
    worst = max(gaps, key=lambda f: gaps[f].away)
    test, gap, counts = one.tests[worst], gaps[worst], one.counts
    low, high = test.interval(counts, one.stream.setting.share.probability)
    declared = one.stream.setting.factors[ID]
    return Evidence(
        units=int(counts.sum()),
        estimate=gap.seen,
        low=low - gap.evaluated,
        high=high - gap.evaluated,
        log10_e=one.log_e / math.log(10),
        resolution=declared if one.verdict() == "pass" else None,
    )


NONLINEAR = StreamCheck(
    id=ID,
    question="Is the gap behind a nonlinear layer the law's?",
    why="Test-time scaling and training-time scaling agree through a linear layer and not through "
    "a nonlinear one: there E f(z) depends on the whole law of the masks, and a network is "
    "trained with it and used without.",
    demands="Behind a nonlinear unit the mean of the training pass shall be the law's E f(z), and "
    "the evaluation pass shall give f of the law's evaluation output.",
    how="The masks are the inputs of a unit: 64 draws in a row, with weights 1, 2, ..., 8, "
    "repeated, which are scaled so that its pre-activation z varies by about 1. E f(z) under the "
    "law is exact up to a proved error, for relu, gelu and tanh; the e-value is a mixture of bets "
    "on a shift of it, on the sums that were seen. Kept units count with the factor that was seen. "
    "The evaluation pass is held to f of the law's, exactly. It passes once a shift of the planned "
    "size is excluded for each of the functions. Not asked where z is no sum over independent kept "
    "units: of exact counts, blocks and alpha dropout.",
    unit="the shift of E f(z), in standard deviations of f(z)",
    spends=True,
    decide=_decide,
    explain=_explain,
    tally=SumTally,
    laws=TWO_VALUED,
)
