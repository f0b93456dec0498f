"""`dropout-stats zoo`: judge the specimens."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import click

from dropout_stats.commands.arguments import require_folders
from dropout_stats.commands.output import WIDE, console_of, tracked


@click.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--resolution", type=float, help="For all; by default what each specimen needs.")
@click.option("--seed", type=int, help="Seed of every run [fresh].")
@click.option("--json", "json_file", type=click.Path(dir_okay=False), help="Write the matrix.")
@click.option("--list", "only_list", is_flag=True, help="Only list the specimens.")
def zoo(
    names: Sequence[str],
    resolution: float | None,
    seed: int | None,
    json_file: str | None,
    *,
    only_list: bool,
) -> None:
    """Judge the zoo: wrong dropouts, each with the check that must kill it, and correct ones.

    Exit status: 0 if all wrong ones are killed and all correct ones spared, otherwise 1.
    """
    from dropout_stats.zoo import choose
    from dropout_stats.zoo.matrix import matrix, to_json
    from dropout_stats.zoo.terminal import list_renderable, matrix_renderable

    require_folders(json_file)
    chosen = choose(names)
    console = console_of(piped=WIDE)
    if only_list:
        console.print(list_renderable(chosen))
        return
    judged = matrix(chosen, resolution=resolution, seed=seed)
    rows = list(tracked(judged, len(chosen)))
    console.print(matrix_renderable(rows))
    if json_file:
        Path(json_file).write_text(to_json(rows), encoding="utf-8")
    sys.exit(0 if all(row.is_as_expected for row in rows) else 1)
