"""No conforming dropout of a framework is accused: float32, at default settings and coarsely.

Every target of the installed frameworks whose dropout is known to conform, so many runs each. A
failure here is a bug of this library, of an adapter or of the framework, and must be told which.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter

from tables import print_table

import dropout_stats as ds
from dropout_stats.survey.targets import RELEASED, Surveyed, choose

# Those of the survey, less the findings that float32 shows.
FINDINGS = (
    "numpy_ml.neural_nets.wrappers:Dropout",
    "onnxruntime:InferenceSession",
    "paddle.nn:Dropout mode=downscale_in_infer",
)
CONFORMING = tuple(one for one in RELEASED if one.name not in FINDINGS)
COARSE = 2.0**-5


def verdicts(one: Surveyed, runs: int, resolution: float | None) -> tuple[Counter[str], float]:
    """The verdicts of so many runs, seeds 1, 2, ..., and their mean seconds."""
    found: Counter[str] = Counter()
    started = time.perf_counter()
    for seed in range(1, runs + 1):
        target = ds.adapt(one.spec, **one.options)
        report = ds.check(target, dtypes=["float32"], resolution=resolution, seed=seed)
        found[report.verdict] += 1
        if report.verdict != "pass":
            print(f"seed {seed}\n{report}", flush=True)
    return found, (time.perf_counter() - started) / max(runs, 1)


def main() -> None:
    """Print a row for each target."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("specs", nargs="*", help="all that are installed, if none")
    parser.add_argument("--default-runs", type=int, default=3)
    parser.add_argument("--coarse-runs", type=int, default=50)
    parser.add_argument("--quick", action="store_true")
    asked = parser.parse_args()
    installed = [one for one in CONFORMING if not one.missing()]
    kinds = (("default", asked.default_runs, None), ("coarse", asked.coarse_runs, COARSE))
    if asked.quick:
        kinds = (("coarse", 1, 2.0**-3),)
        installed = installed[:1]
    rows = []
    for one in choose(asked.specs) if asked.specs else installed:
        for kind, runs, resolution in kinds:
            found, seconds = verdicts(one, runs, resolution)
            counts = (found[verdict] for verdict in ("pass", "inconclusive", "fail"))
            rows.append((one.name, kind, runs, *counts, f"{seconds:.1f}"))
            print(*rows[-1], flush=True)
    heads = ("target", "settings", "runs", "pass", "inconclusive", "fail", "seconds a run")
    print_table("Released dropouts that conform, float32", heads, rows)
    print("target: none fails")


if __name__ == "__main__":
    main()
