"""The kill matrix and the list of specimens as text for a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from dropout_stats.zoo.matrix import Outcome, Row, tally
from dropout_stats.zoo.specimen import Specimen

_STYLES: dict[Outcome, str] = {
    "killed": "green",
    "spared": "green",
    "survived": "bold red",
    "accused": "bold red",
}


def matrix_renderable(rows: Sequence[Row]) -> RenderableType:
    """Return the kill matrix for a rich console."""
    table = _table("specimen", "named check", "", "failed", "first diagnosis")
    for row in rows:
        table.add_row(
            row.specimen.name,
            row.specimen.killed_by or "none",
            Text(row.outcome, style=_STYLES[row.outcome]),
            Text(_failed(row)),
            _diagnosis(row),
        )
    return Group(table, _closing(rows))


def list_renderable(specimens: Sequence[Specimen]) -> RenderableType:
    """Return the list of specimens for a rich console."""
    table = _table("specimen", "killed by", "what is wrong, or unusual")
    for specimen in specimens:
        table.add_row(specimen.name, specimen.killed_by or "none: correct", Text(specimen.fault))
    return table


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for number, column in enumerate(columns):
        table.add_column(column, no_wrap=number == 0, overflow="fold")
    return table


def _failed(row: Row) -> str:
    others = [check for check in row.failed if check != row.specimen.killed_by]
    broken = [f"{check} broke" for check in row.broken]
    undecided = ["inconclusive"] if row.verdict == "inconclusive" else []
    return ", ".join(others + broken + undecided)


def _diagnosis(row: Row) -> Text:
    if row.is_named:
        return Text(row.diagnosis or "")
    expected = row.specimen.diagnosis or "none"
    return Text(f"{row.diagnosis or 'none'} (expected: {expected})", style="yellow")


def _closing(rows: Sequence[Row]) -> Text:
    counts = ", ".join(f"{number} {outcome}" for outcome, number in tally(rows).items())
    named = sum(row.is_named for row in rows)
    seconds = sum(row.seconds for row in rows)
    return Text(
        f"\n{len(rows)} specimens: {counts}; first diagnosis as expected: {named}; {seconds:.1f} s"
    )
