"""The first diagnosis names the fault of the specimen."""

import dataclasses

import numpy as np
import pytest

import dropout_stats as ds
from dropout_stats import zoo
from dropout_stats.zoo.axes import RowCore
from dropout_stats.zoo.rate import SwappedMask

# Faults that are told by the share of kept units and the factors of kept values and of evaluation.
BY_SIGNATURE = {
    "support.kept_value",
    "rate.marginal",
    "moments.mean",
    "inference.law",
    "inference.deterministic",
}


@pytest.mark.parametrize(
    "specimen",
    [s for s in zoo.WRONG if s.killed_by in BY_SIGNATURE and "type only" not in s.diagnosis],
    ids=lambda s: s.name,
)
def test_one_fault_has_one_diagnosis(specimen):
    target = dataclasses.replace(specimen.build(), vjp=None)
    rates = specimen.fixed_rates or (0.1, 0.9)
    report = ds.check(target, rates=rates, resolution=specimen.resolution, seed=9)
    assert len(report.diagnoses) == 1, [d.name for d in report.diagnoses]


@pytest.mark.parametrize("specimen", zoo.CORRECT, ids=lambda s: s.name)
def test_a_correct_dropout_has_no_diagnosis(specimen):
    rates = specimen.fixed_rates or (0.1,)
    report = ds.check(specimen.build(), rates=rates, resolution=2**-5, seed=10)
    assert report.diagnoses == ()


def test_several_faults_are_named_in_parts_roots_first():
    class Several(SwappedMask):
        def factor(self, rate):
            return rate

        def backward(self, dy, y, mask, rate):
            return dy.copy()

    report = ds.check(Several().target(), rates=(0.1, 0.9), resolution=2**-6, seed=1)
    assert [d.name for d in report.diagnoses][:3] == [
        "keep probability and drop rate swapped in the mask",
        "evaluation scaled by the rate",
        "the backward pass does not apply the mask",
    ]
    grouped = [check for diagnosis in report.diagnoses for check in diagnosis.checks]
    assert sorted(grouped) == sorted({result.check for result in report.failures})


@pytest.mark.parametrize(
    ("changed", "name", "said"),
    [
        ({"scale": lambda rate: 1.2 / (1 - rate)}, "kept values have another scale", "by 1.333"),
        ({"scale": lambda rate: 1.5}, "the rate does not reach the scale", "by 1.5 "),
        ({"factor": lambda rate: 0.95}, "evaluation has another factor", "by 0.95 "),
    ],
)
def test_a_factor_of_no_known_bug_is_named_by_its_number(changed, name, said):
    core = zoo.Core()
    vars(core).update(changed)
    report = ds.check(core.target(vjp=None), rates=(0.1, 0.9), resolution=2**-6, seed=1)
    assert [d.name for d in report.diagnoses] == [name]
    assert said in report.diagnoses[0].explanation
    assert set(report.diagnoses[0].checks) == {result.check for result in report.failures}


def test_units_that_share_draws_are_not_said_to_change_unusual_values():
    class OneRowForAll(RowCore):
        def draw(self, shape, rate):
            return np.broadcast_to(super().draw((1, *shape[1:]), rate), shape)

    report = ds.check(OneRowForAll().target(), rates=(0.1, 0.9), resolution=2**-6, seed=1)
    assert [d.name for d in report.diagnoses] == ["units do not draw independently"]
