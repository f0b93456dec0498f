"""No conforming dropout of a framework is accused: float32, at default settings and coarsely.

Every target of the installed frameworks whose dropout is known to conform, so many runs each. A
failure here is a bug of this library, of an adapter or of the framework, and must be told which.
"""

from __future__ import annotations

import argparse
import importlib.util
import time
from collections import Counter

from tables import print_table

import dropout_stats as ds

CONFORMING = (
    "torch.nn:Dropout",
    "torch.nn.functional:dropout",
    "torch.nn:Dropout1d",
    "torch.nn:Dropout2d",
    "torch.nn:Dropout3d",
    "torch.nn:AlphaDropout",
    "torch.nn:FeatureAlphaDropout",
    "equinox.nn:Dropout",
    "flax.nnx:Dropout",
    "flax.linen:Dropout",
    "flax.linen:dot_product_attention_weights",
    "haiku:dropout",
    "penzai.nn.dropout:StochasticDropout",
    "mlx.nn:Dropout",
    "mlx.nn:Dropout2d",
    "mlx.nn:Dropout3d",
    "thinc.api:Dropout",
    "onnx.reference:ReferenceEvaluator",
)
COARSE = 2.0**-5


def verdicts(spec: str, runs: int, resolution: float | None) -> tuple[Counter[str], float]:
    """The verdicts of so many runs, seeds 1, 2, ..., and their mean seconds."""
    found: Counter[str] = Counter()
    started = time.perf_counter()
    for seed in range(1, runs + 1):
        report = ds.check(spec, dtypes=["float32"], resolution=resolution, seed=seed)
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
    installed = [
        spec for spec in CONFORMING if importlib.util.find_spec(spec.split(":")[0].split(".")[0])
    ]
    kinds = (("default", asked.default_runs, None), ("coarse", asked.coarse_runs, COARSE))
    if asked.quick:
        kinds = (("coarse", 1, 2.0**-3),)
        installed = installed[:1]
    rows = []
    for spec in asked.specs or installed:
        for kind, runs, resolution in kinds:
            found, seconds = verdicts(spec, runs, resolution)
            counts = (found[verdict] for verdict in ("pass", "inconclusive", "fail"))
            rows.append((spec, kind, runs, *counts, f"{seconds:.1f}"))
            print(*rows[-1], flush=True)
    heads = ("target", "settings", "runs", "pass", "inconclusive", "fail", "seconds a run")
    print_table("Released dropouts that conform, float32", heads, rows)
    print("target: none fails")


if __name__ == "__main__":
    main()
