"""How often conforming code is accused, through the whole engine and at the real error levels.

Engine: `dropout_stats.check` on the reference, with false_alarm = 0.01 so that accusations can be
counted; the share of failed runs and its one-sided 99 % Clopper-Pearson bound stand against that
0.01. One rate and one dtype are planned and every check that spends is asked for, so that all of
the error budget can be spent.

Real levels: the probability that the test of the keep probability ever rejects up to its cap, at
alpha = 1e-6 and 1e-9, by importance sampling. Runs are drawn from the mixture Q that the e-value
is the likelihood ratio of, and each rejection counts 1/e: P0(reject) = E_Q[1{reject} dP0/dQ]. The
estimate stands against alpha. The band is 0 here: with one the e-value is smaller and no longer a
likelihood ratio.
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import time
from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
from scipy.stats import binomtest
from tables import print_table
from vectorised import assert_same_as_library, log_e

import dropout_stats
from dropout_stats.evidence.bernoulli import BernoulliTest
from dropout_stats.evidence.sizes import cap
from dropout_stats.streams import LOOKS

FALSE_ALARM = 0.01
CHECKS = ("rate.*", "calls.*", "moments.mean", "moments.noise_mean", "moments.variance")
RESOLUTION = 2.0**-4  # coarse: a run of some thousand units
RUNS = {0.3: 20_000, 0.1: 4_000, 0.9: 4_000}
ALPHAS = (1e-6, 1e-9)
PLACES = ((0.5, 0.1), (0.5, 0.02), (0.5, 1 / 512), (0.9, 0.1), (0.9, 0.02), (0.9, 1 / 512))


class Calibrated(NamedTuple):
    """Verdicts of conforming runs at one rate."""

    rate: float
    runs: int
    fails: int
    inconclusive: int
    share: float
    bound: float
    failing_checks: Counter[str]
    milliseconds: float


class Sampled(NamedTuple):
    """The probability that the test rejects under its null, over alpha."""

    alpha: float
    keep_prob: float
    departure: float
    ratio: float
    relative_error: float


def one_run(seed: int, rate: float) -> tuple[str, tuple[str, ...]]:
    """Judge the reference; return the verdict and the checks that failed."""
    report = dropout_stats.check(
        dropout_stats.reference(dropout_stats.laws.Inverted()),
        rates=[rate],
        dtypes=["float32"],
        checks=list(CHECKS),
        false_alarm=FALSE_ALARM,
        resolution=RESOLUTION,
        max_seconds=600.0,
        seed=seed,
    )
    return report.verdict, tuple(result.check for result in report.failures)


def through_engine(rate: float, runs: int, workers: int) -> Calibrated:
    """Judge the reference with seeds 0, 1, ..., runs - 1."""
    started = time.perf_counter()
    judge = partial(one_run, rate=rate)
    if workers == 1:
        outcomes = [judge(seed) for seed in range(runs)]
    else:
        with multiprocessing.get_context("spawn").Pool(workers) as pool:
            outcomes = pool.map(judge, range(runs), chunksize=50)
    seconds = time.perf_counter() - started
    verdicts = Counter(verdict for verdict, _ in outcomes)
    fails = verdicts["fail"]
    interval = binomtest(fails, runs, alternative="less").proportion_ci(0.99, method="exact")
    return Calibrated(
        rate=rate,
        runs=runs,
        fails=fails,
        inconclusive=verdicts["inconclusive"],
        share=fails / runs,
        bound=float(interval.high),
        failing_checks=Counter(check for _, checks in outcomes for check in checks),
        milliseconds=1000 * seconds * workers / runs,
    )


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
    parser.add_argument("--only", choices=("engine", "real-levels"), help="one of the two parts")
    parser.add_argument("--workers", type=int, default=2, help="processes for the engine")
    options = parser.parse_args(arguments)
    if options.only != "real-levels":
        runs = {0.3: 20} if options.quick else RUNS
        workers = 1 if options.quick else options.workers
        print_engine([through_engine(rate, count, workers) for rate, count in runs.items()])
    if options.only != "engine":
        rng = np.random.default_rng(1)
        replicas, places = (10_000, PLACES[1:2]) if options.quick else (50_000, PLACES)
        print_levels(
            [by_importance(alpha, *place, replicas, rng) for alpha in ALPHAS for place in places],
            replicas,
        )


def print_engine(rows: Sequence[Calibrated]) -> None:
    """Print the verdicts of the engine."""
    print_table(
        f"Verdicts on the reference through the engine; false_alarm {FALSE_ALARM:g}, "
        f"resolution {RESOLUTION:g} standard deviations",
        ("rate", "runs", "fail", "share", "99 % bound", "inconclusive", "ms/run"),
        [
            (
                f"{row.rate:g}",
                row.runs,
                row.fails,
                f"{row.share:.5f}",
                f"{row.bound:.5f}",
                row.inconclusive,
                f"{row.milliseconds:.0f}",
            )
            for row in rows
        ],
    )
    for row in rows:
        named = ", ".join(f"{check} {count}" for check, count in row.failing_checks.most_common())
        print(f"failing cases at rate {row.rate:g}: {named or 'none'}")
    print(f"target: the bound of the first row at most {FALSE_ALARM:g}")


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
