"""The variance shift, exactly: over all masks, and against known values."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import dropout_stats as ds
from dropout_stats.batchnorm import variance_shift
from dropout_stats.laws import Alpha, GaussianMultiplicative, Inverted, TestScaled


def all_masks(law, rate, x, w):
    """Mean and variance of the features of each row over all masks; rows draw their own."""
    mean, square = 0.0, 0.0
    for bits in itertools.product((False, True), repeat=x.shape[1]):
        kept = law.keep_prob(rate)
        chance = math.prod(kept if bit else 1 - kept for bit in bits)
        z = law.apply(x, np.array(bits), rate) @ w
        mean, square = mean + chance * z, square + chance * z**2
    return mean, square


@given(st.integers(0, 2**32), st.sampled_from([0.1, 0.5, 0.8]))
@pytest.mark.parametrize("law", [Inverted(), TestScaled()])
def test_the_shift_is_exact_over_all_masks(law, seed, rate):
    rng = np.random.default_rng(seed)
    x, w = rng.normal(1, 2, (7, 5)), rng.normal(0, 1, (5, 3))
    mean, square = all_masks(law, rate, x, w)
    train = square.mean(axis=0) - mean.mean(axis=0) ** 2
    evaluation = (law.evaluate(x, rate) @ w).var(axis=0)
    assert variance_shift(law, rate, x, w) == pytest.approx(evaluation / train, rel=1e-9)


@given(st.integers(0, 2**32), st.sampled_from([0.1, 0.5, 0.8]))
def test_the_preactivation_keeps_its_mean_whatever_the_weights(seed, rate):
    """E[W A + b] = W a + b under inverted dropout; keep_prob W a + b where nothing is scaled."""
    rng = np.random.default_rng(seed)
    x, w, b = rng.normal(0, 3, (4, 5)), rng.normal(0, 2, (5, 3)), rng.normal(0, 2, 3)
    for law, factor in ((Inverted(), 1.0), (TestScaled(), 1 - rate)):
        mean, _ = all_masks(law, rate, x, w)
        assert mean + b == pytest.approx(factor * (x @ w) + b, rel=1e-9, abs=1e-9)
        assert law.evaluate(x, rate) @ w + b == pytest.approx(mean + b, rel=1e-9, abs=1e-9)


def test_both_strategies_shift_alike_and_by_the_known_amounts():
    """A rectified standard normal feature: .860, .732, .614 and .405."""
    edges = (np.arange(200_000) + 0.5) / 200_000
    from scipy.special import ndtri

    x = np.maximum(ndtri(edges), 0)[:, None]
    for rate, known in ((0.1, 0.860), (0.2, 0.732), (0.3, 0.614), (0.5, 0.405)):
        assert variance_shift(Inverted(), rate, x)[0] == pytest.approx(known, abs=5e-4)
        assert variance_shift(TestScaled(), rate, x) == pytest.approx(
            variance_shift(Inverted(), rate, x)
        )
        assert variance_shift(GaussianMultiplicative(), rate, x) == pytest.approx(
            variance_shift(Inverted(), rate, x)
        )
    centred = ndtri(edges)[:, None]
    assert variance_shift(Inverted(), 0.25, centred)[0] == pytest.approx(0.75, abs=1e-3)


def test_what_has_no_closed_form_is_refused():
    x = np.ones((3, 2))
    assert np.isnan(variance_shift(Inverted(), 0.0, x)).all()
    for law in (Alpha(), Inverted(unit="sample")):
        with pytest.raises(ds.UsageError, match="no factor of single elements"):
            variance_shift(law, 0.5, x)
    with pytest.raises(ds.UsageError, match=r"got \(3, 2\) and \(3, 2\)"):
        variance_shift(Inverted(), 0.5, x, x)
    with pytest.raises(ds.UsageError, match="rate"):
        variance_shift(Inverted(), 1.0, x)
