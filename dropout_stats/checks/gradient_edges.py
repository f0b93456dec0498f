"""Is the gradient right where x or dy is unusual, and that of the evaluation pass?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dropout_stats import dtypes
from dropout_stats.checks.bench import Bench
from dropout_stats.checks.check import TWO_VALUED, Probe
from dropout_stats.checks.differentiation import (
    Pass,
    common_value,
    differentiate,
    first_index,
    gradient_tolerance,
)
from dropout_stats.checks.gradient import NO_BACKWARD
from dropout_stats.checks.zeros import compared, inputs_with_zeros
from dropout_stats.evidence.bernoulli import Counts
from dropout_stats.laws.dependent import keep_range
from dropout_stats.laws.reading import Array
from dropout_stats.results import Case, Evidence, Finding

# Binary orders by which dy is scaled; in a type with few of them, a rate of 0.999 needs ten.
_WIDE, _NARROW = (-20, 20), (-3, 0)
_TINY = 2.0**-100


def _at_zero(bench: Bench, case: Case) -> Finding:
    if not bench.caller.can_differentiate:
        return NO_BACKWARD
    rate = case.rate or 0.0
    passes = _passes_with_zeros(bench, case)
    tolerance = gradient_tolerance(bench, case.dtype, rate)
    elsewhere = _factors_elsewhere(passes)
    if elsewhere is not None and not elsewhere.size:
        return Finding("not-applicable", "no unit was kept where x is not 0, either")
    factor = None if elsewhere is None else common_value(elsewhere, tolerance)
    if factor is None:
        return Finding(
            "inconclusive",
            "where x is not 0, the gradient does not follow the output with one factor either: "
            "repair that first",
        )
    zeros, others, sharing = Counts(), Counts(), bench.law.sharing
    for one in passes:
        at = one.x == 0
        expected = one.dy * factor
        is_kept = np.abs(one.dx - expected) <= tolerance * np.abs(expected)
        wrong = at & ~is_kept & (one.dx != 0)
        if wrong.any():
            index = first_index(wrong)
            return Finding(
                "fail",
                f"at index {index} x = 0 and dy = {one.dy[index]:.9g}: dx = {one.dx[index]:.9g}; "
                f"expected 0 (dropped) or {expected[index]:.9g} (kept)",
                Evidence(int(at.sum())),
            )
        # One element a unit: the others share its draw.
        is_zero, got = sharing.first(at), sharing.first(one.dx != 0)
        zeros += Counts(int(is_zero.sum()), int((is_zero & got).sum()))
        others += Counts(int((~is_zero).sum()), int((~is_zero & got).sum()))
    return _frequencies(zeros, others, keep_range(bench.law, bench.largest_shape, rate))


def _passes_with_zeros(bench: Bench, case: Case) -> list[Pass]:
    """Passes in which every other x is 0, by turns."""
    dy = bench.inputs(bench.largest_shape, case.dtype, case.id, "dy")
    bench.caller.seed(case.id)
    return [
        differentiate(bench, x, dy, case.rate or 0.0) for x, _ in inputs_with_zeros(bench, case)
    ]


def _factors_elsewhere(passes: list[Pass]) -> Array | None:
    """dx/dy of kept units where x is not 0; None where dx has another mask than y even there."""
    factors = []
    for one in passes:
        elsewhere = one.x != 0
        if (elsewhere & ((one.dx != 0) != (one.y != 0))).any():
            return None
        kept = elsewhere & (one.y != 0)
        factors.append(one.dx[kept] / one.dy[kept])
    return np.concatenate(factors)


def _frequencies(zeros: Counts, others: Counts, keep_probs: Sequence[float]) -> Finding:
    """Units with x = 0 must be kept as often as the law says, unless the others are not, either."""
    found = compared(
        zeros, others, keep_probs, shown="receive a gradient", elsewhere="gradient.noise"
    )
    if isinstance(found, Finding):
        return found
    which = "none" if zeros.successes else "all"
    infers = "the mask is inferred from the values, which say nothing at 0; keep the mask instead"
    return Finding(
        "fail",
        f"{found}, as if {which} were dropped: {infers}",
        Evidence(zeros.trials, estimate=zeros.share),
    )


def _linear(bench: Bench, case: Case) -> Finding:
    if not bench.caller.can_differentiate:
        return NO_BACKWARD
    rate, dtype = case.rate or 0.0, case.dtype
    bench.caller.seed(case.id)
    x = bench.inputs(bench.largest_shape, dtype, case.id, "x")
    passes = [differentiate(bench, x, dy, rate) for dy in _upstream_gradients(bench, case)]
    for one in passes:
        leaks = (one.dy == 0) & (one.dx != 0)
        if leaks.any():
            index = first_index(leaks)
            return Finding(
                "fail",
                f"at index {index} dy = 0, but dx = {one.dx[index]:.9g}; expected 0",
                Evidence(x.size),
            )
    ratios = [one.dx[one.dx != 0] / one.dy[one.dx != 0] for one in passes]
    units = sum(ratio.size for ratio in ratios)
    if not units:
        return Finding("not-applicable", f"none of {3 * x.size} units received a gradient")
    typical = float(np.median(np.concatenate(ratios)))
    tolerance = 2 * gradient_tolerance(bench, dtype, rate)
    lost = _lost(passes)
    if lost:
        return Finding("fail", lost, Evidence(units))
    for one in passes:
        wrong = (one.dx != 0) & ~(np.abs(one.dx - typical * one.dy) <= tolerance * np.abs(one.dx))
        if wrong.any():
            index = first_index(wrong)
            return Finding(
                "fail",
                f"the multiplier depends on dy: at index {index} dy = {one.dy[index]:.9g} gives "
                f"dx = {one.dx[index]:.9g}, {one.dx[index] / one.dy[index]:.9g} times dy; "
                f"expected {typical:.9g} times, as at most units",
                Evidence(units),
            )
    return Finding(
        "pass",
        f"{units} gradients, of sizes from {_span(passes)} and either sign, are {typical:.7g} "
        "times dy, and 0 where dy is 0",
        Evidence(units, estimate=typical),
    )


def _lost(passes: list[Pass]) -> str | None:
    """Say where a kept unit receives nothing for some dy, in a target where it usually does."""
    usual, *unusual = passes
    if ((usual.dx != 0) != (usual.y != 0)).any():
        return None  # its mask is wrong anyway: gradient.same_noise and dropped_is_zero say so
    for one in unusual:
        lost = (one.dx == 0) & (one.y != 0) & (one.dy != 0)
        if lost.any():
            index = first_index(lost)
            return (
                f"at index {index} the unit was kept and dy = {one.dy[index]:.9g}, but dx = 0; "
                "expected a multiple of dy"
            )
    return None


def _upstream_gradients(bench: Bench, case: Case) -> list[Array]:
    """One dy as usual, one of many scales at once with zeros in it, and one that is small."""
    shape, dtype = bench.largest_shape, case.dtype
    usual = bench.inputs(shape, dtype, case.id, "dy")
    low, high = _WIDE if dtypes.precision(dtype).tiny < _TINY else _NARROW
    scales = np.exp2(np.resize(np.arange(low, high + 1), shape)).astype(usual.dtype)
    mixed = np.asarray(usual * scales)  # an operation makes a scalar of a 0-d array
    mixed.reshape(-1)[::8] = 0
    return [usual, mixed, np.asarray(usual * usual.dtype.type(2.0**low))]


def _span(passes: list[Pass]) -> str:
    sizes = np.concatenate([np.abs(one.dy[one.dy != 0]) for one in passes])
    return f"{sizes.min():.2g} to {sizes.max():.2g}"


def _evaluation(bench: Bench, case: Case) -> Finding:
    if not bench.caller.can_differentiate_evaluation:
        return Finding("not-applicable", "the evaluation pass has no backward pass (evaluate_vjp)")
    rate, dtype, shape = case.rate or 0.0, case.dtype, bench.largest_shape
    bench.caller.seed(case.id)
    x, dy = bench.inputs(shape, dtype, case.id, "x"), bench.inputs(shape, dtype, case.id, "dy")
    one = differentiate(bench, x, dy, rate, training=False)
    if not one.dx.any():
        return Finding(
            "not-applicable",
            "no gradient flows back from the evaluation pass",
            observation="no gradient flows back from the evaluation pass: dx is 0 everywhere",
        )
    factor = bench.law.evaluation_factor(rate)
    expected = one.dy * factor
    tolerance = gradient_tolerance(bench, dtype, rate)
    wrong = ~(np.abs(one.dx - expected) <= tolerance * np.abs(expected))
    evidence = Evidence(x.size, estimate=common_value(one.dx / one.dy, tolerance))
    if one.dx_dtype != dtype:
        return Finding("fail", f"dx came in {one.dx_dtype}; expected {dtype}", evidence)
    astray = _astray(bench, one, factor, tolerance)
    if astray:
        return Finding("fail", astray, evidence)
    if not wrong.any():
        return Finding("pass", f"dy times {factor:.7g}, at {x.size} units", evidence)
    index = first_index(wrong)
    what = (
        f"{int((one.dx == 0).sum())} of {x.size} units receive no gradient: noise is still applied"
        if not one.dx.all()
        else f"{int(wrong.sum())} of {x.size} units receive another gradient"
    )
    return Finding(
        "fail",
        f"{what}; at index {index} dy = {one.dy[index]:.9g} gives dx = {one.dx[index]:.9g}; "
        f"expected dy times {factor:.7g}, {expected[index]:.9g}",
        evidence,
    )


def _astray(bench: Bench, one: Pass, factor: float, tolerance: float) -> str | None:
    """Say what else a differentiated evaluation pass does wrong."""
    if one.dy_changed and bench.conventions.dy != "consumed":
        return "evaluate_vjp changes the caller's dy in place; expected it unchanged"
    expected = one.x * factor
    wrong = ~(np.abs(one.y - expected) <= tolerance * np.abs(expected))
    if not wrong.any():
        return None
    index = first_index(wrong)
    return (
        f"{int(wrong.sum())} of {wrong.size} outputs of evaluate_vjp are no evaluation pass: at "
        f"index {index} the input {one.x[index]:.9g} became {one.y[index]:.9g}; expected "
        f"{expected[index]:.9g}"
    )


AT_ZERO = Probe(
    id="gradient.at_zero",
    question="Is the gradient right where the input is exactly 0?",
    why="A backward pass that infers the mask from the values (output != 0) to save memory is "
    "right for every input but 0. After a ReLU half of the inputs are 0: kept units there stop "
    "learning.",
    demands="Where the input is exactly 0, the gradient shall be dy times the kept factor where "
    "the unit was kept, and 0 where it was dropped; such units shall be kept as often as others.",
    how="Passes in which every other input is 0, by turns. The factor is read off where inputs "
    "are not 0; at a zero, dx must be dy times that factor, or 0. Units at a zero must be kept as "
    "often as the law says: a share that has a probability below 2 e^-60 fails, unless the others "
    "have one, too.",
    places="dtype",
    ask=_at_zero,
    laws=TWO_VALUED,
)

LINEAR = Probe(
    id="gradient.linear",
    question="Is a unit's gradient one multiple of dy, whatever the size and sign of dy?",
    why="Clipping, a mask inferred from dy, or a backward pass in a narrower type show only for "
    "gradients that are much larger or smaller than 1.",
    demands="The gradient of a unit shall be the same multiple of dy whatever the size and the "
    "sign of dy, and 0 where dy is 0.",
    how="Three passes on one input: with an ordinary dy, with one whose values are scaled by "
    "2^-20 to 2^20 (2^-3 to 1 in types of a narrow range) and every eighth of which is 0, and "
    "with one that is scaled by the smallest of these. dx/dy of all kept units is compared with "
    "the median, within eight times the tolerance of `support.kept_value`; a kept unit that "
    "receives nothing fails, too.",
    places="dtype",
    ask=_linear,
    laws=TWO_VALUED,
)

EVALUATION = Probe(
    id="gradient.evaluation",
    question="Is the gradient of the evaluation pass dy times the law's evaluation factor?",
    why="Attribution, adversarial training and frozen layers differentiate in evaluation mode; a "
    "backward kernel that does not look at the mode applies a mask or a scale there.",
    demands="The gradient of an evaluation pass shall be dy times the evaluation factor of the "
    "law, in the type of the input.",
    how="One evaluation pass on the largest shape; every output and every dx is compared, within "
    "four times the tolerance of `support.kept_value`, and dy must be left as it was. That no "
    "gradient flows at all is an observation. Not asked of a target without `evaluate_vjp`.",
    places="rate and dtype",
    ask=_evaluation,
)
