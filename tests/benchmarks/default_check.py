"""What a user pays and gets by default: `dropout_stats.check(reference)` with fresh seeds.

Everything is at its default: all rates, all dtypes that are installed, all checks, false_alarm
1e-6. Seconds are only recorded. Units are those that the target was asked for in training passes
of float32 at a rate of the plan, the few of the probes included.
"""

from __future__ import annotations

import argparse
import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from tables import print_table

import dropout_stats
from dropout_stats.laws.reading import Array
from dropout_stats.options import DEFAULT_RATES


class Defaulted(NamedTuple):
    """One default run: seconds, verdict, cases by verdict, and float32 units by rate."""

    seconds: float
    verdict: str
    tally: dict[str, int]
    units: Counter[float]


def default_run(seed: int, rates: Sequence[float] | None = None) -> Defaulted:
    """Judge the reference once."""
    reference = dropout_stats.reference(dropout_stats.laws.Inverted())
    units: Counter[float] = Counter()

    def train(x: Array, rate: float) -> Array:
        if x.dtype.name == "float32":
            units[rate] += x.size
        return reference.train(x, rate)

    report = dropout_stats.check(replace(reference, train=train), rates=rates, seed=seed)
    return Defaulted(report.seconds, report.verdict, dict(report.tally), units)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description="Default runs on the reference.")
    parser.add_argument("--quick", action="store_true", help="one run at one rate")
    parser.add_argument("--runs", type=int, help="number of runs; seeds 0, 1, ...")
    options = parser.parse_args(arguments)
    rates = (0.9,) if options.quick else DEFAULT_RATES
    count = options.runs or (1 if options.quick else 30)
    runs = [default_run(seed, rates if options.quick else None) for seed in range(count)]
    print_units(runs, rates)
    print_verdicts(runs)


def print_units(runs: Sequence[Defaulted], rates: Sequence[float]) -> None:
    """Print the units of each rate."""
    millions = {rate: [run.units[rate] / 1e6 for run in runs] for rate in rates}
    print_table(
        f"Millions of float32 units by rate; {len(runs)} default runs on the reference",
        ("rate", "mean", "largest"),
        [
            (f"{rate:g}", f"{statistics.mean(units):.1f}", f"{max(units):.1f}")
            for rate, units in millions.items()
        ],
    )
    print("target: about 30 million a rate")


def print_verdicts(runs: Sequence[Defaulted]) -> None:
    """Print seconds and verdicts."""
    seconds = [run.seconds for run in runs]
    cases: Counter[str] = Counter()
    for run in runs:
        cases.update(run.tally)
    print_table(
        "Seconds (recorded only) and verdicts",
        (
            "runs",
            "s, least",
            "s, median",
            "s, most",
            "passed",
            "cases failed",
            "cases inconclusive",
            "cases in error",
        ),
        [
            (
                len(runs),
                f"{min(seconds):.1f}",
                f"{statistics.median(seconds):.1f}",
                f"{max(seconds):.1f}",
                sum(run.verdict == "pass" for run in runs),
                cases["fail"],
                cases["inconclusive"],
                cases["error"],
            )
        ],
    )
    print("target: at most 10 seconds; no failure")


if __name__ == "__main__":
    main()
