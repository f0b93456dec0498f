"""The zoo at default settings, and its correct dropouts over many seeds.

Wrong specimens are judged once, with everything at its default: each must be killed by the check
that it names, and the first diagnosis should name its fault. Correct ones are judged over many
seeds, coarsely (rates and types in turn) and at default settings: none may be accused.
"""

from __future__ import annotations

import argparse
import fnmatch
import statistics
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import NamedTuple

from runs import Accused, Judged, accused, coarse_options, judged, named, spread
from tables import print_table

from dropout_stats import zoo
from dropout_stats.options import DEFAULT_RATES, DEFAULT_RESOLUTION
from dropout_stats.zoo.matrix import matrix

PARTS = ("wrong", "coarse", "default")


class Killed(NamedTuple):
    """What became of a wrong specimen; a row of the matrix holds what no process can hand over."""

    name: str
    killed_by: str
    outcome: str
    diagnosis: str | None
    is_as_it_should_be: bool
    is_named: bool
    seconds: float


def killed(name: str) -> Killed:
    """Judge a wrong specimen at default settings."""
    (specimen,) = zoo.choose([name])
    (row,) = matrix([specimen], resolution=DEFAULT_RESOLUTION, rates=DEFAULT_RATES, seed=1)
    return Killed(
        name,
        specimen.killed_by or "",
        row.outcome,
        row.diagnosis,
        row.is_as_expected and row.is_named,
        row.is_named,
        row.seconds,
    )


def coarse_run(task: tuple[str, int]) -> Judged:
    """Judge a correct specimen coarsely."""
    name, seed = task
    specimen = zoo.by_name[name]
    target = specimen.build()
    options = coarse_options(target, seed)
    if specimen.fixed_rates:
        options["rates"] = specimen.fixed_rates
    return judged(target, seed, **options)


def default_run(task: tuple[str, int]) -> Judged:
    """Judge a correct specimen at default settings."""
    name, seed = task
    return judged(zoo.by_name[name].build(), seed)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description="The zoo, wrong and correct.")
    parser.add_argument("--quick", action="store_true", help="two specimens, few seeds")
    parser.add_argument("--only", choices=PARTS, help="one of the three parts")
    parser.add_argument("--correct", default="*", help="pattern: these correct specimens alone")
    parser.add_argument("--workers", type=int, default=2, help="processes")
    options = parser.parse_args(arguments)
    parts = (options.only,) if options.only else PARTS
    workers = 1 if options.quick else options.workers
    if "wrong" in parts:
        wrong = [s.name for s in zoo.WRONG]
        print_wrong(list(spread(killed, wrong[:1] if options.quick else wrong, workers)))
    chosen = fnmatch.filter([s.name for s in zoo.CORRECT], options.correct)
    correct = chosen[: 2 if options.quick else None]
    if "coarse" in parts:
        seeds = 5 if options.quick else 1000
        print_correct("coarse", each(coarse_run, correct, seeds, workers), seeds)
    if "default" in parts and not options.quick:
        print_correct("default", each(default_run, correct, 20, workers), 20)


def each(
    judge: Callable[[tuple[str, int]], Judged], names: Sequence[str], seeds: int, workers: int
) -> Iterator[tuple[str, Accused]]:
    """Judge each specimen with seeds 0, 1, ...; it takes hours, so each is handed out when done."""
    outcomes = spread(judge, [(name, seed) for name in names for seed in range(seeds)], workers)
    for name in names:
        yield name, accused(list(islice(outcomes, seeds)))


def print_wrong(rows: Sequence[Killed]) -> None:
    """Print those that are not as expected, and the totals."""
    print_table(
        "Wrong specimens at default settings, those that are not as they should be",
        ("specimen", "named check", "outcome", "first diagnosis"),
        [
            (row.name, row.killed_by, row.outcome, row.diagnosis)
            for row in rows
            if not row.is_as_it_should_be
        ]
        or [("none", "-", "-", "-")],
    )
    dead = sum(row.outcome == "killed" for row in rows)
    right = sum(row.is_named for row in rows)
    seconds = [row.seconds for row in rows]
    print(
        f"{dead} of {len(rows)} killed, first diagnosis right for {right}; "
        f"seconds: median {statistics.median(seconds):.1f}, most {max(seconds):.1f}"
    )
    print("target: all killed, the first diagnosis right for 95 %")


def print_correct(kind: str, rows: Iterable[tuple[str, Accused]], seeds: int) -> None:
    """Print the verdicts on each correct specimen, as they come."""
    print(f"\nCorrect specimens, {seeds} {kind} runs each", flush=True)
    for name, row in rows:
        print(
            f"{name}: {row.fails} of {row.runs} fail ({named(row.failing)}); other verdicts: "
            f"{named(row.others)}; {row.seconds / row.runs:.2f} s a run",
            flush=True,
        )
    print("target: none fails")


if __name__ == "__main__":
    main()
