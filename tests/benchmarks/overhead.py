"""What judging costs beside drawing: everything that a run does outside the target, over inside.

The target is the NumPy reference (float32, rate 0.3), whose calls are timed one by one; the rest
of the run is the library: describing calls, reading outputs, hashing masks, keeping tables, looking
at them, explaining the verdicts. The resolution is such that a conforming target passes after about
1e8 units. The first run in a process also loads parts of SciPy and is left out.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import NamedTuple

from tables import print_table

import dropout_stats
from dropout_stats.api import bind
from dropout_stats.laws.reading import Array
from dropout_stats.streams import StreamPlan
from dropout_stats.target import Target

CHECKS = ("rate.*", "moments.mean", "moments.noise_mean", "moments.variance", "support.*")
CONTEXTS = ("position.*", "dependence.*", "input.*", "calls.*")
BASIC = (*CHECKS, "calls.repeated_mask", "calls.count_dispersion")
RESOLUTION = 2.0**-11.6
QUICK_RESOLUTION = 2.0**-8


class Timed(NamedTuple):
    """One run: units drawn, seconds inside the target and in total, and its verdicts."""

    units: int
    inside: float
    total: float
    verdicts: tuple[str, ...]

    @property
    def ratio(self) -> float:
        """Seconds outside the target over seconds inside."""
        return (self.total - self.inside) / self.inside


class Stopwatch:
    """Counts the seconds and units of a target's training passes."""

    def __init__(self, target: Target) -> None:
        self.seconds = 0.0
        self.units = 0
        self._train = target.train

    def train(self, x: Array, rate: float) -> Array:
        """Pass the call on."""
        started = time.perf_counter()
        y = self._train(x, rate)
        self.seconds += time.perf_counter() - started
        self.units += x.size
        return y


def timed_run(resolution: float, seed: int, *, contexts: bool = True) -> Timed:
    """Judge the reference once, from its plan to its findings, with or without all contexts."""
    reference = dropout_stats.reference(dropout_stats.laws.Inverted())
    watch = Stopwatch(reference)
    started = time.perf_counter()
    bound = bind(
        replace(reference, train=watch.train, peers=None),
        rates=[0.3],
        shapes=[(16, 1024)],
        dtypes=["float32"],
        checks=[*CHECKS, *CONTEXTS] if contexts else list(BASIC),
        resolution=resolution,
        max_seconds=600.0,
        seed=seed,
    )
    if not contexts:
        bound.plan = replace(bound.plan, streams=tuple(map(_basic, bound.plan.streams)))
    verdicts = tuple(result.verdict for result in bound.results())
    return Timed(watch.units, watch.seconds, time.perf_counter() - started, verdicts)


def _basic(stream: StreamPlan) -> StreamPlan:
    """The stream judged by the basic checks alone; a run lets all of them judge."""
    judges = tuple(j for j in stream.judges if any(fnmatchcase(j, p) for p in BASIC))
    return replace(stream, judges=judges)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="The cost of judging, over that of drawing.")
    parser.add_argument("--quick", action="store_true", help="fewer units")
    parser.add_argument("--repeats", type=int, help="runs")
    options = parser.parse_args(arguments)
    repeats = options.repeats or (3 if options.quick else 7)
    resolution = QUICK_RESOLUTION if options.quick else RESOLUTION
    timed_run(0.05, seed=0)
    for contexts, target in ((False, 0.25), (True, 0.35)):
        runs = [timed_run(resolution, seed, contexts=contexts) for seed in range(1, repeats + 1)]
        print_runs(runs, "all counted checks" if contexts else "the basic checks", target)


def print_runs(runs: Sequence[Timed], judged_by: str, target: float) -> None:
    """Print one table."""
    print_table(
        f"Seconds outside the target over seconds inside it; {judged_by}",
        ("run", "units", "inside s", "total s", "outside/inside", "verdicts"),
        [
            (
                number,
                f"{run.units:.4g}",
                f"{run.inside:.3f}",
                f"{run.total:.3f}",
                f"{run.ratio:.3f}",
                " ".join(sorted(set(run.verdicts))),
            )
            for number, run in enumerate(runs, start=1)
        ],
    )
    ratios = [run.ratio for run in runs]
    print(
        f"min {min(ratios):.3f}, median {statistics.median(ratios):.3f}, max {max(ratios):.3f} "
        f"(target: at most {target:g} at 1e8 units)"
    )


if __name__ == "__main__":
    main()
