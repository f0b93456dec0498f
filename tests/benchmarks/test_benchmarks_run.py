from __future__ import annotations

import importlib
import math
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from dropout_stats.evidence.bernoulli import BernoulliTest, Counts

HERE = Path(__file__).parent
TARGETS_PRINTED = {
    "stopping": 2,
    "calibration": 2,
    "overhead": 2,
    "default_check": 2,
    "specimens": 2,
    "noise_stopping": 2,
    "gap": 6,
    "gap_containment": 1,
    "gap_networks": 2,
}


@pytest.fixture
def benchmark(monkeypatch):
    monkeypatch.syspath_prepend(HERE)
    return importlib.import_module


@pytest.mark.parametrize(
    "name",
    [
        *TARGETS_PRINTED,
        pytest.param("adapter_overhead", marks=pytest.mark.framework("torch")),
        pytest.param("released", marks=pytest.mark.framework("torch")),
        pytest.param("wrappers", marks=pytest.mark.framework("torch")),
    ],
)
def test_quick_run_prints_its_tables(name):
    done = subprocess.run(  # noqa: S603 - our own script
        [sys.executable, HERE / f"{name}.py", "--quick"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    rules = [number for number, line in enumerate(lines) if set(line) == {"-", " "}]
    assert rules
    for number in rules:
        assert len(lines[number + 1]) == len(lines[number]) == len(lines[number - 1])
    assert done.stdout.count("target:") == TARGETS_PRINTED.get(name, 1)


@pytest.mark.framework("torch")
def test_the_cases_for_a_gpu_run_on_a_processor():
    words = ["torch functional*", "--device", "cpu", "--quick", "--workers", "1"]
    done = subprocess.run(  # noqa: S603 - our own script
        [sys.executable, HERE / "accelerator.py", *words],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert re.search(r"torch functional dropout +not calls.previous +pass", done.stdout), (
        done.stdout
    )


@pytest.mark.parametrize(("keep_prob", "departure"), [(0.5, 0.02), (0.9, 0.1), (0.1, 0.1)])
def test_vectorised_test_is_the_library_test(benchmark, keep_prob, departure):
    vectorised = benchmark("vectorised")
    test = BernoulliTest(keep_prob, departure, band=2.0**-22)
    successes = np.array([0, 1, 70, 100, 130, 180, 199, 200])
    values = vectorised.log_e(test, 200, successes)
    passes = vectorised.excludes_departures(test, 200, successes)
    for kept, value, excluded in zip(successes, values, passes, strict=True):
        counts = Counts(200, int(kept))
        assert math.isclose(value, test.log_e(counts), rel_tol=1e-12)
        assert excluded == test.excludes_departures(counts)


def test_fixed_samples_of_other_methods_are_those_of_the_study(benchmark):
    stopping = benchmark("stopping")
    assert stopping.dkwm_sample(0.02) == pytest.approx(72_543, rel=1e-4)
    assert stopping.hoeffding_sample(0.02) == pytest.approx(44_330, rel=1e-3)


@pytest.mark.parametrize("keep_prob", [0.5, 0.9])
def test_draws_until_a_verdict_stay_near_their_limits(benchmark, keep_prob):
    stopping = benchmark("stopping")
    rng = np.random.default_rng(7)
    rejecting = stopping.rejecting(keep_prob, 1 / 512, 1000, rng)
    assert 1 < rejecting.ratio < 1.15 + 5 * rejecting.error
    assert rejecting.passes < 0.01 + 5 * math.sqrt(0.01 / 1000)
    passing = stopping.passing(keep_prob, 1 / 512, 1000, rng)
    assert passing.ratio < 0.31 + 5 * passing.error
    assert passing.fails == 0


@pytest.mark.parametrize("alpha", [1e-6, 1e-9])
def test_false_alarms_at_the_real_levels_stay_below_alpha(benchmark, alpha):
    calibration = benchmark("calibration")
    row = calibration.by_importance(alpha, 0.9, 0.02, 5000, np.random.default_rng(7))
    assert row.relative_error < 0.05
    assert row.ratio * (1 - 5 * row.relative_error) < 1


def test_importance_sampling_agrees_with_counting(benchmark):
    calibration, vectorised = benchmark("calibration"), benchmark("vectorised")
    alpha, replicas, rng = 0.05, 20_000, np.random.default_rng(7)
    sampled = alpha * calibration.by_importance(alpha, 0.5, 0.1, replicas, rng).ratio
    test = BernoulliTest(0.5, 0.1)
    most = calibration.cap(0.5, 0.1, alpha, test.power)
    step = most // 100
    trials = np.arange(step, most + step, step)
    successes = rng.binomial(step, 0.5, (len(trials), replicas)).cumsum(axis=0)
    ever = np.zeros(replicas, bool)
    for length, seen in zip(trials, successes, strict=True):
        ever |= vectorised.log_e(test, length, seen) >= -math.log(alpha)
    error = math.sqrt(sampled / replicas)
    assert abs(ever.mean() - sampled) < 5 * error
