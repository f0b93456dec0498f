"""MLX, ONNX, ONNX Runtime and Thinc: what is right passes, what is wrong fails for its reason."""

import numpy as np
import pytest

import dropout_stats as ds
from dropout_stats.dtypes import as_dtype

COARSE = {"rates": (0.1, 0.3, 0.9), "resolution": 2**-5, "seed": 20}

mlx_only = pytest.mark.framework("mlx")
onnx_only = pytest.mark.framework("onnx")
onnxruntime_only = pytest.mark.framework("onnx", "onnxruntime")
thinc_only = pytest.mark.framework("thinc")


def verdict_of(target, **options):
    report = ds.check(target, **{**COARSE, **options})
    return report, str(report)


def passed(report):
    return {result.check for result in report.results if result.verdict == "pass"}


@pytest.mark.parametrize(
    ("spec", "types"),
    [
        pytest.param("mlx.nn:Dropout", 3, marks=mlx_only),
        pytest.param("thinc.api:Dropout", 2, marks=thinc_only),
    ],
)
def test_a_released_dropout_passes_with_its_gradient_and_its_seed(spec, types):
    report, text = verdict_of(spec)
    assert report.verdict == "pass", text
    assert report.law_source == "target"
    assert len({result.case.dtype for result in report.results}) == types
    assert passed(report) >= {
        "inference.law",
        "gradient.same_noise",
        "gradient.evaluation",
        "randomness.seed_repeats",
        "randomness.host_generators",
        "interface.degenerate",
    }


@mlx_only
@pytest.mark.parametrize("name", ["Dropout2d", "Dropout3d"])
def test_mlx_drops_channels_whole_which_come_last(name):
    report, text = verdict_of(f"mlx.nn:{name}", rates=(0.3,))
    assert report.verdict == "pass", text
    assert report["support.shared_draw"].verdict == "pass"
    report, text = verdict_of(f"mlx.nn:{name}", law="inverted", rates=(0.3,))
    assert report["dependence.axes"].verdict == "fail", text


@mlx_only
def test_a_users_own_mlx_layer_right_and_wrong():
    import mlx.core as mx
    from mlx import nn

    class Right(nn.Module):
        def __init__(self, p):
            super().__init__()
            self.p = p

        def __call__(self, x):
            if not self.training:
                return x
            return mx.where(mx.random.uniform(shape=x.shape) >= self.p, x / (1 - self.p), 0)

    class Unscaled(nn.Dropout):
        def __call__(self, x):
            return super().__call__(x) * self._p_1 if self.training else x

    report, text = verdict_of(Right)
    assert report.verdict == "pass", text
    assert report.law_source == "assumed"
    report, text = verdict_of(Unscaled)
    assert report.diagnoses[0].name == "no scaling", text


@mlx_only
def test_functions_on_mlx_arrays():
    import mlx.core as mx

    def keyed(x: mx.array, rate: float, key: mx.array):
        return mx.where(mx.random.uniform(shape=x.shape, key=key) >= rate, x / (1 - rate), 0)

    def refers(x, rate):
        return mx.where(mx.random.uniform(shape=x.shape) >= rate, x / (1 - rate), 0)

    for function in (keyed, refers):
        report, text = verdict_of(function, rates=(0.3,))
        assert report.verdict == "pass", text
        assert report["gradient.same_noise"].verdict == "pass"
        assert "called with arrays of mlx" in report.observations[0]


@mlx_only
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
@pytest.mark.parametrize("shape", [(), (0,), (2, 0, 3), (7,), (3, 5)])
def test_arrays_go_through_mlx_without_a_change(dtype, shape):
    import mlx.core as mx

    from dropout_stats.adapters.mlx import to_numpy

    values = np.resize([1.5, -0.0, 3e4, np.nan, 1e-7, np.inf], shape).astype(as_dtype(dtype))
    back = to_numpy(mx.array(values))
    assert back.dtype == values.dtype
    assert back.shape == values.shape
    assert back.tobytes() == values.tobytes()


@mlx_only
def test_instances_and_other_layers_of_mlx_are_refused():
    from mlx import nn

    with pytest.raises(ds.HarnessError, match="rate is fixed"):
        ds.check(nn.Dropout(0.3))
    with pytest.raises(ds.HarnessError, match="whose law is known"):
        ds.check("mlx.nn:ReLU")


@thinc_only
def test_a_thinc_model_without_its_mask_in_the_backward_pass():
    from thinc.api import Dropout, Model

    def forgets(rate):
        inner = Dropout(rate)

        def forward(model, x, is_train):
            y, _ = inner(x, is_train=is_train)
            return y, lambda dy: dy / (1 - rate) if is_train else dy

        return Model("forgets", forward)

    report, text = verdict_of(ds.adapt(forgets, framework="thinc"), rates=(0.3,))
    assert report["gradient.dropped_is_zero"].verdict == "fail", text
    assert report.diagnoses[0].name == "the backward pass does not apply the mask"
    assert report["inference.law"].verdict == "pass"


@onnx_only
def test_the_reference_evaluator_passes_in_single_and_double_precision():
    report, text = verdict_of("onnx.reference:ReferenceEvaluator", dtypes=["float32", "float64"])
    assert report.verdict == "pass", text
    assert passed(report) >= {"inference.law", "support.returned_mask"}


@onnx_only
def test_the_reference_evaluator_promotes_half_precision():
    for dtype in ("float16", "bfloat16"):
        report, text = verdict_of("onnx.reference:ReferenceEvaluator", dtypes=[dtype])
        assert report["interface.dtype"].verdict == "fail", text
        assert report.diagnoses[0].name == "the type is promoted"
        assert len(report.diagnoses) == 1, text


@onnx_only
def test_an_evaluator_that_ignores_the_mode():
    from onnx.reference import ReferenceEvaluator

    class AlwaysTrains(ReferenceEvaluator):
        def run(self, output_names, feeds):
            return super().run(output_names, {**feeds, "training_mode": np.array(True)})

    report, text = verdict_of(AlwaysTrains, dtypes=["float32"])
    assert report.diagnoses[0].name == "dropping in evaluation", text


@onnxruntime_only
def test_onnx_runtime_starts_each_call_next_to_the_call_before():
    """docs/findings/index.md: the first units of a call are kept or dropped as in the last one."""
    report, text = verdict_of("onnxruntime:InferenceSession")
    assert report.verdict == "fail"
    failed = {result.check for result in report.failures}
    assert "position.unit" in failed, text
    exact = ("interface.", "support.", "inference.", "limits.", "precision.")
    assert not {one for one in failed if one.startswith(exact)}, text


@onnxruntime_only
def test_onnx_runtime_obeys_its_seed_and_returns_its_mask():
    """But each call starts at the seed next to that of the call before, as docs/findings has it."""
    checks = ["interface.*", "support.*", "inference.*", "limits.*", "randomness.*", "precision.*"]
    report, text = verdict_of("onnxruntime:InferenceSession", checks=checks)
    assert {result.check for result in report.failures} == {"randomness.seeds_differ"}, text
    assert "1 call apart" in report["randomness.seeds_differ"].message
    assert passed(report) >= {
        "interface.invalid_rate",
        "interface.degenerate",
        "support.returned_mask",
        "randomness.seed_repeats",
    }


@onnxruntime_only
def test_a_session_whose_mask_is_not_the_one_that_it_used():
    import onnxruntime

    class Lies(onnxruntime.InferenceSession):
        def run(self, output_names, feeds):
            y, mask = super().run(output_names, feeds)
            return [y, ~mask]

    report, text = verdict_of(Lies, rates=(0.3,), checks=["support.*"])
    assert report["support.returned_mask"].verdict == "fail", text


@pytest.mark.parametrize(
    "spec",
    [
        pytest.param("onnx.helper:make_node", marks=onnx_only),
        pytest.param("onnxruntime:SessionOptions", marks=onnxruntime_only),
        pytest.param("thinc.api:Model", marks=thinc_only),
        pytest.param("thinc.api:Relu", marks=thinc_only),
    ],
)
def test_what_is_no_dropout_is_refused(spec):
    with pytest.raises(ds.HarnessError, match=r"is no|is not one of"):
        ds.check(spec)
