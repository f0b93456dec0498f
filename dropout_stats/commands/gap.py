"""`dropout-stats gap`: how far training and evaluation differ under a nonlinear layer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from dropout_stats.commands.arguments import listed, require_folders
from dropout_stats.commands.output import WIDE, console_of, tracked
from dropout_stats.errors import UsageError


@click.command()
@listed(
    "--activations",
    str,
    default=["relu,gelu,silu,tanh,sigmoid"],
    show_default=True,
    help="Nonlinear functions, or all.",
)
@listed("--rates", float, default=["0.1,0.3,0.5,0.7,0.9"], show_default=True, help="Drop rates.")
@listed(
    "--strategy",
    str,
    to="strategies",
    default=["inverted,test-scaled"],
    show_default=True,
    help="Where the scaling is.",
)
@click.option(
    "--weights",
    metavar="FILE.npy",
    help="Weights of the unit, an array of one dimension [random].",
)
@click.option(
    "--values",
    metavar="FILE.npy",
    help="Values of its inputs, likewise [1 with --weights, otherwise random].",
)
@click.option(
    "--inputs", type=click.IntRange(1, 1_000_000), help="Number of inputs of a random unit [64]."
)
@click.option("--seed", type=click.IntRange(0), help="Seed of what is random [0].")
@click.option("--bias", type=float, default=0.0, help="Bias of the unit [0].")
@click.option("--tolerance", type=float, default=1e-12, help="Halfwidth to aim at [1e-12].")
@click.option("--json", "json_file", type=click.Path(dir_okay=False), help="Write all digits.")
@click.option("--plot", "plot_file", type=click.Path(dir_okay=False), help="Draw a .png or .svg.")
def gap(
    activations: Sequence[str],
    rates: Sequence[float],
    strategies: Sequence[str],
    weights: str | None,
    values: str | None,
    *,
    tolerance: float,
    json_file: str | None,
    plot_file: str | None,
    **drawn: Any,
) -> None:
    """Say how far training and evaluation differ under a nonlinear layer.

    For one unit: the mean of f over the masks of training, less f of the evaluation pass, with a
    proved error. Without options, the unit has random weights that a seed states.
    """
    from dropout_stats.gap import terminal
    from dropout_stats.gap.given import given
    from dropout_stats.gap.neuron import tolerance_of
    from dropout_stats.gap.plot import draw, require_plot
    from dropout_stats.gap.table import answers, questions, to_json

    require_folders(json_file, plot_file)
    if plot_file:
        require_plot(plot_file)
    unit = given(weights, values, **drawn)
    asked = questions(unit, activations, rates, strategies)
    found = answers(unit, asked, tolerance_of(tolerance))
    rows = list(tracked(found, len(asked)))
    unanswered = [UsageError(row.error) for row in rows if row.error]
    if len(unanswered) == len(rows):
        raise unanswered[0]
    console = console_of(piped=WIDE)
    console.print(terminal.renderable(unit, rows, console.width))
    if json_file:
        Path(json_file).write_text(to_json(unit, rows, tolerance), encoding="utf-8")
    if plot_file:
        draw(unit, rows, plot_file)
    if unanswered:
        raise unanswered[0]
