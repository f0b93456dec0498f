"""What the zoo says about its specimens is well-formed, and its specimens are apart."""

import re
from fnmatch import fnmatch

import numpy as np
import pytest

import dropout_stats as ds
from dropout_stats import checks, zoo

THREAD = re.compile(r"[\w.-]+/[\w.-]+#\d+")
CHECK = re.compile(r"[a-z]+\.[a-z_]+")
NEVER_FAIL = {"interface.degenerate"}  # it records
# With a right mean of the training pass and a right evaluation pass, their difference is right:
# where this fails, `moments.mean` or `inference.law` fails, too.
RESTATES = {"moments.noise_mean"}


def test_names_are_unique_and_lead_to_the_specimen():
    assert len(zoo.by_name) == len(zoo.ALL) == len(zoo.WRONG) + len(zoo.CORRECT)
    for name, specimen in zoo.by_name.items():
        assert specimen.name == specimen.build().name == name


@pytest.mark.parametrize("specimen", zoo.ALL, ids=lambda s: s.name)
def test_a_specimen_says_what_it_is(specimen):
    assert specimen.fault.endswith(".")
    assert all(THREAD.fullmatch(thread) for thread in specimen.threads)
    assert len(set(specimen.threads)) == len(specimen.threads)


@pytest.mark.parametrize("specimen", zoo.WRONG, ids=lambda s: s.name)
def test_a_wrong_one_names_a_check_and_its_diagnosis(specimen):
    assert specimen.is_wrong
    assert CHECK.fullmatch(specimen.killed_by)
    assert specimen.diagnosis


def test_a_correct_one_has_nothing_to_be_accused_of():
    for specimen in zoo.CORRECT:
        assert not specimen.is_wrong
        assert specimen.diagnosis is None
        assert not specimen.threads
        assert not specimen.naive


def test_every_check_that_can_fail_has_a_specimen():
    killers = {specimen.killed_by for specimen in zoo.WRONG}
    assert set(checks.by_id) - NEVER_FAIL - RESTATES <= killers


# Each fault that every law can have, by the checks that kill it.
FAULTS = {
    "mean or variance": ("support.kept_value", "rate.marginal", "moments.*", "noise.marginal"),
    "unit": ("support.shared_draw", "dependence.*", "calls.count_dispersion"),
    "backward pass": ("gradient.*",),
    "evaluation pass": ("inference.*", "moments.noise_mean"),
}
# They differ from another law that has all of them in their values, or their unit, alone.
VARIATIONS = {
    "GaussianMultiplicative(unit='channel')",
    "GaussianAdditive(std=0.5)",
    "ternary of channels",
    "halving",
    "pair",
}


@pytest.mark.parametrize("fault", FAULTS)
def test_every_law_has_a_specimen_with_each_fault(fault):
    laws = {str(specimen.build().law) for specimen in zoo.CORRECT} - VARIATIONS
    killers = [(str(specimen.build().law), specimen.killed_by) for specimen in zoo.WRONG]
    has = {law for law, killer in killers if any(fnmatch(killer, one) for one in FAULTS[fault])}
    assert laws <= has, laws - has


def test_most_faults_of_dropout_come_from_a_thread():
    """Of other units and other noise fewer bugs are reported: their faults carry over.

    Made up are faults that somebody found by attacking the library.
    """
    plain = (ds.laws.Inverted(), ds.laws.TestScaled())
    of_dropout = [one for one in zoo.WRONG if one.build().law in plain]
    made_up = [specimen.name for specimen in of_dropout if not specimen.threads]
    assert len(made_up) < 0.3 * len(of_dropout), made_up


def test_two_targets_of_a_specimen_share_nothing():
    x = np.ones((8, 128), np.float32)
    one, other = (zoo.by_name["CachedMask"].build() for _ in range(2))
    assert not np.array_equal(one.train(x, 0.5), other.train(x, 0.5))


def test_the_core_can_be_seeded_and_starts_fresh():
    x = np.ones((8, 128), np.float32)
    one, other = zoo.Core(), zoo.Core()
    assert not np.array_equal(one.train(x, 0.5), other.train(x, 0.5))
    one.seed(7)
    other.seed(7)
    assert np.array_equal(one.train(x, 0.5), other.train(x, 0.5))
