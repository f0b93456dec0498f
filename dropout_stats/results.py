"""The frozen types that travel upward: what was asked, what was found."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal, TypeAlias, get_args

Verdict: TypeAlias = Literal[
    "pass",
    "fail",
    "inconclusive",
    "not-applicable",
    "expected-failure",
    "unexpected-pass",
    "error",
]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)
# Up to `inconclusive` they are verdicts of a whole that is no pass.
WORST_FIRST: tuple[Verdict, ...] = (
    "fail",
    "unexpected-pass",
    "error",
    "inconclusive",
    "expected-failure",
    "pass",
    "not-applicable",
)

# What a failure looks like, where failures of one check have several causes.
Symptom: TypeAlias = Literal[
    "no answer",  # the call raised, or returned no array of real numbers
    "raised",  # of those, it raised
    "in train",  # and which callable of the target was called
    "in evaluate",
    "in vjp",
    "in evaluate_vjp",
    "not at first",  # and other calls before it were answered
    "off by rounding",
    "the kept value of another unit",
    "no common factor",
    "NaN",
    "follows the values",
    "parts of one sequence",
    "elsewhere in the model",
]


def place_name(rate: float | None, dtype: str, variant: str) -> str:
    """A configuration in short, e.g. `0.1-float32` or `0.1-float32-rank4`."""
    return "-".join(([] if rate is None else [f"{rate:g}"]) + [dtype] + [variant] * bool(variant))


@dataclass(frozen=True)
class Case:
    """One check at one configuration.

    Args:
        check: the id of the check, `family.name`.
        dtype: type of the input.
        rate: the drop rate; None where the check tries several.
        shape: shape of the input; None where the check tries several.
        variant: what is special about its calls, e.g. `rank4`; empty for the usual ones.

    """

    check: str
    dtype: str
    rate: float | None = None
    shape: tuple[int, ...] | None = None
    variant: str = ""

    @property
    def where(self) -> str:
        """The configuration in short, e.g. `0.1-float32`."""
        return place_name(self.rate, self.dtype, self.variant)

    @property
    def id(self) -> str:
        """What pytest and the command line call this case."""
        return f"{self.check}[{self.where}]"

    def matches(self, pattern: str) -> bool:
        """Whether it is named, or its check matches a pattern (`*` and `?` as in file names)."""
        if "[" in pattern:
            return self.id == pattern
        return fnmatchcase(self.check, pattern)


@dataclass(frozen=True)
class Evidence:
    """The numbers behind a verdict.

    Args:
        units: independent units that were looked at.
        estimate: the estimated quantity, in the unit that the message names; None if none.
        low: lower end of the confidence sequence at 1 - the case's share of the error budget (for
            an exact check: the smallest value seen).
        high: upper end, likewise.
        log10_e: log10 of the e-value against the law; None where the check is exact.
        resolution: the smallest departure that this run would have caught with probability
            `power`, in the unit that the message names; of a failure that came too soon to tell,
            the one that it was planned to catch; None where the check is exact.

    """

    units: int
    estimate: float | None = None
    low: float | None = None
    high: float | None = None
    log10_e: float | None = None
    resolution: float | None = None


@dataclass(frozen=True)
class Finding:
    """What a check says of one case, before it is filed as a result."""

    verdict: Verdict
    message: str
    evidence: Evidence | None = None
    observation: str | None = None
    symptoms: tuple[Symptom, ...] = ()


@dataclass(frozen=True)
class Result:
    """The verdict on one case.

    Args:
        check: the id of the check.
        verdict: the verdict.
        message: what was seen and what was expected, in words.
        evidence: the numbers behind it; None where there are none.
        case: the check and its configuration.
        reproduce: the command or expression that asks the same again.
        expected: kind and reason of the expectation that a failure met or a pass disappointed,
            e.g. `bug: the threshold has 8 bits`; None elsewhere.
        symptoms: what a failure looks like, for the diagnosis.

    """

    check: str
    verdict: Verdict
    message: str
    evidence: Evidence | None
    case: Case
    reproduce: str
    expected: str | None = None
    symptoms: tuple[Symptom, ...] = ()


@dataclass(frozen=True)
class Diagnosis:
    """A named cause that explains what was seen.

    Args:
        name: the bug in a few words.
        explanation: what was seen, and why this cause explains it.
        fix: what to change.
        checks: ids of the failed checks that it accounts for; no other diagnosis has them.

    """

    name: str
    explanation: str
    fix: str
    checks: tuple[str, ...] = ()

    @property
    def lines(self) -> tuple[str, str]:
        """The cause and its fix, a line each."""
        return f"diagnosis: {self.name}: {self.explanation}", f"  fix: {self.fix}"


def worst(verdicts: tuple[Verdict, ...]) -> Verdict:
    """The verdict of a whole: the worst, where one is no pass; nothing passed: inconclusive.

    Expected failures are no passes, but do not stand in the way of one.
    """
    for verdict in WORST_FIRST[: WORST_FIRST.index("expected-failure")]:
        if verdict in verdicts:
            return verdict
    return "pass" if "pass" in verdicts else "inconclusive"
