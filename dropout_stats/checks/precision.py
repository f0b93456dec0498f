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
from dropout_stats.checks.check import Probe
from dropout_stats.errors import TargetError
from dropout_stats.laws.reading import Array
from dropout_stats.results import Case, Evidence, Finding

_INPUTS = 16  # different inputs, each repeated all over the call
_HALVES = ("float16", "bfloat16")


def _values(bench: Bench, case: Case) -> Finding:
    rate, shape = case.rate or 0.0, bench.largest_shape
    declared = bench.conventions.output_dtype(case.dtype)
    inputs = bench.inputs((_INPUTS,), case.dtype, case.id)
    x = np.resize(inputs, shape)
    bench.caller.seed(case.id)
    y = bench.caller.train(x.copy(), rate).y
    call = f"train(x of shape {shape} {case.dtype}, rate={rate:g})"
    if y.shape != shape or y.dtype.name != declared:
        raise TargetError(
            call,
            f"returned the shape {y.shape} in {y.dtype.name}; expected {shape} in {declared}",
        )
    possible = pointwise.training(bench.law, rate, declared, "unspecified")
    wrong = possible.wrong(x, y)
    if wrong.any():
        index = tuple(int(i) for i in np.unravel_index(int(np.argmax(wrong)), shape))
        return Finding(
            "fail",
            f"{call}: no rounding gives what {int(wrong.sum())} of {wrong.size} units became: at "
            f"index {index} the input {float(x[index]):.9g} became {float(y[index]):.9g}; expected "
            f"{possible.expected(float(x[index]))}",
        )
    return _describe(bench, x, y, rate)


def _describe(bench: Bench, x: Array, y: Array, rate: float) -> Finding:
    kept = y != 0
    units = int(kept.sum())
    if not units:
        return Finding("inconclusive", "no unit was kept", Evidence(0))
    several = {
        given: values
        for given in np.unique(x).tolist()
        if len(values := np.unique(y[kept & (x == given)]).tolist()) > 1
    }
    if several:
        given, values = next(iter(several.items()))
        bench.observe(
            f"kept units of one call are not all rounded alike in {x.dtype.name}",
            f"the input {given:.9g} became {' and '.join(f'{value:.9g}' for value in values)}",
        )
    how = _rounding(x[kept], y[kept], bench.law.kept_factor(rate), rate)
    if how and not several and x.dtype.name in _HALVES and how != _ONCE:
        bench.observe(f"in {x.dtype.name}, {how}")
    return Finding(
        "pass",
        f"{units} kept units of {len(np.unique(x))} inputs: "
        + (f"{len(several)} inputs have several outputs" if several else "one output for each")
        + (f"; {how}" if how else ""),
        Evidence(units),
    )


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
    places="dtype",
    ask=_values,
)
