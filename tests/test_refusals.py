"""Inputs that a target never said it takes, and does not take, are no fault of it."""

import numpy as np
import pytest

import dropout_stats as ds
from dropout_stats import zoo
from dropout_stats.adapters.bridge import Bridge

QUICK = {"rates": (0.3,), "resolution": 2**-4, "seed": 8}


class Singles(zoo.Core):
    """Takes float32 of one or two dimensions, and says so of the type alone."""

    def train(self, x, rate):
        if x.dtype != np.float32:
            raise TypeError(f"{x.dtype} is not supported")
        if x.ndim > 2:
            raise IndexError(f"{x.ndim} dimensions are not supported")
        return super().train(x, rate)


def judged(conventions=None, **options):
    return ds.check(
        Singles().target(vjp=None, peers=None), conventions=conventions, **QUICK, **options
    )


def test_a_type_that_is_not_declared_and_refused_is_not_applicable():
    report = judged(dtypes=["float32", "float16"], conventions=ds.Conventions(ndims=(0, 2)))
    assert report.verdict == "pass", report
    refused = [result for result in report.results if result.case.dtype == "float16"]
    assert refused
    for result in refused:
        assert result.verdict == "not-applicable"
        assert "raised TypeError: float16 is not supported" in result.message
    (said,) = [line for line in report.observations if "does not declare" in line]
    assert said.startswith("the target does not declare inputs of float16, and refuses them")


def test_what_is_refused_as_a_whole_is_never_a_pass():
    report = judged(dtypes=["float16"])
    assert report.verdict == "inconclusive"
    assert {result.verdict for result in report.results} == {"not-applicable"}


def test_a_rank_that_is_not_declared_and_refused_is_not_applicable():
    held = ds.Conventions(ndims=(0, 2))
    report = judged(dtypes=["float32"], conventions=held, shapes=[(8, 8, 8)])
    assert report.verdict == "inconclusive"
    assert "does not declare inputs of 3 dimensions" in report["interface.call"].message


@pytest.mark.parametrize(
    ("declared", "asked"),
    [
        (ds.Conventions(dtypes=("float32", "float16"), ndims=(0, 2)), {}),
        (ds.Conventions(ndims=(0, 3)), {"dtypes": ["float32"]}),
    ],
)
def test_what_is_declared_and_refused_is_a_failure(declared, asked):
    assert judged(conventions=declared, **asked).verdict == "fail"


def test_a_type_that_is_not_declared_and_answered_wrongly_is_a_failure():
    class Doubles(zoo.Core):
        def train(self, x, rate):
            return super().train(x, rate).astype(np.float64)

    report = ds.check(Doubles().target(vjp=None), dtypes=["float16"], **QUICK)
    assert report["interface.dtype"].verdict == "fail"


class Boxed:
    """An array of a framework that has no float64, and narrows it without a word."""

    def __init__(self, values):
        self.values = values.astype(np.float32) if values.dtype == np.float64 else values


def unboxed(y):
    return y.values if isinstance(y, Boxed) else y


def boxed_dropout(x, rate, key, training=True):
    if not training:
        return x
    kept = np.random.default_rng(key).random(x.values.shape) >= rate
    return Boxed(np.where(kept, x.values / (1 - rate), 0).astype(x.values.dtype))


class BoxedLayer:
    def __init__(self, rate):
        self.rate, self.training = rate, True

    def __call__(self, x, key):
        return boxed_dropout(x, self.rate, key, self.training)


@pytest.mark.parametrize("make", ["of_function", "of_layer_class"])
def test_a_type_that_changes_on_its_way_to_the_framework_is_not_applicable(make):
    bridge = Bridge(to_native=Boxed, to_numpy=unboxed)
    judged = {"of_function": boxed_dropout, "of_layer_class": BoxedLayer}[make]
    target = getattr(bridge, make)(judged, "boxed")
    asked = {"dtypes": ["float32", "float64"]}
    report = ds.check(target, **asked, **QUICK)
    assert report.verdict == "pass", report
    wide = [result for result in report.results if result.case.dtype == "float64"]
    assert {result.verdict for result in wide} == {"not-applicable"}
    assert "an array of float64 arrives there as float32" in wide[0].message
    assert not [str(remark) for remark in ds.smoke(target, **asked) if remark.blame]
    (said,) = [r.said for r in ds.smoke(target, **asked) if r.question.endswith("in float64")]
    assert said.startswith("not asked: it does not declare inputs of float64, and refuses them")


def test_a_type_that_is_refused_alone_leaves_the_declared_ones_to_smoke():
    bridge = Bridge(to_native=Boxed, to_numpy=unboxed)
    remarks = ds.smoke(bridge.of_function(boxed_dropout, "boxed"), dtypes=["float64"])
    assert not [str(remark) for remark in remarks if remark.blame]
    assert "training pass in float32" in {remark.question for remark in remarks}


def test_a_type_that_arrives_and_is_answered_in_another_is_a_failure():
    def narrows(x, rate, key):
        return boxed_dropout(Boxed(x.values.astype(np.float32)), rate, key)

    report = ds.check(
        Bridge(to_native=Boxed, to_numpy=unboxed).of_function(narrows, "narrows"),
        dtypes=["float32", "float16"],
        **QUICK,
    )
    wrong = {(result.check, result.case.dtype) for result in report.failures}
    assert ("interface.dtype", "float16") in wrong


def test_a_declared_type_that_cannot_arrive_is_the_fault_of_whoever_declared_it():
    declares = ds.Conventions(dtypes=("float32", "float64"), randomness="key")
    bridge = Bridge(to_native=Boxed, to_numpy=unboxed, conventions=declares)
    remarks = ds.smoke(bridge.of_function(boxed_dropout, "boxed"))
    blamed = {remark.question: remark.blame for remark in remarks if remark.blame}
    assert blamed["arrays go there and back"] == "adapter"
    assert blamed["training pass in float64"] == "adapter"


@pytest.mark.framework("equinox")
def test_double_precision_that_jax_has_switched_off_is_not_applicable():
    import equinox as eqx

    class Own(eqx.Module):
        p: float

        def __call__(self, x, key):
            return eqx.nn.Dropout(self.p)(x, key=key)

    for layer in ("equinox.nn:Dropout", Own):
        report = ds.check(layer, dtypes=["float64"], **QUICK)
        assert {result.verdict for result in report.results} == {"not-applicable"}, str(report)
        assert not [r for r in ds.smoke(layer, dtypes=["float64"]) if r.blame]


@pytest.mark.framework("mlx")
def test_double_precision_that_mlx_lacks_is_not_applicable():
    report = ds.check("mlx.nn:Dropout", dtypes=["float64"], **QUICK)
    assert {result.verdict for result in report.results} == {"not-applicable"}, str(report)


@pytest.mark.framework("keras")
def test_double_precision_of_keras_is_that_of_its_backend():
    import keras

    report = ds.check("keras.layers:Dropout", dtypes=["float64"], checks=["interface.*"], **QUICK)
    verdicts = {result.verdict for result in report.results}
    assert "fail" not in verdicts, str(report)
    assert ("pass" in verdicts) == (keras.backend.backend() != "jax")


@pytest.mark.framework("flax")
def test_double_precision_inside_a_model_on_jax_is_not_applicable():
    from flax import nnx

    class Model(nnx.Module):
        def __init__(self, rngs):
            self.dropout = nnx.Dropout(0.3, rngs=rngs)

        def __call__(self, x):
            return self.dropout(x)

    found = ds.inside(Model(nnx.Rngs(0)), np.ones((8, 16), np.float32))
    report = ds.check(found.targets["dropout"], dtypes=["float64"], resolution=2**-4)
    assert {result.verdict for result in report.results} == {"not-applicable"}, str(report)
