"""What the checks say of wrong and of correct dropouts, beyond killing and sparing them."""

import dataclasses
import math

import numpy as np
import pytest

import dropout_stats as ds
from dropout_stats import zoo
from dropout_stats.zoo.dependence import OneDrawForAll, RowsShareTheirDraw
from dropout_stats.zoo.interface import RaisesAtCallThirty
from dropout_stats.zoo.rate import AppliedTwice, SwappedMask
from dropout_stats.zoo.repeats import SameMask, TwoMasks
from dropout_stats.zoo.scale import EvaluationScaledByTheRate, NoScaling, ScaledInBothModes

RATES = (0.1, 0.3, 0.9)
COARSE = {"rates": RATES, "resolution": 2**-6}


def judge(specimen, **options):
    return ds.check(specimen().target(), **{**COARSE, "seed": 11, **options})


@pytest.mark.parametrize("specimen", [zoo.Core, zoo.TestScaledCore])
def test_a_correct_dropout_passes_in_every_type(specimen):
    conventions = ds.Conventions(
        dtypes=("float16", "bfloat16", "float32", "float64"), rate_domain="[0, 1]"
    )
    target = specimen().target(conventions=conventions)
    report = ds.check(target, rates=(0.001, 0.3, 0.999), resolution=2**-5, seed=4)
    assert report.verdict == "pass", str(report)


def test_no_scaling_fails_mean_noise_and_variance_but_not_the_rate():
    report = judge(NoScaling)
    for name in ("mean", "noise_mean", "variance"):
        assert report[f"moments.{name}"].verdict == "fail"
    assert report["rate.marginal"].verdict == "pass"
    at = {r.case.rate: r.evidence for r in report.results if r.check == "moments.mean"}
    for rate, evidence in at.items():
        assert evidence.low < 1 - rate < evidence.high


def test_applied_twice_keeps_the_mean():
    report = judge(AppliedTwice)
    verdicts = {result.check: result.verdict for result in report.results}
    assert verdicts["moments.mean"] == "pass"
    assert verdicts["moments.variance"] == "fail"
    assert verdicts["rate.marginal"] == verdicts["support.kept_value"] == "fail"


def test_scaling_in_both_modes_breaks_zero_mean_noise_but_not_the_mean():
    report = judge(ScaledInBothModes)
    assert report["moments.mean"].verdict == "pass"
    assert report["moments.noise_mean"].verdict == "fail"


def test_test_scaled_is_held_to_train_mean_equals_evaluation_output():
    report = judge(EvaluationScaledByTheRate)
    assert report["moments.mean"].verdict == "pass"
    assert report["moments.noise_mean"].verdict == "fail"


@pytest.mark.parametrize(
    "specimen",
    [SameMask, TwoMasks, OneDrawForAll, RowsShareTheirDraw],
)
def test_shared_noise_is_never_reported_as_a_wrong_rate(specimen):
    """At the default resolution a shared mask misses the rate by far more than it resolves."""
    report = judge(specimen, resolution=2**-9, rates=(0.3,))
    assert report["rate.marginal"].verdict in ("pass", "inconclusive")
    for name in ("mean", "noise_mean", "variance"):
        assert report[f"moments.{name}"].verdict in ("pass", "inconclusive")


def test_a_wrong_rate_still_stands_when_the_noise_is_shared_too():
    class SharedAndWrong(RowsShareTheirDraw):
        def mask(self, shape, rate):
            return super().mask(shape, 1 - rate)

    report = judge(SharedAndWrong, rates=(0.1,))
    assert report["rate.marginal"].verdict == "fail"
    assert report["calls.count_dispersion"].verdict == "fail"


def test_a_wrong_rate_alone_is_not_blamed_on_dependence():
    report = judge(SwappedMask)
    assert report["calls.count_dispersion"].verdict == "pass"
    assert report["calls.repeated_mask"].verdict == "pass"


def test_without_evaluation_gradient_apply_the_checks_do_not_apply():
    conventions = ds.Conventions(rate_domain="[0, 1]", randomness="owned")
    target = zoo.Core().target(
        evaluate=None, evaluate_vjp=None, vjp=None, peers=None, conventions=conventions
    )
    report = ds.check(target, rates=(0.3,), resolution=2**-5, seed=1)
    silent = {r.check for r in report.results if r.verdict == "not-applicable"}
    assert silent == {
        "inference.law",
        "inference.deterministic",
        "inference.graph",
        "gradient.same_noise",
        "gradient.dropped_is_zero",
        "gradient.at_zero",
        "input.zero",
        "gradient.linear",
        "gradient.dy_unchanged",
        "gradient.forward",
        "gradient.evaluation",
        "gradient.noise",
        "gradient.ends",
        "randomness.idle",
        "randomness.threads",
        "randomness.forks",
        "peers.agree",
        "moments.enumerated",
        "support.returned_mask",
        "support.count",
        "support.shared_draw",
        "interface.invalid_rate",
    }


def test_undeclared_edges_are_observed_and_declared_ones_are_held():
    def train(x, rate):
        if not 0 <= rate < 1:
            raise ValueError("no such rate")
        return zoo.Core().train(x, rate)

    core = zoo.Core()
    silent = ds.check(core.target(train=train, conventions=ds.Conventions()), **COARSE, seed=2)
    assert any("rate 1" in text for text in silent.observations)
    assert silent["limits.rate_one"].verdict == "not-applicable"
    half_open = ds.Conventions(rate_domain="[0, 1)", invalid_rates="raise")
    held = ds.check(core.target(train=train, conventions=half_open), **COARSE, seed=2)
    assert held["interface.invalid_rate"].verdict == "pass"
    closed = ds.Conventions(rate_domain="[0, 1]", invalid_rates="raise")
    broken = ds.check(core.target(train=train, conventions=closed), **COARSE, seed=2)
    assert broken["limits.rate_one"].verdict == "fail"
    assert "no such rate" in broken["limits.rate_one"].message


def test_what_an_undeclared_call_would_break_stays_whole():
    """As on a GPU: after an assertion of the device, no call of the process works."""
    core, is_broken = zoo.Core(), []

    def train(x, rate):
        if not 0 <= rate <= 1:
            is_broken.append(rate)
        if is_broken:
            raise RuntimeError("device-side assert triggered")
        return core.train(x, rate)

    report = ds.check(core.target(train=train, conventions=ds.Conventions()), **COARSE, seed=2)
    assert report.verdict == "pass", str(report)
    assert report["interface.invalid_rate"].verdict == "not-applicable"


def test_accepting_an_invalid_rate_fails_where_raising_was_declared():
    def train(x, rate):
        return zoo.Core().train(x, 0.5 if not 0 <= rate <= 1 else rate)

    target = zoo.Core().target(
        train=train, conventions=ds.Conventions(invalid_rates="raise", rate_domain="[0, 1]")
    )
    found = ds.check(target, **COARSE, seed=3)["interface.invalid_rate"]
    assert found.verdict == "fail"
    for rate in ("-0.1", "1.1", "nan"):
        assert rate in found.message


def test_a_raising_call_is_named_and_the_other_checks_still_run():
    report = judge(RaisesAtCallThirty, rates=(0.3,))
    assert "thirty-first call" in report["interface.call"].message
    assert "rate=0.3" in report["interface.call"].message
    assert report["inference.law"].verdict == "pass"
    assert report["rate.marginal"].verdict == "inconclusive"


def test_a_gradient_that_raises_is_a_failure_of_the_target_not_of_the_harness():
    def vjp(x, dy, rate):
        raise ZeroDivisionError("backward")

    found = ds.check(zoo.Core().target(vjp=vjp), **COARSE)["gradient.same_noise"]
    assert found.verdict == "fail"
    assert "ZeroDivisionError: backward" in found.message


def test_a_broken_check_is_an_error_and_does_not_take_the_others_along(monkeypatch):
    from dropout_stats import checks

    def broken(bench, case):
        raise LookupError("our own mistake")

    whole = checks.by_id["inference.law"]
    monkeypatch.setitem(checks.by_id, "inference.law", dataclasses.replace(whole, ask=broken))
    report = judge(zoo.Core)
    assert report["inference.law"].verdict == "error"
    assert "our own mistake" in report["inference.law"].message
    assert report["rate.marginal"].verdict == "pass"
    assert report.verdict == "error"


def test_resolution_is_stated_and_reached():
    report = judge(zoo.Core, rates=(0.3,))
    evidence = report["rate.marginal"].evidence
    assert evidence.resolution <= 2**-6 * math.sqrt(0.21)
    assert evidence.low <= 0.7 <= evidence.high
    assert evidence.log10_e < 7


def test_the_input_handed_over_is_distinct_nonzero_and_of_mixed_sign():
    seen = {}

    def train(x, rate):
        seen[x.dtype.name, x.shape] = x.copy()
        return zoo.Core().train(x, rate)

    conventions = ds.Conventions(dtypes=("float32", "float16", "bfloat16"))
    target = zoo.Core().target(train=train, conventions=conventions)
    ds.check(target, **COARSE, skip=["structure.*", "precision.*"])  # they feed edges on purpose
    for (dtype, shape), x in seen.items():
        values = x.astype(np.float64).reshape(-1)
        assert (values != 0).all()
        if values.size > 64:
            assert 0.3 < (values > 0).mean() < 0.7
        if values.size <= 1024:
            assert len(np.unique(np.abs(values))) == values.size, (dtype, shape)


def test_inputs_do_not_follow_the_seed_that_the_target_gets():
    """Tester and target on one generator would make kept units depend on their sign."""
    kept = {True: [], False: []}

    def train(x, rate):
        y = core.train(x, rate)
        if rate == 0.3 and x.size > 1000:  # a few units say nothing
            for sign in (True, False):
                kept[sign].append((y[(x > 0) == sign] != 0).mean())
        return y

    core = zoo.Core()
    ds.check(core.target(train=train), rates=(0.3,), resolution=2**-7, seed=0)
    assert np.mean(kept[True]) == pytest.approx(np.mean(kept[False]), abs=0.01)
