"""What the commands print to, and how they end."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

_Row = TypeVar("_Row")

WIDE = 200  # so that a specimen is a line
READABLE = 100
EXIT = {"pass": 0, "fail": 1, "unexpected-pass": 1, "error": 2, "inconclusive": 3}


def console_of(*, piped: int) -> Any:
    """A console; in a file or a pipe, which have no width, lines of this one."""
    from rich.console import Console

    return Console(highlight=False, width=None if sys.stdout.isatty() else piped)


def tracked(rows: Iterable[_Row], total: int) -> Iterator[_Row]:
    """The rows, with a bar of their progress on the standard error."""
    from rich.console import Console
    from rich.progress import track

    yield from track(rows, total=total, console=Console(stderr=True), transient=True)


def show(what: Any) -> None:
    """Print a report, or a plan."""
    from dropout_stats.report import Report
    from dropout_stats.report.terminal import plan_renderable, renderable

    shown = renderable(what) if isinstance(what, Report) else plan_renderable(what)
    console_of(piped=READABLE).print(shown, crop=False)
