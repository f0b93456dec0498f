"""E[W A + b] = W a + b, for weights as they are: layers that keep this mean pass, others fail."""

import itertools
import math

import numpy as np
import pytest

import dropout_stats as ds
from dropout_stats.preactivation import check_mean

rng = np.random.default_rng(11)


def draws(features, neurons, dtype="float32"):
    """An input, weights and a bias."""
    a, w = rng.normal(1, 2, features), rng.normal(0, 1, (features, neurons))
    return a.astype(dtype), w.astype(dtype), rng.normal(0, 3, neurons).astype(dtype)


def inverted(inputs, weights, bias, rate):
    kept = rng.random(inputs.shape) >= rate
    return inputs * kept / inputs.dtype.type(1 - rate) @ weights + bias


def plain(inputs, weights, bias, rate):
    return inputs @ weights + bias


def unscaled(inputs, weights, bias, rate):
    return inputs * (rng.random(inputs.shape) >= rate) @ weights + bias


def scaled_by_keep_prob(inputs, weights, bias, rate):
    return inputs * inputs.dtype.type(1 - rate) @ weights + bias


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_inverted_dropout_keeps_the_mean_whatever_the_weights(rate, dtype):
    given = draws(32, 4, dtype)
    found = check_mean(inverted, plain, *given, rate=rate, resolution=0.05)
    assert found.verdict == "pass", found.message
    assert found.evidence.low < found.evidence.estimate < found.evidence.high
    assert found.evidence.resolution == pytest.approx(0.05)
    assert "a shift of one of 4 means by 0.05 deviations of Z" in found.message


def test_so_does_a_test_scaled_layer_which_scales_the_weights_alone():
    given, law = draws(32, 4), ds.laws.TestScaled()
    options = {"rate": 0.3, "resolution": 0.05, "law": law}
    found = check_mean(unscaled, scaled_by_keep_prob, *given, **options)
    assert found.verdict == "pass", found.message

    def scales_the_bias(inputs, weights, bias, rate):
        return plain(inputs, weights, bias, rate) * inputs.dtype.type(1 - rate)

    found = check_mean(unscaled, scales_the_bias, *given, **options)
    assert found.verdict == "fail"
    assert "the evaluation pass gives" in found.message
    assert "0.7 W a + b" in found.message


def divided_after_the_bias(inputs, weights, bias, rate):
    kept = inputs * (rng.random(inputs.shape) >= rate)
    return (kept @ weights + bias) / inputs.dtype.type(1 - rate)


def at_another_rate(inputs, weights, bias, rate):
    """Kept with probability 0.02 more than the scale says."""
    kept = rng.random(inputs.shape) >= rate - 0.02
    return inputs * kept / inputs.dtype.type(1 - rate) @ weights + bias


def of_one_input(inputs, weights, bias, rate):
    """One of all inputs is never dropped, and scaled all the same."""
    kept = rng.random(inputs.shape) >= rate
    kept[:, 3] = True
    return inputs * kept / inputs.dtype.type(1 - rate) @ weights + bias


@pytest.mark.parametrize("wrong", [unscaled, divided_after_the_bias, at_another_rate, of_one_input])
def test_layers_that_do_not_keep_it_fail(wrong):
    a, w, b = draws(16, 3)
    found = check_mean(wrong, plain, np.abs(a), np.abs(w), b, rate=0.4)
    assert found.verdict == "fail", found.message


def test_the_message_names_the_neuron_its_means_and_the_evidence():
    a, w, b = np.ones(8, np.float32), np.ones((8, 2), np.float32), np.zeros(2, np.float32)
    w[3, 0] = 0
    found = check_mean(of_one_input, plain, a, w, b, rate=0.4)
    assert found.verdict == "fail"
    assert "the mean of Z of neuron 1 in training is 8." in found.message
    assert "and 8 in evaluation, W a + b" in found.message
    assert found.evidence.log10_e > 6
    assert found.evidence.low > 8


def test_a_value_that_cannot_be_fails_at_once():
    a, w = np.ones(4, np.float32), np.ones((4, 1), np.float32)

    def added_twice(inputs, weights, bias, rate):
        return 2 * inverted(inputs, weights, bias, rate)

    found = check_mean(added_twice, plain, a, w, rate=0.5)
    assert found.verdict == "fail"
    assert "under the law it lies in" in found.message
    lost = check_mean(lambda i, *_: np.full((len(i), 1), np.nan), plain, a, w, rate=0.5)
    assert lost.verdict == "fail"


def test_dropping_neurons_or_connections_keeps_the_mean_too():
    """The claim is about the mean of Z alone; `readouts.dense` tells what is dropped."""
    given = draws(16, 3)

    def neurons(inputs, weights, bias, rate):
        sums = inputs @ weights
        return sums * (rng.random(sums.shape) >= rate) / sums.dtype.type(1 - rate) + bias

    assert check_mean(neurons, plain, *given, rate=0.3, resolution=0.2).verdict != "fail"


def test_a_layer_that_is_right_is_seldom_accused():
    """At false_alarm = 0.05, over all looks."""
    a, w, b = draws(6, 2)
    options = {"rate": 0.3, "false_alarm": 0.05, "resolution": 0.1, "rows": 64}
    verdicts = [check_mean(inverted, plain, a, w, b, **options).verdict for _ in range(200)]
    assert verdicts.count("fail") <= 0.05 * 200 + 3.1 * math.sqrt(200 * 0.05 * 0.95)
    assert verdicts.count("pass") >= 190


def test_a_shift_of_the_resolution_seldom_passes():
    a, w = np.ones(6, np.float32), np.ones((6, 1), np.float32)
    deviation = math.sqrt(6 * 0.3 / 0.7)
    moved = 0.2 * deviation / 6 * 0.7  # of the keep probability

    def shifted(inputs, weights, bias, rate):
        return inverted(inputs, weights, bias, rate - moved) * inputs.dtype.type(
            (1 - rate + moved) / (1 - rate)
        )

    options = {"rate": 0.3, "false_alarm": 1e-300, "resolution": 0.2, "power": 0.9, "rows": 64}
    verdicts = [check_mean(shifted, plain, a, w, **options).verdict for _ in range(100)]
    assert verdicts.count("pass") <= 0.1 * 100 + 3.1 * 3


def test_values_between_places_of_the_grid_understate_the_evidence():
    from dropout_stats.preactivation import _Preactivation, _Tests

    a, w, b = (one.astype(np.float64) for one in draws(5, 1))
    z = _Preactivation(a, w, b, ds.laws.Inverted(), 0.4)
    tests = _Tests(z, 0.3, 0.99)
    (test,), masks = tests._tests, itertools.product((0.0, 1.0), repeat=5)
    seen = [a * np.array(kept) / 0.6 @ w + b for kept in masks]
    tests.add(np.array(seen))
    exact = type(test)(
        np.array([z.low[0], z.high[0], *np.ravel(seen)]),
        test.low,
        test.high,
        test.deviation,
        test.size,
    )
    counts = np.array([0.0, 0.0, *np.ones(32)])
    assert tests._counts.sum() == pytest.approx(32)
    assert tests._counts[0] @ test.values == pytest.approx(np.sum(seen))
    assert tests.log_e <= exact.log_e(counts) <= tests.log_e + 0.01


def test_what_makes_no_sense_is_refused():
    a, w, b = draws(4, 2)
    for law in (ds.laws.GaussianMultiplicative(), ds.laws.Inverted(unit="sample"), ds.laws.Alpha()):
        with pytest.raises(ds.UsageError, match="no law of two values for each input"):
            check_mean(inverted, plain, a, w, b, rate=0.3, law=law)
    with pytest.raises(ds.UsageError, match=r"got \(4,\), \(4, 2\) and \(4,\)"):
        check_mean(inverted, plain, a, w, a, rate=0.3)
    with pytest.raises(ds.UsageError, match="finite floating-point"):
        check_mean(inverted, plain, a * np.nan, w, b, rate=0.3)
    with pytest.raises(ds.UsageError, match="rate"):
        check_mean(inverted, plain, a, w, b, rate=1.0)
    with pytest.raises(ds.UsageError, match="no input reaches a neuron"):
        check_mean(inverted, plain, a * 0, w, b, rate=0.3)
    with pytest.raises(ds.UsageError, match=r"layer returned the shape \(1024, 4\)"):
        check_mean(lambda inputs, *_: inputs, plain, a, w, b, rate=0.3)


def test_a_law_whose_evaluation_pass_is_another_mean_is_refused():
    law = ds.laws.Law(
        "kept", atoms=lambda rate: {0.0: rate, 1.0: 1 - rate}, evaluation_factor=lambda rate: 1.0
    )
    with pytest.raises(ds.UsageError, match="no layer keeps its mean"):
        check_mean(unscaled, plain, *draws(8, 2), rate=0.3, law=law)
