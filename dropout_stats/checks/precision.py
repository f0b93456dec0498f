"""How is a kept value rounded, and does every unit of a call get the same one?

A correct kept value may be rounded in several ways: the scale first, or the product alone, in the
type of the input or in a wider one. All of them are within the tolerance of `support.kept_value`.
Which one it is, is said. A vector loop and its tail may even differ, and both be right: that is an
observation. A failure is a value that no rounding explains.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from dropout_stats import dtypes
from dropout_stats.checks import pointwise
from dropout_stats.checks.bench import Bench
from dropout_stats.checks.check import TWO_VALUED, Probe
from dropout_stats.errors import TargetError
from dropout_stats.laws import two_valued
from dropout_stats.laws.reading import Array
from dropout_stats.results import Case, Evidence, Finding

_INPUTS = 16  # different inputs, each repeated all over the call
_UNITS = 4096
_MOST_CALLS = 64  # of tiny shapes
_ROUNDINGS = 8  # of the scale, of the product and of our own quotient, at both ends


def _values(bench: Bench, case: Case) -> Finding:
    rate, shape = case.rate or 0.0, bench.largest_shape
    inputs = bench.inputs((_INPUTS,), case.dtype, case.id)
    x = np.resize(inputs, shape)
    calls = min(_MOST_CALLS, max(1, _UNITS // x.size))
    bench.caller.seed(case.id)
    y = np.stack([_train(bench, x, rate) for _ in range(calls)])
    possible = pointwise.training(bench.law, rate, y.dtype.name, "unspecified")
    for one in y:
        wrong = possible.wrong(x, one)
        if wrong.any():
            index = tuple(int(i) for i in np.unravel_index(int(np.argmax(wrong)), shape))
            return Finding(
                "fail",
                f"train{_words(x, rate)}: no rounding gives what {int(wrong.sum())} of "
                f"{wrong.size} units became: at index {index} the input "
                f"{float(x[index]):.9g} became {float(one[index]):.9g}; "
                f"expected {possible.expected(float(x[index]))}",
            )
    x = np.broadcast_to(x, y.shape)
    return _narrowed(x, y, rate) or _describe(bench, x, y, rate)


def _train(bench: Bench, x: Array, rate: float) -> Array:
    y = bench.caller.train(x.copy(), rate).y
    declared = bench.conventions.output_dtype(x.dtype.name)
    if y.shape != x.shape or y.dtype.name != declared:
        raise TargetError(
            f"train{_words(x, rate)}",
            f"returned the shape {y.shape} in {y.dtype.name}; expected {x.shape} in {declared}",
        )
    return y.copy()  # a target may use one buffer for all


def _words(x: Array, rate: float) -> str:
    return f"(x of shape {x.shape} {x.dtype.name}, rate={rate:g})"


def _narrowed(x: Array, y: Array, rate: float) -> Finding | None:
    """In float64, where a rate that came as float32 must not hide a product in float32.

    Such a rate moves all kept values by one factor; a product in a narrower type moves each by
    another.
    """
    kept = y != 0
    if {x.dtype.name, y.dtype.name} != {"float64"} or not kept.any():
        return None
    factors = y[kept] / x[kept]
    low, high = float(factors.min()), float(factors.max())
    if high - low <= _ROUNDINGS * np.finfo(np.float64).eps * abs(high):
        return None
    return Finding(
        "fail",
        f"train{_words(x[0], rate)}: output/input of kept units goes from {low:.17g} to "
        f"{high:.17g}; expected one factor, up to rounding in float64. Kept values are off by "
        "rounding in a narrower type",
        symptoms=("off by rounding",),
    )


def _describe(bench: Bench, x: Array, y: Array, rate: float) -> Finding:
    kept = y != 0
    units = int(kept.sum())
    if not units:
        return Finding(
            "not-applicable", f"none of {y.size} units was kept, so no kept value was seen"
        )
    several = _several(x[kept], y[kept])
    if several:
        bench.observe(
            f"kept units of one input are not all rounded alike in {x.dtype.name}", several
        )
    how = _rounding(x[kept], y[kept], two_valued(bench.law).kept_factor(rate), rate)
    if how not in (None, _ONCE) and x.dtype.name in dtypes.HALVES:
        bench.observe(f"in {x.dtype.name}, {how}")
    seen = "several outputs for one of them" if several else "one output for each"
    return Finding(
        "pass",
        f"{units} kept units of {len(np.unique(x))} inputs: {seen}" + (f"; {how}" if how else ""),
        Evidence(units),
    )


def _several(x: Array, y: Array) -> str | None:
    """Say which input became several outputs; None if each became one."""
    for given in np.unique(x):
        values = np.unique(y[x == given])
        if len(values) > 1:
            outputs = " and ".join(f"{float(value):.9g}" for value in values)
            return f"the input {float(given):.9g} became {outputs}"
    return None


_ONCE = "the exact product is rounded once"


def _rounding(x: Array, y: Array, factor: float, rate: float) -> str | None:
    """Say which rounding gives all of these kept values; None if none of the usual ones does."""
    if factor == 1:
        return None
    dtype = y.dtype.name
    rounded = dtypes.as_dtype(dtype).type
    ways: dict[str, Callable[[], Array]] = {
        _ONCE: lambda: x.astype(np.float64) * factor,
        "the product is taken in float32": lambda: x.astype(np.float32) * np.float32(factor),
        f"the scale is rounded to {dtype} before the product": lambda: x * rounded(factor),
        f"the input is divided by the keep probability rounded to {dtype}": (
            lambda: x / rounded(1 - rate)
        ),
    }
    with np.errstate(all="ignore"):
        for name, way in ways.items():
            if np.array_equal(way().astype(y.dtype), y):
                return name
    return None


VALUES = Probe(
    id="precision.values",
    question="Do kept units of one input become one value, up to rounding?",
    why="Two values in one call are two code paths: the body and the tail of a vector loop. A "
    "scale that is rounded to half precision shifts the mean of every activation.",
    demands="A kept value shall be the input times the kept factor, up to rounding in its type, "
    "at every unit of a call.",
    how="One call of the largest shape, or up to 64 of a small one, in which 16 inputs are "
    "repeated all over. A value that no rounding explains fails, and so do kept values in float64 "
    "that have no common factor to that precision. How kept values are rounded is said; several "
    "roundings of one input in one call are an observation, since the body and the tail of a "
    "vector loop may differ and both be right.",
    places="dtype",
    ask=_values,
    laws=TWO_VALUED,
)
