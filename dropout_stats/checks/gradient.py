"""Does the backward pass use the noise of its forward pass?

A training pass is linear in its input once the noise is drawn, so its gradient is dy times the
multiplier of the same pass, output/input. No finite differences: those would compare fresh masks.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from dropout_stats.checks.bench import Bench
from dropout_stats.checks.check import Probe
from dropout_stats.errors import TargetError
from dropout_stats.laws.reading import Array, kept_tolerance
from dropout_stats.results import Case, Evidence, Finding

_NONE = Finding("not-applicable", "the target has no backward pass (vjp)")
_PASSES = 4
_SURELY_SOME = 60.0  # expected drops: none at all has probability below e^-60 under the law


class _Pass(NamedTuple):
    """One forward and backward pass, in double precision."""

    x: Array
    dy: Array
    y: Array
    dx: Array
    dy_changed: bool


def _run(bench: Bench, case: Case) -> list[_Pass]:
    rate, dtype = case.rate or 0.0, case.dtype
    shape = bench.largest_shape
    bench.caller.seed("gradient", rate, dtype)
    passes = []
    for number in range(_PASSES):
        x = bench.inputs(shape, dtype, "gradient x", rate, dtype, number)
        dy = bench.inputs(shape, dtype, "gradient dy", rate, dtype, number)
        handed = dy.copy()
        y, dx = bench.caller.vjp(x.copy(), handed, rate)
        y, dx = y.copy(), dx.copy()  # a target may use one buffer for all
        for name, array in (("y", y), ("dx", dx)):
            if array.shape != shape:
                raise TargetError(
                    f"vjp(x of shape {shape} {dtype}, rate={rate:g})",
                    f"returned {name} of shape {array.shape}; expected {shape}",
                )
        if dx.dtype != x.dtype:
            raise TargetError(
                f"vjp(x of shape {shape} {dtype}, rate={rate:g})",
                f"returned dx in {dx.dtype.name}; expected the type of the input, {x.dtype.name}",
            )
        changed = handed.tobytes() != dy.tobytes()
        x, dy, y, dx = (array.astype(np.float64) for array in (x, dy, y, dx))
        passes.append(_Pass(x, dy, y, dx, dy_changed=changed))
    return passes


def _observed(passes: list[_Pass]) -> str | None:
    if any(one.dy_changed for one in passes):
        return "the backward pass changes the caller's dy in place"
    return None


def _same_noise(bench: Bench, case: Case) -> Finding:
    if not bench.caller.can_differentiate:
        return _NONE
    passes = _run(bench, case)
    rate, output = case.rate or 0.0, bench.conventions.output_dtype(case.dtype)
    tolerance = 4 * max(kept_tolerance(dtype, rate) for dtype in (case.dtype, output))
    units = sum(int((one.y != 0).sum()) for one in passes)
    for one in passes:
        kept = one.y != 0
        multiplier = one.y / one.x
        expected = one.dy * multiplier
        wrong = kept & ~(np.abs(one.dx - expected) <= tolerance * np.abs(expected))
        if wrong.any():
            index = _first(wrong)
            return Finding(
                "fail",
                f"{int(wrong.sum())} of {int(kept.sum())} kept units of one pass; at index {index} "
                f"dy = {one.dy[index]:.9g} and output/input = {multiplier[index]:.9g}, so dx "
                f"should be {expected[index]:.9g}; it is {one.dx[index]:.9g}",
                Evidence(units, estimate=_common(one.dx[kept] / one.dy[kept], tolerance)),
                _observed(passes),
            )
    if not units:
        return Finding("inconclusive", f"no unit was kept in {_PASSES} passes", Evidence(0))
    return Finding(
        "pass",
        f"dx = dy * output/input at {units} kept units of {_PASSES} passes",
        Evidence(units),
        _observed(passes),
    )


def _dropped_is_zero(bench: Bench, case: Case) -> Finding:
    if not bench.caller.can_differentiate:
        return _NONE
    passes = _run(bench, case)
    units = sum(int((one.y == 0).sum()) for one in passes)
    for one in passes:
        dropped = one.y == 0
        wrong = dropped & (one.dx != 0)
        if wrong.any():
            index = _first(wrong)
            return Finding(
                "fail",
                f"{int(wrong.sum())} of {int(dropped.sum())} dropped units of one pass receive a "
                f"gradient: at index {index} the output is 0, but dx = {one.dx[index]:.9g} for "
                f"dy = {one.dy[index]:.9g}: the backward pass does not apply the mask of its "
                "forward pass",
                Evidence(units, estimate=float(wrong.sum() / dropped.sum())),
                _observed(passes),
            )
    if not units:
        drawn = sum(one.y.size for one in passes)
        if (case.rate or 0.0) * drawn > _SURELY_SOME:
            return Finding("fail", f"the forward pass of vjp dropped none of {drawn} units")
        return Finding("inconclusive", f"no unit was dropped in {_PASSES} passes", Evidence(0))
    return Finding(
        "pass",
        f"no gradient at {units} dropped units of {_PASSES} passes",
        Evidence(units),
        _observed(passes),
    )


def _first(wrong: Array) -> tuple[int, ...]:
    return tuple(int(i) for i in np.unravel_index(int(np.argmax(wrong)), wrong.shape))


def _common(values: Array, tolerance: float) -> float | None:
    numbers = np.asarray(values, np.float64)
    low, high = float(numbers.min()), float(numbers.max())
    return (low + high) / 2 if high - low <= tolerance * abs(low + high) else None


SAME_NOISE = Probe(
    id="gradient.same_noise",
    question="Is the gradient dy times the multiplier of the same pass?",
    why="A backward pass that draws its own mask, or scales otherwise, trains another network.",
    places="rate and dtype",
    ask=_same_noise,
)

DROPPED_IS_ZERO = Probe(
    id="gradient.dropped_is_zero",
    question="Is the gradient zero wherever the unit was dropped?",
    why="Without the mask in the backward pass, dropped units learn from errors they did not make.",
    places="rate and dtype",
    ask=_dropped_is_zero,
)
