"""Dropout inside a layer is judged as what it is."""

from dataclasses import replace

import numpy as np
import pytest

import dropout_stats as ds
from dropout_stats import readouts
from dropout_stats.zoo.layers import AttentionCore, DropConnectCore, ZoneoutCore

QUICK = {"resolution": 2**-5, "seed": 5, "rates": [0.1, 0.7]}


class DropsScores(AttentionCore):
    """Dropout before the softmax: with scores of 0 nothing is dropped."""

    def attend(self, query, key, value, rate):
        scores = np.zeros((*query.shape[:-1], key.shape[-2]), query.dtype)
        dropped = np.exp(self.apply(scores, self.mask(scores.shape, rate), rate))
        return dropped / dropped.sum(axis=-1, keepdims=True) @ value


class Renormalises(AttentionCore):
    def apply(self, x, mask, rate):
        kept = super().apply(x, mask, rate)
        return kept / np.maximum(kept.sum(axis=-1, keepdims=True), x.dtype.type(1e-3))


class DropsTheOutput(AttentionCore):
    """Dropout on the output in place of the weights: a mask for each feature."""

    def attend(self, query, key, value, rate):
        self.require(rate)
        output = self.weights(query, key) @ value
        return self.apply(output, self.mask(output.shape, rate), rate)


@pytest.mark.parametrize("core", [AttentionCore, DropConnectCore, ZoneoutCore])
def test_a_layer_that_drops_what_is_inside_it_conforms(core):
    report = ds.check(core().target(), **QUICK)
    assert report.verdict == "pass", report
    for check in ("dependence.axes", "gradient.same_noise", "inference.law"):
        assert report[check].verdict == "pass"


@pytest.mark.parametrize("wrong", [DropsScores, Renormalises])
def test_attention_that_drops_otherwise_fails(wrong):
    report = ds.check(wrong().target(), **QUICK)
    assert report["support.kept_value"].verdict == "fail", report


def test_what_a_readout_cannot_tell_is_known():
    """With the unit matrix for values, outputs are weights: dropping either is one thing."""
    without_gradient = replace(DropsTheOutput().target(), vjp=None)
    assert ds.check(without_gradient, **QUICK).verdict == "pass"


class Swapped(ZoneoutCore):
    def step(self, new, previous, rate):
        return super().step(previous, new, rate)


class IsDropout(ZoneoutCore):
    """The unit is dropped to 0, not held."""

    def step(self, new, previous, rate):
        return super().step(new, np.zeros_like(new), rate)


class GradientIsLost(ZoneoutCore):
    """What the new state does not get, the previous one does not get either."""

    def step_vjp(self, new, previous, dy, rate):
        state, dnew, dprevious = super().step_vjp(new, previous, dy, rate)
        return state, dnew, np.zeros_like(dprevious)


@pytest.mark.parametrize(
    ("wrong", "check"),
    [
        (Swapped, "rate.marginal"),
        (IsDropout, "support.kept_value"),
        (GradientIsLost, "gradient.dropped_is_zero"),
    ],
)
def test_zoneout_that_does_otherwise_fails(wrong, check):
    assert ds.check(wrong().target(), **QUICK)[check].verdict == "fail"


@pytest.mark.parametrize("shape", [(2, 3, 5, 2), (2, 3, 2, 5), (1, 1, 1, 1)])
def test_attention_is_read_with_more_queries_than_keys_or_fewer(shape):
    target = AttentionCore().target()
    x, dy = np.full(shape, 2, np.float32), np.full(shape, 3, np.float32)
    target.seed(3)
    y = target.train(x, 0.5)
    target.seed(3)
    again, dx = target.vjp(x, dy, 0.5)
    assert set(np.unique(y.round(5))) <= {0.0, 4.0}
    np.testing.assert_array_equal(y, again)
    np.testing.assert_allclose(dx, y * 1.5, rtol=1e-6)


def test_what_is_not_finite_is_refused_where_sums_would_spread_it():
    lost, fine = np.full((2, 2), np.inf, np.float32), np.ones((2, 2), np.float32)
    for target in (DropConnectCore().target(), ZoneoutCore().target()):
        with pytest.raises(ValueError, match="finite"):
            target.train(lost, 0.1)
        for x, dy in ((lost, fine), (fine, lost)):
            with pytest.raises(ValueError, match="finite"):
                target.vjp(x, dy, 0.1)


def test_updates_are_not_read_in_half_precision():
    with pytest.raises(ds.UsageError, match="too few digits in float16"):
        readouts.zoneout(lambda n, p, r: n, conventions=ds.Conventions(dtypes=("float16",)))


def test_what_is_no_layer_is_a_usage_error():
    for readout in (
        readouts.attention,
        readouts.dense,
        readouts.dropconnect,
        readouts.recurrent,
        readouts.zoneout,
    ):
        with pytest.raises(ds.UsageError, match="must be a function"):
            readout(None)
        with pytest.raises(ds.UsageError, match="evaluate must be a function"):
            readout(lambda *_: None, 3)
        with pytest.raises(ds.UsageError, match="vjp must be a function"):
            readout(lambda *_: None, vjp=3)


def test_conventions_that_say_nothing_of_dimensions_keep_those_of_the_readout():
    held = ds.Conventions(dtypes=("float64",))
    assert readouts.attention(lambda *_: None, conventions=held).conventions.ndims == (4, 4)
    assert readouts.dropconnect(lambda *_: None, conventions=held).conventions.dtypes == (
        "float64",
    )


def test_a_layer_of_another_shape_is_told_so():
    target = readouts.attention(lambda q, k, v, rate: v)
    report = ds.check(target, checks=["interface.call"], shapes=[(2, 2, 3, 4)], **QUICK)
    assert "expected (2, 2, 3, 4)" in report["interface.call"].message


def test_a_gradient_of_another_shape_is_told_so():
    target = readouts.dropconnect(lambda i, w, r: i @ w, vjp=lambda i, w, dy, r: (i @ w, dy[:1]))
    with pytest.raises(ValueError, match=r"the gradient of vjp returned the shape \(1, 3\)"):
        target.vjp(np.ones((2, 3), np.float32), np.ones((2, 3), np.float32), 0.1)


class ForgetsTheScale(AttentionCore):
    def attend_with(self, query, key, value, mask, rate):
        return (self.weights(query, key) * mask) @ value


class ConnectsByTheDropMask(DropConnectCore):
    def connect_with(self, inputs, weights, mask, rate):
        return super().connect_with(inputs, weights, ~mask, rate)


class HoldsWhatItShouldUpdate(ZoneoutCore):
    def step_with(self, new, previous, mask, rate):
        return super().step_with(new, previous, ~mask, rate)


@pytest.mark.parametrize(
    ("core", "verdict"),
    [
        (AttentionCore, "pass"),
        (DropConnectCore, "pass"),
        (ZoneoutCore, "pass"),
        (ForgetsTheScale, "fail"),
        (ConnectsByTheDropMask, "fail"),
        (HoldsWhatItShouldUpdate, "fail"),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_every_mask_is_enumerated_where_one_can_be_given(core, verdict):
    report = ds.check(core().target(), checks=["moments.enumerated"], rates=(0.3,))
    assert report.verdict == verdict, str(report)
