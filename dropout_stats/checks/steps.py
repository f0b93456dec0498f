"""Has every step of a schedule the rate that the schedule says?"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dropout_stats import dtypes
from dropout_stats.checks.bench import Bench
from dropout_stats.checks.check import Probe
from dropout_stats.checks.frequencies import SURELY
from dropout_stats.evidence.tables import surplus
from dropout_stats.laws import Reading
from dropout_stats.results import Case, Evidence, Finding

Vector = NDArray[np.float64]

_NORMAL = 2.6  # standard deviations that are exceeded with probability below 0.01


class _Stretch(NamedTuple):
    """Consecutive steps, and what is wrong with them, in words."""

    start: int
    stop: int
    units: int
    seen: str


def _ask(bench: Bench, case: Case) -> Finding:
    steps = {step: rate for step, rate in bench.caller.steps.items() if rate < 1}
    if not steps:
        return Finding("not-applicable", "at every step everything is dropped")
    bench.caller.seed(case.id)
    readings = _read(bench, case, steps)
    return (
        _impossible(readings, steps) or _counted(bench, case, readings, steps) or _passed(readings)
    )


def _impossible(readings: Sequence[Reading], steps: Mapping[int, float]) -> Finding | None:
    wrong = [
        (step, reading)
        for step, reading in zip(steps, readings, strict=True)
        if reading.violations or reading.torn
    ]
    if not wrong:
        return None
    step, reading = wrong[0]
    said = reading.example or f"{reading.torn} units do not share their draws"
    return Finding(
        "fail",
        f"at step {step}, whose rate is {steps[step]:.7g}, {said}. So it is at {len(wrong)} of "
        f"{len(steps)} steps",
        Evidence(sum(one.units for one in readings)),
    )


def _counted(
    bench: Bench, case: Case, readings: Sequence[Reading], steps: Mapping[int, float]
) -> Finding | None:
    if readings[0].scores is None:
        found = _by_counts(bench, readings, list(steps.values()))
    elif case.dtype in dtypes.HALVES:
        return Finding("not-applicable", "in half precision roundings move the scores of noise")
    else:
        found = _by_scores(readings)
    if not found:
        return None
    names = list(steps)
    first, last = names[found.start], names[found.stop - 1]
    where = f"at step {first}" if first == last else f"at steps {first} to {last}"
    return Finding("fail", f"{where} {found.seen}", Evidence(found.units))


def _passed(readings: Sequence[Reading]) -> Finding:
    units = sum(reading.units for reading in readings)
    what, scale = ("keep probability", 1) if readings[0].scores is None else ("mean of scores", 2)
    of_one, of_all = (scale * _reach(number) for number in (readings[0].units, units))
    return Finding(
        "pass",
        f"at each of {len(readings)} steps a call has the values of its rate. A {what} that is off "
        f"by {of_one:.2g} at one step, or by {of_all:.2g} at all, would have been caught",
        Evidence(units, resolution=of_one),
    )


def _read(bench: Bench, case: Case, steps: Mapping[int, float]) -> list[Reading]:
    """One call at each step, in the order of training."""
    x = bench.inputs(bench.largest_shape, case.dtype, case.id)
    output = bench.conventions.output_dtype(case.dtype)
    return [
        bench.law.reader(x, rate, output).read(bench.train_at(x, step))
        for step, rate in steps.items()
    ]


def _by_counts(
    bench: Bench, readings: Sequence[Reading], rates: Sequence[float]
) -> _Stretch | None:
    """Chernoff's bound holds of units with several probabilities as of units with their mean."""
    units, kept = _sums([[r.units, r.kept] for r in readings])
    lawful = [bench.law.keep_probs(rate) for rate in rates]
    low, high = _sums(
        [[r.units * min(q), r.units * max(q)] for r, q in zip(readings, lawful, strict=True)]
    )
    worst: tuple[float, _Stretch | None] = (SURELY, None)
    for start, stop in _stretches(len(readings)):
        number, share = units[stop] - units[start], kept[stop] - kept[start]
        least, most = (ends[stop] - ends[start] for ends in (low, high))
        nearest = min(max(share, least), most)
        evidence = float(surplus(share, number, nearest / number))
        if evidence > worst[0]:
            seen = (
                f"{share / number:.6g} of {number:.0f} units were kept; expected "
                f"{nearest / number:.6g}"
            )
            worst = evidence, _Stretch(start, stop, int(number), seen)
    return worst[1]


def _by_scores(readings: Sequence[Reading]) -> _Stretch | None:
    """Chernoff's bound of the sum of standard normal scores, and of that of their squares."""
    drawn, first, second = _sums([list((r.scores or (0, 0, 0))[:3]) for r in readings])
    worst: tuple[float, _Stretch | None] = (SURELY, None)
    for start, stop in _stretches(len(readings)):
        n, total, squares = (one[stop] - one[start] for one in (drawn, first, second))
        excess = squares / n - 1
        evidence = max(total**2 / (2 * n), n / 2 * (excess - math.log1p(excess)))
        if evidence > worst[0]:
            seen = (
                f"{n:.0f} normal scores have mean {total / n:.4g} and root mean square "
                f"{math.sqrt(squares / n):.5g}; expected 0 and 1"
            )
            worst = evidence, _Stretch(start, stop, int(n), seen)
    return worst[1]


def _sums(rows: Sequence[Sequence[float]]) -> list[Vector]:
    """Each column, summed up to each row."""
    columns = np.cumsum(np.array(rows, np.float64), axis=0)
    return [np.concatenate(([0.0], column)) for column in columns.T]


def _stretches(steps: int) -> list[tuple[int, int]]:
    """Each step, pairs of steps, fours and so on, and all of them: fewer than twice the steps."""
    found = []
    length = 1
    while length < steps:
        found += [(start, start + length) for start in range(0, steps - length + 1, length)]
        length *= 2
    return [*found, (0, steps)]


def _reach(units: int) -> float:
    """What is caught with probability 0.99 of a bit, by Pinsker's inequality; of a score, twice."""
    return (math.sqrt(SURELY / 2) + _NORMAL / 2) / math.sqrt(units)


STEPS = Probe(
    id="rate.steps",
    question="Has every step of a schedule the rate that the schedule says?",
    why="A rate that is set once an epoch, a step that is counted twice, a restart that begins "
    "again at the first step, and a layer that stays in evaluation mode for a while are wrong at "
    "some steps only.",
    demands="At every step of a schedule a training pass shall have the rate of that step.",
    how="Asked of targets that follow a schedule: a call of the largest shape at each step, or at "
    "4,096 that are evenly spread, in the order of training. Every output must be a value of the "
    "law at the rate of its step: for inverted dropout, whose scale shows the rate, that alone "
    "tells a rate from its neighbour. Kept units are counted over each step, each two, four and "
    "so on, and over all: a count that has a probability below 2 e^-60 fails, and they are fewer "
    "than 8,192. Of noise with a density the sums of its scores and of their squares are counted.",
    places="once",
    ask=_ask,
    scheduled=True,
)
