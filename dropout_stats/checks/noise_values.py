"""Is each of several values taken with its probability, and has their mix the law's moments?

Counts of values are all that one configuration says. Each question is the mean of a score of the
values: of one value its frequency, of all together their mean and their variance.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from dropout_stats.checks.block import Block
from dropout_stats.checks.check import SEVERAL_VALUED
from dropout_stats.checks.context import Group, Place, Tested
from dropout_stats.checks.counted import counted
from dropout_stats.checks.scores import beside_evaluation, concluded
from dropout_stats.checks.stream import Stream
from dropout_stats.evidence.departures import Tilted, Vector
from dropout_stats.evidence.tables import Table, TableTest
from dropout_stats.laws.reading import Array
from dropout_stats.laws.several_valued import Value
from dropout_stats.results import Evidence, Finding, Verdict

ID = "noise.values"
# Twice the departure that the calls of a run are planned for: several are excluded at once.
_SIZE = 2.0**-9  # standard deviations of a score
_MOST_SHOWN = 6
_MEAN, _VARIANCE = "the mean", "the variance"
_CONSTANT = 1e-9  # relative to the variance: two values that are as far from their mean


def _scores(numbers: Vector, chances: Vector) -> tuple[float, ...]:
    """The same with mean 0 and variance 1; () where they do not vary."""
    centred = numbers - chances @ numbers
    deviation = math.sqrt(chances @ centred**2)
    if deviation <= _CONSTANT * float(np.abs(numbers).max()):
        return ()
    return tuple((centred / deviation).tolist())


@lru_cache(maxsize=256)
def _groups(values: tuple[Value, ...], units: int) -> tuple[Group, ...]:
    """Each value's share, the mean and, where it can differ, the variance about that mean."""
    if not values:
        return ()
    numbers, chances = np.transpose(values)
    asked = [
        *(("the share of a value", one, 0.5 / len(values)) for one in np.eye(len(values))),
        (_MEAN, numbers, 0.25),
        (_VARIANCE, (numbers - chances @ numbers) ** 2, 0.25),
    ]
    scored = ((name, _scores(number, chances), weight) for name, number, weight in asked)
    return tuple(
        Group(name, 1, units, Tilted(tuple(chances.tolist()), scores), _SIZE, weight)
        for name, scores, weight in scored
        if scores
    )


class _ValueTally:
    def __init__(self, place: Place) -> None:
        self._seen = np.zeros(len(place.values), np.int64)
        self._groups = len(_groups(place.values, place.units))

    def add(self, block: Block) -> None:
        self._seen += block.values

    def tables(self) -> list[Table]:
        return [self._seen[np.newaxis]] * self._groups

    def surplus(self, tables: Sequence[Table]) -> list[float]:
        """The probability of a value is the law's; there is no other that would do."""
        return [0.0] * len(tables)


@dataclass(frozen=True)
class Values:
    """Nothing: the values of all units are counted."""

    def groups(self, place: Place) -> tuple[Group, ...]:
        """One cell each, with a symbol a value; under other laws none."""
        return _groups(place.values, place.units)

    def tally(self, place: Place, inputs: Sequence[Array]) -> _ValueTally:  # noqa: ARG002
        """Count values."""
        return _ValueTally(place)

    def cell(self, place: Place, group: int, cell: int) -> str:  # noqa: ARG002
        """Name the question."""
        return self.groups(place)[group].name


def _described(values: Sequence[Value], counts: Vector, verdict: Verdict) -> str:
    """How often each value was taken, those that are farthest off first where there are many."""
    total = max(1, int(counts.sum()))

    def off(one: int) -> float:
        chance = values[one].chance
        return -float(abs(counts[one] / total - chance)) / math.sqrt(chance * (1 - chance))

    places = range(len(values))
    shown = places if len(values) <= _MOST_SHOWN else sorted(places, key=off)[:_MOST_SHOWN]
    shares = ", ".join(
        f"{values[one].value:.7g}: {counts[one] / total:.6g} (expected {values[one].chance:.6g})"
        for one in shown
    )
    more = f" and {len(values) - len(shown)} others" if len(values) > len(shown) else ""
    farthest = min(places, key=off)
    way = ", too frequent" if counts[farthest] > total * values[farthest].chance else ", too rare"
    way = way if verdict == "fail" else ""
    return (
        f"shares of the values among {int(counts.sum())} multipliers are {shares}{more}; the "
        f"farthest off is {values[farthest].value:.7g}{way}"
    )


def _explain(stream: Stream, verdict: Verdict) -> Finding:
    seen, values = stream.seen(ID), stream.setting.place.values
    counts = seen.tables[0][0]
    reached = seen.resolution if math.isfinite(seen.resolution) else None
    evidence = Evidence(seen.units, log10_e=seen.log_e / math.log(10), resolution=reached)
    said = _described(values, counts, verdict)
    caught = f"A shift of {reached or 0:.2g} standard deviations would have been caught"
    return concluded(stream, verdict, said, caught, evidence)


VALUES = replace(
    counted(
        ID,
        "Is each value of the multiplier taken with its probability?",
        "Values that are all lawful may be taken too often or too rarely: a threshold that is "
        "compared with the wrong end, a second draw that is made of what the first has left, a "
        "probability that is halved twice.",
        Values(),
        demands="Each value of the multiplier shall be taken with the probability that the law "
        "gives it at this rate.",
        how="Values are counted. Tested are the share of each, their mean and, unless all are "
        "as far from it, their variance about the declared mean, each as the mean of a score "
        "of the values that has mean 0 and variance 1 under the law. Half of the evidence is "
        "on the shares and a quarter on either moment; `moments.mean` and `moments.variance` "
        "read that.",
        unit="the shift of such a score, in its standard deviations",
        laws=SEVERAL_VALUED,
    ),
    explain=_explain,
)


def _asked(stream: Stream, name: str) -> tuple[Tested, Table] | None:
    """The question of one moment and its table; None where the law leaves nothing to ask."""
    seen = stream.seen(ID)
    pairs = zip(seen.tests, seen.tables, strict=True)
    return next((pair for pair in pairs if pair[0].group.name == name), None)


def _log_e(tested: Tested, test: TableTest, table: Table) -> float:
    return test.log_e(table) + math.log(tested.group.weight)


def _decided(stream: Stream, name: str) -> Verdict:
    """The verdict on one moment; where it fails, `noise.values` does, at the same look."""
    if stream.violations:
        return "not-applicable"
    asked = _asked(stream, name)
    if asked is None:
        return "pass" if stream.counts.trials else "inconclusive"
    tested, table = asked
    if _log_e(tested, tested.test, table) >= stream.setting.share.log_threshold:
        return "fail"
    if not tested.named:
        is_late = stream.calls >= stream.setting.expected_calls
        return "not-applicable" if is_late else "inconclusive"
    return "pass" if table.sum() and tested.test.excludes(table) else "inconclusive"


def decide_mean(stream: Stream) -> Verdict:
    """The verdict on E[M]."""
    return _decided(stream, _MEAN)


def decide_noise_mean(stream: Stream) -> Verdict:
    """The same, unless the evaluation pass that was seen is neither the law's nor the mean."""
    return "fail" if _evaluation_shift(stream) else decide_mean(stream)


def decide_variance(stream: Stream) -> Verdict:
    """The verdict on Var[M]; a wrong mean alone does not fail it."""
    verdict = _decided(stream, _VARIANCE)
    return "inconclusive" if verdict == "fail" and not _stands_about_own_mean(stream) else verdict


def _stands_about_own_mean(stream: Stream) -> bool:
    """Whether the variance about the mean that was seen is refuted, too."""
    asked = _asked(stream, _VARIANCE)
    if asked is None:
        return False
    tested, table = asked
    law, rate = stream.setting.law, stream.setting.rate
    numbers, chances = np.transpose(stream.setting.place.values)
    scores = (numbers - _seen_moments(stream)[0]) ** 2 - law.variance(rate)
    if not scores.min() < 0 < scores.max():
        return True
    tilted = Tilted(tuple(chances.tolist()), tuple((scores / np.abs(scores).max()).tolist()))
    own = replace(tested.test, departure=tilted)
    return _log_e(tested, own, table) >= stream.setting.share.log_threshold


def _seen_moments(stream: Stream) -> tuple[float, float]:
    """Mean and variance of the multipliers that were seen."""
    numbers, _ = np.transpose(stream.setting.place.values)
    counts = stream.seen(ID).tables[0][0]
    shares = counts / max(1, counts.sum())
    mean = float(shares @ numbers)
    return mean, float(shares @ (numbers - mean) ** 2)


def _evaluation_shift(stream: Stream) -> float:
    """How far the evaluation pass is from E[M]; 0 where it is the law's, or unknown."""
    law, rate, seen = stream.setting.law, stream.setting.rate, stream.evaluation_factor
    near = 4 * stream.setting.tolerance
    for lawful in (law.evaluation_factor(rate), law.mean(rate)):
        if seen is None or abs(seen - lawful) <= near * abs(lawful):
            return 0.0
    return (seen or 0.0) - law.mean(rate)


def explain_mean(stream: Stream, verdict: Verdict) -> Finding:
    """Say what the mean is."""
    lawful = stream.setting.law.mean(stream.setting.rate)
    seen = _seen_moments(stream)[0]
    return _found(stream, verdict, _MEAN, seen, f"E[A]/a = {seen:.7g}; expected {lawful:.7g}")


def explain_noise_mean(stream: Stream, verdict: Verdict) -> Finding:
    """Say how far the mean lies from the evaluation pass."""
    shift = _evaluation_shift(stream)
    if not shift:
        return explain_mean(stream, verdict)
    return beside_evaluation(stream, shift, stream.counts.trials)


def explain_variance(stream: Stream, verdict: Verdict) -> Finding:
    """Say what the variance is."""
    lawful = stream.setting.law.variance(stream.setting.rate)
    seen = _seen_moments(stream)[1]
    said = f"Var[A]/a^2 = {seen:.7g}; expected {lawful:.7g}"
    return _found(stream, verdict, _VARIANCE, seen, said)


def _found(stream: Stream, verdict: Verdict, name: str, estimate: float, said: str) -> Finding:
    if stream.violations:
        message = "outputs show other values than declared, whose moments these are not: see "
        return Finding("not-applicable", f"{message}noise.support")
    asked = _asked(stream, name)
    if asked is None:
        message = f"{said}: each value is as far from the mean, whatever their shares"
        return Finding(verdict, message, Evidence(stream.counts.trials, estimate=estimate))
    tested, table = asked
    reached = tested.test.resolution(table)
    log_e = _log_e(tested, tested.test, table) / math.log(10)
    resolution = reached if math.isfinite(reached) else None
    evidence = Evidence(int(table.sum()), estimate, log10_e=log_e, resolution=resolution)
    caught = f"A shift of {reached:.2g} standard deviations would have been caught"
    return concluded(stream, verdict, said, caught, evidence)
