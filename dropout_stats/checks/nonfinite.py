"""What becomes of NaN and infinities: one large call that holds many of each.

One unit cannot tell a kept NaN from a dropped one that stayed NaN. Among thousands both kinds are
there, for certain: the claims here are made where their absence has a chance below e^-60.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from dropout_stats.checks.bench import Bench
from dropout_stats.checks.complaint import Complaint
from dropout_stats.checks.frequencies import SURELY
from dropout_stats.errors import TargetError
from dropout_stats.laws import is_two_valued
from dropout_stats.laws.dependent import keep_range
from dropout_stats.results import Case, Finding

_KINDS = (math.nan, math.inf, -math.inf, -1.0)


class _Seen(NamedTuple):
    """How many units there were of each kind of input, and what became of them."""

    nan: int
    nan_zero: int
    infinite: int
    infinite_kept: int
    infinite_nan: int
    minus_zero: int


def ask(bench: Bench, case: Case) -> Finding | None:
    """Say what is certainly wrong; observe the rest, where nothing is declared. None: all well."""
    rate = case.rate or 0.0
    if not is_two_valued(bench.law):
        return None  # nothing is dropped
    try:
        seen = _look(bench, case, rate)
    except TargetError:
        return None  # refused, which the generated calls have recorded
    kept = keep_range(bench.law, bench.largest_shape, rate)
    complaint = _complaint(seen, kept, bench.conventions.dropped_nonfinite)
    if complaint:
        where = f"train(x of shape {bench.largest_shape} {case.dtype}, rate={rate:g})"
        return complaint.after(f"{where}: ").finding()
    if bench.conventions.dropped_nonfinite == "unspecified":
        _observe(bench, seen, kept)
    return None


def _look(bench: Bench, case: Case, rate: float) -> _Seen:
    shape, sharing = bench.largest_shape, bench.law.sharing
    kinds = np.resize(np.array(_KINDS), sharing.draws(shape))
    given = sharing.spread(kinds, shape).astype(bench.inputs((), case.dtype).dtype)
    bench.caller.seed(case.id)
    x, y = sharing.first(given), sharing.first(bench.caller.train(given.copy(), rate).y)
    nan, infinite, negative = np.isnan(x), np.isinf(x), x == -1
    return _Seen(
        nan=int(nan.sum()),
        nan_zero=int((y[nan] == 0).sum()),
        infinite=int(infinite.sum()),
        infinite_kept=int(np.isinf(y[infinite]).sum()),
        infinite_nan=int(np.isnan(y[infinite]).sum()),
        minus_zero=int((np.signbit(y[negative]) & (y[negative] == 0)).sum()),
    )


def _surely(units: int, missing: float) -> bool:
    """Whether so many units have one that is not missing, with so large a probability each."""
    return units > 0 and (missing == 0 or -units * math.log(missing) > SURELY)


def _complaint(seen: _Seen, kept: tuple[float, ...], declared: str) -> Complaint | None:
    some_kept, some_dropped = (_surely(seen.nan, p) for p in (1 - min(kept), max(kept)))
    if some_kept and seen.nan_zero == seen.nan:
        return Complaint(f"all of {seen.nan} NaN became 0; those that are kept must stay NaN")
    if some_kept and not seen.infinite_kept:
        return Complaint(
            f"none of {seen.infinite} infinities is left; those that are kept must stay infinite"
        )
    if declared == "zero" and some_dropped and not seen.nan_zero:
        return Complaint(
            f"none of {seen.nan} NaN became 0, though a dropped NaN was declared to: "
            "Conventions(dropped_nonfinite='zero')",
            ("NaN",),
        )
    return None


def _observe(bench: Bench, seen: _Seen, kept: tuple[float, ...]) -> None:
    if not _surely(seen.nan, max(kept)):
        return
    nan = "becomes 0" if seen.nan_zero else "stays NaN"
    infinite = "becomes NaN" if seen.infinite_nan else "becomes 0"
    negative = "-0.0" if seen.minus_zero else "+0.0"
    bench.observe(
        f"a dropped NaN {nan}, a dropped infinity {infinite}, a dropped negative number {negative}"
    )
