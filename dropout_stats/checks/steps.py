"""Has every step of a schedule the rate that the schedule says?"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dropout_stats import dtypes
from dropout_stats.checks.bench import Bench
from dropout_stats.checks.check import Probe
from dropout_stats.checks.frequencies import SURELY
from dropout_stats.errors import UsageError
from dropout_stats.evidence.tables import surplus
from dropout_stats.laws import Reading, is_dependent, is_indirect, is_two_valued, values_of
from dropout_stats.results import Case, Evidence, Finding

Vector = NDArray[np.float64]
Judge = Callable[[int, int], tuple[float, str]]  # evidence against steps from .. to, and in words

_UNITS = 4096  # of a call, if one of the shapes has so many
_NORMAL = 2.6  # standard deviations that are exceeded with probability below 0.01
_NOTHING = 1e-12  # a sum of squares, of what it should be, that rounding leaves of 0


class _Step(NamedTuple):
    """What one step showed: impossible outputs, in words, or draws to be counted."""

    number: int
    rate: float
    problem: str | None
    reading: Reading | None


def _ask(bench: Bench, case: Case) -> Finding:
    bench.caller.seed(case.id)
    try:
        steps = list(_steps(bench, case))
    except UsageError as error:  # of the law, at a rate of the schedule
        return Finding("not-applicable", f"the law itself does not hold at a step: {error}")
    drawn = [(step, step.reading) for step in steps if step.reading and 0 < step.rate < 1]
    units = sum(reading.units for _, reading in drawn)
    found = _impossible(steps) or (_miscounted(bench, case, drawn) if drawn else None)
    if found:
        return Finding("fail", found, Evidence(units))
    left_out = len(bench.caller.steps) - len(steps) + bench.caller.steps_left_out
    said = f"at each of {len(steps)} steps a call has the values of its rate"
    without = (
        f"; {left_out} are left out, whose rates are too near 0 or 1, or 1" if left_out else ""
    )
    reach = _reached(bench, case, min((r.units for _, r in drawn), default=0), units)
    return Finding("pass", f"{said}{without}{reach}", Evidence(units))


def _steps(bench: Bench, case: Case) -> Iterator[_Step]:
    """One call at each step, in the order of training."""
    fitting = [shape for shape in bench.shapes if bench.units(shape) >= _UNITS]
    shape = min(fitting, key=bench.units) if fitting else bench.largest_shape
    x = bench.inputs(shape, case.dtype, case.id)
    output = bench.conventions.output_dtype(case.dtype)
    # Nobody says what other targets do at rate 1.
    has_end = bench.conventions.rate_domain == "[0, 1]" and is_two_valued(bench.law)
    for step, rate in bench.caller.steps.items():
        if rate < 1:
            reading = bench.law.reader(x, rate, output).read(bench.train_at(x, step))
            yield _Step(step, rate, _problem(reading, rate), reading)
        elif has_end and not is_indirect(bench.law):
            kept = int(np.count_nonzero(bench.train_at(x, step)))
            problem = f"{kept} of {x.size} outputs are not 0" if kept else None
            yield _Step(step, rate, problem, None)


def _problem(reading: Reading, rate: float) -> str | None:
    if reading.violations:
        return str(reading.example)
    if reading.torn:
        return f"{reading.torn} units do not share their draws"
    if rate == 0 and reading.kept < reading.units:
        return f"{reading.units - reading.kept} of {reading.units} units were dropped"
    return reading.miscount


def _impossible(steps: Sequence[_Step]) -> str | None:
    wrong = [step for step in steps if step.problem]
    if not wrong:
        return None
    first, rate, problem, _ = wrong[0]
    return (
        f"at step {first}, whose rate is {rate:.7g}, {problem}. So it is at {len(wrong)} of "
        f"{len(steps)} steps"
    )


def _miscounted(bench: Bench, case: Case, drawn: Sequence[tuple[_Step, Reading]]) -> str | None:
    """The stretch of steps with the most evidence against it, where that is enough."""
    if bench.law.kind == "continuous":
        judges = [] if case.dtype in dtypes.HALVES else [_by_scores([r for _, r in drawn])]
    else:
        judges = _by_counts(bench, drawn)
    tried = [
        (*judge(start, stop), start, stop)
        for judge in judges
        for start, stop in _stretches(len(drawn))
    ]
    evidence, seen, start, stop = max(tried, default=(0.0, "", 0, 0))
    if evidence <= SURELY:
        return None
    first, last = drawn[start][0].number, drawn[stop - 1][0].number
    where = f"at step {first}" if first == last else f"at steps {first} to {last}"
    return f"{where} {seen}"


def _by_counts(bench: Bench, drawn: Sequence[tuple[_Step, Reading]]) -> list[Judge]:
    """Of kept units, or of each value: Chernoff's bound.

    It holds of units with several probabilities as of units with their mean.
    """
    values = [values_of(bench.law, step.rate) for step, _ in drawn]
    if values[0] and len({len(taken) for taken in values}) == 1:
        return [
            _of_shares(
                f"units took value {place + 1} of {len(values[0])}",
                [
                    (
                        r.units,
                        int((r.values if r.values is not None else [0])[place]),
                        (v[place].chance,),
                    )
                    for (_, r), v in zip(drawn, values, strict=True)
                ],
            )
            for place in range(len(values[0]))
        ]
    lawful = [bench.law.keep_probs(step.rate) for step, _ in drawn]
    rows = [(r.units, r.kept, q) for (_, r), q in zip(drawn, lawful, strict=True)]
    word = "bits made of the masks say kept" if is_dependent(bench.law) else "units were kept"
    return [_of_shares(word, rows)]


def _of_shares(word: str, rows: Sequence[tuple[int, int, tuple[float, ...]]]) -> Judge:
    """Number, count, and its lawful probabilities, for each step."""
    units, counts, low, high = _sums([[n, k, n * min(q), n * max(q)] for n, k, q in rows])

    def judge(start: int, stop: int) -> tuple[float, str]:
        number, count, least, most = (
            float(one[stop] - one[start]) for one in (units, counts, low, high)
        )
        nearest = min(max(count, least), most) / number
        seen = f"{count:.0f} of {number:.0f} = {count / number:.6g} {word}; expected {nearest:.6g}"
        return float(surplus(count, number, nearest)), seen

    return judge


def _by_scores(readings: Sequence[Reading]) -> Judge:
    """Chernoff's bound of the sum of standard normal scores, and of that of their squares."""
    drawn, first, second = _sums([list((r.scores or (0, 0, 0))[:3]) for r in readings])

    def judge(start: int, stop: int) -> tuple[float, str]:
        n, total, squares = (float(one[stop] - one[start]) for one in (drawn, first, second))
        excess = max(squares / n, _NOTHING) - 1
        evidence = max(total**2 / (2 * n), n / 2 * (excess - math.log1p(excess)))
        return evidence, (
            f"{n:.0f} normal scores have mean {total / n:.4g} and root mean square "
            f"{math.sqrt(max(squares, 0) / n):.5g}; expected 0 and 1"
        )

    return judge


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


def _reached(bench: Bench, case: Case, of_one: int, of_all: int) -> str:
    """What else is caught with probability 0.99: by Pinsker's inequality, of a bit."""
    by_scores = bench.law.kind == "continuous"
    if is_dependent(bench.law) or not of_one or (by_scores and case.dtype in dtypes.HALVES):
        return ""
    what, scale = ("mean of scores", 2.0) if by_scores else ("probability", 1.0)
    sizes = [
        scale * (math.sqrt(SURELY / 2) + _NORMAL / 2) / math.sqrt(units)
        for units in (of_one, of_all)
    ]
    said = [
        f"by {size:.2g} at {where}"
        for size, where in zip(sizes, ("one step", "all"), strict=True)
        if size < scale / 2
    ]
    caught = f". A {what} that is off {', or '.join(said)}, would have been caught"
    return caught if said else ""


STEPS = Probe(
    id="rate.steps",
    question="Has every step of a schedule the rate that the schedule says?",
    why="A rate that is set once an epoch, a step that is counted twice, a restart that begins "
    "again at the first step, and a layer that stays in evaluation mode for a while are wrong at "
    "some steps only.",
    demands="At every step of a schedule a training pass shall have the rate of that step.",
    how="Asked of targets that follow a schedule: a call at each step, or at 1,024 that are evenly "
    "spread, in the order of training. Every output must be a value of the law at the rate of its "
    "step: for inverted dropout, whose scale shows the rate, that alone tells a rate from its "
    "neighbour. Kept units, or each of several values, are counted over each step, each two, four "
    "and so on, and over all: a count that has a probability below 2 e^-60 fails, and they are "
    "fewer than 2,048 for each. Of noise with a density the sums of its scores and of their "
    "squares are counted, but in half precision.",
    places="once",
    ask=_ask,
    scheduled=True,
)
