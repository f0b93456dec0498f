"""Means of draws that come in blocks."""

import math

import numpy as np

from dropout_stats.gap.sequence import CONFIDENCE, Running, relative_halfwidth


def test_blocks_are_as_good_as_one_sample():
    rng = np.random.default_rng(1)
    blocks = [rng.normal(at, 1 + at, (size, 2)) for at, size in enumerate((5, 300, 17))]
    seen, whole = Running(1000, (2,)), np.concatenate(blocks)
    for block in blocks:
        seen.add(block)
    assert seen.draws == len(whole)
    assert np.allclose(seen.mean, whole.mean(axis=0), rtol=1e-13)
    expected = whole.std(axis=0) * relative_halfwidth(len(whole), 1000)
    assert np.allclose(seen.halfwidth, expected, rtol=1e-13)


def test_the_interval_is_wider_than_that_of_one_look_and_narrowest_at_the_end():
    """1e-6 is 4.89 deviations at one look that is chosen beforehand."""
    assert math.isclose(1 - CONFIDENCE, 1e-6, rel_tol=1e-9)
    most = 10_000
    ratios = [relative_halfwidth(draws, most) * math.sqrt(draws) for draws in (100, 1000, most)]
    assert ratios[0] > ratios[1] > ratios[2] > 4.89
    assert ratios[2] < 1.2 * 4.89


def test_the_mean_is_inside_at_all_looks():
    rng = np.random.default_rng(2)
    seen = Running(2000, (5000,))
    for _ in range(20):
        seen.add(rng.normal(size=(100, 5000)))
        assert (np.abs(seen.mean) <= seen.halfwidth).all()
