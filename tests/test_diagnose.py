"""The first diagnosis names the fault of the specimen."""

import pytest
import specimens

import dropout_stats as ds

NAMES = {
    specimens.NoScaling: "no scaling",
    specimens.ScaledByTheRate: "keep probability and drop rate swapped in the scale",
    specimens.SwappedMask: "keep probability and drop rate swapped in the mask",
    specimens.SwappedBoth: "keep probability and drop rate swapped in mask and scale",
    specimens.ScaledTwice: "scaled twice",
    specimens.ScaledInBothModes: "scaled in both modes",
    specimens.InverseScaleInEvaluation: "scaled in both modes",
    specimens.EvaluationScaledByTheRate: "evaluation scaled by the rate instead of keep_prob",
    specimens.DropsInEvaluation: "dropping in evaluation",
    specimens.NeverDrops: "never dropping",
    specimens.AlwaysDrops: "always dropping",
    specimens.AppliedTwice: "applied twice",
    specimens.TestScaledUnderInverted: "test-scaled dropout held to the inverted law",
    specimens.SameMask: "the same mask comes back",
    specimens.TwoMasks: "the same mask comes back",
    specimens.RowsShareTheirDraw: "units do not draw independently",
    specimens.OneDrawForAll: "units do not draw independently",
    specimens.ExactCount: "units do not draw independently",
    specimens.UnmaskedGradient: "the backward pass does not apply the mask",
    specimens.UnscaledGradient: "the backward pass disagrees with its forward pass",
}


@pytest.mark.parametrize(
    ("specimen", "name"), NAMES.items(), ids=lambda v: getattr(v, "__name__", v)
)
def test_the_first_diagnosis_names_the_fault(specimen, name):
    report = ds.check(specimen().target(), rates=(0.1, 0.3, 0.9), resolution=2**-6, seed=8)
    assert report.diagnoses, str(report)
    first = report.diagnoses[0]
    assert first.name == name, str(report)
    assert first.explanation
    assert first.fix


@pytest.mark.parametrize(
    "specimen",
    [
        s
        for s in NAMES
        if "calls" not in specimens.KILLED_BY[s] and "gradient" not in specimens.KILLED_BY[s]
    ],
    ids=lambda v: v.__name__,
)
def test_one_fault_has_one_diagnosis(specimen):
    report = ds.check(specimen().target(vjp=None), rates=(0.1, 0.3), resolution=2**-6, seed=9)
    assert len(report.diagnoses) == 1, [d.name for d in report.diagnoses]


@pytest.mark.parametrize("specimen", specimens.CORRECT, ids=lambda v: v.__name__)
def test_a_correct_dropout_has_no_diagnosis(specimen):
    report = ds.check(specimen().target(), rates=(0.1,), resolution=2**-5, seed=10)
    assert report.diagnoses == ()


def test_two_faults_are_named_in_parts():
    class Both(specimens.SwappedMask):
        def factor(self, rate):
            return rate

    names = {
        d.name
        for d in ds.check(Both().target(), rates=(0.1, 0.9), resolution=2**-6, seed=1).diagnoses
    }
    assert "keep probability and drop rate swapped in the mask" in names
    assert "evaluation scaled by the rate" in names


def test_a_call_that_raises_is_not_diagnosed_as_something_else():
    def vjp(x, dy, rate):
        raise RuntimeError

    report = ds.check(specimens.Core().target(vjp=vjp), rates=(0.3,), resolution=2**-5)
    assert report.verdict == "fail"
    assert report.diagnoses == ()
