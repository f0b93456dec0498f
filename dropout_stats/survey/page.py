"""A survey as one page: a grid of cells, and below it what each report says."""

from __future__ import annotations

from collections.abc import Iterator
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from dropout_stats.results import Verdict
from dropout_stats.survey.model import Cell, Row, Survey
from dropout_stats.survey.words import left_out, named, said

# A sign for whoever cannot tell the colours apart.
_SIGNS: dict[Verdict, str] = {
    "pass": "✓",
    "fail": "✗",
    "unexpected-pass": "‼",
    "error": "!",
    "inconclusive": "?",
    "expected-failure": "x",
    "not-applicable": "-",
}
_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 72rem;
  padding: 0 1rem; color: #1b1b1b; background: #fff }
table { border-collapse: separate; border-spacing: 3px; width: 100% }
th { text-align: left; font-weight: 600; padding: .3rem .5rem }
td { padding: .3rem .5rem; border-radius: 4px; vertical-align: top; min-width: 6rem }
td small { display: block; overflow-wrap: anywhere }
a { color: inherit }
pre { background: #f4f4f4; padding: 1rem; overflow-x: auto; font-size: 13px }
.pass { background: #cdeacb } .fail, .unexpected-pass { background: #f6b8b0 }
.error { background: #e5c4ee } .inconclusive { background: #fbe7a1 }
.expected-failure { background: #bfe3ea } .not-applicable, .none { background: #eee }
"""


def page(survey: Survey) -> str:
    """Return the page; it needs neither a network nor another file."""
    root = Element("html", lang="en")
    head = SubElement(root, "head")
    SubElement(head, "meta", charset="utf-8")
    _said(head, "title", "Survey of dropout implementations")
    _said(head, "style", _STYLE)
    body = SubElement(root, "body")
    _said(body, "h1", "Survey of dropout implementations")
    for text in said(survey):
        _said(body, "p", text)
    body.append(_grid(survey))
    for text in left_out(survey):
        _said(body, "p", f"Left out: {text}.")
    _said(body, "p", f"Signs: {', '.join(f'{sign} {word}' for word, sign in _SIGNS.items())}.")
    body.extend(_details(survey))
    indent(body)
    return "<!DOCTYPE html>\n" + tostring(root, encoding="unicode", method="html") + "\n"


def _grid(survey: Survey) -> Element:
    table = Element("table")
    _said(table, "caption", "The verdict on each target in each type; a cell leads to its report")
    heads = SubElement(SubElement(table, "thead"), "tr")
    for name in ("target", *survey.dtypes, "whole"):
        _said(heads, "th", name, scope="col")
    body = SubElement(table, "tbody")
    for number, row in enumerate(survey.judged, 1):
        line = SubElement(body, "tr")
        _link(SubElement(line, "th", scope="row"), number, row.target)
        line.extend(_cells(survey, row, number))
    return table


def _cells(survey: Survey, row: Row, number: int) -> Iterator[Element]:
    if row.report is None:
        cell = Element("td", {"class": row.verdict, "colspan": str(len(survey.dtypes) + 1)})
        _link(cell, number, f"{_SIGNS[row.verdict]} error: {row.error.splitlines()[0]}")
        yield cell
        return
    for dtype in survey.dtypes:
        yield _cell(row.cell(dtype), f"{row.target}, {dtype}", number)
    yield _cell(Cell(row.outcome), f"{row.target}, all types", number)


def _cell(found: Cell, place: str, number: int) -> Element:
    word = found.verdict or "not declared"
    title = ": ".join([place, word, *([", ".join(found.checks)] if found.checks else [])])
    cell = Element("td", {"class": found.verdict or "none", "title": title})
    if found.verdict is None:
        cell.text = word
        return cell
    _link(cell, number, f"{_SIGNS[found.verdict]} {word}")
    if found.checks:
        _said(cell, "small", named(found.checks))
    return cell


def _details(survey: Survey) -> Iterator[Element]:
    for number, row in enumerate(survey.judged, 1):
        section = Element("section", id=_anchor(number))
        _said(section, "h2", row.target)
        if row.versions:
            _said(section, "p", ", ".join(f"{name} {v}" for name, v in row.versions.items()))
        _said(section, "pre", str(row.report) if row.report else row.error)
        yield section


def _said(parent: Element, tag: str, text: str, **attributes: str) -> None:
    SubElement(parent, tag, attributes).text = text


def _link(parent: Element, number: int, text: str) -> None:
    _said(parent, "a", text, href=f"#{_anchor(number)}")


def _anchor(number: int) -> str:
    return f"target-{number}"
