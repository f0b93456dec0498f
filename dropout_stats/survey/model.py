"""What a survey found: a row a target, a cell a type."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from dropout_stats.report import Report
from dropout_stats.results import WORST_FIRST, Result, Verdict, worst


class Cell(NamedTuple):
    """What was found of one target in one type.

    Args:
        verdict: the worst that any case of it has; None where the target does not declare the type.
        checks: ids of the checks whose cases have that verdict, if it is no pass.

    """

    verdict: Verdict | None
    checks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Row:
    """What became of one target.

    Args:
        target: its import string and the options of its adapter.
        versions: of the packages that it is made of.
        report: the report, where it was judged.
        error: what stopped its adapter, or this library, before there was one.
        left_out: why it was not asked for one.

    """

    target: str
    versions: Mapping[str, str]
    report: Report | None = None
    error: str = ""
    left_out: str = ""

    @property
    def verdict(self) -> Verdict:
        """That of the report; `error`, or `not-applicable` where it was left out."""
        if self.report:
            return self.report.verdict
        return "error" if self.error else "not-applicable"

    @property
    def outcome(self) -> Verdict:
        """The verdict, but `expected-failure` where it passes with failures that are known."""
        known = self.report is not None and self.report.expected_failures
        return "expected-failure" if known and self.verdict == "pass" else self.verdict

    def cell(self, dtype: str) -> Cell:
        """What was found in one type."""
        results = [one for one in self._results if one.case.dtype == dtype]
        if not results:
            return Cell(None)
        verdict = min((one.verdict for one in results), key=WORST_FIRST.index)
        named = (one.check for one in results if one.verdict == verdict != "pass")
        return Cell(verdict, tuple(dict.fromkeys(named)))

    @property
    def _results(self) -> tuple[Result, ...]:
        return self.report.results if self.report else ()


@dataclass(frozen=True)
class Survey:
    """The table.

    Args:
        rows: a row a target.
        dtypes: the types that were asked for: its columns.
        rates: the drop rates.
        resolution: what was to be resolved, in standard deviations of a unit.
        false_alarm: the probability that any conforming target fails; each has an equal share.
        seed: that of every run.
        versions: of this library and what it stands on.

    """

    rows: tuple[Row, ...]
    dtypes: tuple[str, ...]
    rates: tuple[float, ...]
    resolution: float
    false_alarm: float
    seed: int
    versions: Mapping[str, str]

    @property
    def verdict(self) -> Verdict:
        """The worst of the rows; what was left out does not count."""
        return worst(tuple(row.verdict for row in self.rows))

    @property
    def judged(self) -> tuple[Row, ...]:
        """The rows of what was there to be judged."""
        return tuple(row for row in self.rows if not row.left_out)

    def to_json(self) -> str:
        """Return the whole table as JSON; `from_json` gives it back without loss."""
        from dropout_stats.survey.json import dump

        return dump(self)

    @staticmethod
    def from_json(text: str) -> Survey:
        """Read what `to_json` wrote; UsageError where the text is something else."""
        from dropout_stats.survey.json import load

        return load(text)

    def to_html(self) -> str:
        """Return the table as one HTML page that needs nothing else."""
        from dropout_stats.survey.page import page

        return page(self)
