"""Do differentiated passes draw as training passes do, and what do they give at the ends?"""

from __future__ import annotations

from collections import Counter

import numpy as np

from dropout_stats.checks.bench import Bench
from dropout_stats.checks.check import Probe
from dropout_stats.checks.differentiation import (
    Pass,
    answers,
    differentiate,
    first_index,
    gradient_slack,
    gradient_tolerance,
    passes_needed,
)
from dropout_stats.checks.fingerprints import calls_needed, draw_from, mask_of
from dropout_stats.checks.frequencies import counts_of, departs, differ
from dropout_stats.checks.gradient import NO_BACKWARD
from dropout_stats.evidence.bernoulli import Counts
from dropout_stats.laws.reading import Array
from dropout_stats.results import Case, Evidence, Finding


def _noise(bench: Bench, case: Case) -> Finding:
    if not bench.caller.can_differentiate:
        return NO_BACKWARD
    rate, shape = case.rate or 0.0, bench.largest_shape
    bench.caller.seed(case.id)
    x = bench.inputs(shape, case.dtype, case.id, "x")
    reader = bench.law.reader(x, rate, bench.conventions.output_dtype(case.dtype))
    counts, usual, masks = Counts(), Counts(), []
    for _ in range(passes_needed(bench.units(shape), rate)):
        y, _ = answers(bench, x.copy(), np.ones_like(x), rate)
        counts += counts_of(reader.read(y))
        usual += counts_of(reader.read(bench.train(x, rate)))
        masks.append(mask_of(bench, x, y, rate))
    problem = (
        _frequency(bench, rate, counts, usual)
        or _repeats(bench, rate, masks)
        or _without_its_seed(bench, case, x)
    )
    evidence = Evidence(counts.trials, estimate=counts.share)
    if problem:
        return Finding("fail", problem, evidence)
    return Finding(
        "pass", f"{len(masks)} differentiated passes draw at the rate, and each its own", evidence
    )


def _frequency(bench: Bench, rate: float, counts: Counts, usual: Counts) -> str | None:
    """Say it if their share is neither the law's nor that of training passes."""
    lawful = bench.law.keep_probs(rate)
    if not (departs(counts, lawful) and differ(counts, usual)):
        return None
    return (
        f"differentiated passes keep {counts.successes} of {counts.trials} units = "
        f"{counts.share:.7g}, training passes {usual.share:.7g}; expected {lawful[0]:.7g}"
    )


def _repeats(bench: Bench, rate: float, masks: list[bytes]) -> str | None:
    needed = calls_needed(bench, bench.largest_shape, rate)
    declared = bench.conventions.randomness
    if declared == "none" or needed is None or needed > 1:
        return None
    again = max(Counter(masks).values())
    if again == 1:
        return None
    seen = f"{again} of {len(masks)} differentiated passes have the same mask"
    return f"{seen}; expected another each time"


def _without_its_seed(bench: Bench, case: Case, x: Array) -> str | None:
    """Say it if the seed, which determines training passes, does not determine these."""
    caller, rate = bench.caller, case.rate or 0.0
    if not caller.can_restart:
        return None
    number = caller.number(case.id)
    if len({draw_from(bench, number, x, rate, 1) for _ in range(2)}) > 1:
        return None  # randomness.seed_repeats
    masks = set()
    for _ in range(2):
        caller.restart(number)
        masks.add(mask_of(bench, x, caller.vjp(x.copy(), np.ones_like(x), rate)[0], rate))
    if len(masks) == 1:
        return None
    return "the same seed or key gives training passes the same mask, differentiated ones another"


def _ends(bench: Bench, case: Case) -> Finding:
    if not bench.caller.can_differentiate:
        return NO_BACKWARD
    shape, usual = bench.largest_shape, case.rate or 0.0
    x = bench.inputs(shape, case.dtype, case.id, "x")
    dy = bench.inputs(shape, case.dtype, case.id, "dy")
    bench.caller.seed(case.id)
    asked = []
    for rate in (0.0, 1.0) if bench.conventions.rate_domain == "[0, 1]" else (0.0,):
        differentiate(bench, x, dy, usual)  # what a pass leaves behind must not be used
        problem = _wrong_at_end(bench, case.dtype, rate, differentiate(bench, x, dy, rate))
        if problem:
            return Finding("fail", problem, Evidence(x.size))
        asked.append(f"{rate:g}")
    return Finding("pass", f"the gradient is right at rate {' and '.join(asked)}", Evidence(x.size))


def _wrong_at_end(bench: Bench, dtype: str, rate: float, one: Pass) -> str | None:
    multiplier = one.y / one.x if rate == 0 else np.zeros(one.x.shape)
    expected = one.dy * multiplier
    allowed = gradient_tolerance(bench, dtype, 0.0) * np.abs(expected)
    allowed += gradient_slack(bench, dtype, one.x, one.dy)
    wrong = ~(np.abs(one.dx - expected) <= allowed)
    if not wrong.any():
        return None
    index = first_index(wrong)
    return (
        f"at rate {rate:g}, after a pass at another rate, {int(wrong.sum())} of {wrong.size} "
        f"gradients are wrong: at index {index} output/input = {multiplier[index]:.9g} and dy = "
        f"{one.dy[index]:.9g}, so dx should be {expected[index]:.9g}; it is {one.dx[index]:.9g}"
    )


NOISE = Probe(
    id="gradient.noise",
    question="Does a differentiated pass draw as a training pass does?",
    why="Every pass that trains is differentiated. Where that is another piece of code, its rate, "
    "its seed and its masks may be others, and a test of the forward pass alone sees nothing.",
    demands="A pass that is differentiated shall draw at the rate, fresh noise each time, and the "
    "same noise for the same seed or key.",
    how="Passes on the largest shape, 4 to 64 of them as the rate needs, and as many training "
    "passes. A share of kept units that has a probability below 2 e^-60, and is not that of "
    "training passes, fails; so do two equal masks, where those of fresh draws agree with "
    "probability 2^-400 or less. Then one seed or key is used twice, if it determines training "
    "passes.",
    places="rate and dtype",
    ask=_noise,
)

ENDS = Probe(
    id="gradient.ends",
    question="Is the gradient right at rate 0 and, where that is declared, at rate 1?",
    why="A pass that drops nothing often returns early, and its backward pass uses the mask that "
    "another one left behind. At rate 1 the scale is infinite, and 0 times infinity is NaN.",
    demands="At rate 0 the gradient shall be dy times output/input; at rate 1, where the declared "
    "domain includes it, 0.",
    how="A pass at the rate of the case and its gradient, then one at rate 0; the same with rate "
    "1. Every dx is compared, within four times the tolerance of `support.kept_value`.",
    places="dtype",
    own_rates=True,
    ask=_ends,
)
