"""A dense layer that drops its inputs is judged by its pre-activations."""

import numpy as np
import pytest

import dropout_stats as ds
from dropout_stats import readouts
from dropout_stats.zoo.core import Core

QUICK = {"resolution": 2**-5, "seed": 5, "rates": [0.1, 0.7], "shapes": [(256, 64)]}


class Dense(Core):
    """Z = A W + b, where A is dropped and scaled."""

    def layer(self, inputs, weights, bias, rate):
        self.require(rate)
        return self.dropped(inputs, self.mask(inputs.shape, rate), rate) @ weights + bias

    def in_evaluation(self, inputs, weights, bias, rate):
        return self.evaluate(inputs, rate) @ weights + bias

    def layer_vjp(self, inputs, weights, bias, dy, rate):
        self.require(rate)
        mask = self.mask(inputs.shape, rate)
        z = self.dropped(inputs, mask, rate) @ weights + bias
        return z, self.backward(dy @ weights.T, z, mask, rate)

    def dropped(self, inputs, mask, rate):
        return self.apply(inputs, mask, rate)

    def target(self, **changes):
        return readouts.dense(
            self.layer,
            self.in_evaluation,
            vjp=self.layer_vjp,
            seed=self.seed,
            law=self.law,
            name=type(self).__name__,
            **changes,
        )


class ScaledInEvaluation(Dense):
    law = ds.laws.TestScaled()

    def scale(self, rate):
        return 1.0

    def factor(self, rate):
        return 1 - rate


class ScalesTheBias(Dense):
    """Z / keep_prob in place of A / keep_prob."""

    def layer(self, inputs, weights, bias, rate):
        kept = inputs * self.mask(inputs.shape, rate)
        return (kept @ weights + bias) / inputs.dtype.type(1 - rate)


class EvaluationScalesTheBias(ScaledInEvaluation):
    def in_evaluation(self, inputs, weights, bias, rate):
        return (inputs @ weights + bias) * inputs.dtype.type(1 - rate)


class DropsTheOutput(Dense):
    """A mask of neurons, before the bias: each sum loses all of its terms or none."""

    def layer(self, inputs, weights, bias, rate):
        sums = inputs @ weights
        return self.apply(sums, self.mask(sums.shape, rate), rate) + bias


class DropsConnections(Dense):
    def layer(self, inputs, weights, bias, rate):
        return inputs @ self.apply(weights, self.mask(weights.shape, rate), rate) + bias


class DropsAfterTheBias(Dense):
    def layer(self, inputs, weights, bias, rate):
        z = inputs @ weights + bias
        return self.apply(z, self.mask(z.shape, rate), rate)


class IsNotScaled(Dense):
    def scale(self, rate):
        return 1.0


class DropsInEvaluation(Dense):
    def in_evaluation(self, inputs, weights, bias, rate):
        return self.layer(inputs, weights, bias, rate)


class GradientOfAnotherMask(Dense):
    def backward(self, dy, y, mask, rate):
        return super().backward(dy, y, self.mask(dy.shape, rate), rate)


class GradientOfConnections(Dense):
    """The backward pass drops weights."""

    def layer_vjp(self, inputs, weights, bias, dy, rate):
        z, _ = super().layer_vjp(inputs, weights, bias, dy, rate)
        dropped = self.apply(weights, self.mask(weights.shape, rate), rate)
        return z, dy @ dropped.T


@pytest.mark.parametrize("core", [Dense, ScaledInEvaluation])
def test_a_layer_that_drops_its_inputs_conforms(core):
    report = ds.check(core().target(), **QUICK)
    assert report.verdict == "pass", report
    for check in ("moments.mean", "dependence.axes", "gradient.same_noise", "inference.law"):
        assert report[check].verdict == "pass"


@pytest.mark.parametrize("dtype", ["float16", "float64"])
def test_other_types_are_read_as_exactly(dtype):
    held = ds.Conventions(dtypes=(dtype,))
    report = ds.check(Dense().target(conventions=held), **QUICK)
    assert report.verdict == "pass", report


@pytest.mark.parametrize(
    ("wrong", "check"),
    [
        (ScalesTheBias, "support.kept_value"),
        (EvaluationScalesTheBias, "inference.law"),
        (DropsTheOutput, "support.kept_value"),
        (DropsConnections, "support.kept_value"),
        (DropsAfterTheBias, "support.kept_value"),
        (IsNotScaled, "support.kept_value"),
        (DropsInEvaluation, "inference.deterministic"),
        (GradientOfAnotherMask, "gradient.same_noise"),
        (GradientOfConnections, "gradient.same_noise"),
    ],
)
def test_one_that_does_otherwise_fails(wrong, check):
    assert ds.check(wrong().target(), **QUICK)[check].verdict == "fail"


def test_a_layer_may_be_handed_keys():
    held = ds.Conventions(randomness="key")

    def layer(inputs, weights, bias, rate, *, key):
        kept = np.random.default_rng(key).random(inputs.shape) >= rate
        return inputs * kept / inputs.dtype.type(1 - rate) @ weights + bias

    target = readouts.dense(layer, conventions=held)
    assert ds.check(target, **QUICK).verdict == "pass"


def test_what_cannot_be_read_is_told_so():
    target = readouts.dense(lambda inputs, weights, bias, rate: inputs)
    with pytest.raises(ValueError, match=r"layer returned the shape \(2, 3\); expected \(2, 6\)"):
        target.train(np.ones((2, 3), np.float32), 0.1)
    with pytest.raises(ValueError, match="finite"):
        target.train(np.full((2, 3), np.nan, np.float32), 0.1)
