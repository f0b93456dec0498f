"""Noise that is no factor of its input: closed forms, and how targets are asked."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest

import dropout_stats as ds
from dropout_stats.laws import Alpha, GaussianAdditive, by_name, spelled

QUICK = {"resolution": 2**-5, "seed": 2, "rates": [0.1, 0.6]}
X = np.array([1.5, -2.0, 0.25, -0.01])


@pytest.mark.parametrize("rate", [1e-3, 0.1, 0.5, 0.9])
def test_alpha_dropout_keeps_mean_and_variance_of_standard_units(rate):
    """Exact over the mask, and over x by the moments of a standard normal number."""
    a, b = Alpha().constants(rate)
    s = Alpha.saturated
    mean = (1 - rate) * b + rate * (a * s + b)
    square = (1 - rate) * (a**2 + b**2) + rate * (a * s + b) ** 2
    assert mean == pytest.approx(0, abs=1e-15)
    assert square == pytest.approx(1, rel=1e-12)
    scale, slope = 1.0507009873554805, 1.6732632423543772  # of SELU
    assert s == pytest.approx(-scale * slope, rel=1e-15)


@pytest.mark.parametrize("rate", [0.1, 0.7])
def test_alpha_dropout_is_read_as_the_dropout_that_it_is(rate):
    """For every mask: what is judged of a conforming pass is a x where kept, and 0 elsewhere."""
    law = Alpha()
    moments = np.zeros((2, 4))
    for bits in itertools.product((False, True), repeat=4):
        mask = np.array(bits)
        y = law.perform(law.hand(X), mask, rate)
        judged = law.judge(X, y, rate)
        assert judged == pytest.approx(np.where(mask, X * law.kept_factor(rate), 0), rel=1e-12)
        assert (judged == 0).tolist() == (~mask).tolist()
        chance = math.prod(1 - rate if kept else rate for kept in bits)
        moments += chance * np.array([judged, judged**2])
    assert moments[0] == pytest.approx(X * law.mean(rate), rel=1e-10)
    assert moments[1] - moments[0] ** 2 == pytest.approx(X**2 * law.variance(rate), rel=1e-10)


@pytest.mark.parametrize("law", [Alpha(), GaussianAdditive()])
def test_a_call_without_dimensions_is_handed_an_array(law):
    handed = law.hand(np.array(0.5, np.float32))
    assert isinstance(handed, np.ndarray)
    assert (handed.shape, handed.dtype) == ((), np.float32)


@pytest.mark.parametrize("law", [GaussianAdditive(), GaussianAdditive(std=0.3)])
def test_what_was_added_becomes_a_factor(law):
    rng, rate = np.random.default_rng(0), 0.2
    noise = law.sample(rng, X.shape, rate)
    assert law.hand(X) is X
    y = law.perform(X, noise, rate)
    assert law.judge(X, y, rate) == pytest.approx(X * noise, rel=1e-12)
    dy = rng.standard_normal(4)
    pulled = law.judge_gradient(X, y, law.pull(dy, noise, rate), rate)
    assert pulled == pytest.approx(dy * noise, rel=1e-12)
    drawn = law.sample(rng, (200_000,), rate) - 1
    assert np.std(drawn) == pytest.approx(math.sqrt(law.variance(rate)), rel=0.01)


def test_a_fixed_deviation_is_judged_at_the_one_rate_that_has_it():
    law = GaussianAdditive(std=2.0)
    plan = ds.plan(ds.reference(law))
    assert {planned.case.rate for planned in plan.cases} == {0.8}
    assert law.variance(0.8) == 4.0
    report = ds.check(replace(ds.reference(law), law=None), law, resolution=2**-5, seed=1)
    assert report.verdict == "pass", report
    for std in (0, -1.0, 1e4):
        with pytest.raises(ds.UsageError, match="std must lie between"):
            GaussianAdditive(std=std)


@pytest.mark.parametrize(
    "law",
    [
        Alpha(),
        Alpha(unit="channel"),
        GaussianAdditive(),
        GaussianAdditive(std=0.3),
        GaussianAdditive(std=0.3, unit="sample"),
        GaussianAdditive(unit="channel"),
    ],
)
def test_references_conform_and_laws_have_names(law):
    rates = {} if getattr(law, "std", None) else {"rates": QUICK["rates"]}
    report = ds.check(ds.reference(law), resolution=2**-5, seed=2, **rates)
    assert report.verdict == "pass", report
    assert by_name(spelled(law)) == law


def test_half_precision_is_left_out_or_refused():
    plan = ds.plan(ds.reference(Alpha()))
    assert {planned.case.dtype for planned in plan.cases} == {"float32", "float64"}
    with pytest.raises(ds.UsageError, match="too few digits in float16"):
        ds.plan(ds.reference(Alpha()), dtypes=["float16"])


def test_a_target_that_is_handed_the_keep_probability_is_read_by_its_rate():
    held = ds.reference(Alpha())

    def train(x, keep_prob):
        return held.train(x, 1 - keep_prob)

    conventions = ds.Conventions(rate_argument="keep_prob", rate_domain="[0, 1]")
    target = ds.Target(train=train, law=Alpha(), conventions=conventions)
    assert ds.check(target, **QUICK).verdict == "pass"


def test_what_such_a_target_does_to_its_input_is_seen():
    def train(x, rate):
        y = reference.train(x, rate)
        x[...] = 0
        return y

    for law in (Alpha(), GaussianAdditive()):
        reference = ds.reference(law)
        report = ds.check(ds.Target(train=train, law=law), checks=["interface.*"], **QUICK)
        assert report["interface.input_unchanged"].verdict == "fail"


def test_what_such_a_target_returns_beside_an_array_is_still_said():
    law = GaussianAdditive()
    nothing = ds.check(ds.Target(train=lambda x, rate: None, law=law), **QUICK)
    assert "expected an array" in nothing["interface.call"].message
    flat = ds.check(ds.Target(train=lambda x, rate: x.ravel(), law=law), **QUICK)
    assert flat["interface.shape"].verdict == "fail"
    reference = ds.reference(Alpha())

    def with_mask(x, rate):
        mask = np.random.default_rng().random(x.shape) >= rate
        return ds.Output(reference.apply(x, mask, rate), mask=mask)

    report = ds.check(ds.Target(train=with_mask, law=Alpha()), **QUICK)
    assert report["support.returned_mask"].verdict == "pass"


@pytest.mark.parametrize("law", [Alpha(), GaussianAdditive()])
def test_the_first_item_of_a_tuple_is_judged(law):
    reference = ds.reference(law)
    target = ds.Target(train=lambda x, rate: (reference.train(x, rate), "cache"), law=law)
    assert ds.check(target, **QUICK).verdict == "pass"


def test_a_target_that_takes_any_rate_is_not_said_to_raise():
    reference = ds.reference(Alpha())

    def train(x, rate):
        return reference.train(x, rate) if 0 <= rate <= 1 else x

    held = ds.Conventions(invalid_rates="raise", rate_domain="[0, 1]")
    report = ds.check(ds.Target(train=train, law=Alpha(), conventions=held), **QUICK)
    assert report["interface.invalid_rate"].verdict == "fail"
    assert "accepts the rates -0.1, 1.1, nan" in report["interface.invalid_rate"].message


@pytest.mark.parametrize("rate", [0.1, 0.6])
def test_messages_on_alpha_dropout_name_the_number_that_they_print(rate):
    options = {**QUICK, "rates": [rate], "dtypes": ["float32"], "checks": ["moments.*"]}
    report = ds.check(ds.reference(Alpha()), **options)
    assert "E[(A - v)/(a - s)] = " in report["moments.mean"].message
    assert "v is the output of a dropped unit, s = -1.758" in report["moments.mean"].message
    assert "Var[A]/(a - s)^2 = " in report["moments.variance"].message
    noise = report["moments.noise_mean"]
    assert noise.verdict == "pass"
    assert "of inputs from N(0, 1) the outputs have mean" in noise.message
    assert "expected 0 and 1 (" in noise.message
    assert noise.evidence.low <= 0 <= noise.evidence.high


def test_sums_over_all_masks_of_alpha_dropout_are_said_to_be_of_what_is_read():
    target = ds.Target(
        train=ds.reference(Alpha()).train,
        apply=lambda x, noise, rate: x * np.where(noise, 1.1, 0).astype(x.dtype),
        law=Alpha(),
    )
    options = {**QUICK, "rates": [0.6], "dtypes": ["float32"], "checks": ["moments.enumerated"]}
    found = ds.check(target, **options)["moments.enumerated"]
    assert found.verdict == "fail"
    assert "E[A] of the output as it is read at index" in found.message


def test_messages_on_noise_that_is_added_name_the_number_that_they_print():
    options = {**QUICK, "rates": [0.6], "dtypes": ["float32"], "checks": ["moments.*"]}
    report = ds.check(ds.reference(GaussianAdditive()), **options)
    assert "1 + E[A - a] = " in report["moments.mean"].message
    assert "Var[A] = " in report["moments.variance"].message


@pytest.mark.parametrize("keep_prob", [0.0, 0.3, 0.4, 0.9, 1.0])
def test_moments_of_standard_inputs_are_those_of_the_outputs(keep_prob):
    """By quadrature over the inputs, for any keep probability beside the constants of a rate."""
    law, rate = Alpha(), 0.6
    x, weights = np.polynomial.hermite_e.hermegauss(8)
    weights = weights / weights.sum()
    kept, dropped = (law.perform(x, np.full(8, bit), rate) for bit in (True, False))
    mean = weights @ (keep_prob * kept + (1 - keep_prob) * dropped)
    square = weights @ (keep_prob * kept**2 + (1 - keep_prob) * dropped**2)
    assert law.of_standard(keep_prob, rate) == pytest.approx((mean, square - mean**2), abs=1e-12)


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        ({"train": lambda x, rate: Alpha().perform(x, np.ones(x.shape, bool), rate)}, "fail"),
        ({"evaluate": lambda x, rate: 2 * x}, "fail"),
        ({"train": lambda x, rate: x}, "not-applicable"),
    ],
)
def test_standard_inputs_are_not_kept_by_another_rate_or_another_evaluation(change, verdict):
    target = replace(ds.reference(Alpha()), seed=None, vjp=None, apply=None, **change)
    options = {**QUICK, "rates": [0.6], "dtypes": ["float32"], "checks": ["moments.*"]}
    report = ds.check(target, **options)
    assert report["moments.noise_mean"].verdict == verdict, str(report)


def test_the_noise_of_a_law_whose_evaluation_is_not_its_mean_has_that_mean():
    """No message says that a value is expected which its interval leaves out."""
    law = ds.laws.Law("unscaled", atoms=lambda rate: {0: rate, 1: 1 - rate})
    options = {**QUICK, "rates": [0.1], "dtypes": ["float32"], "checks": ["moments.noise_mean"]}
    noise = ds.check(ds.reference(law), **options)["moments.noise_mean"]
    assert noise.verdict == "pass"
    assert "expected -0.1." in noise.message
    assert noise.evidence.low <= -0.1 <= noise.evidence.high
