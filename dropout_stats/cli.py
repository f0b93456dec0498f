"""The command line: a thin caller of plan, run and report."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import click

from dropout_stats.commands.check import check
from dropout_stats.commands.gap import gap
from dropout_stats.commands.output import EXIT, READABLE, console_of, show
from dropout_stats.commands.survey import survey
from dropout_stats.commands.zoo import zoo
from dropout_stats.errors import DropoutStatsError


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="dropout-stats")
def cli() -> None:
    """Judge dropout implementations.

    Exit status: 0 pass, 1 fail or unexpected pass, 2 usage or harness error, 3 inconclusive.
    """


@cli.command(name="list")
def list_requirements() -> None:
    """List the requirements: number, id of the check, and question."""
    from dropout_stats.specification import ALL

    width = max(len(one.id) for one in ALL)
    for one in ALL:
        click.echo(f"{one.number:<6} {one.id:<{width}}  {one.question}")


@cli.command()
@click.argument("names", nargs=-1, required=True, metavar="ID...")
def explain(names: Sequence[str]) -> None:
    """Say all about requirements, by number (R6.1), id (rate.marginal) or pattern (rate.*).

    What each demands, why, which specimens of the zoo break it, how it is tested, what a run at the
    default budget resolves, and what a failure looks like.
    """
    from dropout_stats.specification import choose
    from dropout_stats.specification.terminal import renderable

    console_of(piped=READABLE).print(renderable(choose(names)))


@cli.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False))
def report(file: str) -> None:
    """Print a report that `check --json` wrote, with its exit status."""
    from dropout_stats.report import Report

    loaded = Report.from_json(Path(file).read_text(encoding="utf-8"))
    show(loaded)
    sys.exit(EXIT[loaded.verdict])


for command in (check, gap, survey, zoo):
    cli.add_command(command)


def main() -> None:
    """Run the command line; errors of this library become a paragraph and status 2."""
    try:
        cli()
    except DropoutStatsError as error:
        click.echo(f"dropout-stats: {error}", err=True)
        sys.exit(2)
