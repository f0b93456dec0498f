"""Keras, on whichever backend is chosen: what is right passes, what is wrong fails for its reason.

Keras belongs to the torch group of .ci/run, which runs this file on its other backends, too.
"""

import numpy as np
import pytest

import dropout_stats as ds
from dropout_stats.dtypes import as_dtype

COARSE = {"rates": (0.1, 0.9), "resolution": 2**-6, "seed": 20}

pytestmark = [pytest.mark.framework("keras"), pytest.mark.filterwarnings("default")]


def verdict_of(target, **options):
    report = ds.check(target, **{**COARSE, **options})
    return report, str(report)


def passed(report):
    return {result.check for result in report.results if result.verdict == "pass"}


@pytest.mark.parametrize(
    ("name", "law"),
    [
        ("Dropout", "inverted"),
        ("SpatialDropout1D", "inverted(unit='channel-last')"),
        ("SpatialDropout2D", "inverted(unit='channel-last')"),
        ("SpatialDropout3D", "inverted(unit='channel-last')"),
        ("GaussianDropout", "gaussian-multiplicative"),
        ("AlphaDropout", "alpha"),
    ],
)
def test_a_released_layer_passes(name, law):
    import keras

    types = ds.adapt(f"keras.layers:{name}").conventions.dtypes
    assert ("bfloat16" in types) == (name != "AlphaDropout")
    # On JAX normal numbers of half precision lack their tails: a known failure.
    is_known = name == "GaussianDropout" and keras.backend.backend() == "jax"
    halves = ("bfloat16",) if "bfloat16" in types and not is_known else ()
    report, text = verdict_of(f"keras.layers:{name}", dtypes=["float32", *halves])
    assert report.verdict == "pass", text
    assert report.law == law
    assert report.law_source == "target"
    assert passed(report) >= {
        "inference.law",
        "gradient.same_noise",
        "gradient.evaluation",
        "interface.invalid_rate",
        "randomness.fresh",
        "randomness.seed_repeats",
        "randomness.seeds_differ",
        "randomness.host_generators",
    }


def test_only_the_dropout_of_elements_on_torch_draws_from_a_global_generator():
    import keras

    on_torch = keras.backend.backend() == "torch"
    kinds = {
        name: ds.adapt(f"keras.layers:{name}").conventions.randomness
        for name in ("Dropout", "SpatialDropout1D", "GaussianDropout", "AlphaDropout")
    }
    assert kinds.pop("Dropout") == ("global" if on_torch else "owned")
    assert set(kinds.values()) == {"owned"}


def test_rates_beyond_the_domain_and_at_its_ends():
    report, text = verdict_of("keras.layers:Dropout", rates=(0.3,), dtypes=["float32"])
    assert passed(report) >= {"interface.invalid_rate", "limits.rate_zero", "limits.rate_one"}, text
    report, text = verdict_of("keras.layers:AlphaDropout", rates=(0.3,), dtypes=["float32"])
    assert report["limits.rate_one"].verdict == "not-applicable", text
    assert any("ZeroDivisionError" in said for said in report.observations)


def test_a_spatial_dropout_is_no_element_dropout():
    report, text = verdict_of(
        "keras.layers:SpatialDropout1D", law="inverted", rates=(0.3,), dtypes=["float32"]
    )
    assert report["dependence.axes"].verdict == "fail", text


def test_the_layer_has_the_type_of_its_input():
    target = ds.adapt("keras.layers:Dropout")
    for dtype in target.conventions.dtypes:
        x = np.full((2, 3), 1.001).astype(as_dtype(dtype))
        assert target.evaluate(x, 0.5).dtype == x.dtype
        assert target.evaluate(x, 0.5).tobytes() == x.tobytes()


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
@pytest.mark.parametrize("shape", [(), (0,), (2, 0, 3), (7,)])
def test_arrays_go_there_and_back_without_a_change(dtype, shape):
    target = ds.adapt("keras.layers:Dropout")
    if dtype not in target.conventions.dtypes:
        return  # JAX has no float64 unless it is asked for
    values = np.resize([1.5, -0.0, 3e4, np.nan, 1e-7, np.inf], shape).astype(as_dtype(dtype))
    back = target.convert(values)
    assert back.dtype == values.dtype
    assert back.shape == values.shape
    assert back.tobytes() == values.tobytes()


def test_a_users_own_layers():
    import keras

    class Around(keras.Layer):
        """Its call takes no mode: Keras hands it on to the layers inside."""

        def __init__(self, drop_rate):
            super().__init__()
            self.inner = keras.layers.Dropout(drop_rate)

        def call(self, x):
            return self.inner(x)

    class Unscaled(keras.layers.Dropout):
        def call(self, inputs, training=False):
            return super().call(inputs, training) * (1 - self.rate if training else 1)

    class NeverSwitchesOff(keras.layers.Dropout):
        def call(self, inputs, training=False):
            return super().call(inputs, training=True)

    report, text = verdict_of(Around, rates=(0.3,))
    assert report.verdict == "pass", text
    assert report.law_source == "assumed"
    assert report.conventions["dtypes"] == ("float32",)
    assert passed(report) >= {"inference.law", "gradient.same_noise"}
    for layer, name in ((Unscaled, "no scaling"), (NeverSwitchesOff, "dropping in evaluation")):
        report, text = verdict_of(layer, rates=(0.3,))
        assert report.diagnoses[0].name == name, text


def test_a_layer_whose_seed_is_a_number_repeats_its_mask():
    import keras

    class OneMask(keras.layers.Dropout):
        def call(self, inputs, training=False):
            if not training:
                return inputs
            return keras.random.dropout(inputs, self.rate, seed=7)

    report, text = verdict_of(OneMask, rates=(0.3,))
    assert report["calls.repeated_mask"].verdict == "fail", text


def test_functions():
    import keras

    def dropout(x, rate, training=True):
        keep = keras.ops.cast(keras.random.uniform(keras.ops.shape(x)) >= rate, x.dtype)
        return x * keep / (1 - rate) if training else x

    report, text = verdict_of(dropout, rates=(0.3,))
    assert report.verdict == "pass", text
    assert "arrays of keras" in report.observations[0]
    report, text = verdict_of("keras.random:dropout", rates=(0.3,), dtypes=["float32"])
    assert report.verdict == "pass", text
    assert report.law_source == "target"
    assert report.conventions["randomness"] == "key"


def test_what_takes_no_rate_is_refused_with_what_to_do():
    import keras

    with pytest.raises(ds.HarnessError, match=r"laws.GaussianAdditive\(std=0.5\)") as caught:
        ds.check("keras.layers:GaussianNoise")
    steps = str(caught.value).partition("\n")[2]
    space = {"keras": keras, "dropout_stats": ds}
    steps = steps.replace("dropout_stats.check", "return dropout_stats.check")
    exec(f"def judge():\n{steps}", space)  # noqa: S102 - what the message says must run
    report = space["judge"]()
    assert report.verdict == "pass", str(report)
    assert report.law == "gaussian-additive(std=0.5)"


def test_what_else_cannot_be_judged_is_said():
    import keras

    with pytest.raises(ds.HarnessError, match="rate is fixed"):
        ds.check(keras.layers.Dropout(0.3))
    with pytest.raises(ds.HarnessError, match="whose law is known"):
        ds.check("keras.layers:Dense")
