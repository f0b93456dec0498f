"""How many draws a verdict on the keep probability takes, against what is possible.

Rejecting: the mean draws until the test of `rate.marginal` rejects a keep probability that is off
by the declared departure, over log(1/alpha) / KL(departed || declared), below which no test that
is valid at every look can get (Wald 1945, up to the error of the second kind). The departure is
towards 1/2, the harder side. Runs go on beyond the cap until they reject, so that the mean is one
of all runs; the verdicts that the library would give by its cap stand beside it.

Passing: the mean draws until correct code passes, over the size of the exact two-sided binomial
test of a sample fixed beforehand. Beside it stand the fixed samples of other methods: Hoeffding's
inequality, and `min_num_samples_for_dkwm_mean_test` of TensorFlow Probability, derived again here.

Everything is at alpha = 1e-6 (all of it on this one test) and power 0.99; looks are cap/100 apart.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from tables import print_table
from vectorised import assert_same_as_library, excludes_departures, log_e

from dropout_stats.checks.stream import FLOAT32_BAND
from dropout_stats.evidence.bernoulli import BernoulliTest
from dropout_stats.evidence.sizes import cap, fixed_sample
from dropout_stats.streams import LOOKS

ALPHA = 1e-6
POWER = 0.99
KEEP_PROBS = (0.5, 0.9, 0.1)
DEPARTURES = (0.1, 0.02, 1 / 512, 0.0005)
MOST_LOOKS = 100 * LOOKS  # a run that has not rejected by then would be a bug


class Paths(NamedTuple):
    """Of each run: the draws until it rejects and until it passes; infinite where it did not."""

    rejected: np.ndarray
    passed: np.ndarray
    cap: int


class Rejecting(NamedTuple):
    """Rejecting a departed keep probability."""

    keep_prob: float
    departure: float
    limit: float
    mean: float
    ratio: float
    error: float
    fails: float
    passes: float
    inconclusive: float


class Passing(NamedTuple):
    """Passing correct code, and the fixed samples that other methods need."""

    keep_prob: float
    departure: float
    exact: int
    hoeffding: float
    dkwm: float
    mean: float
    ratio: float
    error: float
    fails: int
    inconclusive: float


def divergence(probability: float, null: float) -> float:
    """KL(probability || null) of two Bernoulli laws."""
    return probability * math.log(probability / null) + (1 - probability) * math.log(
        (1 - probability) / (1 - null)
    )


def towards_half(keep_prob: float, departure: float) -> float:
    """The keep probability that is off by the departure, on the side that is harder to see."""
    return keep_prob - departure if keep_prob > 0.5 else keep_prob + departure


def library_test(keep_prob: float, departure: float) -> BernoulliTest:
    """The test as `rate.marginal` uses it."""
    return BernoulliTest(keep_prob, departure, POWER, FLOAT32_BAND)


def simulate(
    test: BernoulliTest,
    probability: float,
    replicas: int,
    rng: np.random.Generator,
    *,
    until_rejected: bool,
) -> Paths:
    """Draw runs at this keep probability, to the cap or (beyond it) until all have rejected."""
    most = cap(test.null, test.departure, ALPHA, POWER)
    step = max(1, most // LOOKS)
    rejected = np.full(replicas, np.inf)
    passed = np.full(replicas, np.inf)
    successes = np.zeros(replicas, np.int64)
    running = np.arange(replicas)
    for look in range(1, MOST_LOOKS + 1):
        trials = look * step
        successes[running] += rng.binomial(step, probability, len(running))
        seen = successes[running]
        if look in (1, 20):
            assert_same_as_library(test, trials, seen)
        rejects = log_e(test, trials, seen) >= -math.log(ALPHA)
        passes = excludes_departures(test, trials, seen) & np.isinf(passed[running])
        rejected[running[rejects]] = trials
        passed[running[passes]] = trials
        over = rejects if until_rejected else rejects | passes
        running = running[~over]
        if not len(running) or (not until_rejected and trials >= most):
            break
    else:
        raise AssertionError(f"{len(running)} runs never rejected")
    return Paths(rejected, passed, math.ceil(most / step) * step)


def rejecting(
    keep_prob: float, departure: float, replicas: int, rng: np.random.Generator
) -> Rejecting:
    """One row: a keep probability that is off by the declared departure."""
    departed = towards_half(keep_prob, departure)
    paths = simulate(
        library_test(keep_prob, departure), departed, replicas, rng, until_rejected=True
    )
    limit = -math.log(ALPHA) / divergence(departed, keep_prob)
    mean = float(paths.rejected.mean())
    fails = (paths.rejected <= paths.cap) & (paths.rejected <= paths.passed)
    passes = (paths.passed <= paths.cap) & (paths.passed < paths.rejected)
    return Rejecting(
        keep_prob=keep_prob,
        departure=departure,
        limit=limit,
        mean=mean,
        ratio=mean / limit,
        error=float(paths.rejected.std(ddof=1)) / math.sqrt(replicas) / limit,
        fails=float(fails.mean()),
        passes=float(passes.mean()),
        inconclusive=float((~fails & ~passes).mean()),
    )


def passing(keep_prob: float, departure: float, replicas: int, rng: np.random.Generator) -> Passing:
    """One row: correct code; a run ends with its verdict, or undecided at the cap."""
    paths = simulate(
        library_test(keep_prob, departure), keep_prob, replicas, rng, until_rejected=False
    )
    exact = fixed_sample(keep_prob, departure, ALPHA, POWER)
    ends = np.minimum(np.minimum(paths.passed, paths.rejected), paths.cap)
    fails = np.isfinite(paths.rejected)
    return Passing(
        keep_prob=keep_prob,
        departure=departure,
        exact=exact,
        hoeffding=hoeffding_sample(departure),
        dkwm=dkwm_sample(departure),
        mean=float(ends.mean()),
        ratio=float(ends.mean()) / exact,
        error=float(ends.std(ddof=1)) / math.sqrt(replicas) / exact,
        fails=int(fails.sum()),
        inconclusive=float((np.isinf(paths.passed) & ~fails).mean()),
    )


def hoeffding_sample(departure: float) -> float:
    """A fixed sample for Hoeffding's two-sided bound, with power by the same bound."""
    threshold = math.sqrt(math.log(2 / ALPHA) / 2)
    reserve = math.sqrt(math.log(1 / (1 - POWER)) / 2)
    return ((threshold + reserve) / departure) ** 2


def dkwm_sample(departure: float) -> float:
    """TFP's fixed sample: each of two envelopes half the departure wide."""
    false_fail = 2 * math.log(2 / ALPHA)
    false_pass = 2 * math.log(2 / (1 - POWER))
    return max(false_fail, false_pass) / departure**2


def main(arguments: Sequence[str] | None = None) -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description="Draws until a verdict, against what is possible.")
    parser.add_argument("--quick", action="store_true", help="fewer runs and departures")
    parser.add_argument("--replicas", type=int, help="runs a row")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    replicas = options.replicas or (500 if options.quick else 20_000)
    departures = DEPARTURES[1:3] if options.quick else DEPARTURES
    rng = np.random.default_rng(options.seed)
    places = [(keep_prob, departure) for keep_prob in KEEP_PROBS for departure in departures]
    print_rejecting([rejecting(*place, replicas, rng) for place in places], replicas)
    print_passing([passing(*place, replicas, rng) for place in places], replicas)


def print_rejecting(rows: Sequence[Rejecting], replicas: int) -> None:
    """Print the table of departed keep probabilities."""
    print_table(
        f"Draws until a departure is rejected; alpha {ALPHA:g}, {replicas} runs a row",
        ("keep", "departure", "limit", "mean", "mean/limit", "+-", "fail", "pass", "inconclusive"),
        [
            (
                f"{row.keep_prob:g}",
                f"{row.departure:.4g}",
                f"{row.limit:.4g}",
                f"{row.mean:.4g}",
                f"{row.ratio:.3f}",
                f"{row.error:.3f}",
                f"{row.fails:.4f}",
                f"{row.passes:.4f}",
                f"{row.inconclusive:.4f}",
            )
            for row in rows
        ],
    )
    print(f"worst mean/limit: {max(row.ratio for row in rows):.3f} (target: at most 1.15)")


def print_passing(rows: Sequence[Passing], replicas: int) -> None:
    """Print the table of correct code, beside the fixed samples."""
    print_table(
        f"Draws until correct code passes at power {POWER:g}; {replicas} runs a row",
        (
            "keep",
            "departure",
            "TFP DKWM",
            "Hoeffding",
            "exact",
            "mean",
            "mean/exact",
            "+-",
            "DKWM/mean",
            "fail",
            "inconclusive",
        ),
        [
            (
                f"{row.keep_prob:g}",
                f"{row.departure:.4g}",
                f"{row.dkwm:.4g}",
                f"{row.hoeffding:.4g}",
                f"{row.exact:.4g}",
                f"{row.mean:.4g}",
                f"{row.ratio:.3f}",
                f"{row.error:.3f}",
                f"{row.dkwm / row.mean:.1f}",
                row.fails,
                f"{row.inconclusive:.5f}",
            )
            for row in rows
        ],
    )
    print(f"worst mean/exact: {max(row.ratio for row in rows):.3f} (target: at most 0.31)")


if __name__ == "__main__":
    main()
