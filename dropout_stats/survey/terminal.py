"""A survey as a table for a terminal."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from dropout_stats.report.terminal import STYLES
from dropout_stats.survey.model import Cell, Row, Survey
from dropout_stats.survey.words import left_out, named, said


def renderable(survey: Survey) -> RenderableType:
    """Return the table for a rich console."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("target", *survey.dtypes, "what is no pass"):
        table.add_column(column, overflow="fold")
    for row in survey.judged:
        table.add_row(row.target, *(_cell(row, dtype) for dtype in survey.dtypes), _note(row))
    return Group(table, Text(), *map(Text, (*left_out(survey), *said(survey))))


def line(row: Row) -> str:
    """What became of one target, in a line."""
    seconds = f" ({row.report.seconds:.1f} s)" if row.report else ""
    return f"{row.target}: {row.verdict}{seconds}"


def _cell(row: Row, dtype: str) -> Text:
    cell = row.cell(dtype)
    if row.report is None:
        cell = Cell(row.verdict)
    return Text(cell.verdict or "-", style=STYLES[cell.verdict] if cell.verdict else "dim")


def _note(row: Row) -> Text:
    """Why there is no report; or the checks that did not pass, in whatever type."""
    if row.report is None:
        return Text(row.error.splitlines()[0])
    wrong = ("fail", "unexpected-pass", "error", "inconclusive", "expected-failure")
    checks = (one.check for one in row.report.results if one.verdict in wrong)
    return Text(named(tuple(dict.fromkeys(checks))))
