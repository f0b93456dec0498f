"""The report: every result, what they mean together, and how the run was made."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from dropout_stats.errors import did_you_mean
from dropout_stats.results import VERDICTS, WORST_FIRST, Diagnosis, Result, Verdict, worst


@dataclass(frozen=True)
class Report:
    """What was found about one target.

    Args:
        target: name of the target.
        law: name of the law that it was held to.
        law_source: `argument`, `target` or `assumed`.
        conventions: the conventions that it was held to.
        results: one result a case, in the order of the plan.
        diagnoses: named causes that explain the failures, roots first.
        observations: what the target does where it declared nothing; never a failure.
        seed: the seed of the run.
        false_alarm: total probability that a conforming target fails.
        power: probability of catching a departure as large as a stated resolution.
        versions: of this library and what it stands on.
        seconds: how long the run took.

    """

    target: str
    law: str
    law_source: str
    conventions: Mapping[str, Any]
    results: tuple[Result, ...]
    diagnoses: tuple[Diagnosis, ...]
    observations: tuple[str, ...]
    seed: int
    false_alarm: float
    power: float
    versions: Mapping[str, str]
    seconds: float = field(compare=False)

    @cached_property
    def verdict(self) -> Verdict:
        """The worst of `fail`, `unexpected-pass`, `error` and `inconclusive`, else `pass`.

        Where nothing passed it is inconclusive.
        """
        return worst(tuple(result.verdict for result in self.results))

    @property
    def failures(self) -> tuple[Result, ...]:
        """The results whose verdict is `fail`: those that nobody expected."""
        return self._with("fail")

    @property
    def expected_failures(self) -> tuple[Result, ...]:
        """The results whose verdict is `expected-failure`; `Result.expected` says why."""
        return self._with("expected-failure")

    @property
    def unexpected_passes(self) -> tuple[Result, ...]:
        """The results whose verdict is `unexpected-pass`: expectations that are out of date."""
        return self._with("unexpected-pass")

    def _with(self, verdict: Verdict) -> tuple[Result, ...]:
        return tuple(result for result in self.results if result.verdict == verdict)

    @cached_property
    def tally(self) -> dict[Verdict, int]:
        """How many cases have each verdict; the numbers add up to the cases."""
        counted = Counter(result.verdict for result in self.results)
        return {verdict: counted[verdict] for verdict in VERDICTS}

    def __getitem__(self, check: str) -> Result:
        """Return the worst result of a check; the first among equals."""
        of_check = [result for result in self.results if result.check == check]
        if not of_check:
            known = sorted({result.check for result in self.results})
            raise KeyError(f"no result of the check {check!r}.{did_you_mean(check, known)}")
        return min(of_check, key=lambda result: WORST_FIRST.index(result.verdict))

    def __str__(self) -> str:
        from dropout_stats.report.terminal import render

        return render(self)

    def raise_for_failures(self) -> None:
        """Raise AssertionError with the report's text unless the verdict is `pass`.

        Inconclusive is not a pass: the run was too short for its declared resolution.
        """
        if self.verdict != "pass":
            raise AssertionError(f"{self.target}: {self.verdict}\n\n{self}")

    def to_json(self) -> str:
        """Return the whole report as JSON; `from_json` gives it back without loss."""
        from dropout_stats.report.json import dump

        return dump(self)

    @staticmethod
    def from_json(text: str) -> Report:
        """Read a report that `to_json` wrote; UsageError where the text is something else."""
        from dropout_stats.report.json import load

        return load(text)

    def to_html(self) -> str:
        """Return the report as one HTML page that needs nothing else."""
        from dropout_stats.report.terminal import render_html

        return render_html(self)

    def to_junit(self) -> str:
        """Return the report as JUnit XML, one test case a case."""
        from dropout_stats.report.junit import dump

        return dump(self)
