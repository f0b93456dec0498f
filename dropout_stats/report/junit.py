"""Reports as JUnit XML, for continuous integration that reads nothing else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from xml.etree import ElementTree

from dropout_stats.report.model import Report
from dropout_stats.results import Diagnosis, Result

_TAGS = {
    "fail": "failure",
    "unexpected-pass": "failure",
    "inconclusive": "failure",
    "error": "error",
    "not-applicable": "skipped",
    "expected-failure": "skipped",
}


def dump(report: Report) -> str:
    """Write a report.

    Inconclusive cases and unexpected passes count as failures, not-applicable ones and expected
    failures as skipped.
    """
    counted = Counter(_TAGS.get(result.verdict) for result in report.results)
    suite = ElementTree.Element(
        "testsuite",
        name=f"dropout-stats {report.target}",
        tests=str(len(report.results)),
        failures=str(counted["failure"]),
        errors=str(counted["error"]),
        skipped=str(counted["skipped"]),
        time=f"{report.seconds:.3f}",
    )
    for result in report.results:
        suite.append(_case(result, report.diagnoses))
    root = ElementTree.Element("testsuites")
    root.append(suite)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _case(result: Result, diagnoses: Sequence[Diagnosis]) -> ElementTree.Element:
    case = ElementTree.Element("testcase", classname=result.check, name=result.case.where)
    tag = _TAGS.get(result.verdict)
    if tag is None:
        return case
    note = ElementTree.SubElement(case, tag, message=f"{result.verdict}: {result.message}")
    if tag != "skipped":
        causes = [d for d in diagnoses if tag == "failure" and result.check in d.checks]
        said = [line for cause in causes for line in cause.lines]
        note.text = "\n".join([result.message, *said, f"Reproduce with: {result.reproduce}"])
    return case
