"""What happens at the ends of the rate: nothing is dropped at 0, everything at 1."""

from __future__ import annotations

import math

import numpy as np

from dropout_stats.checks.bench import Bench
from dropout_stats.checks.check import TWO_VALUED, Probe
from dropout_stats.errors import TargetError
from dropout_stats.laws.reading import Array, unravelled
from dropout_stats.results import Case, Evidence, Finding

_UNITS = 1 << 18  # a drop with chance 2e-5 a unit is seen with probability 0.99


def _rate_zero(bench: Bench, case: Case) -> Finding:
    shape = bench.largest_shape
    calls = max(1, _UNITS // max(1, math.prod(shape)))
    bench.caller.seed(case.id)
    x = bench.inputs(shape, case.dtype, case.id)
    reader = bench.law.reader(x, 0.0, bench.conventions.output_dtype(case.dtype))
    units = 0
    for _ in range(calls):
        y = bench.train(x, 0.0)
        reading = reader.read(y)
        units += reading.units
        evidence = Evidence(units, estimate=1 - reading.kept / reading.units)
        if reading.kept < reading.units:
            mask = reading.mask().reshape(bench.law.sharing.kept_dims(shape))
            index = unravelled(~mask)
            return Finding(
                "fail",
                f"{reading.units - reading.kept} of {reading.units} units were dropped at rate 0, "
                f"the first being unit {index}; expected none",
                evidence,
            )
        if reading.violations:
            return Finding("fail", f"at rate 0, {reading.example}", evidence)
    leak = -math.log1p(-bench.power) / units
    return Finding(
        "pass",
        f"nothing was dropped or changed in {units} units; a drop with chance {leak:.1g} a unit "
        f"would have been caught with probability {bench.power:g}",
        Evidence(units, estimate=0.0, resolution=leak),
    )


def _rate_one(bench: Bench, case: Case) -> Finding:
    domain = bench.conventions.rate_domain
    if domain == "[0, 1)":
        return Finding(
            "not-applicable", "rate 1 lies outside the declared domain: see interface.invalid_rate"
        )
    bench.caller.seed(case.id)
    x = bench.inputs(bench.largest_shape, case.dtype, case.id)
    try:
        y = bench.train(x, 1.0).astype(np.float64)
    except TargetError as error:
        if domain == "[0, 1]":
            raise
        behaviour = error.problem
    else:
        behaviour = _describe(y)
        if not (y != 0).any():
            return Finding("pass", f"all {y.size} units were dropped", Evidence(y.size))
    if domain == "[0, 1]":
        return Finding(
            "fail",
            f"at rate 1 the target {behaviour}; expected zeros everywhere",
            symptoms=("NaN",) if np.isnan(y).any() else (),
        )
    return Finding(
        "not-applicable",
        "nothing is declared about rate 1 (Conventions(rate_domain=...))",
        observation=f"at rate 1 the target {behaviour}",
    )


def _describe(y: Array) -> str:
    numbers = np.asarray(y, np.float64)
    if np.isnan(numbers).any():
        return f"returns NaN at {int(np.isnan(numbers).sum())} of {numbers.size} units"
    kept = int((numbers != 0).sum())
    return f"keeps {kept} of {numbers.size} units"


RATE_ZERO = Probe(
    id="limits.rate_zero",
    question="Is nothing dropped, and nothing changed, at rate 0?",
    why="A comparison with <= or a coarse uniform drops now and then even at rate 0.",
    demands="At rate 0 a training pass shall drop no unit, and shall give every unit its kept "
    "value.",
    how="Calls of the largest shape, as many as 262,144 units fill, and at least one. Every "
    "output is compared with its kept value, within the tolerance of `support.kept_value`. A "
    "drop is never lawful here, so the first one fails. One that happens with probability "
    "1.8e-5 a unit is met in 262,144 units with probability 0.99.",
    places="rate 0",
    ask=_rate_zero,
)

RATE_ONE = Probe(
    id="limits.rate_one",
    question="Is everything dropped at rate 1, where that is declared?",
    why="1/(1 - rate) is infinite: 0 times infinity is NaN.",
    demands="Where the declared domain is [0, 1], a training pass at rate 1 shall return 0 at "
    "every unit.",
    how="One call of the largest shape; NaN is not 0. Where no domain is declared, what happens "
    "is an observation; where it is [0, 1), `interface.invalid_rate` asks.",
    places="rate 1",
    ask=_rate_one,
    laws=TWO_VALUED,
)
