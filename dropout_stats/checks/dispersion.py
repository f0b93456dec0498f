"""Does the kept count vary as the count of independent units does?"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from dropout_stats.checks.block import Block
from dropout_stats.checks.calls import masks_repeat
from dropout_stats.checks.check import StreamCheck
from dropout_stats.checks.context import Place
from dropout_stats.checks.stream import Stream
from dropout_stats.evidence.dispersion import CountDispersion, count_dispersion
from dropout_stats.laws.reading import Array
from dropout_stats.results import Evidence, Finding, Verdict

_Histogram = Callable[[Stream], NDArray[np.int64]]


def _of_calls(stream: Stream) -> NDArray[np.int64]:
    """Of new masks only, once masks are known to repeat: a copy says nothing new.

    Short masks repeat by chance, so copies are left out only where the law is refuted already.
    """
    if not masks_repeat(stream):
        return stream.histogram
    counts = np.rint(np.array(stream.novel_shares) * stream.setting.units).astype(np.int64)
    return np.bincount(counts, minlength=stream.setting.units + 1)


class RowTally:
    """How many rows kept 0, 1, ... units; a row is what the last axis runs over."""

    def __init__(self, place: Place, inputs: Sequence[Array]) -> None:  # noqa: ARG002 - as a context
        self.histogram = np.zeros(row_length(place.shape) + 1, np.int64)

    def add(self, block: Block) -> None:
        """Take whole calls."""
        length = len(self.histogram) - 1
        rows = (
            block.bits.reshape(-1, length) if length % 64 else block.words.reshape(-1, length // 64)
        )
        count = rows if length % 64 else np.bitwise_count(rows)
        self.histogram += np.bincount(
            count.sum(axis=1, dtype=np.int64), minlength=len(self.histogram)
        )


def row_length(shape: tuple[int, ...]) -> int:
    """Units in a row of calls of this shape."""
    return shape[-1] if shape else 1


def _of_rows(stream: Stream) -> NDArray[np.int64]:
    tally = stream.tallies["dependence.row_dispersion"]
    return tally.histogram if isinstance(tally, RowTally) else np.zeros(2, np.int64)


def _check(
    id: str,  # noqa: A002 - it is what a check calls it
    question: str,
    why: str,
    *,
    demands: str,
    how: str,
    unit: str,
    group: str,
    histogram: _Histogram,
    tally: type[RowTally] | None = None,
) -> StreamCheck:
    """Make the check of one kind of group: a whole call, or a row."""

    def test(stream: Stream) -> CountDispersion:
        setting = stream.setting
        size = len(histogram(stream)) - 1
        return count_dispersion(size, setting.keep_prob, setting.factors[id], setting.power)

    def decide(stream: Stream) -> Verdict:
        counts = histogram(stream)
        if test(stream).log_e(counts) >= stream.setting.share.log_threshold:
            return "fail"
        if math.isinf(stream.setting.factors[id]):
            return "not-applicable" if stream.is_long_enough else "inconclusive"
        return "pass" if test(stream).excludes_departures(counts) else "inconclusive"

    def explain(stream: Stream, verdict: Verdict) -> Finding:
        return _explain(test(stream), histogram(stream), group, verdict)

    return StreamCheck(
        id=id,
        question=question,
        why=why,
        demands=demands,
        how=how,
        spends=True,
        decide=decide,
        explain=explain,
        tally=tally,
        dependence=True,
        unit=unit,
    )


def _explain(
    test: CountDispersion, histogram: NDArray[np.int64], group: str, verdict: Verdict
) -> Finding:
    groups = int(histogram.sum())
    factor, resolution = test.variance_factor(histogram), test.resolution(histogram)
    log10_e = test.log_e(histogram) / math.log(10)
    evidence = Evidence(
        units=groups,
        estimate=None if math.isnan(factor) else factor,
        log10_e=log10_e,
        resolution=resolution if math.isfinite(resolution) else None,
    )
    seen = (
        f"over {groups} {group}s of {test.size} units the kept count varies "
        f"{factor:.3g} times as much as a binomial count"
    )
    shared = f"units of a {group} share their draws" if factor > 1 else "the count is held fixed"
    wanted = (
        f"the declared factor {test.factor:.3g} (or its inverse)"
        if math.isfinite(test.factor)
        else "any factor"
    )
    messages: dict[Verdict, str] = {
        "not-applicable": f"{seen}: counts of so few draws cannot show a factor within the plan",
        "pass": f"{seen}. A factor of {resolution:.3g} (or its inverse) would have been caught",
        "inconclusive": f"{seen}. Too few {group}s to exclude {wanted}",
        "fail": f"{seen}; expected as much, whatever the rate (e-value 10^{log10_e:.1f}): {shared}",
    }
    return Finding(verdict, messages[verdict], evidence)


COUNT = _check(
    "calls.count_dispersion",
    "Does the kept count vary from call to call as a binomial count does?",
    "Units that share a draw make the count vary too much, exact-count masks too little; "
    "the mean is right in both.",
    group="call",
    histogram=_of_calls,
    demands="The number of kept units shall vary from call to call as a binomial count does.",
    how="The kept counts of calls make a histogram. The e-value compares "
    "Conway-Maxwell-binomial laws, from counts that are spread out to counts that are fixed, "
    "with the best binomial, so that a wrong rate alone never fails. It passes once a variance "
    "that is the planned factor too large, and one that is as much too small, are excluded. "
    "Once masks are known to repeat, only new ones are counted.",
    unit="the factor on the variance of the kept count of a call, or its inverse",
)

ROW = _check(
    "dependence.row_dispersion",
    "Does the kept count of a row vary as a binomial count does?",
    "A count that is held fixed in each sample, or draws that are shared by some units of a row, "
    "need not show in the count of a whole call as soon.",
    group="row",
    histogram=_of_rows,
    tally=RowTally,
    demands="The number of kept units in a row shall vary as a binomial count does.",
    how="As for `calls.count_dispersion`, by the kept counts of rows; a row is what the last "
    "axis runs over.",
    unit="the factor on the variance of the kept count of a row, or its inverse",
)
