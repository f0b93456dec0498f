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
_UP = Context(prec=2, rounding=ROUND_UP)


def renderable(unit: Given, rows: Sequence[Row]) -> RenderableType:
    """Return the table for a rich console, the strategies side by side."""
    strategies = list(dict.fromkeys(row.question.strategy for row in rows))
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("activation", overflow="fold")
    table.add_column("rate", justify="right")
    for strategy in strategies:
        table.add_column(strategy, overflow="fold")
        table.add_column("±", overflow="fold")
    table.add_column("method", overflow="fold")
    for cells in _lines(rows):
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


def _lines(rows: Sequence[Row]) -> list[tuple[str, ...]]:
    beside: dict[tuple[str, float], list[Row]] = {}
    for row in rows:
        beside.setdefault((row.question.activation, row.question.rate), []).append(row)
    return [
        (
            activation,
            f"{rate!r}",
            *(cell for row in those for cell in shown(row.gap)),
            ", ".join(dict.fromkeys(row.gap.method for row in those)),
        )
        for (activation, rate), those in beside.items()
    ]


def _closing(rows: Sequence[Row]) -> str:
    unproved = sum(not row.gap.certified for row in rows)
    if unproved:
        return f"{unproved} of {len(rows)} gaps are estimates; the others are proved within ±."
    return "Each gap is proved to be within ± of what is shown, truncation, rounding and all."
