"""TensorFlow and Paddle: what is right passes, what is wrong fails for its reason."""

import numpy as np
import pytest

import dropout_stats as ds
from dropout_stats.dtypes import as_dtype

COARSE = {"rates": (0.1, 0.9), "resolution": 2**-5, "seed": 20}

tensorflow_only = pytest.mark.framework("tensorflow")
paddle_only = pytest.mark.framework("paddle")
# Their imports warn about each other's packages, and about compilers that are not needed.
pytestmark = pytest.mark.filterwarnings("default")


def verdict_of(target, **options):
    report = ds.check(target, **{**COARSE, **options})
    return report, str(report)


def passed(report):
    return {result.check for result in report.results if result.verdict == "pass"}


@tensorflow_only
@pytest.mark.parametrize(
    "name",
    ["nn:dropout", "nn.experimental:stateless_dropout", "nn.experimental:general_dropout"],
)
def test_tensorflow_passes_in_single_and_double_precision(name):
    report, text = verdict_of(f"tensorflow.{name}", dtypes=["float32", "float64"])
    assert report.verdict == "pass", text
    assert report.law_source == "target"
    assert passed(report) >= {"gradient.same_noise", "randomness.seed_repeats"}
    keyed = report.conventions["randomness"] == "key"
    assert keyed == name.endswith("stateless_dropout")


@tensorflow_only
@pytest.mark.parametrize("name", ["nn:dropout", "nn.experimental:stateless_dropout"])
def test_tensorflow_compiled_by_xla_passes_and_heeds_keys_alone(name):
    target = ds.adapt(f"tensorflow.{name}", jit_compile=True)
    assert target.spec == f"tensorflow.{name} --option jit_compile=True"
    report, text = verdict_of(target, rates=(0.3,), dtypes=["float32"], max_seconds=300)
    assert report.verdict == "pass", text
    assert "gradient.same_noise" in passed(report)
    keyed = name.endswith("stateless_dropout")
    assert report.conventions["randomness"] == ("key" if keyed else "unspecified")
    assert ("randomness.seed_repeats" in passed(report)) == keyed
    assert any("other masks the second time" in one for one in report.observations) != keyed


@tensorflow_only
def test_what_is_compiled_by_xla_is_what_is_judged():
    import tensorflow as tf

    def scales_eagerly_alone(x: tf.Tensor, rate: float):
        kept = tf.cast(tf.random.uniform(tf.shape(x)) >= rate, x.dtype)
        return x * kept / (1 - rate) if tf.executing_eagerly() else x * kept

    options = {"rates": (0.3,), "checks": ["support.*", "moments.*", "rate.*"]}
    report, text = verdict_of(scales_eagerly_alone, **options)
    assert report.verdict == "pass", text
    compiled = ds.adapt(scales_eagerly_alone, framework="tensorflow", jit_compile=True)
    report, text = verdict_of(compiled, **options)
    assert report.diagnoses[0].name == "no scaling", text


@tensorflow_only
def test_the_bits_of_tensorflows_half_precision_are_found_at_default_settings():
    """Docs/findings: uniforms and rate have the type of the input. 30 s of processor time."""
    report = ds.check("tensorflow.nn:dropout", seed=20)
    text = str(report)
    assert {result.case.dtype for result in report.failures} == {"float16", "bfloat16"}, text
    found = {diagnosis.name: diagnosis.explanation for diagnosis in report.diagnoses}
    assert found.keys() == {"a 10-bit threshold", "a 7-bit threshold"}, text
    assert "in bfloat16, a unit is kept with probability 127/128" in found["a 7-bit threshold"]
    assert "in float16" in found["a 10-bit threshold"]


@tensorflow_only
def test_a_users_own_function_on_tensors_right_and_wrong():
    import tensorflow as tf

    def right(x: tf.Tensor, rate: float, training: bool = True):
        keep = tf.cast(tf.random.uniform(tf.shape(x)) >= rate, x.dtype)
        return x * keep / (1 - rate) if training else x

    def unscaled(x: tf.Tensor, rate: float):
        return x * tf.cast(tf.random.uniform(tf.shape(x)) >= rate, x.dtype)

    report, text = verdict_of(right)
    assert report.verdict == "pass", text
    assert {"inference.law", "gradient.same_noise"} <= passed(report)
    report, text = verdict_of(unscaled)
    assert report.diagnoses[0].name == "no scaling", text


@paddle_only
@pytest.mark.parametrize("name", ["nn:Dropout", "nn.functional:dropout"])
def test_paddle_scales_in_training(name):
    report, text = verdict_of(f"paddle.{name}")
    assert report.verdict == "pass", text
    assert report.law == "inverted"
    assert len({result.case.dtype for result in report.results}) == 4
    assert passed(report) >= {"inference.law", "gradient.same_noise", "limits.rate_one"}


@paddle_only
@pytest.mark.parametrize("name", ["nn:Dropout", "nn.functional:dropout"])
def test_paddle_scales_in_evaluation_of_two_dimensions_and_more(name):
    target = ds.adapt(f"paddle.{name}", mode="downscale_in_infer")
    assert target.spec == f"paddle.{name} --option mode=downscale_in_infer"
    report, text = verdict_of(target, conventions=ds.Conventions(ndims=(2, 5)))
    assert report.verdict == "pass", text
    assert report.law == "test-scaled"
    assert passed(report) >= {"inference.law", "gradient.same_noise", "gradient.evaluation"}
    report, text = verdict_of(
        target, law="inverted", rates=(0.3,), conventions=ds.Conventions(ndims=(2, 5))
    )
    assert report["support.kept_value"].verdict == "fail", text


@paddle_only
def test_paddle_cannot_evaluate_one_dimension_in_that_mode():
    target = ds.adapt("paddle.nn:Dropout", mode="downscale_in_infer")
    report, text = verdict_of(target, rates=(0.3,), dtypes=["float32"])
    assert report["structure.shapes"].verdict == "fail", text
    assert "num_col_dims" in report["structure.shapes"].message


@paddle_only
@pytest.mark.parametrize(
    ("name", "law"),
    [
        ("nn:Dropout2D", "inverted(unit='channel')"),
        ("nn:Dropout3D", "inverted(unit='channel')"),
        ("nn.functional:dropout2d", "inverted(unit='channel')"),
        ("nn.functional:dropout3d", "inverted(unit='channel')"),
        ("nn:AlphaDropout", "alpha"),
        ("nn.functional:alpha_dropout", "alpha"),
    ],
)
def test_paddles_other_dropouts(name, law):
    report, text = verdict_of(f"paddle.{name}")
    assert report.verdict == "pass", text
    assert report.law == law


@paddle_only
def test_a_users_own_paddle_layer_that_drops_in_evaluation():
    import paddle

    class NeverSwitchesOff(paddle.nn.Layer):
        def __init__(self, p):
            super().__init__()
            self.p = p

        def forward(self, x):
            return paddle.nn.functional.dropout(x, self.p)

    report, text = verdict_of(NeverSwitchesOff, rates=(0.3,))
    assert report.diagnoses[0].name == "dropping in evaluation", text


@paddle_only
def test_what_paddle_cannot_be_asked_is_said():
    import paddle

    with pytest.raises(ds.UsageError, match="Did you mean 'downscale_in_infer'"):
        ds.adapt("paddle.nn:Dropout", mode="downscale_in_inference")
    with pytest.raises(ds.UsageError, match="has no mode"):
        ds.adapt("paddle.nn:Dropout2D", mode="downscale_in_infer")
    with pytest.raises(ds.HarnessError, match="rate is fixed"):
        ds.check(paddle.nn.Dropout(0.3))
    with pytest.raises(ds.HarnessError, match="whose law is known"):
        ds.check("paddle.nn:ReLU")


def conversions(framework):
    """There and back."""
    if framework == "tensorflow":
        import tensorflow as tf

        from dropout_stats.adapters.tensorflow import to_numpy

        return lambda x: to_numpy(tf.constant(x))
    from dropout_stats.adapters.paddle import to_array, to_tensor

    return lambda x: to_array(to_tensor(x))


@pytest.mark.parametrize(
    "framework",
    [
        pytest.param("tensorflow", marks=tensorflow_only),
        pytest.param("paddle", marks=paddle_only),
    ],
)
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
@pytest.mark.parametrize("shape", [(), (0,), (2, 0, 3), (7,)])
def test_arrays_go_there_and_back_without_a_change(framework, dtype, shape):
    values = np.resize([1.5, -0.0, 3e4, np.nan, 1e-7, np.inf], shape).astype(as_dtype(dtype))
    back = conversions(framework)(values)
    assert back.dtype == values.dtype
    assert back.shape == values.shape
    assert back.tobytes() == values.tobytes()
