"""The gradient checks kill what each is for, and spare what is correct."""

import numpy as np
import plain
import pytest
import specimens_gradient as gradients

import dropout_stats as ds
from dropout_stats import zoo
from dropout_stats.checks.differentiation import passes_needed
from dropout_stats.checks.gradient_edges import _frequencies
from dropout_stats.evidence.bernoulli import Counts
from dropout_stats.zoo.correct import ScaleInsideTheMask
from dropout_stats.zoo.gradient import FreshMaskInBackward, UnmaskedGradient

GRADIENTS = {"rates": (0.1, 0.3, 0.9), "checks": ["gradient.*"], "seed": 5}


def judge(specimen, **changes):
    return ds.check(specimen().target(**changes), **GRADIENTS)


@pytest.mark.parametrize(
    ("specimen", "check"), gradients.KILLED_BY.items(), ids=lambda v: getattr(v, "__name__", v)
)
def test_a_specimen_is_killed_by_the_check_it_is_for(specimen, check):
    report = judge(specimen)
    assert report[check].verdict == "fail", str(report)
    assert not [r for r in report.results if r.verdict == "error"], str(report)


@pytest.mark.parametrize(
    ("specimen", "check"),
    [
        (specimen, check)
        for specimen, check in gradients.KILLED_BY.items()
        if check not in ("gradient.forward", "gradient.same_noise", "gradient.dropped_is_zero")
    ],
    ids=lambda v: getattr(v, "__name__", v),
)
def test_faults_at_the_edges_are_told_apart(specimen, check):
    """A fault at zero, in dy or in evaluation is not reported as anything else."""
    report = judge(specimen)
    assert {result.check for result in report.failures} == {check}, str(report)
    assert len(report.diagnoses) == 1


@pytest.mark.parametrize("specimen", gradients.CORRECT, ids=lambda v: v.__name__)
def test_a_correct_gradient_passes_every_check(specimen):
    report = judge(specimen)
    assert report.verdict == "pass", str(report)
    silent = {"gradient.dy_unchanged"} if specimen is gradients.ConsumesDyAsDeclared else set()
    assert {r.check for r in report.results if r.verdict == "not-applicable"} == silent
    assert len({r.check for r in report.results}) == 9


@pytest.mark.parametrize("shape", [(1,), (3,), (3, 4)])
@pytest.mark.parametrize("rate", [0.001, 0.3, 0.5, 0.999])
@pytest.mark.parametrize("seed", range(3))
def test_no_size_and_no_rate_makes_a_correct_gradient_fail(shape, rate, seed):
    report = ds.check(
        zoo.Core().target(),
        rates=(rate,),
        shapes=[shape],
        checks=["gradient.*"],
        seed=seed,
    )
    assert not report.failures, str(report)


@pytest.mark.parametrize(
    "specimen",
    [zoo.Core, zoo.TestScaledCore, ScaleInsideTheMask],
)
def test_a_correct_gradient_passes_in_every_type(specimen):
    types = ("float16", "bfloat16", "float32", "float64")
    target = specimen().target(conventions=ds.Conventions(dtypes=types, randomness="owned"))
    report = ds.check(target, rates=(0.001, 0.3, 0.999), checks=["gradient.*"], seed=6)
    assert report.verdict == "pass", str(report)


@pytest.mark.parametrize("ndims", [(0, 0), (1, 1), (4, 5)])
def test_gradients_are_asked_for_in_the_ranks_that_are_declared(ndims):
    seen = set()

    class OnlyThese(zoo.Core):
        def vjp(self, x, dy, rate):
            assert type(x) is type(dy) is np.ndarray
            seen.add(x.ndim)
            return super().vjp(x, dy, rate)

    report = judge(OnlyThese, conventions=ds.Conventions(ndims=ndims, randomness="owned"))
    assert not report.failures, str(report)
    assert ndims[0] <= min(seen) <= max(seen) <= ndims[1]


def test_without_a_backward_pass_nothing_is_judged():
    report = judge(plain.Core, vjp=None)
    assert {result.verdict for result in report.results} == {"not-applicable"}


@pytest.mark.parametrize("specimen", [FreshMaskInBackward, UnmaskedGradient])
def test_a_wrong_mask_everywhere_is_not_blamed_on_zeros_or_linearity(specimen):
    report = judge(specimen)
    assert report["gradient.at_zero"].verdict == "inconclusive", str(report)
    assert report["gradient.linear"].verdict == "pass"
    assert report["gradient.forward"].verdict == "pass"
    assert report["gradient.dy_unchanged"].verdict == "pass"


@pytest.mark.parametrize(
    ("zeros", "others", "verdict"),
    [
        ((60, 0), (60, 40), "fail"),  # 0.3^60 < e^-60
        ((49, 0), (60, 40), "not-applicable"),
        ((200, 200), (200, 140), "fail"),  # 0.7^200 < e^-60
        ((160, 160), (200, 140), "not-applicable"),
        ((2, 1), (2, 1), "pass"),
        ((10_000, 6990), (10_000, 7020), "pass"),
        ((10_000, 6400), (10_000, 7020), "fail"),
        ((10_000, 6400), (10_000, 6380), "inconclusive"),  # the rate is wrong everywhere
    ],
)
def test_units_at_zero_are_held_to_the_law_unless_the_others_miss_it_too(zeros, others, verdict):
    assert _frequencies(Counts(*zeros), Counts(*others), (0.7,)).verdict == verdict


def test_a_declared_grid_of_rates_is_not_held_against_units_at_zero():
    zeros, others = Counts(100_000, 70_300), Counts(100_000, 70_310)
    assert _frequencies(zeros, others, (0.75, 0.703)).verdict == "pass"
    assert _frequencies(zeros, others, (0.75,)).verdict == "inconclusive"


@pytest.mark.parametrize("rate", [0.001, 0.3, 0.999])
def test_passes_are_enough_to_meet_drops_and_kept_units(rate):
    units = 16 * 1024
    assert min(rate, 1 - rate) * units * passes_needed(units, rate) >= 60
    assert passes_needed(1, rate) <= 64


def test_dy_that_is_declared_to_be_consumed_may_change():
    held = ds.Conventions(randomness="owned")
    report = judge(gradients.ConsumesDyAsDeclared, conventions=held)
    assert report["gradient.dy_unchanged"].verdict == "fail"
    assert "Conventions(dy='consumed')" in report["gradient.dy_unchanged"].message


def test_a_wrong_rank_is_named():
    found = judge(gradients.ReversesTheGradientOfOneDimension)["gradient.same_noise"]
    assert "shape (7,)" in found.message


def test_an_evaluation_pass_that_lets_no_gradient_through_is_observed():
    report = judge(zoo.Core, evaluate_vjp=lambda x, dy, rate: (x, 0 * dy))
    assert report["gradient.evaluation"].verdict == "not-applicable"
    assert any("no gradient flows back" in text for text in report.observations)


def test_an_evaluation_gradient_of_another_type_fails():
    def promotes(x, dy, rate):
        return x, dy.astype(np.float64)

    report = judge(zoo.Core, evaluate_vjp=promotes)
    assert report["gradient.evaluation"].verdict == "fail"
    assert "float64" in report["gradient.evaluation"].message


def test_other_noise_under_differentiation_is_observed_and_no_fault():
    core, apart = zoo.Core(), zoo.Core()

    def vjp(x, dy, rate):
        mask = apart.mask(x.shape, rate)
        return core.apply(x, mask, rate), core.apply(dy, mask, rate)

    def seed(number):
        core.seed(number)
        apart.seed(number + 1)

    report = ds.check(core.target(vjp=vjp, seed=seed), **GRADIENTS)
    assert report.verdict == "pass", str(report)
    assert any("draws other noise than train" in text for text in report.observations)
    assert not judge(zoo.Core).observations


def test_a_wrong_shape_of_a_gradient_is_named():
    def loses_an_axis(x, dy, rate):
        return x, dy.reshape(-1)

    report = judge(zoo.Core, evaluate_vjp=loses_an_axis)
    assert "evaluate_vjp" in report["gradient.evaluation"].message
    assert "returned dx of shape" in report["gradient.evaluation"].message


def test_a_layer_says_how_its_evaluation_is_differentiated():
    class Layer:
        def __init__(self, rate):
            self.rate, self.training, self.rng = rate, True, np.random.default_rng(3)

        def forward(self, x):
            if not self.training:
                return x
            self.mask = self.rng.random(x.shape) >= self.rate
            return (x * self.mask / (1 - self.rate)).astype(x.dtype)

        def backward(self, dy):
            return (dy * self.mask / (1 - self.rate)).astype(dy.dtype)

    silent = ds.check(Layer, **GRADIENTS)
    assert silent["gradient.evaluation"].verdict == "not-applicable"
    right = ds.Target.from_layer(Layer, evaluate_vjp=lambda layer, x, dy: (x, dy))
    assert ds.check(right, **GRADIENTS)["gradient.evaluation"].verdict == "pass"
    wrong = ds.Target.from_layer(Layer, evaluate_vjp=lambda layer, x, dy: (x, layer.backward(dy)))
    with pytest.raises(AttributeError):
        Layer(0.3).backward(np.ones(3))
    assert ds.check(wrong, **GRADIENTS)["gradient.evaluation"].verdict == "fail"
