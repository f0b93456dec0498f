"""Reports as JSON, out and in, without loss."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from dropout_stats.errors import UsageError
from dropout_stats.report.model import Report
from dropout_stats.results import VERDICTS, Case, Diagnosis, Evidence, Result

FORMAT = "dropout-stats report 2"
_BEFORE = "dropout-stats report 1"  # it knew no expectations, and not whose the failures are


def dump(report: Report) -> str:
    """Write a report. Everything but `seconds` is the same for the same seed and target."""
    values = asdict(report)
    head = {"format": FORMAT, "verdict": report.verdict, "tally": report.tally}
    return json.dumps(head | values, indent=1, allow_nan=False) + "\n"


def load(text: str) -> Report:
    """Read a report, or say why the text is none."""
    try:
        values = json.loads(text)
    except json.JSONDecodeError as error:
        raise UsageError(
            f"this is not a whole JSON report (line {error.lineno}: {error.msg}); "
            "write one with Report.to_json() or `dropout-stats check --json FILE`"
        ) from error
    if not isinstance(values, dict) or values.get("format") not in (FORMAT, _BEFORE):
        found = values.get("format") if isinstance(values, dict) else type(values).__name__
        raise UsageError(f'expected a JSON object with "format": {FORMAT!r}, found {found!r}')
    try:
        values = _upgraded(values)
        report = _report(values)
        again = json.loads(dump(report))
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise UsageError(f"the report is damaged: {type(error).__name__} at {error}") from error
    for name, value in again.items():
        if value != values.get(name):
            raise UsageError(f"the report is damaged: {name!r} does not follow from its results")
    return report


def _upgraded(values: dict[str, Any]) -> dict[str, Any]:
    """A report of the format before, as this one would have it."""
    if values["format"] == FORMAT:
        return values
    return {
        **values,
        "format": FORMAT,
        "tally": dict.fromkeys(VERDICTS, 0) | values["tally"],
        "results": [{**result, "expected": None, "symptoms": []} for result in values["results"]],
        "diagnoses": [{**diagnosis, "checks": []} for diagnosis in values["diagnoses"]],
    }


def dump_result(result: Result) -> dict[str, Any]:
    """Return a result as plain values, which `load_result` takes back without loss."""
    return asdict(result)


def _report(values: dict[str, Any]) -> Report:
    derived = ("format", "verdict", "tally")
    fields = {name: value for name, value in values.items() if name not in derived}
    fields["results"] = tuple(load_result(result) for result in fields["results"])
    fields["diagnoses"] = tuple(
        Diagnosis(**{**diagnosis, "checks": tuple(diagnosis["checks"])})
        for diagnosis in fields["diagnoses"]
    )
    fields["observations"] = tuple(fields["observations"])
    fields["conventions"] = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in fields["conventions"].items()
    }
    return Report(**fields)


def load_result(values: dict[str, Any]) -> Result:
    """Return the result that `dump_result` made plain."""
    case = dict(values["case"])
    if case["shape"] is not None:
        case["shape"] = tuple(case["shape"])
    if values["verdict"] not in VERDICTS:
        raise ValueError(f"verdict {values['verdict']!r}")
    evidence = None if values["evidence"] is None else Evidence(**values["evidence"])
    symptoms = tuple(values.get("symptoms", ()))
    return Result(**{**values, "case": Case(**case), "evidence": evidence, "symptoms": symptoms})
