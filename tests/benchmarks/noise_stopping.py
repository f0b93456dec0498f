"""How many draws of noise with a density are needed until a departure is rejected.

The mean draws until the test of `noise.marginal` rejects normal scores whose mean is shifted, or
whose deviation is changed, by the declared departure, over log(1/alpha) / KL(departed || standard
normal), below which no test that is valid at every look can get. alpha = 1e-6, all of it on this
one test, power 0.99; looks are a hundredth of the limit apart.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from tables import print_table

from dropout_stats.evidence.normal import Sums, normal_test

ALPHA = 1e-6
POWER = 0.99
DEPARTURES = (0.1, 0.02, 2.0**-8)
LOOKS = 100  # until the limit
TARGET = 1.5


class Row(NamedTuple):
    """One departure: what is changed, and how long it took."""

    what: str
    departure: float
    limit: float
    ratio: float
    error: float


def divergence(shift: float, factor: float) -> float:
    """KL(N(shift, factor^2) || N(0, 1))."""
    return (shift**2 + factor**2 - 1) / 2 - math.log(factor)


def draws_until_rejected(
    departure: float, shift: float, factor: float, step: int, rng: np.random.Generator
) -> int:
    """One run; sums of so many draws come at once, by their own laws."""
    test, sums, threshold = normal_test(departure, POWER), Sums(), -math.log(ALPHA)
    while test.log_e(sums) < threshold:
        mean = shift + factor * rng.standard_normal() / math.sqrt(step)
        squares = factor**2 * rng.chisquare(step - 1) + step * mean**2
        sums += Sums(step, step * mean, squares)
    return sums.draws


def measured(
    what: str,
    departure: float,
    change: tuple[float, float],
    replicas: int,
    rng: np.random.Generator,
) -> Row:
    """One row, from so many runs."""
    limit = -math.log(ALPHA) / divergence(*change)
    step = max(2, round(limit / LOOKS))
    runs = [draws_until_rejected(departure, *change, step, rng) for _ in range(replicas)]
    ratios = np.array(runs) / limit
    error = float(ratios.std(ddof=1)) / math.sqrt(replicas)
    return Row(what, departure, limit, float(ratios.mean()), error)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Draws until wrong noise is rejected.")
    parser.add_argument("--quick", action="store_true", help="few runs, one departure")
    options = parser.parse_args(arguments)
    replicas, departures = (50, DEPARTURES[1:2]) if options.quick else (2000, DEPARTURES)
    rng = np.random.default_rng(1)
    rows = [
        measured(what, departure, change, replicas, rng)
        for departure in departures
        for what, change in (
            ("mean", (departure, 1.0)),
            ("deviation, larger", (0.0, 1 + departure)),
            ("deviation, smaller", (0.0, 1 / (1 + departure))),
        )
    ]
    print_table(
        f"Draws until a departure of the normal scores is rejected; {replicas} runs a row",
        ("what", "departure", "limit", "mean/limit", "+-"),
        [
            (
                row.what,
                f"{row.departure:.4g}",
                f"{row.limit:.4g}",
                f"{row.ratio:.3f}",
                f"{row.error:.3f}",
            )
            for row in rows
        ],
    )
    print(f"worst: {max(row.ratio for row in rows):.3f} (target: at most {TARGET:g})")


if __name__ == "__main__":
    main()
