"""The rule of tables, checked exactly: over all masks, the mean of each e-value is at most 1.

Without the surplus, under the declared keep probability, the mean is 1 to the last digit: a unit
that is a symbol twice, or a context that looks ahead, would move it.
"""

import dataclasses
import itertools
import math

import numpy as np
import pytest

from dropout_stats import checks
from dropout_stats.checks import context as contexts
from dropout_stats.checks.block import Block
from dropout_stats.checks.context import Group, Place, Seen
from dropout_stats.evidence import tables
from dropout_stats.laws.scores import BINS
from dropout_stats.laws.several_valued import Value

KEEP_PROBS = (0.3, 0.7, 0.9)
DECLARED = 0.7
CONTEXTS = {
    check.id: check.context
    for check in checks.ALL
    if isinstance(check, checks.StreamCheck) and check.context
}
# Shapes and numbers of calls whose masks are few enough to go through, and fill every table.
SMALL = {
    "position.unit": [((2, 3), 2)],
    "position.modulus": [((2, 4), 1), ((5,), 2)],
    "position.axis": [((2, 3), 2), ((2, 1, 2), 3)],
    "dependence.lag": [((2, 5), 1), ((5,), 2)],
    "dependence.all_lags": [((2, 5), 1), ((3,), 4)],
    "dependence.axes": [((3, 3), 1), ((2, 2, 2), 1), ((2, 2), 3)],
    "dependence.patterns": [((2, 4), 1), ((9,), 1)],
    "dependence.survivors": [((1, 3), 4), ((1, 4), 2)],
    "peers.copy": [((3, 2), 2), ((2, 3), 2)],
    "peers.overlap": [((2, 3), 2), ((3, 2), 2)],
    "calls.previous": [((3,), 4), ((2, 2), 3)],
    "calls.overlap": [((2,), 6), ((3,), 5)],
    "calls.drift": [((1,), 9), ((1,), 10)],
    "input.class": [((2, 3), 2)],
}


def as_block(bits, first, shape):
    """Calls (rows of bits) as a block."""
    packed = np.packbits(bits, axis=1, bitorder="little")
    packed = np.pad(packed, ((0, 0), (0, -packed.shape[1] % 8)))
    return Block(first, shape, 4, packed, bits.sum(axis=1, dtype=np.int64))


def small_groups(context, place):
    """The groups of a configuration, those of one that is too small to be planned included."""
    # Too small to be planned, but counted in the same way.
    roomy = dataclasses.replace(place, shape=(*place.shape[:-1], 1024 * place.shape[-1]))
    found = context.groups(place) or context.groups(roomy)
    assert found
    return found


def judged(group: Group):
    size = min(0.2, *(0.5 * abs(limit) for limit in group.departure.limits))
    test = tables.TableTest(group.departure, size, 0.99, group.partition)
    return contexts.Tested(group, test, named=True)


def all_runs(context, shape, calls):
    """Log e-values with and without surplus, and kept units, of every run of so many calls."""
    place = Place(shape, DECLARED, expected_calls=calls)
    tests = [judged(group) for group in small_groups(context, place)]
    units = math.prod(shape)
    inputs = [np.arange(1, units + 1) * sign for sign in (1.0, -1.0, 1.0, -1.0)]
    for run in itertools.product((0, 1), repeat=units * calls):
        bits = np.array(run, np.uint8).reshape(calls, units)
        tally = context.tally(place, inputs)
        for start in range(0, calls, 2):  # in two blocks or more: what is carried over counts
            tally.add(as_block(bits[start : start + 2], start, shape))
        counts = tally.tables()
        free = Seen(tests, tests, counts, tally.surplus(counts)).log_e
        yield (
            Seen(tests, tests, counts, [0.0] * len(counts)).log_e,
            free,
            int(bits.sum()),
            bits.size,
        )


@pytest.mark.parametrize("check", SMALL)
def test_the_mean_of_the_e_value_over_all_masks_is_at_most_one(check):
    for shape, calls in SMALL[check]:
        runs = np.array(list(all_runs(CONTEXTS[check], shape, calls)))
        fixed, free, kept, units = runs.T
        chance = DECLARED**kept * (1 - DECLARED) ** (units - kept)
        assert chance @ np.exp(fixed) == pytest.approx(1, rel=1e-9), (shape, calls)
        for q in KEEP_PROBS:
            mean = (q**kept * (1 - q) ** (units - kept)) @ np.exp(free)
            assert 0.05 < mean <= 1 + 1e-12, (shape, calls, q)


def test_every_context_is_gone_through():
    assert {*SMALL, "noise.shape", "noise.size", "noise.values"} == set(CONTEXTS)


def test_the_e_value_of_the_shape_of_noise_has_mean_one():
    """Over all ways in which three scores may lie in the intervals."""
    context, place = CONTEXTS["noise.shape"], Place((3,), 0.5, 1)
    tests = [judged(group) for group in context.groups(place)]
    found = []
    for intervals in itertools.product(range(BINS), repeat=3):
        tally = context.tally(place, [])
        block = as_block(np.zeros((1, 3), np.uint8), 0, (3,))
        tally.add(dataclasses.replace(block, bins=np.bincount(intervals, minlength=BINS)))
        counts = tally.tables()
        found.append(Seen(tests, tests, counts, tally.surplus(counts)).log_e)
    assert np.exp(found).mean() == pytest.approx(1, rel=1e-9)


def compositions(total, parts):
    """All ways to write a number as an ordered sum of so many."""
    if parts == 1:
        yield (total,)
        return
    for first in range(total + 1):
        for rest in compositions(total - first, parts - 1):
            yield (first, *rest)


@pytest.mark.parametrize(
    "law",
    [
        ((0.0, 0.25), (1.0, 0.5), (2.0, 0.25)),
        ((0.0, 0.15), (0.5, 0.15), (1.4, 0.7)),
        ((0.5, 0.5), (1.5, 0.5)),
        ((-1.0, 0.001), (0.0, 0.3), (1.0, 0.2), (1.5, 0.499)),
    ],
)
def test_the_e_value_of_the_values_of_noise_has_mean_one(law):
    """Over all counts of six multipliers, each with its multinomial probability."""
    context = CONTEXTS["noise.values"]
    values = tuple(Value(*pair) for pair in law)
    place = Place((6,), 0.5, 1, values)
    tests = [judged(group) for group in context.groups(place)]
    assert len(tests) == (len(law) + 1 if law[0][0] == 0.5 else len(law) + 2)
    assert sum(tested.group.weight for tested in tests) <= 1
    means = []
    for counts in compositions(6, len(law)):
        ways = math.factorial(6) // math.prod(map(math.factorial, counts))
        chance = ways * math.prod(p**n for (_, p), n in zip(law, counts, strict=True))
        tally = context.tally(place, [])
        block = as_block(np.zeros((1, 6), np.uint8), 0, (6,))
        tally.add(dataclasses.replace(block, values=np.array(counts)))
        tables_ = tally.tables()
        means.append(chance * math.exp(Seen(tests, tests, tables_, tally.surplus(tables_)).log_e))
    assert math.fsum(means) == pytest.approx(1, rel=1e-9)


def test_the_e_value_of_the_size_of_noise_has_a_mean_of_at_most_one():
    """Over all ways in which scores may be large, whichever share of them is."""
    context, shape, calls = CONTEXTS["noise.size"], (6,), 2
    place = Place(shape, 0.5, calls)
    tests = [judged(group) for group in small_groups(context, place)]
    inputs = [np.arange(1.0, 7.0), -np.arange(6.0, 0.0, -1.0), np.ones(6), np.ones(6)]
    rows = []
    for run in itertools.product((0, 1), repeat=12):
        bits = np.array(run, np.uint8).reshape(calls, 6)
        block = as_block(np.zeros_like(bits), 0, shape)
        tally = context.tally(place, inputs)
        tally.add(dataclasses.replace(block, wide=as_block(bits, 0, shape).packed))
        counts = tally.tables()
        fixed = Seen(tests, tests, counts, [0.0]).log_e
        free = Seen(tests, tests, counts, tally.surplus(counts)).log_e
        rows.append((fixed, free, bits.sum()))
    fixed, free, large = np.array(rows).T
    assert np.exp(fixed).mean() == pytest.approx(1, rel=1e-9)
    for q in (0.2, 0.5, 0.9):
        assert (q**large * (1 - q) ** (12 - large)) @ np.exp(free) <= 1 + 1e-12


def test_going_round_the_end_would_be_seen(monkeypatch):
    """The test of the test: an invalid look-alike (circular lags) has a mean above 1."""
    from dropout_stats.checks import lags
    from dropout_stats.checks.context import copies

    def circular(self, block):
        bits = block.bits
        units = block.units
        rows = []
        for lag in self._lags:
            moved = np.roll(bits, -lag, axis=1)
            both = int((bits & moved).sum())
            rows.append((both, int(bits.sum()), int(moved.sum()), units * block.calls))
        self.count(copies(*np.transpose(rows)))

    monkeypatch.setattr(lags._AllLagsTally, "add", circular)
    fixed, _, kept, units = np.array(list(all_runs(CONTEXTS["dependence.all_lags"], (10,), 1))).T
    mean = (DECLARED**kept * (1 - DECLARED) ** (units - kept)) @ np.exp(fixed)
    assert mean > 1 + 1e-6
