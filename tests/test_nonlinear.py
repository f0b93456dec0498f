"""The gap behind a nonlinear unit: exact, counted, refuted and confirmed."""

import itertools
import math

import numpy as np
import pytest
from test_contexts import blocks_of, masks_of

import dropout_stats as ds
from dropout_stats import zoo
from dropout_stats.checks.context import Place
from dropout_stats.checks.nonlinear import SumTally
from dropout_stats.checks.unit import FUNCTIONS, Unit, inputs_of, mean_test, rows_of, smallest_shift
from dropout_stats.gap.activations import activation_of

QUICK = {"rates": [0.3], "dtypes": ["float32"], "resolution": 2**-6, "seed": 3}
ALONE = {**QUICK, "checks": ["gap.*"]}


@pytest.mark.parametrize("keep_prob", [0.001, 0.3, 0.5, 0.999])
@pytest.mark.parametrize("inputs", [1, 5, 12])
def test_the_unit_is_that_of_all_masks(inputs, keep_prob):
    unit = Unit(inputs, keep_prob)
    masks = np.array(list(itertools.product((0, 1), repeat=inputs)))
    chances = np.prod(np.where(masks, keep_prob, 1 - keep_prob), axis=1)
    weights = np.arange(inputs) % 8 + 1
    sums = masks @ weights
    assert unit.total == weights.sum()
    assert unit.chances == pytest.approx(np.bincount(sums, chances), rel=1e-9)
    z = unit.z(sums, 1.0)
    assert chances @ z == pytest.approx(0.5)
    assert 0.45 < chances @ (z - 0.5) ** 2 < 2.2
    for f in FUNCTIONS:
        exact = math.fsum(chances * activation_of(f).values(z))
        low, high = unit.expected(f)
        assert low < exact < high
        assert high - low < 2e-3


def test_the_bounds_hold_for_a_keep_probability_that_is_off_by_the_rounding_of_float32():
    unit = Unit(12, 0.3)
    masks = np.array(list(itertools.product((0, 1), repeat=12)))
    z = unit.z(masks @ (np.arange(12) % 8 + 1), 1.0)
    for keep_prob in (0.3 - 2**-22, 0.3 + 2**-22):
        chances = np.prod(np.where(masks, keep_prob, 1 - keep_prob), axis=1)
        for f in FUNCTIONS:
            low, high = unit.expected(f)
            assert low < math.fsum(chances * activation_of(f).values(z)) < high


@pytest.mark.parametrize("f", FUNCTIONS)
def test_no_function_is_steeper_than_the_bounds_allow(f):
    from dropout_stats.checks import unit

    z = np.linspace(-6, 6, 100_001)
    slopes = np.diff(activation_of(f).values(z)) / np.diff(z)
    assert np.abs(slopes).max() < unit._STEEPEST


@pytest.mark.parametrize("shape", [(16, 64), (7, 13), (3, 5, 7), (130,), (5,)])
def test_sums_are_counted_one_by_one(shape):
    masks = masks_of(shape)
    units = math.prod(shape)
    tally = SumTally(Place(shape, 0.7, 11), [])
    for block in blocks_of(masks, shape):
        tally.add(block)
    inputs, rows = inputs_of(units), rows_of(units)
    assert inputs * rows <= units
    weights = np.arange(inputs) % 8 + 1
    expected = masks[:, : inputs * rows].reshape(-1, inputs).astype(int) @ weights
    assert tally.histogram.tolist() == np.bincount(expected, minlength=weights.sum() + 1).tolist()


def test_the_mean_of_the_e_value_over_all_masks_is_at_most_one():
    """Two rows of a unit of three inputs, for keep probabilities that float32 allows."""
    unit = Unit(3, 0.3)
    shift = smallest_shift(3, 0.3, 1000, 0.99)
    for keep_prob in (0.3 - 2**-22, 0.3, 0.3 + 2**-22):
        for f in FUNCTIONS:
            test = mean_test(unit, f, 1.0, shift, 0.99)
            mean = 0.0
            for masks in itertools.product(itertools.product((0, 1), repeat=3), repeat=2):
                bits = np.array(masks)
                chance = keep_prob ** bits.sum() * (1 - keep_prob) ** (6 - bits.sum())
                counts = np.bincount(bits @ [1, 2, 3], minlength=unit.total + 1)
                mean += chance * math.exp(test.log_e(counts))
            assert 0.9 < mean <= 1 + 1e-12


def test_the_reference_has_the_gap_of_its_law():
    for law in (ds.laws.Inverted(), ds.laws.TestScaled(), ds.laws.Inverted("sample")):
        report = ds.check(ds.reference(law), **ALONE)
        (result,) = report.results
        assert result.verdict == "pass", str(report)
        assert result.evidence.low < result.evidence.estimate < result.evidence.high
        assert result.evidence.resolution < 0.4


@pytest.mark.parametrize("name", ["StratifiedUniforms", "NoScaling", "SwappedMask", "NeverDrops"])
def test_wrong_masks_and_factors_have_another_gap(name):
    report = ds.check(zoo.by_name[name].build(), **{**ALONE, "resolution": 2**-9})
    assert report["gap.nonlinear"].verdict == "fail", str(report)


def test_a_wrong_evaluation_pass_has_another_gap():
    core = zoo.Core()
    report = ds.check(core.target(evaluate=lambda x, rate: x * np.float32(1 - rate)), **ALONE)
    assert report["gap.nonlinear"].verdict == "fail"
    assert "evaluation pass multiplies by 0.7; the law by 1" in report["gap.nonlinear"].message


def test_without_an_evaluation_pass_the_laws_stands_for_it():
    report = ds.check(zoo.Core().target(evaluate=None), **ALONE)
    assert report["gap.nonlinear"].verdict == "pass"


def test_outputs_without_a_common_factor_do_not_give_sums():
    def train(x, rate):
        mask = rng.random(x.shape) >= rate
        return np.where(mask, x / (1 - rate) * rng.choice([0.9, 1.1], x.shape), 0).astype(x.dtype)

    rng = np.random.default_rng(1)
    report = ds.check(train, **ALONE)
    assert report["gap.nonlinear"].verdict == "not-applicable"
    assert "support.kept_value" in report["gap.nonlinear"].message


def test_masks_that_come_back_do_not_refute_it():
    report = ds.check(zoo.by_name["CachedMask"].build(), **QUICK)
    assert report["gap.nonlinear"].verdict == "inconclusive", str(report["gap.nonlinear"])


def test_a_coarse_rate_is_held_to_its_own_grid():
    law = ds.laws.Inverted(rate_bits=8)
    report = ds.check(ds.reference(law), **{**ALONE, "rates": [0.1]})
    assert report["gap.nonlinear"].verdict == "pass", str(report)


@pytest.mark.parametrize(
    "name", ["NoScaling", "SwappedMask", "DropsInEvaluation", "BatchSharesItsMask"]
)
def test_the_gap_is_the_shadow_of_another_cause(name):
    report = ds.check(zoo.by_name[name].build(), **QUICK)
    assert "sums of units do not follow the law" not in {d.name for d in report.diagnoses}
    assert report.diagnoses[0].name == zoo.by_name[name].diagnosis


@pytest.mark.parametrize(
    "law", [ds.laws.ExactCount(), ds.laws.DropBlock(block_size=3), ds.laws.Alpha()]
)
def test_where_z_is_no_sum_over_kept_units_it_is_not_asked(law):
    report = ds.check(ds.reference(law), **ALONE)
    assert report["gap.nonlinear"].verdict == "not-applicable", str(report)


def test_extreme_rates_state_no_shift_that_rounding_could_make():
    options = {**ALONE, "rates": [1e-6], "resolution": 0.3}
    (result,) = ds.check(zoo.Core().target(), **options).results
    assert result.verdict in ("pass", "not-applicable"), result.message
    assert result.verdict == "not-applicable" or result.evidence.resolution > 0.4
