"""A table of gaps as text for a terminal."""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import ROUND_UP, Context, Decimal

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from dropout_stats.gap.given import Given
from dropout_stats.gap.result import Gap
from dropout_stats.gap.table import Row

_MOST = 17  # significant digits that tell any two doubles apart
_SIDE_BY_SIDE = 100  # columns of a terminal
_UP = Context(prec=2, rounding=ROUND_UP)


def renderable(unit: Given, rows: Sequence[Row], width: int) -> RenderableType:
    """Return the table for a rich console: the strategies side by side, if there is room."""
    strategies = tuple(dict.fromkeys(row.question.strategy for row in rows))
    apart = width < _SIDE_BY_SIDE and len(strategies) > 1
    columns = ("strategy", "gap", "±") if apart else _alternating(strategies)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("activation", "rate", *columns, "method"):
        table.add_column(column, overflow="fold", justify="right" if column == "rate" else "left")
    for cells in _apart(rows) if apart else _beside(rows):
        table.add_row(*cells)
    heading = "gap: E f(training pass) - f(evaluation pass)"
    return Group(Text(f"{heading}\n{unit.words}\n"), table, Text(f"\n{_closing(rows)}"))


def shown(gap: Gap) -> tuple[str, str]:
    """The value to as many digits as are known, and how far what is shown can be off.

    That is the halfwidth and what was rounded off for display, rounded up: the truth is inside.
    """
    digits = _MOST
    if gap.halfwidth and gap.value:
        known = math.log10(abs(gap.value)) - math.log10(gap.halfwidth)
        digits = min(max(math.ceil(known) + 2, 2), _MOST)
    value = f"{gap.value:.{digits}g}"
    rounded_off = _UP.subtract(Decimal(gap.value), Decimal(value)).copy_abs()
    off = _UP.add(rounded_off, Decimal(gap.halfwidth))
    return value, f"{off:.1e}" if off else "0"


def _cells(gap: Gap | None) -> tuple[str, str]:
    return shown(gap) if gap else ("no answer", "-")


def _alternating(strategies: Sequence[str]) -> tuple[str, ...]:
    return tuple(column for strategy in strategies for column in (strategy, "±"))


def _apart(rows: Sequence[Row]) -> list[tuple[str, ...]]:
    return [
        (*_named(row), row.question.strategy, *_cells(row.gap), _methods([row.gap])) for row in rows
    ]


def _beside(rows: Sequence[Row]) -> list[tuple[str, ...]]:
    lines: dict[tuple[str, str], list[Gap | None]] = {}
    for row in rows:
        lines.setdefault(_named(row), []).append(row.gap)
    return [
        (*named, *(cell for gap in gaps for cell in _cells(gap)), _methods(gaps))
        for named, gaps in lines.items()
    ]


def _methods(gaps: Sequence[Gap | None]) -> str:
    return ", ".join(dict.fromkeys(gap.method for gap in gaps if gap)) or "-"


def _named(row: Row) -> tuple[str, str]:
    return row.question.activation, repr(row.question.rate)


def _closing(rows: Sequence[Row]) -> str:
    gaps = [row.gap for row in rows if row.gap]
    unproved = sum(not gap.certified for gap in gaps)
    if unproved:
        return f"{unproved} of {len(gaps)} gaps are estimates; the others are proved within ±."
    return "Each gap is proved to be within ± of what is shown, truncation, rounding and all."
