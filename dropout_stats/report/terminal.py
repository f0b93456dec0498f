"""Reports and plans as text; the colours say nothing that the words do not."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from dropout_stats.report.model import Report
from dropout_stats.results import WORST_FIRST, Diagnosis, Result, Verdict

if TYPE_CHECKING:
    from dropout_stats.planning import Plan

_WIDTH = 100
STYLES: dict[Verdict, str] = {
    "pass": "green",
    "fail": "bold red",
    "error": "bold magenta",
    "inconclusive": "yellow",
    "not-applicable": "dim",
    "expected-failure": "cyan",
    "unexpected-pass": "bold red",
}
_WORDS: dict[Verdict, str] = {
    "pass": "passed",
    "fail": "failed",
    "error": "errors",
    "expected-failure": "expected failures",
    "unexpected-pass": "unexpected passes",
}


@dataclass(frozen=True)
class _Line:
    """A line that stays one, however narrow the console is: a broken command does not run.

    The console must print it without cropping.
    """

    text: str
    indent: int = 0

    def __rich_console__(self, *_: object) -> Iterator[Segment]:
        """Make one line of it."""
        yield Segment(" " * self.indent + self.text)
        yield Segment.line()


def _indented(part: RenderableType) -> RenderableType:
    if isinstance(part, _Line):
        return replace(part, indent=part.indent + 2)
    return Padding(part, (0, 0, 0, 2))


def render(report: Report) -> str:
    """Return the report as plain text."""
    return _plain(renderable(report))


def render_plan(plan: Plan) -> str:
    """Return the plan as plain text."""
    return _plain(plan_renderable(plan))


def render_html(report: Report) -> str:
    """Return the report as one HTML page with its styles inside."""
    console = Console(file=io.StringIO(), width=_WIDTH + 20, record=True, force_terminal=True)
    console.print(renderable(report), crop=False)
    return console.export_html(inline_styles=True)


def failure_text(result: Result) -> str:
    """Return one result as plain text: what pytest shows."""
    return _plain(Group(*_failure(result)))


def renderable(report: Report) -> RenderableType:
    """Return the report for a rich console."""
    parts: list[RenderableType] = [_header(report), _checks(report)]
    for diagnosis in report.diagnoses:
        parts += _diagnosis(diagnosis, report)
    explained = {check for diagnosis in report.diagnoses for check in diagnosis.checks}
    parts += _blocks([result for result in report.failures if result.check not in explained])
    for verdict in ("unexpected-pass", "error", "inconclusive"):
        parts += _blocks([result for result in report.results if result.verdict == verdict])
    parts += _expected(report)
    parts += [Text(f"observed: {text}", style="dim") for text in report.observations]
    parts.append(_closing(report))
    return Group(*parts)


def plan_renderable(plan: Plan) -> RenderableType:
    """Return the plan for a rich console."""
    time = "" if plan.seconds is None else f", about {plan.seconds:.1f} s for a conforming target"
    share = next((p.share.probability for p in plan.cases if p.share), None)
    budget = f"false alarm {plan.asked.false_alarm:g} in all"
    return Group(
        Text(f"{plan.target}: law {plan.law_name} ({plan.law_source})", style="bold"),
        Text(f"{budget}, {share:.2g} for each counted case" if share else budget),
        _streams(plan),
        _resolutions(plan),
        *map(Text, _known(plan)),
        Text(f"{len(plan.cases)} cases, {_count(plan.units)} units expected{time}"),
    )


def _known(plan: Plan) -> list[str]:
    """What is expected to fail, and at how many cases."""
    lines = []
    for one in plan.asked.expected:
        matched = sum(one.matches(planned.case) for planned in plan.cases)
        plural = "" if matched == 1 else "s"
        lines.append(f"{one} is expected to fail ({one.words}): {matched} case{plural}")
    return lines


def _streams(plan: Plan) -> RenderableType:
    table = _table("stream", "call", "units", "at most")
    for stream in plan.streams:
        units = stream.setting.units
        table.add_row(
            stream.where,
            "x".join(map(str, stream.setting.shape)),
            _count(stream.expected_calls * units),
            _count(stream.cap_calls * units),
        )
    return table


def _resolutions(plan: Plan) -> RenderableType:
    """What each counted check is planned to catch: at its finest and at its coarsest case."""
    found: dict[str, list[tuple[float, str]]] = {}
    for planned in plan.cases:
        if planned.resolution:
            pair = (planned.resolution, planned.case.where)
            found.setdefault(planned.case.check, []).append(pair)
    table = _table("check", "finest", "at", "coarsest", "at")
    for check, pairs in found.items():
        (low, where_low), (high, where_high) = min(pairs), max(pairs)
        table.add_row(check, f"{low:.2g}", where_low, f"{high:.2g}", where_high)
    return Padding(table, (1, 0))


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        left = column in ("stream", "call", "check", "at")
        table.add_column(column, justify="left" if left else "right")
    return table


def _header(report: Report) -> RenderableType:
    assumed = "" if report.law_source != "assumed" else " (assumed: none was declared)"
    return Text.assemble(
        (f"{report.target}", "bold"),
        f"\nlaw {report.law}{assumed}, seed {report.seed}, "
        f"false alarm {report.false_alarm:g} in all\n",
    )


def _checks(report: Report) -> RenderableType:
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(no_wrap=True, min_width=max(len(result.verdict) for result in report.results))
    table.add_column(no_wrap=True, min_width=max(len(result.check) for result in report.results))
    table.add_column(no_wrap=True, min_width=5, justify="right")
    table.add_column(no_wrap=True, overflow="ellipsis")
    for check in dict.fromkeys(result.check for result in report.results):
        results = [result for result in report.results if result.check == check]
        verdict = min((result.verdict for result in results), key=WORST_FIRST.index)
        table.add_row(
            Text(verdict, style=STYLES[verdict]), check, _score(results), _note(verdict, results)
        )
    return table


def _score(results: list[Result]) -> str:
    applicable = [result for result in results if result.verdict != "not-applicable"]
    passed = sum(result.verdict == "pass" for result in results)
    return f"{passed}/{len(applicable)}" if applicable else ""


def _note(verdict: Verdict, results: list[Result]) -> str:
    if verdict == "not-applicable":
        return results[0].message
    first = next(result for result in results if result.verdict == verdict)
    if verdict != "pass":
        return f"first at {first.case.where}"
    resolution = None if first.evidence is None else first.evidence.resolution
    units = max((result.evidence.units for result in results if result.evidence), default=0)
    if resolution is None:
        return f"exact; {_count(units)} units" if units else "exact"
    return f"resolution {resolution:.2g} at {first.case.where}; {_count(units)} units"


def _blocks(results: list[Result]) -> list[RenderableType]:
    """One block a check; checks that say the same share it. All results have one verdict."""
    blocks: dict[str, list[list[Result]]] = {}
    for check in dict.fromkeys(result.check for result in results):
        found = [result for result in results if result.check == check]
        blocks.setdefault(found[0].message, []).append(found)
    parts: list[RenderableType] = []
    for groups in blocks.values():
        parts += _failure(groups[0][0])
        parts += [_also(found[0].case.id) for found in groups[1:]]
        rest = [r.case.where for r in groups[0][1:]]
        if rest:
            parts.append(_also(", ".join(rest)))
    return parts


def _also(where: str) -> RenderableType:
    return _indented(Text(f"likewise at {where}", style="dim"))


def _failure(result: Result) -> list[RenderableType]:
    title = Text.assemble(
        "\n", (result.verdict.upper(), STYLES[result.verdict]), f" {result.case.id}"
    )
    body = Text(f"{result.message}{_resolved(result)}")
    return [title, _indented(body), _indented(_Line(f"reproduce: {result.reproduce}"))]


def _resolved(result: Result) -> str:
    """What the evidence can tell from chance; nothing for an exact check."""
    size = result.evidence and result.evidence.resolution
    return f"\nresolution: {size:.2g}" if size else ""


def _diagnosis(diagnosis: Diagnosis, report: Report) -> list[RenderableType]:
    """A cause, and below it the failures that it accounts for."""
    failures = [result for result in report.failures if result.check in diagnosis.checks]
    title = Text.assemble("\n", ("DIAGNOSIS", "bold cyan"), f" {diagnosis.name}")
    body = Text(f"{diagnosis.explanation}\nfix: {diagnosis.fix}")
    return [title, *map(_indented, (body, *_blocks(failures)))]


def _expected(report: Report) -> list[RenderableType]:
    """Each reason, and below it the cases that fail for it."""
    parts: list[RenderableType] = []
    for reason in dict.fromkeys(result.expected for result in report.expected_failures):
        places: dict[str, list[str]] = {}
        for result in report.expected_failures:
            if result.expected == reason:
                places.setdefault(result.check, []).append(result.case.where)
        title = ("EXPECTED", STYLES["expected-failure"])
        lines = "\n".join(f"{check} at {', '.join(where)}" for check, where in places.items())
        parts += [Text.assemble("\n", title, f" {reason}"), Padding(Text(lines), (0, 0, 0, 2))]
    return parts


def _closing(report: Report) -> RenderableType:
    tally = report.tally
    parts = ", ".join(f"{number} {_WORDS.get(name, name)}" for name, number in tally.items())
    return Text.assemble(
        "\n",
        (report.verdict.upper(), STYLES[report.verdict]),
        f"  {len(report.results)} planned: {parts}; {report.seconds:.1f} s",
    )


def _count(number: int) -> str:
    for size, unit in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if number >= size:
            return f"{number / size:.3g} {unit}"
    return str(number)


def _plain(what: RenderableType) -> str:
    console = Console(
        file=io.StringIO(), width=_WIDTH, color_system=None, highlight=False, legacy_windows=False
    )
    with console.capture() as capture:
        console.print(what, crop=False)
    return "\n".join(line.rstrip() for line in capture.get().splitlines()) + "\n"
