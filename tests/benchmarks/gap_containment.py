"""Does every certified interval hold the number? Adversarial units, against 200 digits.

python tests/benchmarks/gap_containment.py [--quick] [--units N] [--seed S]
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path

import numpy as np
from tables import print_table

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "gap"))

from exact import NAMES, adversarial, contains, exact

import dropout_stats as ds

METHODS = (
    None,
    "closed-form",
    "enumeration",
    "fourier",
    "contour",
    "lattice",
    "meet-in-the-middle",
    "smoothing",
    "convex-order",
)
TOLERANCES = (1e-6, 1e-9, 1e-12, 1e-15)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--units", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    rng = np.random.default_rng(chosen.seed)
    asked: Counter[str] = Counter()
    inside: Counter[str] = Counter()
    tightest: dict[str, float] = {}
    for number in range(2 if chosen.quick else chosen.units):
        largest = 6 if chosen.quick else 16 if number % 60 == 0 else 10
        weights, inputs, bias, rate, strategy = adversarial(rng, largest)
        options = {"bias": bias, "rate": rate, "strategy": strategy}
        for name, truth in exact(NAMES, weights, inputs, **options).items():
            for method in METHODS:
                tolerance = float(rng.choice(TOLERANCES))
                for kind, ask in (("gap", ds.gap.neuron), ("expectation", ds.gap.expectation)):
                    try:
                        found = ask(
                            name, weights, inputs, method=method, tolerance=tolerance, **options
                        )
                    except ds.UsageError:
                        continue
                    row = method or "chosen"
                    true = getattr(truth, kind)
                    asked[row] += 1
                    inside[row] += contains(found, true)
                    if found.halfwidth > 1e-180 * (1 + abs(found.value)):  # that of the reference
                        error = float(abs(found.value - true)) / found.halfwidth
                        tightest[row] = max(tightest.get(row, 0.0), error)
    rows = [
        (row, asked[row], inside[row], f"{tightest.get(row, 0.0):.3f}") for row in sorted(asked)
    ]
    rows.append(("all", sum(asked.values()), sum(inside.values()), ""))
    heads = ("method", "intervals", "that hold it", "largest error / halfwidth")
    print_table("Certified intervals of adversarial units", heads, rows)
    print("target: all")
    if inside != asked:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
