"""What failed, as the causes need to know it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from dropout_stats.results import Result, Symptom


@dataclass(frozen=True)
class Failures:
    """The failures of a report that are looked at together.

    Args:
        results: the failed results.

    """

    results: tuple[Result, ...]

    @property
    def checks(self) -> set[str]:
        """Ids of the checks that failed."""
        return {result.check for result in self.results}

    @property
    def dtypes(self) -> set[str]:
        """The types in which something failed."""
        return {result.case.dtype for result in self.results}

    def in_usual_calls(self, check: str) -> bool:
        """Whether a check failed in the usual stream of a rate and type."""
        return any(r.check == check and not r.case.variant for r in self.results)

    def look(self, check: str, symptoms: Sequence[Symptom]) -> bool:
        """Whether a failure of the check has one of the symptoms, if any are given."""
        seen = {s for result in self.results if result.check == check for s in result.symptoms}
        return not symptoms or not seen.isdisjoint(symptoms)

    def strength(self, patterns: Sequence[str]) -> float:
        """The largest log10 e-value among the checks of these patterns; 0 where none failed."""
        return max(
            (
                result.evidence.log10_e or 0.0
                for result in self.results
                if result.evidence and any(fnmatchcase(result.check, p) for p in patterns)
            ),
            default=0.0,
        )

    def estimates(self, patterns: Sequence[str]) -> set[float]:
        """The numbers that the failures of these checks have to show."""
        return {
            result.evidence.estimate
            for result in self.results
            if result.evidence
            and result.evidence.estimate is not None
            and any(fnmatchcase(result.check, p) for p in patterns)
        }

    def all_have_estimates(self, check: str) -> bool:
        """Whether each failure of a check has one number to show."""
        return all(
            result.evidence is not None and result.evidence.estimate is not None
            for result in self.results
            if result.check == check
        )


def failures_of(results: Sequence[Result]) -> Failures:
    """Return the failures of calls that were answered; `unanswered.py` has the others."""
    return Failures(
        tuple(r for r in results if r.verdict == "fail" and "no answer" not in r.symptoms)
    )
