"""Is the rate right in calls of other shapes than those of the streams?"""

from __future__ import annotations

import math

from dropout_stats.checks.bench import Bench
from dropout_stats.checks.check import Probe
from dropout_stats.checks.frequencies import counts_of, departs, differ
from dropout_stats.evidence.bernoulli import Counts
from dropout_stats.laws.halves import lawful_shares
from dropout_stats.results import Case, Evidence, Finding

_UNITS = 4096  # of each shape, in as many calls as it takes
_MOST_CALLS = 64
_FLAT = ((1, 64), (256, 16))  # one sample; a batch that is taller than wide


def _ask(bench: Bench, case: Case) -> Finding:
    rate = case.rate or 0.0
    lawful = lawful_shares(bench.law, rate, case.dtype)
    bench.caller.seed(case.id)
    shapes = _shapes(bench, case.dtype)
    counted = {shape: _counted(bench, shape, case, rate) for shape in shapes}
    wrong = {shape: counts for shape, counts in counted.items() if departs(counts, lawful)}
    for shape, counts in wrong.items():
        other = next((s for s in counted if s not in wrong and differ(counted[s], counts)), None)
        if other is not None:
            return Finding(
                "fail",
                f"in calls of shape {shape} {counts.successes} of {counts.trials} units = "
                f"{counts.share:.7g} were kept; expected {lawful[0]:.7g}. In "
                f"calls of shape {other} it is {counted[other].share:.7g}",
                Evidence(counts.trials, estimate=counts.share),
            )
    if wrong:
        return Finding("inconclusive", "the rate is wrong in calls of any shape: see rate.marginal")
    total = sum(counts.trials for counts in counted.values())
    return Finding("pass", f"the rate is right in calls of {len(shapes)} shapes", Evidence(total))


def _shapes(bench: Bench, dtype: str) -> list[tuple[int, ...]]:
    """All shapes and, for one type, one that is large: how work is shared out is the same."""
    large = (bench.large_shape,) if dtype == bench.conventions.dtypes[0] else ()
    low, high = bench.conventions.ndims
    flat = () if bench.only_these_shapes or not low <= 2 <= high else _FLAT
    return list(dict.fromkeys((*bench.shapes, *flat, *large)))


def _counted(bench: Bench, shape: tuple[int, ...], case: Case, rate: float) -> Counts:
    x = bench.inputs(shape, case.dtype, case.id, shape)
    reader = bench.law.reader(x, rate, bench.conventions.output_dtype(case.dtype))
    counts = Counts()
    for _ in range(min(_MOST_CALLS, math.ceil(_UNITS / max(1, bench.units(shape))))):
        counts += counts_of(reader.read(bench.train(x, rate)))
    return counts


FREQUENCIES = Probe(
    id="structure.frequencies",
    question="Is a unit kept at the rate in calls of every shape?",
    why="Code that chooses another path for one dimension, for a single sample or for very large "
    "arrays may drop nothing there, or at another rate.",
    demands="A unit shall be kept with the same probability in calls of every shape.",
    how="Calls of each shape of `interface.shape`, of 1x64 and 256x16 and, in the first type, of "
    "one with 131,072 units: 64 or as many as hold 4,096 units. A share of kept units that has a "
    "probability below 2 e^-60 fails: nothing dropped, or a rate that is off by a third, in 1,000 "
    "units or more, unless usual calls have hardly another share: then `rate.marginal` says so.",
    places="dtype",
    ask=_ask,
)
