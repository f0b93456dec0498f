"""Dropout inside a layer is judged as what it is."""

import numpy as np
import pytest

import dropout_stats as ds
from dropout_stats import readouts

QUICK = {"resolution": 2**-5, "seed": 5, "rates": [0.1, 0.7]}


class Attention:
    """Attention with dropout on its weights, every step of which can be wrong."""

    def __init__(self):
        self.seed(0)

    def seed(self, number):
        self.rng = np.random.default_rng(number)

    def softmax(self, scores):
        parts = np.exp(scores - scores.max(axis=-1, keepdims=True))
        return parts / parts.sum(axis=-1, keepdims=True)

    def scores(self, query, key):
        return query @ np.swapaxes(key, -1, -2) / query.dtype.type(np.sqrt(key.shape[-1]))

    def mask(self, shape, rate):
        return self.rng.random(shape) >= rate

    def drop(self, weights, rate):
        mask = self.mask(weights.shape, rate)
        return np.where(mask, weights / weights.dtype.type(1 - rate), weights.dtype.type(0))

    def train(self, query, key, value, rate):
        return self.drop(self.softmax(self.scores(query, key)), rate) @ value

    def evaluate(self, query, key, value, rate):
        return self.softmax(self.scores(query, key)) @ value

    def target(self):
        return readouts.attention(self.train, self.evaluate, seed=self.seed)


class DropsScores(Attention):
    """Dropout before the softmax: with scores of 0 nothing is dropped."""

    def train(self, query, key, value, rate):
        return self.softmax(self.drop(self.scores(query, key), rate)) @ value


class Renormalises(Attention):
    def drop(self, weights, rate):
        kept = super().drop(weights, rate)
        return kept / np.maximum(kept.sum(axis=-1, keepdims=True), weights.dtype.type(1e-3))


class SharesItsMaskOverHeads(Attention):
    def mask(self, shape, rate):
        return np.broadcast_to(super().mask((shape[0], 1, *shape[2:]), rate), shape)


class DropsInEvaluation(Attention):
    def evaluate(self, query, key, value, rate):
        return self.train(query, key, value, rate)


class DropsTheOutput(Attention):
    """Dropout on the output in place of the weights: a mask for each feature."""

    def train(self, query, key, value, rate):
        return self.drop(self.softmax(self.scores(query, key)) @ value, rate)


def test_attention_that_drops_its_weights_conforms():
    report = ds.check(Attention().target(), **QUICK)
    assert report.verdict == "pass", report
    assert report["dependence.axes"].verdict == "pass"


@pytest.mark.parametrize(
    ("wrong", "check"),
    [
        (DropsScores, "support.kept_value"),
        (Renormalises, "support.kept_value"),
        (SharesItsMaskOverHeads, "dependence.axes"),
        (DropsInEvaluation, "inference.deterministic"),
    ],
)
def test_attention_that_drops_otherwise_fails(wrong, check):
    report = ds.check(wrong().target(), **QUICK)
    assert report[check].verdict == "fail", report


def test_what_a_readout_cannot_tell_is_known():
    """With the unit matrix for values, outputs are weights: dropping either is one thing."""
    assert ds.check(DropsTheOutput().target(), **QUICK).verdict == "pass"


class DropConnect:
    def __init__(self):
        self.rng = np.random.default_rng(0)

    def mask(self, weights, rate):
        return self.rng.random(weights.shape) >= rate

    def train(self, inputs, weights, rate):
        kept = self.mask(weights, rate) * (weights / weights.dtype.type(1 - rate))
        return inputs @ kept.astype(weights.dtype)

    def evaluate(self, inputs, weights, rate):
        return inputs @ weights

    def target(self):
        return readouts.dropconnect(self.train, self.evaluate)


class DropsNeurons(DropConnect):
    def mask(self, weights, rate):
        return self.rng.random(weights.shape[1]) >= rate


def test_connections_are_dropped_one_by_one():
    assert ds.check(DropConnect().target(), **QUICK).verdict == "pass"
    assert ds.check(DropsNeurons().target(), **QUICK)["dependence.axes"].verdict == "fail"


class Zoneout:
    def __init__(self):
        self.rng = np.random.default_rng(0)

    def train(self, new, previous, rate):
        return np.where(self.rng.random(new.shape) >= rate, new, previous)

    def evaluate(self, new, previous, rate):
        rate = new.dtype.type(rate)
        return (1 - rate) * new + rate * previous

    def target(self):
        return readouts.zoneout(self.train, self.evaluate)


class TwoMasks(Zoneout):
    """The two parts have masks of their own, as in a cell whose output and state disagree."""

    def train(self, new, previous, rate):
        zeros = np.zeros_like(new)
        return super().train(new, zeros, rate) + super().train(zeros, previous, rate)


class Swapped(Zoneout):
    def train(self, new, previous, rate):
        return super().train(previous, new, rate)


class IsDropout(Zoneout):
    """The unit is dropped to 0, not held."""

    def train(self, new, previous, rate):
        return super().train(new, np.zeros_like(new), rate)


class UpdatesInEvaluation(Zoneout):
    def evaluate(self, new, previous, rate):
        return new


def test_zoneout_holds_what_it_does_not_update():
    assert ds.check(Zoneout().target(), **QUICK).verdict == "pass"


@pytest.mark.parametrize(
    ("wrong", "check"),
    [
        (TwoMasks, "support.kept_value"),
        (Swapped, "rate.marginal"),
        (IsDropout, "support.kept_value"),
        (UpdatesInEvaluation, "inference.law"),
    ],
)
def test_zoneout_that_does_otherwise_fails(wrong, check):
    assert ds.check(wrong().target(), **QUICK)[check].verdict == "fail"


def test_what_is_not_finite_is_refused_where_sums_would_spread_it():
    for target in (DropConnect().target(), Zoneout().target()):
        with pytest.raises(ValueError, match="finite"):
            target.train(np.full((2, 2), np.inf, np.float32), 0.1)


def test_updates_are_not_read_in_half_precision():
    with pytest.raises(ds.UsageError, match="too few digits in float16"):
        readouts.zoneout(lambda n, p, r: n, conventions=ds.Conventions(dtypes=("float16",)))


def test_what_is_no_layer_is_a_usage_error():
    for readout in (readouts.attention, readouts.dropconnect, readouts.zoneout):
        with pytest.raises(ds.UsageError, match="must be a function"):
            readout(None)
        with pytest.raises(ds.UsageError, match="evaluate must be a function"):
            readout(lambda *_: None, 3)


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
