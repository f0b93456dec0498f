"""Is a unit whose input is exactly 0 kept as often as the others?"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from dropout_stats.call import Answer
from dropout_stats.checks.bench import Bench
from dropout_stats.checks.check import TWO_VALUED, Probe
from dropout_stats.checks.differentiation import passes_needed
from dropout_stats.checks.frequencies import departs
from dropout_stats.evidence.bernoulli import Counts
from dropout_stats.laws import Alpha
from dropout_stats.laws.dependent import keep_range
from dropout_stats.laws.reading import Array
from dropout_stats.results import Case, Evidence, Finding

_UNSEEN = Finding(
    "not-applicable",
    "where the input is 0 the output does not show what was kept: see gradient.at_zero",
)


def inputs_with_zeros(bench: Bench, case: Case, zero: float = 0.0) -> Iterator[tuple[Array, Array]]:
    """Inputs in which every other unit is 0, by turns, and where it is.

    Args:
        bench: the bench.
        case: the case; its input is that of its label `"x"`.
        zero: what to hand over for 0.

    """
    rate, shape = case.rate or 0.0, bench.largest_shape
    x = bench.inputs(shape, case.dtype, case.id, "x")
    units, sharing = bench.units(shape), bench.law.sharing
    for number in range(passes_needed(math.ceil(units / 2), rate)):
        odd = (np.arange(units) + number) % 2 == 1
        at = sharing.spread(odd, shape)
        yield np.where(at, x.dtype.type(zero), x), at


def compared(
    zeros: Counts, others: Counts, keep_probs: Sequence[float], *, shown: str, elsewhere: str
) -> Finding | str:
    """What is found of the units at a 0; what was seen, if all or none of them are kept.

    Args:
        zeros: units at a 0, and how many of them are kept.
        others: the other units.
        keep_probs: how often they should be: one of these, or between them.
        shown: what shows that a unit is kept.
        elsewhere: the check that asks of the others.

    """
    kept, units = zeros.successes, zeros.trials
    evidence = Evidence(units, estimate=zeros.share)
    seen = f"{kept} of {units} units with x = 0 {shown}; expected {keep_probs[0]:.7g}"
    if not departs(zeros, keep_probs):
        if 0 < kept < units:
            return Finding("pass", seen, evidence)
        return Finding("not-applicable", f"{seen}: too few to expect both", evidence)
    if departs(others, keep_probs):
        return Finding("inconclusive", f"{seen}; but so it is where x is not 0: see {elsewhere}")
    if kept in (0, units):
        return seen
    rest = f"{others.successes} of {others.trials} where x is not 0"
    return Finding(
        "fail",
        f"{seen}, and {rest}; expected as many: the mask depends on the values",
        evidence,
        symptoms=("follows the values",),
    )


def _zero(bench: Bench, case: Case) -> Finding:
    bench.caller.seed(case.id)
    zeros, others, sharing = Counts(), Counts(), bench.law.sharing
    for x, at in inputs_with_zeros(bench, case, _handed_for_zero(bench)):
        kept = _kept(bench, bench.caller.train(x.copy(), case.rate or 0.0))
        if kept is None:
            return _UNSEEN
        is_zero, is_kept = sharing.first(at), sharing.first(kept)
        zeros += Counts(int(is_zero.sum()), int((is_zero & is_kept).sum()))
        others += Counts(int((~is_zero).sum()), int((~is_zero & is_kept).sum()))
    keep_probs = keep_range(bench.law, bench.largest_shape, case.rate or 0.0)
    found = compared(zeros, others, keep_probs, shown="are kept", elsewhere="rate.marginal")
    if isinstance(found, Finding):
        return found
    return Finding(
        "fail",
        f"{found}: the mask depends on the values",
        Evidence(zeros.trials, estimate=zeros.share),
        symptoms=("follows the values",),
    )


def _handed_for_zero(bench: Bench) -> float:
    law = bench.law
    return law.handed_for_zero if isinstance(law, Alpha) else 0.0


def _kept(bench: Bench, answer: Answer) -> Array | None:
    """Where a unit was kept; None where a 0 does not show it."""
    if isinstance(bench.law, Alpha):
        return np.asarray(answer.y != 0)
    if answer.mask is None or answer.mask.shape != answer.y.shape:
        return None
    return np.asarray(answer.mask != 0)


ZERO = Probe(
    id="input.zero",
    question="Is a unit kept equally often where its input is exactly 0?",
    why="After a ReLU half of the inputs are 0. A kernel that skips them, or a mask that is made "
    "from the values, treats them apart.",
    demands="A unit shall be kept with the same probability where its input is exactly 0.",
    how="Calls in which every other input is 0, by turns. Asked where a call shows what was kept "
    "there: under alpha dropout, whose dropped units are not 0, and of targets that return their "
    "mask. Elsewhere `gradient.at_zero` asks the gradient. Shares differ where the law has a "
    "chance below 2 e^-60 for them.",
    places="dtype",
    laws=TWO_VALUED,
    ask=_zero,
)
