"""`dropout-stats check`: judge one target."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dropout_stats.commands.arguments import listed, pair, require_folders, shape
from dropout_stats.commands.output import EXIT, show
from dropout_stats.settings import merged, read_settings

if TYPE_CHECKING:
    from dropout_stats.expected import Expected
    from dropout_stats.selftest import Remark


@click.command()
@click.argument("target", required=False)
@click.option(
    "--law",
    help="inverted, test-scaled, or with parameters 'inverted(rate_bits=8)'; by default what the "
    "target declares.",
)
@listed("--rates", float, help="Drop rates, e.g. 0.1,0.9.")
@listed("--dtypes", str, help="Types, e.g. float32,bfloat16.")
@listed("--shapes", shape, help="Shapes, e.g. 16x1024,3x5.")
@listed("--checks", str, help="Only these ids or patterns, e.g. rate.*,calls.*.")
@listed("--skip", str, help="Not these ids or patterns.")
@click.option(
    "--expect",
    "expected",
    multiple=True,
    metavar="CHECK=REASON",
    help="A bug that is known, e.g. 'rate.*=issue 12'; it is added to those of pyproject.toml.",
)
@click.option(
    "--convention",
    "conventions",
    multiple=True,
    metavar="KEY=VALUE",
    help="What the target is held to, e.g. ndims=2,4 or invalid_rates=raise.",
)
@click.option("--keep-prob", is_flag=True, help="Short for --convention rate_argument=keep_prob.")
@click.option("--resolution", type=float, help="In standard deviations of a unit [2**-10].")
@click.option("--false-alarm", type=float, help="Total chance to fail correct code [1e-6].")
@click.option("--power", type=float, help="Chance to catch a stated resolution [0.99].")
@click.option("--max-seconds", type=float, help="Time for sampling [60].")
@click.option("--seed", type=int, help="Seed of the run [fresh].")
@click.option(
    "--option",
    "options",
    multiple=True,
    metavar="KEY=VALUE",
    help="Option of the adapter, e.g. device=cuda or framework=torch.",
)
@click.option("--json", "json_file", type=click.Path(dir_okay=False), help="Write the report.")
@click.option("--html", "html_file", type=click.Path(dir_okay=False), help="Write a page.")
@click.option("--junit", "junit_file", type=click.Path(dir_okay=False), help="Write JUnit XML.")
@click.option("--dry-run", is_flag=True, help="Only say what would run.")
@click.option("--smoke", is_flag=True, help="Only ask whether the adapter reaches the target.")
def check(
    target: str | None,
    options: Sequence[str],
    json_file: str | None,
    html_file: str | None,
    junit_file: str | None,
    *,
    conventions: Sequence[str],
    expected: Sequence[str],
    keep_prob: bool,
    dry_run: bool,
    smoke: bool,
    **given: Any,
) -> None:
    """Judge TARGET: package.module:attribute or path/file.py:name.

    Without TARGET, the built-in reference is judged.
    """
    from dropout_stats import api

    require_folders(json_file, html_file, junit_file)
    settings = read_settings(Path.cwd())
    name = target or settings.get("target")
    if not name and (keep_prob or options):
        raise click.UsageError("--keep-prob and --option go with a TARGET")
    held = _held_to(conventions, keep_prob=keep_prob)
    arguments = merged(settings, {**given, "conventions": held, "expected": _known(expected)})
    judged = _target(name, options, arguments.get("law"))
    if dry_run:
        show(api.plan(judged, **arguments))
        return
    if smoke:
        sys.exit(_smoke(api.smoke(judged, **arguments)))
    report = api.check(judged, **arguments)
    show(report)
    for path, text in (
        (json_file, report.to_json),
        (html_file, report.to_html),
        (junit_file, report.to_junit),
    ):
        if path:
            Path(path).write_text(text(), encoding="utf-8")
    sys.exit(EXIT[report.verdict])


def _smoke(remarks: Sequence[Remark]) -> int:
    """Show what was asked of an adapter; the exit status."""
    for remark in remarks:
        click.echo(str(remark))
    blamed = [remark.blame for remark in remarks if remark.blame]
    if not blamed:
        click.echo("\nOK  the adapter reaches the target")
        return 0
    alone = set(blamed) == {"implementation"}
    click.echo(f"\n{len(blamed)} of {len(remarks)} remarks ask for a repair")
    return EXIT["fail"] if alone else EXIT["error"]


def _target(name: str | None, options: Sequence[str], law: str | None) -> Any:
    from dropout_stats.adapters import adapt
    from dropout_stats.laws import by_name
    from dropout_stats.references import reference

    if name is None:
        return reference(by_name(law or "inverted"))
    pairs = (pair("--option", option) for option in options)
    words = {"true": True, "false": False}
    given: dict[str, Any] = {key: words.get(value.lower(), value) for key, value in pairs}
    return adapt(name, **given)


def _held_to(conventions: Sequence[str], *, keep_prob: bool) -> dict[str, Any]:
    from dropout_stats.conventions import from_words

    pairs = (pair("--convention", convention) for convention in conventions)
    held = {key: from_words(key, value) for key, value in pairs}
    return held | ({"rate_argument": "keep_prob"} if keep_prob else {})


def _known(expected: Sequence[str]) -> list[Expected]:
    from dropout_stats.expected import Expected

    pairs = (pair("--expect", one, "CHECK=REASON") for one in expected)
    return [Expected(check, reason=reason) for check, reason in pairs]
