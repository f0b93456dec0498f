"""Dropouts inside models of Keras, judged with the mode and the rate that they have there.

Keras belongs to the torch group of .ci/run, which runs this file on its other backends, too.
"""

import numpy as np
import pytest

import dropout_stats as ds

QUICK = {"resolution": 2**-5, "seed": 4}

pytestmark = [pytest.mark.framework("keras"), pytest.mark.filterwarnings("default")]


def the_target(found):
    (target,) = found.targets.values()
    return target


def judged(layer, batch):
    """The report on one layer in a model."""
    import keras

    model = keras.Sequential([keras.Input(batch.shape[1:]), layer])
    return ds.check(the_target(ds.inside(model, batch)), ds.laws.Inverted(), **QUICK)


def state_of(variables):
    import keras

    return [np.array(keras.ops.convert_to_numpy(one)) for one in variables]


@pytest.fixture
def batch():
    return np.random.default_rng(0).normal(size=(64, 32)).astype("float32")


@pytest.fixture
def model():
    import keras

    layers = keras.layers
    inner = [keras.Input((64,)), layers.Dropout(0.4, seed=3, name="late")]
    return keras.Sequential(
        [
            keras.Input((32,)),
            layers.Dropout(0.0, name="none"),
            layers.GaussianNoise(0.1),
            layers.Dense(64),
            layers.Dropout(0.2, name="drop"),
            layers.BatchNormalization(name="norm"),
            keras.Sequential(inner, name="inner"),
        ]
    )


def test_each_dropout_of_a_model_is_found_with_its_rate_and_shape(model, batch):
    found = ds.inside(model, batch)
    assert list(found.targets) == ["drop", "inner.late"]
    assert (found.idle, found.unused) == (("none",), ())
    assert (found.shifted, found.mapped) == (("norm",), ())
    held = found.targets["drop"].conventions
    assert (held.rates, held.dtypes, held.shapes) == ((0.2,), ("float32",), ((64, 64),))


def test_dropouts_of_a_model_conform(model, batch):
    for target in ds.inside(model, batch).targets.values():
        report = ds.check(target, **QUICK)
        assert report.verdict == "pass", str(report)
        for check in ("gradient.same_noise", "inference.law", "randomness.seed_repeats"):
            assert report[check].verdict == "pass"


def test_the_evaluation_graph_holds_nothing_of_a_dropout(model, batch):
    import keras

    class Product(keras.layers.Dropout):
        def call(self, inputs, training=False):
            return super().call(inputs, training) if training else inputs * 1.0

    model.add(Product(0.3, name="product"))
    traces = keras.backend.backend() in ("torch", "jax")
    for name, target in ds.inside(model, batch).targets.items():
        report = ds.check(target, ds.laws.Inverted(), checks=["inference.graph"], **QUICK)
        is_left = name == "product"
        expected = "pass" if traces and not is_left else "not-applicable"
        assert report["inference.graph"].verdict == expected, str(report)
        assert any("mul" in said for said in report.observations) == (traces and is_left)


def test_looking_into_a_model_leaves_it_as_it_was(model, batch):
    before = state_of(model.variables)
    found = ds.inside(model, batch)
    for one, other in zip(before, state_of(model.variables), strict=True):
        np.testing.assert_array_equal(one, other)
    weights = state_of(model.weights)
    found.targets["drop"].train(np.ones((64, 64), "float32"), 0.2)
    for one, other in zip(weights, state_of(model.weights), strict=True):
        np.testing.assert_array_equal(one, other)
    assert not any("call" in vars(layer) for layer in model.layers)


def test_on_torch_the_global_generator_is_left_alone(model, batch):
    import keras

    if keras.backend.backend() != "torch":
        return
    import torch

    state = torch.get_rng_state()
    ds.inside(model, batch)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize(
    ("name", "options", "law"),
    [
        ("Dropout", {"noise_shape": (None, 1, None)}, ds.laws.Inverted(unit=(1,))),
        ("SpatialDropout1D", {}, ds.laws.Inverted(unit="channel-last")),
        ("GaussianDropout", {}, ds.laws.GaussianMultiplicative()),
        ("AlphaDropout", {}, ds.laws.Alpha()),
        ("AlphaDropout", {"noise_shape": (None, 1, None)}, ds.laws.Alpha(unit=(1,))),
    ],
)
def test_a_layer_is_held_to_its_own_law(name, options, law):
    import keras

    layer = getattr(keras.layers, name)(0.3, **options)
    model = keras.Sequential([keras.Input((8, 16)), layer])
    target = the_target(ds.inside(model, np.ones((16, 8, 16), "float32")))
    assert target.law == law
    assert ds.check(target, **QUICK).verdict == "pass"


def test_channels_may_come_first():
    import keras

    layer = keras.layers.SpatialDropout2D(0.3, data_format="channels_first")
    model = keras.Sequential([keras.Input((16, 4, 4)), layer])
    target = the_target(ds.inside(model, np.ones((8, 16, 4, 4), "float32")))
    assert target.law == ds.laws.Inverted(unit="channel")
    assert ds.check(target, **QUICK).verdict == "pass"


def test_a_model_of_mixed_precision_is_judged_in_the_type_of_its_layers(batch):
    import keras

    layer = keras.layers.Dropout(0.3, dtype="mixed_bfloat16")
    model = keras.Sequential([keras.Input((32,)), layer])
    target = the_target(ds.inside(model, batch))
    assert target.conventions.dtypes == ("bfloat16",)
    assert ds.check(target, **QUICK).verdict == "pass"


def test_wrong_dropouts_in_a_model_are_found(batch):
    import keras

    class Unscaled(keras.layers.Dropout):
        def call(self, inputs, training=False):
            return super().call(inputs, training) * (1 - self.rate if training else 1)

    class NeverSwitchesOff(keras.layers.Dropout):
        def call(self, inputs, training=False):
            return super().call(inputs, training=True)

    class OneMask(keras.layers.Dropout):
        def call(self, inputs, training=False):
            return keras.random.dropout(inputs, self.rate, seed=7) if training else inputs

    class NeverDrops(keras.layers.Dropout):
        def call(self, inputs, training=False):
            return inputs

    for kind, check in (
        (Unscaled, "support.kept_value"),
        (NeverSwitchesOff, "inference.deterministic"),
        (OneMask, "randomness.fresh"),
        (NeverDrops, "rate.marginal"),
    ):
        report = judged(kind(0.3), batch)
        assert report[check].verdict == "fail", str(report)


def test_a_part_that_does_not_follow_into_evaluation_is_accused(batch):
    import keras

    class Stuck(keras.Model):
        def __init__(self):
            super().__init__()
            self.drop = keras.layers.Dropout(0.3)

        def call(self, x):
            return self.drop(x, training=True)

    model = Stuck()
    model(batch)
    report = ds.check(the_target(ds.inside(model, batch)), **QUICK)
    assert report["inference.deterministic"].verdict == "fail"
    assert report["rate.marginal"].verdict == "pass"


def test_a_layer_with_a_call_of_its_own_is_held_to_no_law_of_its_base(batch):
    import keras

    class Variational(keras.layers.Dropout):
        def call(self, inputs, training=False):
            return inputs * super().call(keras.ops.ones_like(inputs[:1]), training)

    model = keras.Sequential([keras.Input((32,)), Variational(0.3)])
    target = the_target(ds.inside(model, batch))
    assert target.law is None
    assert ds.check(target, ds.laws.Inverted(unit=(0,)), **QUICK).verdict == "pass"


def correct_models():
    """Ordinary models, and what each is called with beside the batch."""
    import keras

    class Model(keras.Model):
        def __init__(self):
            super().__init__()
            self.linear = keras.layers.Dense(32)
            self.drop = keras.layers.Dropout(0.3)

    class HandsOn(Model):
        def call(self, x):
            return self.drop(self.linear(x))

    class OnlyInTraining(Model):
        def call(self, x, training=False):
            return self.drop(inputs=x, training=True) if training else x

    class OtherArgument(Model):
        def call(self, x, noisy=False):
            return self.drop(x, training=noisy)

    class Twice(Model):
        def call(self, x):
            return self.drop(self.linear(self.drop(x)))

    class Compiled(Model):
        def call(self, x, training=False):
            return as_program(lambda v: self.drop(v, training=training))(x)

    noisy = {"training": {"noisy": True}, "evaluation": {"noisy": False}}
    models = (HandsOn, OnlyInTraining, OtherArgument, Twice, Compiled)
    return {kind.__name__: (kind(), noisy if kind is OtherArgument else {}) for kind in models}


def as_program(function):
    """The function, compiled by the backend where that is cheap."""
    import keras

    if keras.backend.backend() != "tensorflow":
        return function
    import tensorflow as tf

    return tf.function(function)


@pytest.mark.parametrize(
    "name", ["HandsOn", "OnlyInTraining", "OtherArgument", "Twice", "Compiled"]
)
def test_correct_models_are_not_accused(name, batch):
    model, named = correct_models()[name]
    model(batch)
    report = ds.check(the_target(ds.inside(model, batch, **named)), **QUICK)
    assert report.verdict == "pass", str(report)
    assert report["gradient.same_noise"].verdict == "pass"


def test_a_dropout_that_is_never_called_is_named(batch):
    import keras

    class Forgetful(keras.Model):
        def __init__(self):
            super().__init__()
            self.blocks = [keras.layers.Dropout(0.3, name="one") for _ in range(2)]

        def call(self, x):
            return self.blocks[0](x)

    model = Forgetful()
    model(batch)
    found = ds.inside(model, batch)
    assert list(found.targets) == ["one"]
    assert found.unused == ("one_again",)


def test_attention_is_looked_into():
    import keras

    layer = keras.layers.MultiHeadAttention(2, 8, dropout=0.3)
    x = np.random.default_rng(1).normal(size=(4, 16, 8)).astype("float32")
    layer(x, x)
    target = the_target(ds.inside(layer, x, x))
    assert target.conventions.shapes == ((4, 2, 16, 16),)
    assert ds.check(target, **QUICK).verdict == "pass"


def test_what_cannot_be_looked_into_is_refused_with_its_reason(model, batch):
    import keras

    with pytest.raises(ds.HarnessError, match="Dense holds no dropout layer"):
        dense = keras.layers.Dense(2)
        dense(batch)
        ds.inside(dense, batch)
    with pytest.raises(ds.HarnessError, match=r"Sequential is not built.* call it once"):
        ds.inside(keras.Sequential([keras.layers.Dropout(0.3)]), batch)
    with pytest.raises(ds.HarnessError, match="a training pass raised ValueError"):
        ds.inside(model, batch[:, :3])
    with pytest.raises(ds.UsageError, match="both passes are made"):
        ds.inside(model, batch, training=True)
    with pytest.raises(ds.HarnessError, match="hand over a"):
        ds.inside(keras.layers.Dropout, batch)


def evaluated(target):
    """The report on the evaluation of a target."""
    return ds.check(target, checks=["inference.law", "inference.deterministic"], **QUICK)


def test_a_function_that_drops_in_evaluation_fails_the_run(batch):
    import keras

    class Functional(keras.Model):
        def __init__(self, layer):
            super().__init__()
            self.drop = layer
            self.seeds = keras.random.SeedGenerator(0)

        def call(self, x):
            return keras.random.dropout(self.drop(x), 0.5, seed=self.seeds)

    def called(layer):
        model = Functional(layer)
        model(batch)
        return model

    found = ds.inside(called(keras.layers.Dropout(0.3)), batch)
    assert found.evaluation_differs.startswith("differ by up to")
    report = evaluated(the_target(found))
    assert report["inference.deterministic"].verdict == "fail"
    assert report["inference.law"].verdict == "pass"
    with pytest.raises(ds.HarnessError, match="two training passes of it on one input differ"):
        ds.inside(called(keras.layers.Identity()), batch)


def test_a_layer_that_stays_in_training_is_accused_alone(batch):
    import keras

    class Stuck(keras.layers.Dropout):
        def call(self, inputs, training=False):
            return super().call(inputs, training=True)

    model = keras.Sequential([keras.Input((32,)), Stuck(0.3)])
    found = ds.inside(model, batch)
    assert found.evaluation_differs == ""
    assert evaluated(the_target(found))["inference.deterministic"].verdict == "fail"


def test_a_normalisation_behind_a_dropout_is_warned_of_without_a_size(model, batch):
    targets = ds.inside(model, batch).targets
    said = " ".join(evaluated(targets["drop"]).observations)
    assert "batch normalisation norm is called after drop" in said
    assert targets["inner.late"].notes == ()
    model.get_layer("norm").trainable = False
    found = ds.inside(model, batch)
    assert (found.shifted, found.targets["drop"].notes) == ((), ())
