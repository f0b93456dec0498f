"""Does the backward pass use the noise of its forward pass?

A training pass is linear in its input once the noise is drawn, so its gradient is dy times the
multiplier of the same pass, output/input. No finite differences: those would compare fresh masks.

The four checks judge the same passes, which are made once for each rate and type.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from dropout_stats.checks.bench import Bench
from dropout_stats.checks.check import SEVERAL_VALUED, TWO_VALUED, Probe
from dropout_stats.checks.differentiation import (
    Pass,
    common_value,
    differentiate,
    first_index,
    gradient_slack,
    gradient_tolerance,
    passes_needed,
)
from dropout_stats.checks.fingerprints import draw_from, mask_of
from dropout_stats.checks.frequencies import SURELY
from dropout_stats.laws import Violation, values_of
from dropout_stats.results import Case, Evidence, Finding

NO_BACKWARD = Finding("not-applicable", "the target has no backward pass (vjp)")


class _Passes(NamedTuple):
    """The passes of one rate and type, and what reading their outputs gave."""

    rate: float
    dtype: str
    tolerance: float
    made: list[Pass]
    impossible: int
    example: Violation | None
    remark: str | None

    @property
    def units(self) -> int:
        """Units of all passes."""
        return sum(one.y.size for one in self.made)


def _judging(judge: Callable[[_Passes, Bench], Finding]) -> Callable[[Bench, Case], Finding]:
    """Make a probe of a judgement on the passes of the case's rate and type."""

    def ask(bench: Bench, case: Case) -> Finding:
        if not bench.caller.can_differentiate:
            return NO_BACKWARD
        rate, dtype = case.rate or 0.0, case.dtype
        findings = bench.remember(
            ("gradient", rate, dtype), lambda: _judge_all(bench, _run(bench, rate, dtype))
        )
        return findings[judge.__name__]

    return ask


def _judge_all(bench: Bench, passes: _Passes) -> dict[str, Finding]:
    """Every judgement at once: findings are small, passes are not."""
    return {judge.__name__: judge(passes, bench) for judge in _JUDGEMENTS}


def _run(bench: Bench, rate: float, dtype: str) -> _Passes:
    bench.caller.seed("gradient", rate, dtype)
    made: list[Pass] = []
    impossible, example = 0, None
    for shape, number in _shapes(bench, rate, dtype):
        x = bench.inputs(shape, dtype, "gradient x", rate, dtype)
        dy = bench.inputs(shape, dtype, "gradient dy", rate, dtype)
        reader = bench.law.reader(x, rate, bench.conventions.output_dtype(dtype))
        for _ in range(number):
            made.append(differentiate(bench, x, dy, rate))
            reading = reader.read(made[-1].y)
            impossible += reading.violations
            example = example or reading.example
    return _Passes(
        rate=rate,
        dtype=dtype,
        tolerance=gradient_tolerance(bench, dtype, rate),
        made=made,
        impossible=impossible,
        example=example,
        remark=_other_noise(bench, rate, dtype),
    )


def _shapes(bench: Bench, rate: float, dtype: str) -> list[tuple[tuple[int, ...], int]]:
    """The largest shape often enough to meet drops and kept units, every other shape once.

    The others for one type only: each may cost a compilation.
    """
    largest = bench.largest_shape
    others = bench.shapes if dtype == bench.conventions.dtypes[0] else ()
    often = (largest, passes_needed(bench.units(largest), rate))
    return [often, *((shape, 1) for shape in others if shape != largest)]


def _other_noise(bench: Bench, rate: float, dtype: str) -> str | None:
    """Say it if one seed gives other noise under differentiation: worth knowing, and no fault."""
    caller = bench.caller
    if not caller.can_restart:
        return None
    x = bench.inputs(bench.largest_shape, dtype, "gradient x", rate, dtype)
    number = caller.number("gradient", rate, dtype)
    plain, again = (draw_from(bench, number, x, rate, 1) for _ in range(2))
    caller.restart(number)
    differentiated = mask_of(bench, x, caller.vjp(x.copy(), x.copy(), rate)[0], rate)
    if plain != again or plain == differentiated:
        return None
    return "for the same seed or key, the differentiated pass draws other noise than train"


def _same_noise(passes: _Passes, bench: Bench) -> Finding:
    kept_units = sum(int((one.y != 0).sum()) for one in passes.made)
    for one in passes.made:
        if one.dx_dtype != passes.dtype:
            return Finding(
                "fail",
                f"dx came in {one.dx_dtype}; expected the type of the input, {passes.dtype}",
                Evidence(kept_units),
            )
        kept = one.y != 0
        multiplier = one.y / one.x
        expected = one.dy * multiplier
        allowed = passes.tolerance * np.abs(expected)
        allowed += gradient_slack(bench, passes.dtype, one.x, one.dy)
        wrong = kept & ~(np.abs(one.dx - expected) <= allowed)
        if wrong.any():
            index = first_index(wrong)
            return Finding(
                "fail",
                f"{int(wrong.sum())} of {int(kept.sum())} kept units of one pass of shape "
                f"{one.x.shape}; at index {index} dy = {one.dy[index]:.9g} and output/input = "
                f"{multiplier[index]:.9g}, so dx should be {expected[index]:.9g}; it is "
                f"{one.dx[index]:.9g}",
                Evidence(
                    kept_units,
                    estimate=common_value(one.dx[kept] / one.dy[kept], passes.tolerance),
                ),
            )
    if not kept_units:
        return Finding("inconclusive", f"none of {passes.units} units was kept", Evidence(0))
    return Finding(
        "pass",
        f"dx = dy * output/input at {kept_units} kept units of {len(passes.made)} passes",
        Evidence(kept_units),
    )


def _dropped_is_zero(passes: _Passes, bench: Bench) -> Finding:
    dropped_units = sum(int((one.y == 0).sum()) for one in passes.made)
    for one in passes.made:
        dropped = one.y == 0
        wrong = dropped & (one.dx != 0)
        if wrong.any():
            index = first_index(wrong)
            return Finding(
                "fail",
                f"{int(wrong.sum())} of {int(dropped.sum())} dropped units of one pass receive a "
                f"gradient: at index {index} the output is 0, but dx = {one.dx[index]:.9g} for "
                f"dy = {one.dy[index]:.9g}; expected 0: the backward pass does not apply the mask "
                "of its forward pass",
                Evidence(dropped_units, estimate=float(wrong.sum() / dropped.sum())),
            )
    if not dropped_units and _hardly_drops(passes, bench):
        return Finding("not-applicable", "the law multiplies no unit by 0, or hardly any")
    if not dropped_units:
        return Finding("inconclusive", f"none of {passes.units} units was dropped", Evidence(0))
    return Finding(
        "pass",
        f"no gradient at {dropped_units} dropped units of {len(passes.made)} passes",
        Evidence(dropped_units),
    )


def _hardly_drops(passes: _Passes, bench: Bench) -> bool:
    """Whether it is no wonder that no unit is multiplied by 0, one of several values if any."""
    values = values_of(bench.law, passes.rate)
    dropped = sum(chance for value, chance in values if value == 0)
    return bool(values) and passes.units * dropped < SURELY


def _forward(passes: _Passes, _: Bench) -> Finding:
    evidence = Evidence(passes.units)
    changing = [one for one in passes.made if one.x_changed]
    if changing:
        return Finding(
            "fail",
            f"{len(changing)} of {len(passes.made)} differentiated passes change the caller's "
            f"input in place, the first of shape {changing[0].x.shape}; expected none",
            evidence,
            passes.remark,
        )
    if passes.impossible:
        return Finding(
            "fail",
            f"{passes.impossible} of {passes.units} outputs of differentiated passes are "
            f"impossible: {passes.example}",
            evidence,
            passes.remark,
        )
    return Finding(
        "pass",
        f"each of {passes.units} outputs of {len(passes.made)} differentiated passes is 0 or the "
        "kept value",
        evidence,
        passes.remark,
    )


def _dy_unchanged(passes: _Passes, bench: Bench) -> Finding:
    if bench.conventions.dy == "consumed":
        return Finding("not-applicable", "dy is declared to be consumed (Conventions(dy=...))")
    changing = [one for one in passes.made if one.dy_changed]
    if changing:
        return Finding(
            "fail",
            f"{len(changing)} of {len(passes.made)} backward passes change the caller's dy in "
            f"place, the first of shape {changing[0].x.shape}; expected none: whatever reads it "
            "afterwards, such as a residual branch, gets other numbers. Write the gradient into an "
            "array of its own, or declare Conventions(dy='consumed')",
            Evidence(passes.units),
        )
    return Finding("pass", f"dy is left as it was in {len(passes.made)} passes")


_JUDGEMENTS = (_same_noise, _dropped_is_zero, _forward, _dy_unchanged)

SAME_NOISE = Probe(
    id="gradient.same_noise",
    question="Is the gradient dy times the multiplier of the same pass?",
    why="A backward pass that draws its own mask, or scales otherwise, trains another network. "
    "Checkpointing that does not restore the generator does this, and so did kernels that were "
    "wrong for inputs of one dimension only.",
    demands="The gradient of a training pass shall be dy times output/input of the same pass, "
    "in the type of the input.",
    how="Passes on the largest shape, 4 to 64 of them as the rate needs for drops and kept "
    "units to be there, and for the first type one on each other shape. dy is made as inputs "
    "are, and is never 0. At each kept unit dx is compared with dy times output/input, within "
    "four times the tolerance of `support.kept_value`. There are no finite differences: those "
    "would compare fresh masks.",
    places="rate and dtype",
    ask=_judging(_same_noise),
)

DROPPED_IS_ZERO = Probe(
    id="gradient.dropped_is_zero",
    question="Is the gradient zero wherever the unit was dropped?",
    why="Without the mask in the backward pass, dropped units learn from errors they did not make.",
    demands="The gradient of a training pass shall be 0 at every unit that the pass dropped.",
    how="The passes of `gradient.same_noise`: where the output is 0, dx must be 0. That nothing is "
    "dropped at all is a matter of `gradient.noise`.",
    places="rate and dtype",
    ask=_judging(_dropped_is_zero),
    laws=TWO_VALUED + SEVERAL_VALUED,
)

FORWARD = Probe(
    id="gradient.forward",
    question="Is every output of a differentiated pass either 0 or the kept value of the law?",
    why="Differentiation often runs another kernel than the plain call: one library dropped "
    "only inside a gradient, so that values and gradients belonged to different functions.",
    demands="Every output of a differentiated training pass shall be either 0 or the kept value.",
    how="The passes of `gradient.same_noise`: their outputs are read as those of "
    "`support.kept_value`, and their inputs must be left as they were. That differentiation draws "
    "other noise than a plain pass with the same seed or key is an observation.",
    places="rate and dtype",
    ask=_judging(_forward),
)

DY_UNCHANGED = Probe(
    id="gradient.dy_unchanged",
    question="Does the backward pass leave the caller's dy as it was?",
    why="A backward pass that multiplies dy in place, as a released NumPy library does, hands "
    "wrong numbers to every other branch that receives the same gradient.",
    demands="A backward pass shall not write into the gradient that it is handed, unless "
    "dy='consumed' is declared.",
    how="The passes of `gradient.same_noise`: the bytes of dy are compared before and after.",
    places="rate and dtype",
    ask=_judging(_dy_unchanged),
)
