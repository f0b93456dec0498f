"""A table of gaps as a picture: the gap over the rate, a colour for each activation."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dropout_stats.errors import UsageError
from dropout_stats.gap.given import Given
from dropout_stats.gap.table import Row

SUFFIXES = (".png", ".svg")
_LINES: dict[str, dict[str, Any]] = {
    "inverted": {"marker": "o", "linestyle": "-", "markersize": 4},
    "test-scaled": {"marker": "s", "linestyle": "--", "markersize": 4},
}


def require_plot(file: str) -> None:
    """Raise UsageError unless a picture of this name can be made: asked before the long work."""
    if Path(file).suffix.lower() not in SUFFIXES:
        raise UsageError(f"a plot is a {' or '.join(SUFFIXES)} file, got {file!r}")
    _matplotlib()


def draw(unit: Given, rows: Sequence[Row], file: str) -> None:
    """Write the picture of the rows that have an answer; the same rows give the same one."""
    matplotlib = _matplotlib()
    kind = Path(file).suffix.lower().removeprefix(".")
    # what would otherwise be random in an SVG, or the time of day
    with matplotlib.rc_context({"svg.hashsalt": "dropout_stats"}):
        figure = _figure(unit, [row for row in rows if row.gap])
        figure.savefig(
            file, format=kind, dpi=150, metadata={"Date": None} if kind == "svg" else None
        )


def _figure(unit: Given, rows: Sequence[Row]) -> Any:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 5), layout="constrained")
    axes = figure.add_subplot()
    colours = _colours(rows)
    for (activation, strategy), curve in _curves(rows).items():
        rates = [row.question.rate for row in curve]
        gaps, colour = [row.gap for row in curve if row.gap], colours[activation]
        name = f"{activation}-{strategy}"  # of the line, in an SVG
        values = [gap.value for gap in gaps]
        axes.plot(rates, values, color=colour, gid=name, **_LINES[strategy])
        low, high = [gap.low for gap in gaps], [gap.high for gap in gaps]
        axes.fill_between(rates, low, high, color=colour, alpha=0.2, linewidth=0)
    axes.axhline(0, color="0.7", linewidth=0.8, zorder=0)
    axes.set_xlabel("drop rate")
    axes.set_ylabel("E f(training pass) - f(evaluation pass)")
    axes.set_title(unit.words.replace("$", r"\$"), fontsize="small", wrap=True)  # no mathematics
    _explain(figure, rows, colours)
    return figure


def _explain(figure: Any, rows: Sequence[Row], colours: dict[str, Any]) -> None:
    """A legend of colours and of kinds of lines: of each curve it would outgrow the picture."""
    from matplotlib.lines import Line2D

    strategies = dict.fromkeys(row.question.strategy for row in rows)
    handles = [Line2D([], [], color=colour, label=name) for name, colour in colours.items()]
    handles += [Line2D([], [], color="0.4", label=name, **_LINES[name]) for name in strategies]
    figure.legend(handles=handles, loc="outside right upper", fontsize="small", handlelength=3)


def _curves(rows: Sequence[Row]) -> dict[tuple[str, str], list[Row]]:
    curves: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        curves.setdefault((row.question.activation, row.question.strategy), []).append(row)
    return {
        label: sorted(curve, key=lambda row: row.question.rate) for label, curve in curves.items()
    }


def _colours(rows: Sequence[Row]) -> dict[str, Any]:
    names = list(dict.fromkeys(row.question.activation for row in rows))
    colours = _matplotlib().colormaps["tab10" if len(names) <= 10 else "tab20"]
    return {name: colours(place) for place, name in enumerate(names)}


def _matplotlib() -> Any:
    try:
        import matplotlib
        import matplotlib.figure
    except ImportError as error:
        raise UsageError("a plot needs matplotlib: pip install 'dropout-stats[plot]'") from error
    return matplotlib
