import itertools
import math

import numpy as np
import pytest

from dropout_stats.evidence import tables
from dropout_stats.evidence.departures import Copied, Shifted

NULLS = (0.5, 0.9, 0.1, 0.999)


@pytest.mark.parametrize("null", NULLS)
@pytest.mark.parametrize("departure", [Shifted, Copied])
def test_every_size_is_a_law_and_size_zero_is_the_null(departure, null):
    family = departure(null)
    low, high = family.limits
    assert family.law.sum() == pytest.approx(1)
    assert family.log_ratios(0.0) == pytest.approx(0)
    for size in (low, low / 3, high / 7, high):
        assert family.law @ np.exp(family.log_ratios(size)) == pytest.approx(1, abs=1e-8)


@pytest.mark.parametrize("null", NULLS)
def test_a_copied_trial_keeps_its_success_probability(null):
    for size in (-0.001, 0.3, 0.9):
        chances = Copied(null).law * np.exp(Copied(null).log_ratios(size))
        assert chances[0] + chances[2] == pytest.approx(null)
        assert chances[0] + chances[1] == pytest.approx(null)
        assert chances[0] / (chances[0] + chances[1]) == pytest.approx(null + size * (1 - null))


@pytest.mark.parametrize("partition", [False, True])
def test_a_partition_has_mean_one_over_all_counts(partition):
    """Two cells of three trials each: all outcomes, with their binomial weights."""
    null = 0.7
    test = tables.TableTest(Shifted(null), 0.2, 0.99, partition)
    mean = 0.0
    for kept in itertools.product(range(4), repeat=2):
        chance = math.prod(math.comb(3, k) * null**k * (1 - null) ** (3 - k) for k in kept)
        mean += chance * math.exp(test.log_e(np.array([[k, 3 - k] for k in kept])))
    assert mean == pytest.approx(1, rel=1e-9)


def test_many_alike_cells_are_judged_as_if_one_by_one(monkeypatch):
    rng = np.random.default_rng(5)
    kept = rng.binomial(50, 0.7, 3000)
    table = np.stack([kept, 50 - kept], axis=1)
    test = tables.TableTest(Shifted(0.7), 0.2, 0.99, partition=True)
    together = test.log_e(table, 1.5)
    monkeypatch.setattr(tables, "_WORTH_IT", 10**9)
    assert together == pytest.approx(test.log_e(table, 1.5), rel=1e-12)


def test_the_surplus_is_what_the_best_constant_probability_gains():
    kept, trials, null = np.array([0, 30, 70, 100]), 100, 0.7
    found = tables.surplus(kept, np.full(4, trials), null)
    for k, gain in zip(kept, found, strict=True):
        shares = np.linspace(1e-9, 1 - 1e-9, 20_001)
        gains = k * np.log(shares / null) + (trials - k) * np.log((1 - shares) / (1 - null))
        assert gain == pytest.approx(gains.max(), abs=1e-6)
    assert tables.surplus(0, 0, null) == 0


@pytest.mark.parametrize("departure", [Shifted(0.9), Copied(0.7)])
def test_what_is_excluded_at_a_size_is_excluded_at_every_larger_one(departure):
    rng = np.random.default_rng(3)
    table = rng.multinomial(20_000, departure.law, size=8)
    test = tables.TableTest(departure, 0.05)
    reached = test.resolution(table)
    assert not test.excludes(table, reached * 0.99)
    for size in np.geomspace(reached, max(departure.limits) * 0.999, 7):
        assert test.excludes(table, size)


@pytest.mark.parametrize("departure", [Shifted(0.9), Copied(0.7), Shifted(0.999)])
@pytest.mark.parametrize("cells", [1, 100])
def test_conforming_counts_pass_by_the_trials_that_were_planned(departure, cells):
    """The bound is Chernoff's, so at most 5 % of runs may need more; none should be far off."""
    size = 0.05 * math.sqrt(departure.law.min())
    test = tables.TableTest(departure, size)
    trials = math.ceil(test.trials_to_pass(cells, 0.05))
    rng = np.random.default_rng(11)
    passed = [test.excludes(rng.multinomial(trials, departure.law, size=cells)) for _ in range(300)]
    assert np.mean(passed) > 0.95 - 4 * math.sqrt(0.05 * 0.95 / 300)


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("departure", [Shifted(0.7), Copied(0.7)])
def test_a_departure_of_the_declared_size_fails_by_the_trials_that_were_planned(departure, sign):
    test = tables.TableTest(departure, 0.05)
    threshold = math.log(1e8)
    trials = math.ceil(test.trials_to_fail(1, threshold))
    departed = departure.law * np.exp(departure.log_ratios(sign * 0.05))
    rng = np.random.default_rng(17)
    seen = rng.multinomial(trials, departed / departed.sum(), size=300)
    failed = [test.log_e(row[np.newaxis]) >= threshold for row in seen]
    assert np.mean(failed) > 0.99 - 4 * math.sqrt(0.01 * 0.99 / 300)
    assert not any(test.excludes(row[np.newaxis]) for row in seen)


@pytest.mark.parametrize("departure", [Shifted(0.7), Copied(0.7)])
def test_the_resolvable_size_is_the_smallest_that_so_many_trials_exclude(departure):
    for side in (1, -1):
        size = tables.resolvable(departure, 40, 100_000, 0.99, side)
        for factor, enough in ((1, True), (0.98, False)):
            test = tables.TableTest(departure, size * factor, sides=(side,))
            assert (test.trials_to_pass(40, 0.5) <= 100_000) == enough
        assert tables.resolvable(departure, 40, 1, 0.99, side) == math.inf


def test_never_failing_is_excluded_like_any_other_departure():
    """A size beyond what a side allows stands for the last that it does."""
    test = tables.TableTest(Shifted(0.7), 0.6)
    assert not test.excludes(np.array([[30, 0], [21, 9]]))
    assert test.excludes(np.array([[29, 1], [21, 9]]))
    assert tables.TableTest(Shifted(0.7), 0.6, sides=(-1,)).excludes(np.array([[30, 0]]))


def test_a_wrong_probability_alone_never_rejects():
    """Cells of independent trials with another constant probability are no evidence."""
    rng = np.random.default_rng(23)
    kept = rng.binomial(1000, 0.75, 500)
    table = np.stack([kept, 1000 - kept], axis=1)
    test = tables.TableTest(Shifted(0.7), 0.05, 0.99, partition=True)
    gain = tables.surplus(kept.sum(), 500 * 1000, 0.7)
    assert test.log_e(table) > 100
    assert test.log_e(table, float(gain)) < math.log(100)


def test_no_number_of_trials_excludes_what_is_lost_in_rounding():
    never = tables.TableTest(Shifted(1e-24), 1e-24, sides=(-1,))
    assert never.trials_to_pass(1, 0.5) == math.inf


def test_with_a_band_the_surplus_is_of_the_best_probability_in_it():
    kept, trials, null = np.array([0, 30, 68, 72, 100]), 100, 0.7
    shares = np.linspace(0.65, 0.75, 10_001)
    found = tables.surplus(kept, np.full(5, trials), null, 0.05)
    for k, gain in zip(kept, found, strict=True):
        gains = k * np.log(shares / null) + (trials - k) * np.log((1 - shares) / (1 - null))
        assert gain == pytest.approx(gains.max(), abs=1e-6)
    assert tables.surplus(kept, np.full(5, trials), null, 0.0) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("band", [0.02, 0.2])
def test_alike_cells_may_differ_by_a_band_from_one_probability(band):
    table = np.array([[30, 70], [45, 55], [60, 40], [0, 0]])
    trials, shares = table.sum(axis=1)[:3], np.array([0.3, 0.45, 0.6])

    def gain(middle):
        best = np.clip(shares, middle - band, middle + band)
        logs = shares * np.log(best / 0.5) + (1 - shares) * np.log((1 - best) / 0.5)
        return trials @ logs

    most = max(gain(middle) for middle in np.linspace(0.25, 0.65, 4001))
    assert tables.surplus_of_alike(table, 0.5, band) == pytest.approx(most, abs=1e-4)
    constant = tables.surplus(135, 300, 0.5)
    assert tables.surplus_of_alike(table, 0.5) == pytest.approx(float(constant))
    assert tables.surplus_of_alike(np.zeros((3, 2), np.int64), 0.5, band) == 0
