"""What is said of a survey as a whole, on the page and in the terminal."""

from __future__ import annotations

from collections import Counter

from dropout_stats.survey.model import Survey

_NAMED = 3


def summary(survey: Survey) -> str:
    """The verdict, and how many targets have which."""
    judged = Counter(row.outcome for row in survey.judged)
    counts = ", ".join(f"{many} {verdict}" for verdict, many in sorted(judged.items()))
    number = len(survey.rows) - len(survey.judged)
    return (
        f"{survey.verdict.upper()}: of {len(survey.rows)} targets {counts or 'none was judged'}; "
        f"{number} left out."
    )


def asked(survey: Survey) -> str:
    """What all targets were asked alike."""
    return (
        f"Rates {', '.join(f'{rate:g}' for rate in survey.rates)}, and 0 and 1 where a target has "
        f"them; resolution {survey.resolution:.2g} standard deviations, seed {survey.seed}."
    )


def budget(survey: Survey) -> str:
    """What the error probability of the whole is, and how it was divided."""
    shares = {row.report.false_alarm for row in survey.rows if row.report}
    each = f", {max(shares):.2g} for each target that is installed" if shares else ""
    return f"False alarm {survey.false_alarm:g} in all{each}, fixed before anything was drawn."


def said(survey: Survey) -> tuple[str, ...]:
    """All that is said below, or above, the table."""
    return (summary(survey), asked(survey), budget(survey), made_with(survey))


def left_out(survey: Survey) -> list[str]:
    """Why targets were not judged, and which, a line a reason."""
    reasons = dict.fromkeys(row.left_out for row in survey.rows if row.left_out)
    return [
        f"{reason} ({', '.join(row.target for row in survey.rows if row.left_out == reason)})"
        for reason in reasons
    ]


def made_with(survey: Survey) -> str:
    """The versions of what judged."""
    return f"Judged with {', '.join(f'{name} {v}' for name, v in survey.versions.items())}."


def named(checks: tuple[str, ...]) -> str:
    """The first checks of several, and how many more there are."""
    more = len(checks) - _NAMED
    return ", ".join([*checks[:_NAMED], *([f"and {more} more"] if more > 0 else [])])
