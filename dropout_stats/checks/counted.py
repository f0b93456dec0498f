"""From a context to a check: the one verdict and the one explanation of all counted checks."""

from __future__ import annotations

import math

from dropout_stats.checks.check import ALL_LAWS, StreamCheck, StreamKind
from dropout_stats.checks.context import Context, Seen, describe_cell, estimate_of
from dropout_stats.checks.stream import Stream
from dropout_stats.evidence.departures import Copied
from dropout_stats.laws import Kind
from dropout_stats.results import Evidence, Finding, Verdict


def counted(
    id: str,  # noqa: A002 - it is what a check calls it
    question: str,
    why: str,
    context: Context,
    *,
    demands: str,
    how: str,
    unit: str,
    dependence: bool = False,
    on: tuple[StreamKind, ...] = ("usual",),
    laws: tuple[Kind, ...] = ALL_LAWS,
) -> StreamCheck:
    """Make the check that a context is.

    Args:
        id: `family.name`.
        question: what it asks, in plain words.
        why: what goes wrong where the answer is no.
        context: what a unit's draw must not depend on.
        demands: the requirement on a target, as a standard would put it.
        how: what is counted, and what a cell is.
        unit: what its resolution measures.
        dependence: whether a failure means that units do not draw independently, so that the
            rate's evidence must be doubted.
        on: the kinds of stream that it judges.
        laws: the kinds of law that it is asked of.

    """

    def decide(stream: Stream) -> Verdict:
        return _decide(stream, id)

    def explain(stream: Stream, verdict: Verdict) -> Finding:
        return _explain(stream, verdict, id, context)

    return StreamCheck(
        id=id,
        question=question,
        why=why,
        demands=demands,
        how=how,
        spends=True,
        decide=decide,
        explain=explain,
        context=context,
        tally=context.tally,
        dependence=dependence,
        on=on,
        unit=unit,
        laws=laws,
    )


def _decide(stream: Stream, check: str) -> Verdict:
    if not stream.setting.tests[check][0]:
        return "not-applicable"
    seen = stream.seen(check)
    named = any(tested.named for tested in seen.tests)
    is_done = seen.excludes_departures() if named else stream.calls >= stream.setting.expected_calls
    if not (is_done or stream.weighs):
        return "inconclusive"
    if seen.log_e >= stream.setting.share.log_threshold:
        return "fail"
    if not is_done:
        return "inconclusive"
    return "pass" if named else "not-applicable"


def _explain(stream: Stream, verdict: Verdict, check: str, context: Context) -> Finding:
    setting = stream.setting
    if not setting.tests[check][0]:
        return Finding("not-applicable", "calls of this shape have nothing to tell apart here")
    seen = stream.seen(check)
    if not seen.tables:
        return Finding("inconclusive", "too few calls to fill a cell", Evidence(0))
    group, cell = seen.worst()
    tested, row = seen.tests[group], seen.tables[group][cell]
    resolution = seen.resolution
    evidence = Evidence(
        units=seen.units,
        estimate=estimate_of(tested, row),
        log10_e=seen.log_e / math.log(10),
        resolution=resolution if math.isfinite(resolution) else None,
    )
    where = context.cell(setting.place, group, cell)
    counts = f"{where}: {describe_cell(tested, row, setting.keep_prob)}"
    if verdict == "fail":
        return Finding(
            "fail", f"{counts} (e-value 10^{evidence.log10_e:.1f}, whatever the rate)", evidence
        )
    farthest = f"the farthest of {_cells(seen)} is {counts}"
    if verdict == "pass":
        return Finding("pass", f"{farthest}. {_caught(seen)} would have been caught", evidence)
    if verdict == "not-applicable":
        return Finding(
            verdict, f"{farthest}: so few draws cannot show a departure within the plan", evidence
        )
    wanted = max(tested.test.size for tested in seen.tests if tested.named)
    return Finding(
        "inconclusive",
        f"{farthest}. Too few calls to exclude the declared departure {wanted:.2g}",
        evidence,
    )


def _cells(seen: Seen) -> str:
    number = sum(len(table) for table in seen.tables)
    return f"{number} cells" if number != 1 else "one cell"


def _caught(seen: Seen) -> str:
    """The smallest and the largest departure among the groups, in words."""
    reached = sorted((size, number) for number, size in seen.resolutions.items())
    said = [_departure(seen, size, number) for size, number in (reached[0], reached[-1])]
    return " to ".join(dict.fromkeys(said))


def _departure(seen: Seen, size: float, number: int) -> str:
    group = seen.tests[number].group
    if isinstance(group.departure, Copied):
        return f"{group.name} copied with probability {size:.2g}"
    return f"{group.name} that is off by {size:.2g}"
