"""Laws that a user declares from their parts."""

import itertools
import math

import numpy as np
import pytest
from scipy.special import gammainc, ndtr, stdtr

import dropout_stats as ds
from dropout_stats.laws import Law

QUICK = {"resolution": 2**-5, "seed": 9, "rates": [0.1, 0.6]}


def scale(rate):
    return math.sqrt(rate / (1 - rate) / 2)


def laplace_cdf(m, rate):
    t = (m - 1) / scale(rate)
    return np.where(t < 0, np.exp(np.minimum(t, 0)) / 2, 1 - np.exp(-np.maximum(t, 0)) / 2)


LAPLACE = {
    "sampler": lambda rng, shape, rate: rng.laplace(1, scale(rate), shape),
    "cdf": laplace_cdf,
    "mean": lambda _: 1.0,
    "variance": lambda rate: rate / (1 - rate),
}


def triangular_cdf(m, rate):
    """On 0 to 2, whatever the rate: a support with ends."""
    t = np.clip(m, 0, 2)
    return np.where(t < 1, t**2 / 2, 1 - (2 - t) ** 2 / 2)


TRIANGULAR = {
    "sampler": lambda rng, shape, rate: rng.triangular(0, 1, 2, shape),
    "cdf": triangular_cdf,
    "mean": lambda _: 1.0,
    "variance": lambda _: 1 / 6,
}


@pytest.mark.parametrize("parts", [LAPLACE, TRIANGULAR])
@pytest.mark.parametrize("unit", ["element", "sample"])
def test_a_law_of_the_users_own_has_a_reference_that_conforms(parts, unit):
    report = ds.check(ds.reference(Law("mine", **parts, unit=unit)), **QUICK)
    assert report.verdict == "pass", report
    assert report["noise.marginal"].verdict == "pass"
    assert report.law == "mine"


@pytest.mark.parametrize(
    ("sampler", "check"),
    [
        (lambda rng, shape, rate: rng.laplace(1, 2 * scale(rate), shape), "noise.marginal"),
        (lambda rng, shape, rate: rng.laplace(1.1, scale(rate), shape), "noise.marginal"),
        (
            lambda rng, shape, rate: rng.normal(1, math.sqrt(rate / (1 - rate)), shape),
            "noise.shape",
        ),
        (lambda rng, shape, rate: rng.laplace(1, scale(rate), shape[1:]), "dependence.axes"),
    ],
)
def test_a_target_of_other_noise_fails_it(sampler, check):
    law = Law("laplace", **LAPLACE)
    rng = np.random.default_rng(0)

    def train(x, rate):
        return (x * sampler(rng, x.shape, rate)).astype(x.dtype)

    target = ds.Target(train=train, conventions=ds.Conventions(ndims=(2, 4)))
    report = ds.check(target, law, resolution=2**-8, seed=9, rates=[0.1, 0.6], skip=["structure.*"])
    assert report[check].verdict == "fail", report


def test_the_ends_of_a_support_are_its_ends_but_for_rounding():
    law = Law("triangular", **TRIANGULAR)
    values = np.array([0.0, 1e-9, 1.0, 2.0, 2.0 + 1e-7, -0.01, 2.01])
    possible = np.isfinite(law.score(values, 0.3, rounding=1e-6))
    assert possible.tolist() == [True, True, True, True, True, False, False]
    assert law.median(0.3) == pytest.approx(1)


def test_laws_with_a_factor_in_evaluation_or_a_negative_value_have_references_that_conform():
    half = Law(
        "half",
        sampler=lambda rng, shape, rate: rng.normal(0.5, math.sqrt(rate / (1 - rate)), shape),
        cdf=lambda m, rate: ndtr((m - 0.5) / math.sqrt(rate / (1 - rate))),
        mean=lambda _: 0.5,
        variance=lambda rate: rate / (1 - rate),
        evaluation_factor=lambda _: 0.5,
    )
    negated = Law(
        "negated",
        atoms=lambda rate: {0.0: rate, -1 / (1 - rate): 1 - rate},
        evaluation_factor=lambda _: -1.0,
    )
    for law in (half, negated):
        report = ds.check(ds.reference(law), **QUICK)
        assert report.verdict == "pass", report


def test_closed_forms_of_skewed_and_of_heavy_tails_are_not_doubted():
    def gamma_cdf(m, rate):
        return gammainc((1 - rate) / rate, np.maximum(m, 0) * (1 - rate) / rate)

    skewed = Law(
        "gamma",
        sampler=lambda rng, shape, rate: rng.gamma((1 - rate) / rate, rate / (1 - rate), shape),
        cdf=gamma_cdf,
        mean=lambda _: 1.0,
        variance=lambda rate: rate / (1 - rate),
    )
    heavy = Law(
        "Student",
        sampler=lambda rng, shape, rate: 1 + 0.1 * rng.standard_t(3, shape),
        cdf=lambda m, rate: stdtr(3, (m - 1) / 0.1),
        mean=lambda _: 1.0,
        variance=lambda _: 0.03,
    )
    for law in (skewed, heavy):
        for rate in (0.1, 0.5, 0.9, 0.99):
            assert law.keep_probs(rate) == (0.5,)


def test_a_two_valued_law_of_the_users_own_is_judged_as_one():
    """Units are kept with probability (1 - rate)^2, and scaled so that the mean is 1/2."""
    law = Law(
        "squared",
        atoms=lambda rate: {0.0: 1 - (1 - rate) ** 2, 0.5 / (1 - rate) ** 2: (1 - rate) ** 2},
        evaluation_factor=lambda _: 0.5,
    )
    assert ds.check(ds.reference(law), **QUICK).verdict == "pass"
    report = ds.check(ds.reference(ds.laws.Inverted()), law, **QUICK)
    assert report["support.kept_value"].verdict == "fail"
    assert report["inference.law"].verdict == "fail"
    x, rate = np.array([1.5, -2.0, 4.0]), 0.3
    outputs = []
    for bits in itertools.product((False, True), repeat=3):
        kept = law.keep_prob(rate)
        chance = math.prod(kept if bit else 1 - kept for bit in bits)
        outputs.append((chance, law.apply(x, np.array(bits), rate)))
    mean = sum(chance * y for chance, y in outputs)
    square = sum(chance * (y - mean) ** 2 for chance, y in outputs)
    assert mean == pytest.approx(x * law.mean(rate), rel=1e-12)
    assert square == pytest.approx(x**2 * law.variance(rate), rel=1e-12)
    assert law.mean(rate) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ({}, "needs either atoms=, or all of"),
        ({"cdf": laplace_cdf}, "missing: sampler, mean, variance"),
        ({**LAPLACE, "atoms": lambda _: {0: 0.5, 1: 0.5}}, "not both"),
        ({**LAPLACE, "mean": lambda _: 1.1}, "the cdf has mean 1 "),
        ({**LAPLACE, "variance": lambda rate: rate}, "disagree at rate 0.1"),
        ({**LAPLACE, "variance": lambda _: -1.0}, "must be above 0"),
        ({**LAPLACE, "mean": lambda _: None}, "must be a number"),
        ({**LAPLACE, "cdf": lambda m, rate: float(m)}, "must work elementwise"),
        ({**LAPLACE, "cdf": lambda m, rate: m * np.nan}, "which never fall"),
        ({**LAPLACE, "cdf": lambda m, rate: np.where(m < 1.3, 0.25, 1.0)}, "jumps by 0.75 at 1.3"),
        ({**LAPLACE, "evaluation_factor": 1.0}, "must be a function"),
        ({"atoms": lambda _: None}, "a dictionary"),
        ({"atoms": lambda _: {1.0: 1.0}}, "0 and one other value"),
        ({"atoms": lambda _: {0.0: 0.5, math.nan: 0.5}}, "0 and one other value"),
        ({"atoms": lambda _: {0: 0.5, 1: 0.6}}, "add up to 1"),
        ({"atoms": lambda _: {0: 0.5, 1: 0.25, 2: 0.3}}, "add up to 1"),
        ({"atoms": lambda _: {0: 0.5, 1: -0.25, 2: 0.75}}, "probabilities in"),
        ({"atoms": lambda _: {0: 0.5, 1: 0.25, math.inf: 0.25}}, "finite values"),
        ({"atoms": lambda rate: {1.0: 1.0} if rate == 0.6 else {1: 0.5, 2: 0.5}}, "or more"),
        (
            {"atoms": lambda _: {0.0: 0.5, 0.999: 0.25, 1.001: 0.25}},
            "cannot be told apart in float16",
        ),
        ({**LAPLACE, "unit": "row"}, "unit"),
    ],
)
def test_parts_that_make_no_law_are_a_usage_error(parts, words):
    with pytest.raises(ds.UsageError, match=words):
        ds.check(ds.reference(Law("mine", **parts)), **QUICK)
