"""Noise that is computed in half precision is the best of its type, and is not accused."""

import itertools
import math

import numpy as np
import pytest
from scipy.special import ndtri
from scipy.stats import norm

import dropout_stats as ds
from dropout_stats import dtypes
from dropout_stats.laws import GaussianMultiplicative, Inverted, LogNormalMultiplicative
from dropout_stats.laws.halves import Rounding, rounding_of
from dropout_stats.laws.scores import BINNED, BINS, WIDE

GAUSSIAN = GaussianMultiplicative()
ASKED = ["noise.*", "moments.*", "rate.marginal"]


def scaled(rate):
    return math.sqrt(rate / (1 - rate))


class Noise:
    """Multiplies by noise that `draw(rng, shape, dtype, deviation)` makes."""

    def __init__(self, draw):
        self.rng, self.draw = np.random.default_rng(11), draw

    def train(self, x, rate):
        if rate == 0:
            return x.copy()
        noise = self.draw(self.rng, x.shape, x.dtype, scaled(rate))
        return (x.astype(noise.dtype) * noise).astype(x.dtype)


def in_its_type(rng, shape, dtype, deviation):
    """Three roundings before that of the product."""
    z = rng.standard_normal(shape, np.float32).astype(dtype)
    return dtype.type(1) + dtype.type(deviation) * z


def two_humps(rng, shape, dtype, deviation):
    """The right mean and variance; no normal law."""
    hump = np.where(rng.random(shape) < 0.5, -0.6, 0.6)
    return 1 + deviation * (hump + 0.8 * rng.standard_normal(shape))


def too_wide(rng, shape, dtype, deviation):
    return 1 + 1.1 * deviation * rng.standard_normal(shape)


def coarse(rng, shape, dtype, deviation):
    """Normal numbers from uniform ones of as many bits as bfloat16 has."""
    uniform = (rng.integers(0, 256, shape) + 0.5) / 256
    return 1 + deviation * ndtri(uniform)


def checked(draw, dtype, rate=0.1, **options):
    target = ds.Target(train=Noise(draw).train, evaluate=lambda x, rate: x.copy(), law=GAUSSIAN)
    given = {"rates": [rate], "dtypes": [dtype], "checks": ASKED, "seed": 5, **options}
    return ds.check(target, **given)


@pytest.mark.parametrize("rate", [0.001, 0.1, 0.9])
@pytest.mark.parametrize("dtype", dtypes.HALVES)
def test_noise_that_is_computed_in_half_precision_passes_at_the_finest_default(dtype, rate):
    """At the resolution of the first type; a rounded scale alone is off by more than that."""
    report = checked(in_its_type, dtype, rate)
    verdicts = {result.check: result.verdict for result in report.results}
    assert verdicts["noise.shape"] == verdicts["noise.size"] == "pass"
    assert verdicts["noise.marginal"] == "pass"
    assert not report.failures


def test_without_the_band_it_would_be_accused(monkeypatch):
    monkeypatch.setattr("dropout_stats.checks.stream.rounding_of", lambda *_: Rounding())
    monkeypatch.setattr("dropout_stats.streams.rounding_of", lambda *_: Rounding())
    report = checked(in_its_type, "bfloat16")
    assert {"noise.marginal", "noise.shape"} <= {result.check for result in report.failures}


def test_another_shape_of_the_right_moments_is_told_in_float16():
    report = checked(two_humps, "float16")
    assert {result.check for result in report.failures} == {"noise.shape"}
    assert report.diagnoses


@pytest.mark.parametrize("dtype", dtypes.HALVES)
@pytest.mark.parametrize(
    ("draw", "check"),
    [(too_wide, "moments.variance"), (coarse, "noise.marginal")],
)
def test_what_is_wrong_beyond_the_band_is_told(draw, check, dtype):
    assert check in {result.check for result in checked(draw, dtype).failures}


def test_only_noise_in_half_precision_has_a_band():
    assert rounding_of(GAUSSIAN, 0.1, "float32", "float64") == Rounding()
    assert rounding_of(Inverted(), 0.1, "float16") == Rounding()
    half = rounding_of(GAUSSIAN, 0.1, "float32", "float16")
    assert half == rounding_of(GAUSSIAN, 0.1, "float16")
    # E|M| is nearly 1, so that all are moved by about 1/sd + E|Z|, in units of the noise.
    assert half.moments == pytest.approx(2**-10 * (3 + 0.798), rel=0.01)
    assert half.tails == (0, 0)


@pytest.mark.parametrize(
    "law", [GAUSSIAN, LogNormalMultiplicative(), ds.laws.UniformMultiplicative()]
)
def test_the_bands_hold_what_lies_near_the_edges(law):
    """Multipliers moved outward, and inward, as far as roundings may: every interval is within."""
    rate, eps, rng = 0.3, 2.0**-7, np.random.default_rng(2)
    m = law.sample(rng, (400_000,), rate)
    reach = eps * (np.abs(m) + np.abs(m - 1))
    band, edges = rounding_of(law, rate, "bfloat16"), ndtri(np.arange(1, BINS) / BINS)
    for way in (-1, 1):
        scores = law.score(m + way * 0.9 * reach, rate, 1.0)
        counts = np.bincount(np.searchsorted(edges, scores), minlength=BINS) / len(m)
        assert np.all(np.abs(counts - 1 / BINS) <= np.array(band.bins) + 0.002)
        assert abs(np.mean(np.abs(scores) > WIDE) - 0.5) <= band.wide + 0.003
    assert BINNED > 1  # else intervals would take most of the time


def test_quantiles_of_a_declared_density_are_those_of_its_cdf():
    law = ds.laws.Law(
        name="declared",
        sampler=lambda rng, shape, rate: 1 + scaled(rate) * rng.standard_normal(shape),
        mean=lambda rate: 1.0,
        variance=lambda rate: rate / (1 - rate),
        cdf=lambda m, rate: norm.cdf((m - 1) / scaled(rate)),
    )
    z = np.array([[-3.0, -0.5], [0.0, 2.0]])
    assert law.multiplier(z, 0.2) == pytest.approx(1 + 0.5 * z)
    mine, theirs = (rounding_of(one, 0.2, "float16") for one in (law, GAUSSIAN))
    assert mine.bins == pytest.approx(theirs.bins)


def test_a_bit_may_be_off_by_what_the_nearest_numbers_of_the_type_make_of_the_median():
    """Multipliers near 1 are numbers that lie twice as far apart above it as below."""
    band = rounding_of(GAUSSIAN, 0.001, "bfloat16")
    lawful = band.bits(0.001)
    assert lawful[0] == 0.5
    assert len(set(lawful)) == len(lawful) == 57
    assert max(lawful) - 0.5 == pytest.approx(band.bit)
    assert Rounding().bits(0.001) == rounding_of(GAUSSIAN, 0.5, "float16").bits(0.004) == (0.5,)
    options = {"checks": ["calls.drift", "position.*"], "resolution": 2**-8}
    report = checked(in_its_type, "bfloat16", 0.001, **options)
    assert {result.verdict for result in report.results} == {"pass"}, str(report)
    assert 0.48 < report["position.modulus"].evidence.estimate < 0.495


def between_two_ends(rng, shape, dtype, deviation):
    """Uniform, from one rounded end to the other."""
    low, high = (dtype.type(1 + way * math.sqrt(3) * deviation) for way in (-1, 1))
    return low + (high - low) * rng.random(shape, np.float32).astype(dtype)


UNIFORM = ds.laws.UniformMultiplicative()
DECLARED = ds.laws.Law(
    name="uniform",
    sampler=UNIFORM.sample,
    mean=UNIFORM.mean,
    variance=UNIFORM.variance,
    cdf=UNIFORM.cdf,
)


@pytest.mark.parametrize(
    ("law", "dtype", "rate"),
    [
        *((UNIFORM, "bfloat16", rate) for rate in (0.01, 0.25, 0.4, 0.76, 0.97)),
        *((UNIFORM, "float16", rate) for rate in (0.3, 0.7)),
        (DECLARED, "bfloat16", 0.55),
    ],
)
def test_ends_that_are_rounded_are_not_held_against_a_target(law, dtype, rate):
    """Beyond an end that was rounded outward scores would be far out: 5 or 8, and too many."""
    target = ds.Target(
        train=Noise(between_two_ends).train, evaluate=lambda x, rate: x.copy(), law=law
    )
    checks = [*ASKED, "calls.drift", "position.modulus"]
    report = ds.check(target, rates=[rate], dtypes=[dtype], checks=checks, seed=5)
    assert {result.verdict for result in report.results} <= {"pass", "not-applicable"}, str(report)


def test_scores_beside_an_end_are_drawn_anew_and_stay_normal():
    rng, rate = np.random.default_rng(3), 0.4
    low, high = rounding_of(UNIFORM, rate, "bfloat16").tails
    assert 0.01 < low < high < 0.03
    x = (1 + rng.random(200_000)).astype(dtypes.as_dtype("bfloat16"))
    y = (x.astype(np.float64) * UNIFORM.sample(rng, x.shape, rate)).astype(x.dtype)
    number, first, second, largest = UNIFORM.reader(x, rate, "bfloat16").read(y).scores
    assert abs(first) < 4 * math.sqrt(number)
    assert abs(second - number) < 4 * math.sqrt(2 * number)
    assert largest > 4


def test_noise_that_is_finer_than_its_type_is_refused():
    with pytest.raises(ds.UsageError, match=r"rate 1e-05.*finer than the numbers of bfloat16"):
        checked(in_its_type, "bfloat16", 1e-5)
    assert rounding_of(GAUSSIAN, 1e-5, "bfloat16").hides_noise
    assert not rounding_of(GAUSSIAN, 1e-3, "bfloat16").hides_noise
    for law, rate in itertools.product(
        (GAUSSIAN, UNIFORM, LogNormalMultiplicative()), (1e-9, 1e-6)
    ):
        assert rounding_of(law, rate, "bfloat16").hides_noise


def test_what_a_pass_says_would_be_caught_is_more_than_what_is_lawful():
    report = checked(in_its_type, "bfloat16", 0.1)
    band = rounding_of(GAUSSIAN, 0.1, "bfloat16")
    assert report["noise.marginal"].evidence.resolution > band.moments
    assert report["noise.shape"].evidence.resolution > max(band.bins)
    assert report["noise.size"].evidence.resolution > band.wide
