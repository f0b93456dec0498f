"""What failed, as the causes need to know it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from dropout_stats.results import Result

# Messages of calls that gave nothing which a check could judge.
_NO_ANSWER = (" raised ", "; expected an array", "; expected the pair", "; expected real numbers")


@dataclass(frozen=True)
class Failures:
    """The failures of a report, but for calls that raised: their message says all there is to say.

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

    def say(self, check: str, words: Sequence[str]) -> bool:
        """Whether a message of the check holds one of the words, if any are given."""
        messages = [result.message for result in self.results if result.check == check]
        return not words or any(word in message for message in messages for word in words)

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

    def all_have_estimates(self, check: str) -> bool:
        """Whether each failure of a check has one number to show."""
        return all(
            result.evidence is not None and result.evidence.estimate is not None
            for result in self.results
            if result.check == check
        )


def failures_of(results: Sequence[Result]) -> Failures:
    """Return the failures among the results."""
    return Failures(
        tuple(r for r in results if r.verdict == "fail" and (r.evidence or not _raised(r)))
    )


def _raised(result: Result) -> bool:
    return any(words in result.message for words in _NO_ANSWER)
