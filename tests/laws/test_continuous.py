"""Laws whose multiplier has a density: closed forms, and the way from outputs back to scores."""

import math
import subprocess
import sys

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import kstest, laplace, lognorm, norm, uniform

import dropout_stats as ds
from dropout_stats.dtypes import as_dtype, available
from dropout_stats.laws import by_name, spelled
from dropout_stats.laws.scores import BINNED, BINS, WIDE

LAWS = [
    ds.laws.GaussianMultiplicative(),
    ds.laws.UniformMultiplicative(),
    ds.laws.LogNormalMultiplicative(),
]
RATES = (0.001, 0.1, 0.5, 0.9, 0.999)
COARSE = {"rates": (0.1, 0.3, 0.9), "resolution": 2**-5, "dtypes": ["float32"], "seed": 8}


def inputs(rng, shape, dtype):
    """Values of either sign and of many sizes, as the streams have them."""
    return (rng.choice((-1, 1), shape) * np.exp2(rng.uniform(-3, 3, shape))).astype(as_dtype(dtype))


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("law", LAWS, ids=str)
def test_mean_and_variance_are_those_of_inverted_dropout(law, rate):
    def moment(power):
        def integrand(z):
            return float(law.multiplier(np.array(z), rate)) ** power * norm.pdf(z)

        return quad(integrand, -14, 14, limit=400, points=[0, 3, 6])[0]

    inverted = ds.laws.Inverted()
    assert law.mean(rate) == inverted.mean(rate) == pytest.approx(moment(1), rel=1e-6)
    assert law.variance(rate) == pytest.approx(inverted.variance(rate))
    assert law.variance(rate) == pytest.approx(moment(2) - moment(1) ** 2, rel=1e-6)
    assert law.evaluation_factor(rate) == 1


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("law", LAWS, ids=str)
def test_scores_and_multipliers_are_inverse(law, rate):
    z = np.linspace(-4, 4, 81)
    m = law.multiplier(z, rate)
    assert np.allclose(law.score(m, rate), z, atol=1e-6)
    assert np.allclose(law.cdf(m, rate), norm.cdf(z), atol=1e-9)
    assert law.median(rate) == pytest.approx(float(law.multiplier(np.zeros(1), rate)[0]))


@pytest.mark.parametrize("law", LAWS, ids=str)
def test_a_law_is_spelled_and_refuses_what_is_no_unit(law):
    assert by_name(spelled(law)) == law
    assert str(type(law)(unit="channel")) == f"{type(law).__name__}(unit='channel')"
    assert by_name(f"{law.name}(unit='channel')").sharing.draws((2, 3, 4)) == (2, 3)
    with pytest.raises(ds.UsageError, match="unit must be"):
        type(law)(unit="channels")


@pytest.mark.parametrize("dtype", available())
@pytest.mark.parametrize("rate", (0.001, 0.3, 0.9))
@pytest.mark.parametrize("law", LAWS, ids=str)
def test_scores_are_standard_normal_in_every_type(law, rate, dtype):
    """One rounding of the product; a fixed seed, and a test that a deviation of 1 % fails."""
    rng = np.random.default_rng(5)
    x = inputs(rng, (64, 1024), dtype)
    reader, units, first, second, bins, wide = law.reader(x, rate, dtype), 0, 0.0, 0.0, 0, 0
    for _ in range(4 * BINNED):
        reading = reader.read(law.apply(x, law.sample(rng, x.shape, rate), rate))
        assert reading.violations == 0
        units += reading.units
        first, second = first + reading.scores[1], second + reading.scores[2]
        bins += reading.bins
        wide += int(np.unpackbits(reading.wide).sum())
    assert abs(first) < 5 * math.sqrt(units)
    assert abs(second - units) < 5 * math.sqrt(2 * units)
    assert abs(wide - units / 2) < 5 * math.sqrt(units) / 2
    expected = units / BINNED / BINS
    assert bins.sum() * BINNED == units
    assert (abs(bins - expected) < 5 * math.sqrt(expected)).all()


def test_a_score_in_half_precision_is_drawn_within_the_range_of_its_output():
    """At a small rate bfloat16 leaves some forty multipliers: without it half would be at 1."""
    law, rng = LAWS[0], np.random.default_rng(6)
    x = inputs(rng, (32, 1024), "bfloat16")
    y = law.apply(x, law.sample(rng, x.shape, 0.001), 0.001)
    reader = law.reader(x, 0.001, "bfloat16")
    scores = reader._scores(y.astype(np.float32) / x.astype(np.float32), y)
    assert kstest(scores.reshape(-1), "norm").pvalue > 1e-4
    lattice = law.score(y.astype(np.float64) / x.astype(np.float64), 0.001)
    assert kstest(lattice.reshape(-1), "norm").pvalue < 1e-12


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_what_the_law_cannot_give_is_a_violation(dtype):
    x = np.full((2, 3), 2.0, dtype)
    for law, wrong in ((LAWS[1], 9.0), (LAWS[1], -3.0), (LAWS[2], -0.5), (LAWS[0], math.nan)):
        y = x.copy()
        y[1, 2] = wrong
        reading = law.reader(x, 0.1, dtype).read(y)
        assert reading.violations == 1
        assert reading.example.index == (1, 2)
        assert "a multiplier that the law allows" in str(reading.example)


@pytest.mark.parametrize("dtype", ["float16", "float32"])
@pytest.mark.parametrize("law", [LAWS[0], LAWS[1]], ids=str)
def test_a_multiplier_that_is_infinite_is_impossible(law, dtype):
    x = np.full((6,), 0.5, dtype)
    y = np.array([0.5, np.inf, 0.4, -np.inf, 0.6, np.nan], dtype)
    reading = law.reader(x, 0.1, dtype).read(y)
    assert (reading.violations, reading.example.index) == (3, (1,))
    assert reading.scores[0] == reading.powers[0] == 3


def test_rounded_multipliers_are_drawn_anew_for_each_input():
    """With the same random numbers for all inputs the noise of calls seemed to repeat itself."""
    law, rng = LAWS[0], np.random.default_rng(3)
    one, other = (inputs(rng, (4_000,), "bfloat16") for _ in range(2))
    readers = [law.reader(x, 1e-6, "bfloat16") for x in (one, other, one)]
    first, second, again = (
        r.read(x).mask() for r, x in zip(readers, (one, other, one), strict=True)
    )
    assert np.array_equal(first, again)
    assert abs((first == second).mean() - 0.5) < 0.05


@pytest.mark.parametrize("rate", [0.001, 0.003])
@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.name)
def test_noise_of_half_precision_does_not_seem_to_repeat_itself(law, rate):
    """Outputs that are rounded far more coarsely than the noise is strong."""
    asked = ["calls.*", "position.*", "dependence.*", "noise.marginal"]
    options = {"rates": (rate,), "dtypes": ["bfloat16"], "resolution": 2**-6, "seed": 3}
    report = ds.check(ds.reference(law), checks=asked, **options)
    assert not report.failures, str(report)


def test_an_output_that_overflows_is_lawful():
    law, x = LAWS[2], np.full((4,), 8.0, np.float16)
    y = np.array([8, 1, np.inf, 20], np.float16)
    assert law.reader(x, 0.999, "float16").read(y).violations == 0


def test_elements_of_a_unit_that_differ_are_torn():
    law, rng = ds.laws.GaussianMultiplicative(unit="channel"), np.random.default_rng(2)
    x = inputs(rng, (2, 3, 5), "float32")
    y = law.apply(x, law.sample(rng, x.shape, 0.3), 0.3)
    assert law.read(x, y, 0.3).torn == 0
    y[1, 2, 4] *= np.float32(1.001)
    reading = law.read(x, y, 0.3)
    assert (reading.torn, reading.first_torn, reading.units) == (1, (1, 2), 6)


@pytest.mark.parametrize("rate", (0.1, 0.9))
@pytest.mark.parametrize("law", LAWS, ids=str)
def test_half_of_the_bits_are_set_whatever_the_signs(law, rate):
    rng = np.random.default_rng(9)
    x = inputs(rng, (40_000,), "float64")
    m = law.sample(rng, x.shape, rate)
    bits = law.bits(x, law.apply(x, m, rate), rate)
    assert np.array_equal(bits, m > law.median(rate))
    assert abs(bits.mean() - 0.5) < 5 * 0.5 / math.sqrt(bits.size)


def test_half_of_the_scores_are_wide():
    assert norm.cdf(WIDE) - norm.cdf(-WIDE) == pytest.approx(0.5)


@pytest.mark.parametrize("unit", ["element", "channel", "sample", (1,)], ids=str)
@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.name)
def test_the_reference_passes(law, unit):
    held = type(law)(unit=unit)
    report = ds.check(ds.reference(held), **{**COARSE, "dtypes": None})
    assert report.verdict == "pass", str(report)
    assert {"noise.marginal", "moments.mean", "gradient.same_noise"} <= {
        result.check for result in report.results if result.verdict == "pass"
    }
    assert not any(result.check.startswith(("rate.", "precision.")) for result in report.results)


@pytest.mark.parametrize("declared", LAWS, ids=lambda law: law.name)
@pytest.mark.parametrize("drawn", LAWS, ids=lambda law: law.name)
def test_noise_of_another_law_is_accused(drawn, declared):
    report = ds.check(ds.reference(drawn), declared, **{**COARSE, "resolution": 2**-8})
    if drawn == declared:
        assert report.verdict == "pass", str(report)
        return
    assert report.verdict == "fail", str(report)
    assert report.diagnoses[0].name.startswith("the noise has another")


def test_dropout_and_noise_are_told_apart():
    report = ds.check(ds.reference(LAWS[0]), ds.laws.Inverted(), **COARSE)
    assert report["support.kept_value"].verdict == "fail"
    report = ds.check(ds.reference(ds.laws.Inverted()), LAWS[0], **COARSE)
    assert report["noise.marginal"].verdict == "fail" or report["noise.shape"].verdict == "fail"


LAPLACE = ds.laws.Law(
    "laplace",
    sampler=lambda rng, shape, rate: rng.laplace(1, math.sqrt(rate / (1 - rate) / 2), shape),
    cdf=lambda m, rate: laplace.cdf(m, 1, math.sqrt(rate / (1 - rate) / 2)),
    mean=lambda rate: 1.0,
    variance=lambda rate: rate / (1 - rate),
)
MOMENTS = {"moments.mean", "moments.variance"}


@pytest.mark.parametrize(
    ("factor", "shift", "wrong", "name"),
    [
        (1.21, 0.0, "moments.variance", "strength"),
        (1 / 1.21, 0.0, "moments.variance", "strength"),
        (1.0, 0.1, "moments.mean", "mean"),
        (1.0, -0.1, "moments.mean", "mean"),
    ],
)
@pytest.mark.parametrize("law", [*LAWS, LAPLACE], ids=lambda law: law.name)
def test_a_moment_alone_is_blamed(law, factor, shift, wrong, name):
    """Noise of the same family with a factor on the variance, and shifted by so many deviations."""
    rng = np.random.default_rng(4)

    def train(x, rate):
        odds = factor * rate / (1 - rate)
        noise = law.sample(rng, x.shape, odds / (1 + odds)) if rate else np.ones(x.shape)
        return law.apply(x, noise + shift * math.sqrt(rate / (1 - rate)), rate)

    target = ds.Target(train=train, evaluate=lambda x, rate: x.copy(), law=law)
    report = ds.check(target, **COARSE, checks=["noise.*", "moments.*"])
    failed = {result.check for result in report.failures}
    assert failed & MOMENTS == {wrong}, str(report)
    assert failed & {"noise.marginal", "noise.support"}
    assert report.diagnoses[0].name == f"the noise has another {name} than declared"
    found = report[wrong].evidence
    declared = law.mean(0.3) if name == "mean" else law.variance(0.3)
    assert not found.low <= declared <= found.high


@pytest.mark.parametrize(
    ("law", "of_rate"),
    [
        (LAWS[0], lambda rate: 3.0),
        (LAWS[1], lambda rate: uniform.stats(moments="k") + 3),
        (LAWS[2], lambda rate: lognorm.stats(math.sqrt(-math.log1p(-rate)), moments="k") + 3),
        (LAPLACE, lambda rate: 6.0),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
@pytest.mark.parametrize("rate", [0.01, 0.3, 0.9])
def test_the_fourth_moment_is_that_of_the_law(law, of_rate, rate):
    assert law.kurtosis(rate) == pytest.approx(float(of_rate(rate)), rel=1e-6)


def test_a_check_of_another_kind_of_law_is_left_out_of_the_plan():
    with pytest.raises(ds.UsageError, match="nothing to do"):
        ds.check(ds.reference(LAWS[0]), checks=["rate.*"])
    planned = {p.case.check for p in ds.plan(ds.reference(ds.laws.Inverted())).cases}
    assert not any(check.startswith("noise.") for check in planned)


def test_the_command_line_judges_a_noise(tmp_path):
    options = ("--law", "gaussian-multiplicative", "--rates", "0.3", "--resolution", "0.03")
    command = [sys.executable, "-m", "dropout_stats", "check", *options]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)  # noqa: S603
    assert done.returncode == 0, done.stdout + done.stderr
    assert "law gaussian-multiplicative" in done.stdout
    assert "noise.marginal" in done.stdout


@pytest.mark.parametrize("law", [*LAWS, LAPLACE, ds.laws.GaussianAdditive()], ids=str)
def test_moments_of_noise_say_that_they_are_asymptotic(law):
    options = {**COARSE, "rates": (0.3,), "checks": ["moments.*"]}
    report = ds.check(ds.reference(law), **options)
    for check in MOMENTS | {"moments.noise_mean"}:
        assert report[check].verdict == "pass"
        assert "asymptotically; expected" in report[check].message
        assert "unless rare, far values carry it" in report[check].message


@pytest.mark.parametrize("rate", [0.9, 0.999])
def test_a_moment_of_which_draws_say_nothing_does_not_pass(rate):
    """The shift that would have been caught is more than the variance itself."""
    options = {**COARSE, "rates": (rate,), "checks": ["noise.*", "moments.*"]}
    report = ds.check(ds.reference(LAWS[2]), **options)
    assert report.verdict == "pass", str(report)
    variance = report["moments.variance"]
    assert variance.verdict == "not-applicable"
    assert "more than the moment itself" in variance.message
    assert variance.evidence.resolution is None
    assert report["noise.marginal"].verdict == "pass"


def test_a_pass_on_a_moment_excludes_a_shift_as_large_as_it():
    for law in (*LAWS, LAPLACE):
        report = ds.check(ds.reference(law), **{**COARSE, "rates": RATES}, checks=["moments.*"])
        for result in report.results:
            if result.verdict == "pass":
                declared = law.variance(result.case.rate) if "var" in result.check else 1.0
                assert result.evidence.resolution <= declared, result
