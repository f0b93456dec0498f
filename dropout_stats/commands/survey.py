"""`dropout-stats survey`: a compliance table of what is installed."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from dropout_stats.commands.arguments import listed, require_folders
from dropout_stats.commands.output import EXIT, WIDE, console_of


@click.command()
@click.argument("targets", nargs=-1, metavar="[TARGET]...")
@listed("--rates", float, help="Drop rates, e.g. 0.1,0.9 [0.001,0.1,0.3,0.9,0.999].")
@listed("--dtypes", str, help="Types, the columns of the table [all that are known].")
@listed("--checks", str, help="Only these ids or patterns, e.g. rate.*,calls.*.")
@listed("--skip", str, help="Not these ids or patterns.")
@click.option("--resolution", type=float, help="In standard deviations of a unit [2**-10].")
@click.option("--false-alarm", type=float, help="Chance to fail any correct target [1e-6].")
@click.option("--max-seconds", type=float, help="Time for sampling of each target [60].")
@click.option("--seed", type=int, help="Seed of every run [fresh].")
@click.option(
    "--expected",
    "known_file",
    type=click.Path(exists=True, dir_okay=False),
    help="What is known to fail: a file such as docs/findings/known_failures.toml.",
)
@click.option("--json", "json_file", type=click.Path(dir_okay=False), help="Write all reports.")
@click.option("--html", "html_file", type=click.Path(dir_okay=False), help="Write a page.")
def survey(
    targets: Sequence[str],
    known_file: str | None,
    json_file: str | None,
    html_file: str | None,
    **given: Any,
) -> None:
    """Judge the released dropouts that are installed, in every type that each declares.

    TARGET is one of them, a pattern such as 'torch.*', or an import string of your own. What is not
    installed is left out. One target that cannot be judged does not hide the others.
    """
    from dropout_stats.options import read_options
    from dropout_stats.survey.known import read_known
    from dropout_stats.survey.run import Course
    from dropout_stats.survey.targets import choose
    from dropout_stats.survey.terminal import line, renderable

    require_folders(json_file, html_file)
    known = read_known(Path(known_file)) if known_file else ()
    course = Course(choose(targets), read_options(None, given), known)
    rows = []
    for row in course.rows():
        if not row.left_out:
            click.echo(line(row), err=True)
        rows.append(row)
    table = course.table(rows)
    console_of(piped=WIDE).print(renderable(table))
    for path, text in ((json_file, table.to_json), (html_file, table.to_html)):
        if path:
            Path(path).write_text(text(), encoding="utf-8")
    sys.exit(EXIT[table.verdict])
