"""tinygrad: what is right passes, what is wrong fails for its reason."""

import numpy as np
import pytest

import dropout_stats as ds
from dropout_stats.dtypes import as_dtype

pytestmark = pytest.mark.framework("tinygrad")

# Each rate is compiled for each shape.
COARSE = {"rates": (0.1, 0.9), "resolution": 2**-5, "seed": 20}


def verdict_of(target, **options):
    report = ds.check(target, **{**COARSE, **options})
    return report, str(report)


def passed(report):
    return {result.check for result in report.results if result.verdict == "pass"}


def test_the_released_dropout_passes_with_its_gradient_and_its_seed():
    report, text = verdict_of("tinygrad:Tensor.dropout", dtypes=["float32"])
    assert report.verdict == "pass", text
    assert report.law_source == "target"
    assert passed(report) >= {
        "inference.law",
        "gradient.same_noise",
        "gradient.evaluation",
        "randomness.seed_repeats",
        "randomness.seeds_differ",
        "interface.invalid_rate",
        "interface.degenerate",
    }


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
def test_the_released_dropout_passes_in_other_types(dtype):
    families = ("interface", "support", "rate", "inference", "precision", "gradient")
    checks = [f"{family}.*" for family in families]
    options = {"dtypes": [dtype], "rates": (0.3,), "checks": checks}
    report, text = verdict_of("tinygrad:Tensor.dropout", **options)
    assert report.verdict == "pass", text
    assert {result.case.dtype for result in report.results} == {dtype}


def test_a_default_type_of_few_bits_makes_the_rates_coarse():
    """docs/findings/index.md: the random numbers have that type, whatever the input has."""
    from tinygrad import Context

    with Context(DEFAULT_FLOAT="bfloat16"):
        report, text = verdict_of(
            "tinygrad:Tensor.dropout", dtypes=["float32"], rates=(0.001,), checks=["rate.marginal"]
        )
    assert report["rate.marginal"].verdict == "fail", text


def test_functions_on_tensors_of_tinygrad_right_and_wrong():
    from tinygrad import Tensor
    from tinygrad.helpers import TRAINING

    def masked(x, rate):
        return (Tensor.rand(*x.shape) >= rate).where(x, 0)

    def right(x: Tensor, rate: float) -> Tensor:
        return masked(x, rate) / (1 - rate) if TRAINING else x

    def unscaled(x: Tensor, rate: float) -> Tensor:
        return masked(x, rate) if TRAINING else x

    def reversed_mode(x: Tensor, rate: float) -> Tensor:
        return x if TRAINING else masked(x, rate) / (1 - rate)

    def always(x: Tensor, rate: float, training: bool) -> Tensor:
        return masked(x, rate) / (1 - rate)

    def other_noise_backwards(x: Tensor, rate: float) -> Tensor:
        if not TRAINING:
            return x
        forward = masked(x, rate) / (1 - rate)
        backward = masked(x, rate) / (1 - rate)
        return backward + (forward - backward).detach()

    quick = {"rates": (0.3,), "checks": ["support.*", "inference.*", "gradient.*"]}
    report, text = verdict_of(right, **quick)
    assert report.verdict == "pass", text
    assert passed(report) >= {"inference.law", "gradient.same_noise", "gradient.evaluation"}
    assert "annotated as an array of tinygrad" in report.observations[0]
    report, text = verdict_of(unscaled, **quick)
    assert report.diagnoses[0].name == "no scaling", text
    report, text = verdict_of(always, **quick)
    assert report.diagnoses[0].name == "dropping in evaluation", text
    report, text = verdict_of(reversed_mode, **quick)
    assert report["inference.law"].verdict == "fail", text
    report, text = verdict_of(other_noise_backwards, **quick)
    assert report["gradient.same_noise"].verdict == "fail", text


def test_a_function_that_leaves_the_mode_to_its_caller_is_not_judged_in_evaluation():
    from tinygrad import Tensor

    def dropout(x: Tensor, rate: float) -> Tensor:
        return (Tensor.rand(*x.shape) >= rate).where(x, 0) / (1 - rate)

    def handed_on(x: Tensor, rate: float) -> Tensor:
        return x.dropout(rate)

    target = ds.adapt(dropout)
    assert target.evaluate is None
    assert "does not look at TRAINING" in target.notes[-1]
    assert ds.adapt(handed_on).evaluate is not None


def test_a_layer_that_ignores_the_mode():
    from tinygrad import Tensor

    class Layer:
        def __init__(self, p):
            self.p = p

        def __call__(self, x: Tensor) -> Tensor:
            return (Tensor.rand(*x.shape) >= self.p).where(x, 0) / (1 - self.p)

    class Heeds(Layer):
        def __call__(self, x: Tensor) -> Tensor:
            return x.dropout(self.p)

    quick = {"rates": (0.3,), "checks": ["support.*", "inference.*"]}
    report, text = verdict_of(Layer, **quick)
    assert report.diagnoses[0].name == "dropping in evaluation", text
    report, text = verdict_of(Heeds, **quick)
    assert report.verdict == "pass", text


def test_passes_have_their_mode_whatever_the_caller_has():
    from tinygrad import Context

    target = ds.adapt("tinygrad:Tensor.dropout")
    x = np.ones((40, 5), np.float32)
    with Context(TRAINING=1):
        assert (target.evaluate(x, 0.5) == x).all()
    with Context(TRAINING=0):
        assert (target.train(x, 0.5) == 0).any()


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
@pytest.mark.parametrize("shape", [(), (0,), (2, 0, 3), (7,), (3, 5)])
def test_arrays_go_through_tinygrad_without_a_change(dtype, shape):
    from dropout_stats.adapters.tinygrad import to_numpy, to_tensor

    values = np.resize([1.5, -0.0, 3e4, np.nan, 1e-7, np.inf], shape).astype(as_dtype(dtype))
    tensor = to_tensor(values)
    kept = values.copy()
    values[...] = 2  # a lazy copy would come back with it
    back = to_numpy(tensor)
    assert back.dtype == kept.dtype
    assert back.shape == kept.shape
    assert back.tobytes() == kept.tobytes()


def test_what_is_no_dropout_is_refused():
    with pytest.raises(ds.HarnessError, match="is not one of"):
        ds.check("tinygrad:Tensor.relu")


def test_a_machine_without_a_compiler_is_named(monkeypatch):
    from tinygrad import Tensor

    def realize(*_):
        raise FileNotFoundError("clang")

    monkeypatch.setattr(Tensor, "realize", realize)
    with pytest.raises(ds.HarnessError, match="needs the compiler clang"):
        ds.adapt("tinygrad:Tensor.dropout")


def test_a_version_with_another_mode_is_named(monkeypatch):
    from tinygrad import helpers

    monkeypatch.delattr(helpers, "TRAINING")
    with pytest.raises(ds.HarnessError, match=r"tinygrad>=0\.14"):
        ds.adapt("tinygrad:Tensor.dropout")
