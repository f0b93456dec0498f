"""No conforming dropout of a framework is accused: float32, at default settings and coarsely.

Every target of the installed frameworks whose dropout is known to conform, so many runs each. A
failure here is a bug of this library, of an adapter or of the framework, and must be told which.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from typing import Any, NamedTuple

from runs import COARSE, spread
from tables import print_table

import dropout_stats as ds
from dropout_stats.survey.targets import RELEASED, Surveyed, choose

# Those of the survey, less the findings that float32 shows.
FINDINGS = (
    "numpy_ml.neural_nets.wrappers:Dropout",
    "onnxruntime:InferenceSession",
    "paddle.nn:Dropout mode=downscale_in_infer",
)
# What an adapter enters them through is judged by wrappers.py.
CONFORMING = tuple(
    one
    for one in RELEASED
    if one.name not in FINDINGS and not {"wrap", "compile"} & set(one.options)
)


class Task(NamedTuple):
    """One run of a target."""

    one: Surveyed
    kind: str
    seed: int
    options: Mapping[str, Any]
    resolution: float | None


class Outcome(NamedTuple):
    """What came of it; the report where it is no pass."""

    name: str
    kind: str
    verdict: str
    seconds: float
    report: str


def judged(task: Task) -> Outcome:
    """Run once."""
    one = task.one
    target = ds.adapt(one.spec, **one.options, **task.options)
    report = ds.check(target, dtypes=["float32"], resolution=task.resolution, seed=task.seed)
    said = "" if report.verdict == "pass" else f"seed {task.seed}\n{report}"
    return Outcome(one.name, task.kind, report.verdict, report.seconds, said)


def rows_of(outcomes: Iterable[Outcome]) -> Iterator[tuple[str, ...]]:
    """A row for each target and kind, as soon as it is whole."""
    for (name, kind), runs in groupby(outcomes, key=lambda outcome: (outcome.name, outcome.kind)):
        done = list(runs)
        found = Counter(outcome.verdict for outcome in done)
        for outcome in done:
            if outcome.report:
                print(outcome.report, flush=True)
        seconds = sum(outcome.seconds for outcome in done) / len(done)
        counts = (str(found[verdict]) for verdict in ("pass", "inconclusive", "fail"))
        yield name, kind, str(len(done)), *counts, f"{seconds:.1f}"


def main() -> None:
    """Print a row for each target."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("specs", nargs="*", help="patterns; all that are installed, if none")
    parser.add_argument("--default-runs", type=int, default=3)
    parser.add_argument("--coarse-runs", type=int, default=50)
    parser.add_argument("--device", help="of PyTorch's targets, e.g. cuda")
    parser.add_argument("--workers", type=int, default=2, help="processes")
    parser.add_argument("--quick", action="store_true")
    asked = parser.parse_args()
    chosen = [one for one in choose(asked.specs) if one in CONFORMING and not one.missing()]
    kinds = (("default", asked.default_runs, None), ("coarse", asked.coarse_runs, COARSE))
    if asked.quick:
        kinds, chosen = (("coarse", 1, 2.0**-3),), chosen[:1]
    options = {"device": asked.device} if asked.device else {}
    tasks = [
        Task(one, kind, seed, options, resolution)
        for one in chosen
        for kind, runs, resolution in kinds
        for seed in range(1, runs + 1)
    ]
    rows = []
    for row in rows_of(spread(judged, tasks, 1 if asked.quick else asked.workers)):
        rows.append(row)
        print(*row, flush=True)
    heads = ("target", "settings", "runs", "pass", "inconclusive", "fail", "seconds a run")
    print_table("Released dropouts that conform, float32", heads, rows)
    print("target: none fails")


if __name__ == "__main__":
    main()
