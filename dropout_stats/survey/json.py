"""A survey as JSON, out and in, without loss; each report in it is as `check --json` writes it."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import Any

from dropout_stats.errors import UsageError
from dropout_stats.report import Report
from dropout_stats.survey.model import Row, Survey

FORMAT = "dropout-stats survey 1"


def dump(survey: Survey) -> str:
    """Write a survey."""
    head = {"format": FORMAT, "verdict": survey.verdict}
    rest = asdict(replace(survey, rows=()))
    rows = [_row(row) for row in survey.rows]
    return json.dumps(head | rest | {"rows": rows}, indent=1, allow_nan=False) + "\n"


def load(text: str) -> Survey:
    """Read a survey, or say why the text is none."""
    try:
        values = json.loads(text)
    except json.JSONDecodeError as error:
        raise UsageError(
            f"this is not a whole survey in JSON (line {error.lineno}: {error.msg}); write one "
            "with Survey.to_json() or `dropout-stats survey --json FILE`"
        ) from error
    if not isinstance(values, dict) or values.get("format") != FORMAT:
        found = values.get("format") if isinstance(values, dict) else type(values).__name__
        raise UsageError(f'expected a JSON object with "format": {FORMAT!r}, found {found!r}')
    try:
        survey = _survey(values)
    except (KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"the survey is damaged: {type(error).__name__} at {error}") from error
    if survey.verdict != values["verdict"]:
        raise UsageError("the survey is damaged: its verdict does not follow from its rows")
    return survey


def _row(row: Row) -> dict[str, Any]:
    report = json.loads(row.report.to_json()) if row.report else None
    head = {"target": row.target, "verdict": row.verdict, "versions": dict(row.versions)}
    return head | {"error": row.error, "left_out": row.left_out, "report": report}


def _survey(values: dict[str, Any]) -> Survey:
    fields = {key: value for key, value in values.items() if key not in ("format", "verdict")}
    fields["rows"] = tuple(_loaded(row) for row in fields["rows"])
    for name in ("dtypes", "rates"):
        fields[name] = tuple(fields[name])
    return Survey(**fields)


def _loaded(values: dict[str, Any]) -> Row:
    fields = {key: value for key, value in values.items() if key != "verdict"}
    if fields["report"] is not None:
        fields["report"] = Report.from_json(json.dumps(fields["report"]))
    return Row(**fields)
