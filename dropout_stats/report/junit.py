"""Reports as JUnit XML, for continuous integration that reads nothing else."""

from __future__ import annotations

from xml.etree import ElementTree

from dropout_stats.report.model import Report
from dropout_stats.results import Result

_TAGS = {
    "fail": "failure",
    "inconclusive": "failure",
    "error": "error",
    "not-applicable": "skipped",
}


def dump(report: Report) -> str:
    """Write a report; inconclusive cases count as failures, not-applicable ones as skipped."""
    tally = report.tally
    suite = ElementTree.Element(
        "testsuite",
        name=f"dropout-stats {report.target}",
        tests=str(len(report.results)),
        failures=str(tally["fail"] + tally["inconclusive"]),
        errors=str(tally["error"]),
        skipped=str(tally["not-applicable"]),
        time=f"{report.seconds:.3f}",
    )
    for result in report.results:
        suite.append(_case(result))
    root = ElementTree.Element("testsuites")
    root.append(suite)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _case(result: Result) -> ElementTree.Element:
    case = ElementTree.Element("testcase", classname=result.check, name=result.case.where)
    tag = _TAGS.get(result.verdict)
    if tag is None:
        return case
    note = ElementTree.SubElement(case, tag, message=f"{result.verdict}: {result.message}")
    if tag != "skipped":
        note.text = f"{result.message}\nReproduce with: {result.reproduce}"
    return case
