"""Count dispersion, repeats and bets: valid by enumeration, and not blind."""

import itertools
import math

import numpy as np
import pytest
from scipy.stats import binom

from dropout_stats.evidence.bernoulli import Counts, divergence
from dropout_stats.evidence.betting import log_capital
from dropout_stats.evidence.dispersion import CountDispersion, resolvable_factor
from dropout_stats.evidence.repeats import Repeats, pool_excluded_by

RATES = (0.2, 0.5, 0.7, 0.95)


@pytest.mark.parametrize("probability", RATES)
@pytest.mark.parametrize("null", [0.5, 0.7])
def test_dispersion_has_expectation_at_most_one_for_every_success_probability(null, probability):
    size, groups = 4, 4
    test = CountDispersion(size, null, 2.0)
    total = 0.0
    for counts in itertools.product(range(size + 1), repeat=groups):
        chance = np.prod(binom.pmf(counts, size, probability))
        total += chance * math.exp(test.log_e(np.bincount(counts, minlength=size + 1)))
    assert total <= 1 + 1e-9


def test_the_mixture_against_the_law_itself_has_expectation_one():
    """Without the division by the best constant probability, nothing is given away."""
    size, groups, null = 3, 4, 0.6
    test = CountDispersion(size, null, 2.0)
    total = 0.0
    for counts in itertools.product(range(size + 1), repeat=groups):
        seen = Counts(groups * size, sum(counts))
        log_e = test.log_e(np.bincount(counts, minlength=size + 1)) + divergence(seen, null)
        total += np.prod(binom.pmf(counts, size, null)) * math.exp(log_e)
    assert total == pytest.approx(1)


def histogram(counts, size):
    return np.bincount(counts, minlength=size + 1)


@pytest.mark.parametrize("rate", [0.7, 0.3, 0.5])
def test_binomial_counts_pass_whatever_their_probability(rate):
    size, rng = 1024, np.random.default_rng(5)
    test = CountDispersion(size, 0.7, 1.5)
    seen = histogram(rng.binomial(size, rate, 600), size)
    assert test.log_e(seen) < 0
    assert test.excludes_departures(seen)
    assert 1 < test.resolution(seen) <= 1.5


def test_shared_draws_exact_counts_and_all_or_nothing_are_found():
    size, rng = 1024, np.random.default_rng(6)
    test = CountDispersion(size, 0.7, 1.5)
    blocks_of_eight = histogram(8 * rng.binomial(size // 8, 0.7, 60), size)
    exact = histogram(np.full(20, round(0.7 * size)), size)
    all_or_nothing = histogram([size, 0, size, size, 0], size)
    for seen in (blocks_of_eight, exact, all_or_nothing):
        assert test.log_e(seen) > math.log(1e8)
        assert not test.excludes_departures(seen)


def conway_maxwell(size, probability, power, groups, rng):
    k = np.arange(size + 1)
    chance = binom.pmf(k, size, probability) ** power
    return rng.choice(k, groups, p=chance / chance.sum())


@pytest.mark.parametrize("power", [1 / 1.5, 1.5])
@pytest.mark.parametrize("rate", [0.7, 0.6])
def test_a_declared_factor_passes_at_most_one_time_in_a_hundred(power, rate):
    """Also when the success probability is not the declared one; a look every 100 groups."""
    size, rng = 128, np.random.default_rng(7)
    test = CountDispersion(size, 0.7, 1.5)
    passed = 0
    for _ in range(200):
        counts = conway_maxwell(size, rate, power, 400, rng)
        passed += any(
            test.excludes_departures(histogram(counts[:n], size)) for n in (100, 200, 300, 400)
        )
    assert passed <= binom.isf(1e-6, 200, 0.01)


def test_the_resolvable_factor_shrinks_with_the_groups_and_is_then_excluded():
    size, rng = 256, np.random.default_rng(8)
    factors = [resolvable_factor(size, 0.7, groups) for groups in (32, 128, 1024)]
    assert factors == sorted(factors, reverse=True)
    assert factors[-1] == 1.5
    test = CountDispersion(size, 0.7, factors[1])
    seen = histogram(rng.binomial(size, 0.7, 3 * 128), size)
    assert test.excludes_departures(seen)


def test_a_law_narrower_than_the_lattice_excludes_nothing():
    seen = np.zeros(257, np.int64)
    seen[128], seen[129] = 6, 25
    test = CountDispersion(256, 0.5, 1.5)
    assert not test.excludes(seen, 724.0)
    assert not test.excludes(seen, 1000.0)
    assert test.resolution(seen) == math.inf


def test_single_trials_show_no_dispersion():
    assert resolvable_factor(1, 0.7, 10**6) == math.inf


def test_the_variance_factor_is_the_ratio_of_variances():
    size = 64
    counts = np.random.default_rng(9).binomial(size, 0.4, 50)
    share = counts.mean() / size
    expected = counts.var(ddof=1) / (size * share * (1 - share))
    test = CountDispersion(size, 0.4, 1.5)
    assert test.variance_factor(histogram(counts, size)) == pytest.approx(expected)
    assert math.isnan(test.variance_factor(histogram([3], size)))
    assert math.isnan(test.variance_factor(histogram([0, 0], size)))


def repeats_of(masks, null):
    found = Repeats(null)
    for mask in masks:
        found.add(bytes(mask), len(mask), int(sum(mask)))
    return found


@pytest.mark.parametrize("null", [0.5, 0.8])
def test_repeats_have_expectation_one_under_the_law(null):
    """Chance repeats of short patterns are priced exactly: 2 units, 4 patterns, all sequences."""
    raw = free = 0.0
    for bits in itertools.product((0, 1), repeat=8):
        masks = [bits[i : i + 2] for i in range(0, 8, 2)]
        chance = null ** sum(bits) * (1 - null) ** (8 - sum(bits))
        log_e = repeats_of(masks, null).log_e()
        free += chance * math.exp(log_e)
        raw += chance * math.exp(log_e + divergence(Counts(8, sum(bits)), null))
    assert raw == pytest.approx(1)
    assert free <= 1


def test_one_repeat_of_a_long_mask_is_decisive_and_none_is_not():
    rng = np.random.default_rng(1)
    masks = (rng.random((40, 64)) < 0.5).astype(np.uint8)
    assert repeats_of(masks, 0.5).log_e() < 0
    assert repeats_of([*masks, masks[3]], 0.5).log_e() > math.log(1e8)


def test_repeats_of_nearly_constant_masks_are_no_evidence():
    masks = [np.ones(16, np.uint8)] * 30
    assert repeats_of(masks, 0.9999).log_e() < 0


def test_a_pool_is_excluded_when_a_repeat_from_it_would_have_shown():
    rng = np.random.default_rng(2)
    masks = (rng.random((200, 256)) < 0.5).astype(np.uint8)
    found = repeats_of(masks, 0.5)
    exact = 1 - np.prod(1 - np.arange(200) / 4000)
    assert exact >= 0.99
    assert found.excludes(4000, 0.99)
    assert not found.excludes(5000, 0.99)
    assert found.resolution(0.99) == pytest.approx(pool_excluded_by(200, 0.99), rel=0.03)
    assert not repeats_of([masks[0]] * 3, 0.5).excludes(1, 0.99)


@pytest.mark.parametrize("mean", [0.3, 0.9])
def test_bets_have_expectation_at_most_one(mean):
    total = sum(
        mean ** sum(bits) * (1 - mean) ** (10 - sum(bits)) * math.exp(log_capital(bits, mean))
        for bits in itertools.product((0, 1), repeat=10)
    )
    assert total == pytest.approx(1)


def test_bets_find_a_wrong_mean_and_spare_nothing_said():
    values = np.random.default_rng(3).uniform(0.1, 0.3, 200)
    assert log_capital(values, 0.9) > 50
    assert log_capital(values, 0.2) < 3
    assert log_capital([], 0.5) == 0


def test_a_spread_that_passes_states_what_it_excludes():
    rng = np.random.default_rng(4)
    test = CountDispersion(16_384, 0.7, factor=1.5)
    histogram = np.bincount(rng.binomial(16_384, 0.7, 1000), minlength=16_385)
    assert test.excludes_departures(histogram)
    assert 1 < test.resolution(histogram) <= 1.5
