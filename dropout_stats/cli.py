"""The command line: a thin caller of plan, run and report."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dropout_stats.errors import DropoutStatsError
from dropout_stats.settings import merged, read_settings

if TYPE_CHECKING:
    from dropout_stats.expected import Expected
    from dropout_stats.selftest import Remark

_WIDE = 200  # so that a specimen is a line
_READABLE = 100
_EXIT = {"pass": 0, "fail": 1, "unexpected-pass": 1, "error": 2, "inconclusive": 3}


class _List(click.ParamType[tuple[Any, ...]]):
    """Comma-separated values of one type."""

    name = "a,b"

    def __init__(self, of: Callable[[str], Any]) -> None:
        self._of = of

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[Any, ...]:
        if not isinstance(value, str):
            return tuple(value)
        try:
            return tuple(self._of(part.strip()) for part in value.split(",") if part.strip())
        except ValueError:
            self.fail(
                f"expected comma-separated {self._of.__name__} values, got {value!r}", param, ctx
            )


def _listed(
    name: str, of: Callable[[str], Any], *, to: str | None = None, **how: Any
) -> Callable[..., Any]:
    """An option that takes a list; given more than once, it takes all of them."""

    def joined(
        _context: click.Context, _option: click.Parameter, lists: tuple[tuple[Any, ...], ...]
    ) -> tuple[Any, ...] | None:
        return tuple(chain.from_iterable(lists)) if lists else None

    names = (name, to) if to else (name,)
    return click.option(*names, type=_List(of), multiple=True, callback=joined, **how)


def shape(text: str) -> tuple[int, ...]:
    """Read a shape such as 16x1024; () is that of a single number."""
    return () if text == "()" else tuple(int(length) for length in text.split("x"))


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="dropout-stats")
def cli() -> None:
    """Judge dropout implementations.

    Exit status: 0 pass, 1 fail or unexpected pass, 2 usage or harness error, 3 inconclusive.
    """


@cli.command()
@click.argument("target", required=False)
@click.option(
    "--law",
    help="inverted, test-scaled, or with parameters 'inverted(rate_bits=8)'; by default what the "
    "target declares.",
)
@_listed("--rates", float, help="Drop rates, e.g. 0.1,0.9.")
@_listed("--dtypes", str, help="Types, e.g. float32,bfloat16.")
@_listed("--shapes", shape, help="Shapes, e.g. 16x1024,3x5.")
@_listed("--checks", str, help="Only these ids or patterns, e.g. rate.*,calls.*.")
@_listed("--skip", str, help="Not these ids or patterns.")
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

    _require_folders(json_file, html_file, junit_file)
    settings = read_settings(Path.cwd())
    name = target or settings.get("target")
    if not name and (keep_prob or options):
        raise click.UsageError("--keep-prob and --option go with a TARGET")
    held = _held_to(conventions, keep_prob=keep_prob)
    arguments = merged(settings, {**given, "conventions": held, "expected": _known(expected)})
    judged = _target(name, options, arguments.get("law"))
    if dry_run:
        _show(api.plan(judged, **arguments))
        return
    if smoke:
        sys.exit(_smoke(api.smoke(judged, **arguments)))
    report = api.check(judged, **arguments)
    _show(report)
    for path, text in (
        (json_file, report.to_json),
        (html_file, report.to_html),
        (junit_file, report.to_junit),
    ):
        if path:
            Path(path).write_text(text(), encoding="utf-8")
    sys.exit(_EXIT[report.verdict])


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

    _console(piped=_READABLE).print(renderable(choose(names)))


@cli.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False))
def report(file: str) -> None:
    """Print a report that `check --json` wrote, with its exit status."""
    from dropout_stats.report import Report

    loaded = Report.from_json(Path(file).read_text(encoding="utf-8"))
    _show(loaded)
    sys.exit(_EXIT[loaded.verdict])


@cli.command()
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
    from rich.console import Console
    from rich.progress import track

    from dropout_stats.zoo import choose
    from dropout_stats.zoo.matrix import matrix, to_json
    from dropout_stats.zoo.terminal import list_renderable, matrix_renderable

    _require_folders(json_file)
    chosen = choose(names)
    console = _console(piped=_WIDE)
    if only_list:
        console.print(list_renderable(chosen))
        return
    judged = matrix(chosen, resolution=resolution, seed=seed)
    rows = list(track(judged, total=len(chosen), console=Console(stderr=True), transient=True))
    console.print(matrix_renderable(rows))
    if json_file:
        Path(json_file).write_text(to_json(rows), encoding="utf-8")
    sys.exit(0 if all(row.is_as_expected for row in rows) else 1)


@cli.command()
@_listed(
    "--activations",
    str,
    default=["relu,gelu,silu,tanh,sigmoid"],
    show_default=True,
    help="Nonlinear functions, or all.",
)
@_listed("--rates", float, default=["0.1,0.3,0.5,0.7,0.9"], show_default=True, help="Drop rates.")
@_listed(
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
    from rich.console import Console
    from rich.progress import track

    from dropout_stats.gap import terminal
    from dropout_stats.gap.given import given
    from dropout_stats.gap.plot import draw, require_plot
    from dropout_stats.gap.table import answers, questions, to_json, tolerance_of

    _require_folders(json_file, plot_file)
    if plot_file:
        require_plot(plot_file)
    unit = given(weights, values, **drawn)
    asked = questions(unit, activations, rates, strategies)
    found = answers(unit, asked, tolerance_of(tolerance))
    rows = list(track(found, total=len(asked), console=Console(stderr=True), transient=True))
    console = _console(piped=_WIDE)
    console.print(terminal.renderable(unit, rows, console.width))
    if json_file:
        Path(json_file).write_text(to_json(unit, rows, tolerance), encoding="utf-8")
    if plot_file:
        draw(unit, rows, plot_file)


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
    return _EXIT["fail"] if alone else _EXIT["error"]


def _require_folders(*files: str | None) -> None:
    for path in files:
        if path and not Path(path).resolve().parent.is_dir():
            raise click.BadParameter(f"there is no folder to write {path} into")


def _target(name: str | None, options: Sequence[str], law: str | None) -> Any:
    from dropout_stats.adapters import adapt
    from dropout_stats.laws import by_name
    from dropout_stats.references import reference

    if name is None:
        return reference(by_name(law or "inverted"))
    pairs = (_pair("--option", option) for option in options)
    words = {"true": True, "false": False}
    given: dict[str, Any] = {key: words.get(value.lower(), value) for key, value in pairs}
    return adapt(name, **given)


def _held_to(conventions: Sequence[str], *, keep_prob: bool) -> dict[str, Any]:
    from dropout_stats.conventions import from_words

    pairs = (_pair("--convention", convention) for convention in conventions)
    held = {key: from_words(key, value) for key, value in pairs}
    return held | ({"rate_argument": "keep_prob"} if keep_prob else {})


def _known(expected: Sequence[str]) -> list[Expected]:
    from dropout_stats.expected import Expected

    pairs = (_pair("--expect", one, "CHECK=REASON") for one in expected)
    return [Expected(check, reason=reason) for check, reason in pairs]


def _pair(option: str, text: str, form: str = "KEY=VALUE") -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals:
        raise click.BadParameter(f"expected {form}, got {text!r}", param_hint=option)
    return key, value


def _console(*, piped: int) -> Any:
    """A console; in a file or a pipe, which have no width, lines of this one."""
    from rich.console import Console

    return Console(highlight=False, width=None if sys.stdout.isatty() else piped)


def _show(what: Any) -> None:
    from rich.console import Console

    from dropout_stats.report import Report
    from dropout_stats.report.terminal import plan_renderable, renderable

    # In a file or a pipe there is no width to ask for.
    width = None if sys.stdout.isatty() else _READABLE
    console = Console(highlight=False, soft_wrap=False, width=width)
    console.print(renderable(what) if isinstance(what, Report) else plan_renderable(what))


def main() -> None:
    """Run the command line; errors of this library become a paragraph and status 2."""
    try:
        cli()
    except DropoutStatsError as error:
        click.echo(f"dropout-stats: {error}", err=True)
        sys.exit(2)
