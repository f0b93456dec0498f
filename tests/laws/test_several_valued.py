"""Laws whose multiplier takes several values: closed forms, reading, and what is accused."""

import itertools
import math
import re
from fractions import Fraction

import numpy as np
import pytest

import dropout_stats as ds
from dropout_stats.checks import noise_values
from dropout_stats.checks.pointwise import training
from dropout_stats.dtypes import as_dtype, available
from dropout_stats.evidence.departures import Tilted
from dropout_stats.evidence.tables import TableTest
from dropout_stats.laws import Law, SeveralValued, is_two_valued, values_of
from dropout_stats.laws.custom import Discrete
from dropout_stats.laws.several_valued import Value

RATES = (0.001, 0.1, 0.5, 0.9)
COARSE = {"resolution": 2**-5, "seed": 4, "rates": [0.1, 0.5]}


def ternary(rate):
    return {0: rate / 2, 1: 1 - rate, 2: rate / 2}


def halving(rate):
    return {0: rate / 2, 0.5: rate / 2, (1 - rate / 4) / (1 - rate): 1 - rate}


def pair(_):
    return {0.5: 0.5, 1.5: 0.5}


def negative(rate):
    """Five values, of either sign, whose mean is not 1."""
    return {-1.5: rate / 4, -0.25: rate / 4, 0: rate / 4, 1: 1 - rate, 3: rate / 4}


LAWS = [
    Law("ternary", atoms=ternary),
    Law("halving", atoms=halving),
    Law("pair", atoms=pair),
    Law("negative", atoms=negative, evaluation_factor=lambda rate: 1 - rate + 1.25 * rate / 4),
]


def inputs(rng, shape, dtype):
    return (rng.choice((-1, 1), shape) * np.exp2(rng.uniform(-3, 3, shape))).astype(as_dtype(dtype))


def drawn(atoms, rng, shape, rate):
    values, chances = zip(*atoms(rate).items(), strict=True)
    return rng.choice(values, shape, p=chances)


@pytest.mark.parametrize("law", LAWS, ids=str)
@pytest.mark.parametrize("rate", [Fraction(1, 8), Fraction(1, 2), Fraction(7, 8)], ids=str)
def test_mean_and_variance_are_those_of_the_atoms(law, rate):
    atoms = {Fraction(v): Fraction(p) for v, p in law.atoms(rate).items()}
    assert sum(atoms.values()) == 1
    mean = sum(v * p for v, p in atoms.items())
    variance = sum((v - mean) ** 2 * p for v, p in atoms.items())
    assert law.mean(float(rate)) == pytest.approx(float(mean), rel=1e-14)
    assert law.variance(float(rate)) == pytest.approx(float(variance), rel=1e-14)
    assert law.evaluation_factor(0.3) == pytest.approx(law.mean(0.3))


@pytest.mark.parametrize(
    ("atoms", "event", "chance"),
    [
        (lambda _: {0: 0.05, 1: 0.9, 2: 0.05}, (False, True, False), 0.9),
        (lambda _: {0: 0.25, 1: 0.5, 2: 0.25}, (False, True, False), 0.5),
        (lambda _: {0: 0.15, 0.5: 0.15, 1.2: 0.7}, (False, False, True), 0.7),
        (pair, (False, True), 0.5),
        (lambda _: {0: 0.2, 1: 0.2, 2: 0.2, 3: 0.2, 4: 0.2}, (False, False, True, True, True), 0.6),
    ],
)
def test_the_bit_is_an_event_with_a_probability_near_one_half(atoms, event, chance):
    law = Law("mine", atoms=atoms)
    assert law.in_event(0.3) == event
    assert law.keep_probs(0.3) == (pytest.approx(chance, rel=1e-14),)


@pytest.mark.parametrize("dtype", available())
@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("law", LAWS, ids=str)
def test_values_are_read_as_they_were_drawn_in_every_type(law, rate, dtype):
    rng = np.random.default_rng(5)
    x = inputs(rng, (32, 257), dtype)
    noise = law.sample(rng, x.shape, rate)
    y = law.apply(x, noise, rate)
    reading = law.reader(x, rate, dtype).read(y)
    values = [value for value, _ in law.values(rate)]
    assert reading.violations == 0
    assert reading.values.tolist() == [int((noise == value).sum()) for value in values]
    bits = np.isin(noise, [v for v, is_in in zip(values, law.in_event(rate), strict=True) if is_in])
    assert np.array_equal(law.bits(x, y, rate), bits)
    assert np.array_equal(reading.mask(), bits.reshape(-1))
    for (_, chance), count in zip(law.values(rate), reading.values, strict=True):
        assert abs(count - x.size * chance) < 6 * math.sqrt(x.size * chance * (1 - chance)) + 6


def test_a_value_without_probability_is_impossible_and_rate_0_is_no_noise():
    law = Law("mine", atoms=lambda rate: {0: 0, 1: 1 - rate, 2: rate})
    assert [value for value, _ in law.values(0.3)] == [1, 2]
    x = np.array([1.5, -2.0, 4.0])
    assert law.read(x, np.array([1.5, -4.0, 0.0]), 0.3).violations == 1
    assert law.read(x, x, 0.0).violations == 0
    assert law.read(x, 2 * x, 0.0).violations == 3


@pytest.mark.parametrize("dtype", available())
def test_what_is_no_value_is_a_violation_and_counts_as_the_nearest(dtype):
    law = Law("ternary", atoms=ternary)
    x = np.full((2, 3), 2.0, as_dtype(dtype))
    y = np.array([[0, 2, 4], [4, 3.5, np.nan]], as_dtype(dtype))
    reading = law.reader(x, 0.4, dtype).read(y)
    assert reading.violations == 2
    assert reading.example.index == (1, 1)
    assert "0 or 1 or 2 times the input; it is 1.75 times" in str(reading.example)
    assert reading.values[1:].tolist() == [1, 3]


def test_rounding_is_allowed_for_and_no_more():
    law, x = Law("thirds", atoms=lambda _: {1 / 3: 0.5, 5 / 3: 0.5}), np.full(4, 1.25, np.float32)
    y = (x / np.float32(3)) * (1 + np.float32(1e-7) * np.array([0, 1, -1, 20], np.float32))
    assert law.read(x, y.astype(np.float32), 0.0001).violations == 1


def test_elements_of_a_unit_that_differ_are_torn():
    law, rng = Law("ternary", atoms=ternary, unit="channel"), np.random.default_rng(2)
    x = inputs(rng, (2, 3, 5), "float32")
    y = law.apply(x, np.ones((2, 3, 1)), 0.3)
    assert law.read(x, y, 0.3).torn == 0
    y[1, 2, 4] *= 2
    reading = law.read(x, y, 0.3)
    assert (reading.torn, reading.first_torn, reading.units) == (1, (1, 2), 6)
    assert reading.violations == 0


def test_two_values_of_which_one_is_0_stay_what_they_were():
    for kept in (lambda rate: {0.0: rate, 1.0: 1 - rate}, lambda _: {0: 0.5, -2: 0.5}):
        law = Law("kept", atoms=kept)
        assert type(law) is Discrete
        assert is_two_valued(law)
        assert values_of(law, 0.3) == ()
    for atoms in (ternary, pair):
        law = Law("more", atoms=atoms)
        assert type(law) is SeveralValued
        assert not is_two_valued(law)
        assert len(values_of(law, 0.3)) == len(atoms(0.3))


def expected(test, scores, chances, draws):
    """The mean of the e-value over all outcomes of so many draws."""
    total = []
    for outcome in itertools.product(range(len(scores)), repeat=draws):
        counts = np.bincount(outcome, minlength=len(scores))[np.newaxis]
        total.append(math.prod(chances[one] for one in outcome) * math.exp(test.log_e(counts)))
    return math.fsum(total)


def test_the_evidence_on_a_mean_holds_for_every_way_to_have_it():
    """Whatever else the shares of the values are: of the values 0, 1, 2, 4 with mean 1."""
    scores = (-1.0, 0.0, 1.0, 3.0)
    test = TableTest(Tilted((0.25, 0.5, 0.25, 0.0), scores), 0.1)
    for chances in ((0.25, 0.5, 0.25, 0), (0, 1, 0, 0), (0.5, 0, 0.5, 0), (0.75, 0, 0, 0.25)):
        assert math.fsum(p * s for p, s in zip(chances, scores, strict=True)) == 0
        assert expected(test, scores, chances, 5) == pytest.approx(1, rel=1e-12)
    assert expected(test, scores, (0.2, 0.5, 0.3, 0), 5) > 1.0001


def test_a_tilt_is_a_distribution_with_that_mean_exactly():
    """In fractions: the outcomes of score s become 1 + size s times as frequent."""
    chances = (Fraction(1, 4), Fraction(1, 4), Fraction(1, 2))
    scores = (Fraction(-2), Fraction(0), Fraction(1))
    variance = sum(p * s**2 for p, s in zip(chances, scores, strict=True))
    for size in (Fraction(1, 10), Fraction(-1, 3), Fraction(1, 2)):
        tilted = [p * (1 + size * s) for p, s in zip(chances, scores, strict=True)]
        assert sum(tilted) == 1
        assert sum(p * s for p, s in zip(tilted, scores, strict=True)) == size * variance
        departure = Tilted(tuple(map(float, chances)), tuple(map(float, scores)))
        ratios = np.exp(departure.log_ratios(float(size))) * departure.law
        assert ratios == pytest.approx([float(p) for p in tilted], abs=1e-8)


def test_each_question_has_mean_0_and_variance_1_under_the_law():
    values = tuple(Value(v, p) for v, p in sorted(negative(0.3).items()))
    groups = noise_values.Values().groups(noise_values.Place((64,), 0.5, 10, values))
    assert len(groups) == len(values) + 2
    for group in groups:
        law, scores = group.departure.law, np.array(group.departure.scores)
        assert law @ scores == pytest.approx(0, abs=1e-12)
        assert law @ scores**2 == pytest.approx(1, rel=1e-12)


@pytest.mark.parametrize("law", LAWS, ids=str)
def test_the_reference_passes_at_every_rate_and_in_every_type(law):
    report = ds.check(ds.reference(law), resolution=2**-5, seed=4, rates=RATES)
    assert report.verdict == "pass", str(report)
    passed = {result.check for result in report.results if result.verdict == "pass"}
    assert {"noise.support", "noise.values", "moments.mean", "moments.variance"} <= passed
    assert {"moments.noise_mean", "gradient.same_noise", "randomness.seed_repeats"} <= passed
    assert {"inference.law", "dependence.lag", "position.unit", "calls.repeated_mask"} <= passed
    dropped = next(r for r in report.results if r.check == "gradient.dropped_is_zero")
    assert dropped.verdict == ("not-applicable" if law.name == "pair" else "pass")
    assert not any(result.check.startswith(("rate.", "precision.")) for result in report.results)
    assert {case.dtype for case in (r.case for r in report.results)} >= set(available())


@pytest.mark.parametrize("unit", ["channel", "sample", (1,)], ids=str)
def test_the_reference_of_other_units_passes(unit):
    report = ds.check(ds.reference(Law("ternary", atoms=ternary, unit=unit)), **COARSE)
    assert report.verdict == "pass", str(report)


class Wrong:
    """A dropout of some law, with one step that may be wrong."""

    def __init__(self, atoms, step=None):
        self.rng, self.atoms, self.step = np.random.default_rng(0), atoms, step

    def multipliers(self, shape, rate):
        rows = 1 if self.step == "one mask for all rows" else shape[0]
        noise = drawn(self.atoms, self.rng, (rows, *shape[1:]), rate)
        return np.broadcast_to(noise, shape)

    def train(self, x, rate):
        return (x * self.multipliers(x.shape, rate)).astype(x.dtype) if rate else x.copy()

    def vjp(self, x, dy, rate):
        noise = self.multipliers(x.shape, rate) if rate else np.ones(x.shape)
        again = self.multipliers(x.shape, rate) if rate and self.step == "backward" else noise
        return (x * noise).astype(x.dtype), (dy * again).astype(x.dtype)

    def evaluate(self, x, rate):
        return self.train(x, rate) if self.step == "evaluation" else x.copy()

    def report(self, law, **changes):
        target = ds.Target(
            train=self.train,
            evaluate=self.evaluate,
            vjp=self.vjp,
            law=law,
            conventions=ds.Conventions(ndims=(2, 4)),
        )
        return ds.check(target, **{**COARSE, **changes}, skip=["structure.*"])


@pytest.mark.parametrize(
    ("atoms", "step", "check"),
    [
        (lambda rate: {0: rate / 4, 1: 1 - rate / 2, 2: rate / 4}, None, "moments.variance"),
        (lambda rate: {0: 0.7 * rate, 1: 1 - rate, 2: 0.3 * rate}, None, "moments.mean"),
        (lambda rate: {0: 0.7 * rate, 1: 1 - rate, 2: 0.3 * rate}, None, "noise.values"),
        (lambda rate: {0: rate / 2, 1: 1 - rate, 2.01: rate / 2}, None, "noise.support"),
        (ternary, "one mask for all rows", "dependence.axes"),
        (ternary, "backward", "gradient.same_noise"),
        (ternary, "evaluation", "inference.deterministic"),
    ],
)
def test_what_is_wrong_is_accused_by_its_check(atoms, step, check):
    report = Wrong(atoms, step).report(Law("ternary", atoms=ternary))
    assert report[check].verdict == "fail", str(report)
    if check == "noise.support":
        assert report["moments.mean"].verdict == "not-applicable"


def test_a_wrong_variance_alone_is_not_blamed_on_the_mean():
    report = Wrong(lambda rate: {0: rate / 4, 1: 1 - rate / 2, 2: rate / 4}).report(
        Law("ternary", atoms=ternary)
    )
    assert report["moments.mean"].verdict != "fail", str(report)


def test_a_wrong_mean_alone_is_not_blamed_on_the_variance():
    """The variance is the declared one, 1/2, about the mean 1.17; about 1 it is 0.53."""
    one = (math.sqrt(1.8) - 0.4) / 2
    atoms = {0: 0.65 - one, 1: one, 2: 0.35}
    assert Law("wrong", atoms=lambda _: atoms).variance(0.5) == pytest.approx(0.5)
    law = Law("ternary", atoms=ternary)
    report = Wrong(lambda _: atoms).report(law, rates=[0.5], resolution=2**-9)
    assert report["moments.mean"].verdict == "fail", str(report)
    assert report["moments.variance"].verdict == "inconclusive", str(report)


def test_a_value_that_is_too_frequent_is_named_with_its_shares():
    atoms = {0: 0.05, 1: 0.8, 2: 0.15}
    report = Wrong(lambda _: atoms).report(Law("ternary", atoms=lambda _: ternary(0.1)))
    message = report["noise.values"].message
    expected = ((0, r"0\.05"), (1, r"0\.9"), (2, r"0\.05"))
    shares = ", ".join(rf"{value}: 0\.\d+ \(expected {chance}\)" for value, chance in expected)
    assert re.search(rf"are {shares}; the farthest off is 2, too frequent", message), message
    assert report.diagnoses[0].name.startswith("values are taken with other probabilities")


def test_a_law_of_many_values_is_judged_as_one_of_few():
    """A grid of 33 values with binomial probabilities."""
    chances = [math.comb(32, k) / 2**32 for k in range(33)]
    law = Law("grid", atoms=lambda _: dict(zip(np.arange(33) / 16, chances, strict=True)))
    conventions = ds.Conventions(dtypes=("float32", "float16"), rates=(0.3,))
    report = ds.check(ds.reference(law), resolution=2**-5, seed=1, conventions=conventions)
    assert report.verdict == "pass", str(report)
    assert law.mean(0.3) == pytest.approx(1)
    assert law.variance(0.3) == pytest.approx(8 / 256)


def test_a_call_of_any_input_is_held_to_the_values():
    """Zeros, NaN and infinities included: a NaN that is multiplied by 0 may become 0 or NaN."""
    x = np.array([2.0, 2.0, 0.0, np.nan, np.inf, -np.inf])
    lawful = np.array([4.0, 0.0, 0.0, np.nan, np.inf, -np.inf])
    others = np.array([3.0, -2.0, 1.0, 1.0, 2.0, np.inf])
    for law, drops in ((LAWS[0], True), (Law("pair", atoms=lambda _: {1: 0.5, 2: 0.5}), False)):
        possible = training(law, 0.3, "float64", "unspecified")
        assert possible.wrong(x, lawful).tolist() == [False, not drops, *[False] * 4]
        assert possible.wrong(x, others).all()
        zeros = possible.wrong(x, np.zeros(6))
        assert zeros.tolist() == [not drops] * 2 + [False] + [not drops] * 3
        assert possible.is_kept_elsewhere(x, 4.0)
        assert "2 times 1 or 2" in possible.expected(2.0) or drops
