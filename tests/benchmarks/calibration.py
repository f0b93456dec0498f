"""How often conforming code is accused, through the whole suite and at the real error levels.

Whole suite: `dropout_stats.check` on the references, with false_alarm = 0.01 so that accusations
can be counted; the share of failed runs and its one-sided 99 % Clopper-Pearson bound stand against
that 0.01. Coarse runs go through laws, types and rates in turn, one of each a run, so that all of
the error budget is spent on one configuration; the generated calls of `structure.*`, which are
exact and spend nothing, are made in every eleventh of them. Default runs leave everything else
alone.

Real levels: the probability that the test of the keep probability ever rejects up to its cap, at
alpha = 1e-6 and 1e-9, by importance sampling. Runs are drawn from the mixture Q that the e-value
is the likelihood ratio of, and each rejection counts 1/e: P0(reject) = E_Q[1{reject} dP0/dQ]. The
estimate stands against alpha. The band is 0 here: with one the e-value is smaller and no longer a
likelihood ratio.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from runs import Accused, Judged, accused, coarse_options, judged, named, spread
from tables import print_table
from vectorised import assert_same_as_library, log_e

import dropout_stats
from dropout_stats.evidence.bernoulli import BernoulliTest
from dropout_stats.evidence.sizes import cap
from dropout_stats.streams import LOOKS

FALSE_ALARM = 0.01
ALPHAS = (1e-6, 1e-9)
LAWS = (dropout_stats.laws.Inverted(), dropout_stats.laws.TestScaled())
PLACES = ((0.5, 0.1), (0.5, 0.02), (0.5, 1 / 512), (0.9, 0.1), (0.9, 0.02), (0.9, 1 / 512))


class Sampled(NamedTuple):
    """The probability that the test rejects under its null, over alpha."""

    alpha: float
    keep_prob: float
    departure: float
    ratio: float
    relative_error: float


def coarse_run(number: int) -> Judged:
    """Judge a reference coarsely: laws, rates and types in turn."""
    target = reference(number)
    return judged(
        target, number, false_alarm=FALSE_ALARM, **coarse_options(target, number // len(LAWS))
    )


def default_run(number: int) -> Judged:
    """Judge a reference with all settings but the error budget at their default."""
    return judged(reference(number), number, false_alarm=FALSE_ALARM)


def reference(number: int) -> dropout_stats.Target:
    """Each law's in turn."""
    return dropout_stats.reference(LAWS[number % len(LAWS)])


def by_importance(
    alpha: float, keep_prob: float, departure: float, replicas: int, rng: np.random.Generator
) -> Sampled:
    """Estimate the probability that the test rejects at some look up to its cap, over alpha."""
    test = BernoulliTest(keep_prob, departure)
    log_weights, alternatives, _, _ = test._alternatives
    weights = np.exp(log_weights)
    drawn = rng.choice(alternatives, size=replicas, p=weights / weights.sum())
    most = cap(keep_prob, departure, alpha, test.power)
    step = max(1, most // LOOKS)
    successes = np.zeros(replicas, np.int64)
    worth = np.zeros(replicas)  # dP0/dQ at the rejection; 0 for a run that does not reject
    running = np.arange(replicas)
    for look in range(1, math.ceil(most / step) + 1):
        successes[running] += rng.binomial(step, drawn[running])
        seen = successes[running]
        if look == 2:
            assert_same_as_library(test, look * step, seen)
        evidence = log_e(test, look * step, seen)
        rejects = evidence >= -math.log(alpha)
        worth[running[rejects]] = weights.sum() * np.exp(-evidence[rejects])
        running = running[~rejects]
        if not len(running):
            break
    mean = float(worth.mean())
    error = float(worth.std(ddof=1)) / math.sqrt(replicas)
    return Sampled(alpha, keep_prob, departure, mean / alpha, error / mean)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description="How often conforming code is accused.")
    parser.add_argument("--quick", action="store_true", help="few runs, two places")
    parser.add_argument("--only", choices=("suite", "real-levels"), help="one of the two parts")
    parser.add_argument("--coarse", type=int, default=20_000, help="coarse runs")
    parser.add_argument("--default", type=int, default=100, help="default runs")
    parser.add_argument("--workers", type=int, default=2, help="processes for the whole suite")
    options = parser.parse_args(arguments)
    if options.only != "real-levels":
        coarse, default = (20, 0) if options.quick else (options.coarse, options.default)
        workers = 1 if options.quick else options.workers
        rows = {
            "coarse": list(spread(coarse_run, range(coarse), workers)),
            "default": list(spread(default_run, range(default), workers)),
        }
        print_suite({name: accused(outcomes) for name, outcomes in rows.items() if outcomes})
    if options.only != "suite":
        rng = np.random.default_rng(1)
        replicas, places = (10_000, PLACES[1:2]) if options.quick else (50_000, PLACES)
        print_levels(
            [by_importance(alpha, *place, replicas, rng) for alpha in ALPHAS for place in places],
            replicas,
        )


def print_suite(rows: Mapping[str, Accused]) -> None:
    """Print the verdicts of the whole suite."""
    print_table(
        f"Verdicts on the references by the whole suite; false_alarm {FALSE_ALARM:g}",
        ("runs", "number", "fail", "share", "99 % bound", "other verdicts", "s/run"),
        [
            (
                name,
                row.runs,
                row.fails,
                f"{row.fails / row.runs:.5f}",
                f"{row.bound:.5f}",
                named(row.others),
                f"{row.seconds / row.runs:.2f}",
            )
            for name, row in rows.items()
        ],
    )
    for name, row in rows.items():
        print(f"failing checks of {name} runs: {named(row.failing)}")
    print(f"target: the bound of the coarse runs at most {FALSE_ALARM:g}")


def print_levels(rows: Sequence[Sampled], replicas: int) -> None:
    """Print the estimates at the real levels."""
    print_table(
        f"P(reject by the cap | null) / alpha, by importance sampling, {replicas} runs a row",
        ("alpha", "keep", "departure", "estimate/alpha", "relative error"),
        [
            (
                f"{row.alpha:g}",
                f"{row.keep_prob:g}",
                f"{row.departure:.4g}",
                f"{row.ratio:.4f}",
                f"{row.relative_error:.4f}",
            )
            for row in rows
        ],
    )
    print("target: at most 1, with a relative error of at most 0.01")


if __name__ == "__main__":
    main()
