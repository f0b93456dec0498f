"""What holds for every requirement, and the numbers by which they are cited."""

import re

import pytest

from dropout_stats import checks, specification
from dropout_stats.errors import UsageError
from dropout_stats.specification.families import FAMILIES
from dropout_stats.zoo.specimen import address

THREAD = re.compile(r"[\w.-]+/[\w.-]+#\d+")

# The numbers that were published. A line may be added; none may be changed.
PUBLISHED = {
    "R1.1": "interface.call",
    "R1.2": "interface.shape",
    "R1.3": "interface.dtype",
    "R1.4": "interface.input_unchanged",
    "R1.5": "interface.numpy_rate",
    "R1.6": "interface.invalid_rate",
    "R1.7": "interface.degenerate",
    "R2.1": "limits.rate_zero",
    "R2.2": "limits.rate_one",
    "R3.1": "support.kept_value",
    "R3.2": "support.returned_mask",
    "R3.3": "support.shared_draw",
    "R3.4": "support.count",
    "R4.1": "structure.shapes",
    "R4.2": "structure.layouts",
    "R4.3": "structure.values",
    "R4.4": "structure.rates",
    "R4.5": "structure.frequencies",
    "R5.1": "precision.values",
    "R6.1": "rate.marginal",
    "R6.2": "rate.steps",
    "R7.1": "moments.mean",
    "R7.2": "moments.noise_mean",
    "R7.3": "moments.variance",
    "R7.4": "moments.enumerated",
    "R8.1": "inference.law",
    "R8.2": "inference.deterministic",
    "R8.3": "inference.graph",
    "R9.1": "calls.repeated_mask",
    "R9.2": "calls.count_dispersion",
    "R9.3": "calls.previous",
    "R9.4": "calls.drift",
    "R9.5": "calls.overlap",
    "R10.1": "position.unit",
    "R10.2": "position.modulus",
    "R10.3": "position.axis",
    "R11.1": "dependence.lag",
    "R11.2": "dependence.all_lags",
    "R11.3": "dependence.axes",
    "R11.4": "dependence.patterns",
    "R11.5": "dependence.survivors",
    "R11.6": "dependence.row_dispersion",
    "R12.1": "peers.copy",
    "R12.2": "peers.overlap",
    "R12.3": "peers.agree",
    "R13.1": "input.class",
    "R13.2": "input.zero",
    "R14.1": "gradient.same_noise",
    "R14.2": "gradient.dropped_is_zero",
    "R14.3": "gradient.at_zero",
    "R14.4": "gradient.linear",
    "R14.5": "gradient.dy_unchanged",
    "R14.6": "gradient.forward",
    "R14.7": "gradient.evaluation",
    "R14.8": "gradient.noise",
    "R14.9": "gradient.ends",
    "R15.1": "randomness.fresh",
    "R15.2": "randomness.seed_repeats",
    "R15.3": "randomness.seeds_differ",
    "R15.4": "randomness.seed_is_read",
    "R15.5": "randomness.idle",
    "R15.6": "randomness.host_generators",
    "R15.7": "randomness.threads",
    "R15.8": "randomness.forks",
    "R16.1": "noise.support",
    "R16.2": "noise.marginal",
    "R17.1": "gap.nonlinear",
    "R16.3": "noise.shape",
    "R16.4": "noise.size",
    "R16.5": "noise.values",
}


def requirement(check):
    return next(one for one in specification.ALL if one.id == check)


def test_a_published_number_still_means_what_it_meant():
    assert {one.number: one.id for one in specification.ALL} == PUBLISHED, (
        "add the numbers of new checks here; a check goes to the end of its family"
    )


def test_every_check_is_a_requirement_in_the_order_of_reports():
    assert [one.id for one in specification.ALL] == [check.id for check in checks.ALL]


def test_the_numbers_of_families_are_theirs():
    assert [family.number for family in FAMILIES] == list(range(1, len(FAMILIES) + 1))
    for one in specification.ALL:
        assert one.id.startswith(f"{one.family.name}.")
        assert one.number.startswith(f"R{one.family.number}.")


@pytest.mark.parametrize("one", specification.ALL, ids=lambda one: one.id)
def test_a_requirement_says_all_that_there_is_to_say(one):
    for said in (one.demands, one.why, one.check.how, one.tested, one.question):
        assert said == said.strip()
        assert said
        assert said[-1] in ".?"
    assert re.search(r"\b(shall|should)\b", one.demands)
    assert one.question.endswith("?")
    assert one.check.how in one.tested


@pytest.mark.parametrize("one", specification.ALL, ids=lambda one: one.id)
def test_what_is_resolved_has_a_unit_where_something_is_counted(one):
    check = one.check
    counted = isinstance(check, checks.StreamCheck) and (check.spends or check.follows)
    if counted:
        assert check.unit in one.resolves
        assert re.match(r"[\d.]+(e-\d+)? at |What `", one.resolves)
    else:
        assert one.resolves.startswith("Exact")
    if counted and check.follows:
        assert check.follows in checks.stream_checks
        assert not check.spends


@pytest.mark.parametrize("one", specification.ALL, ids=lambda one: one.id)
def test_a_report_is_a_thread(one):
    for thread in one.reports:
        assert THREAD.fullmatch(thread)
        assert re.fullmatch(r"https://github\.com/[\w.-]+/[\w.-]+/issues/\d+", address(thread))
    for specimen in one.broken_by:
        assert specimen.killed_by == one.id


def test_reports_are_those_of_the_zoo():
    assert "onnx/onnx#1173" in requirement("rate.marginal").reports
    assert requirement("position.unit").reports == ()


def test_a_mention_of_another_check_is_one_of_a_check():
    for one in specification.ALL:
        for name in re.findall(r"`([a-z]+\.[a-z_]+)`", f"{one.demands} {one.tested}"):
            assert name in checks.by_id, f"{one.id} mentions {name}"


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (["rate.marginal"], ["rate.marginal"]),
        (["R6.1"], ["rate.marginal"]),
        (["6.1"], ["rate.marginal"]),
        (["R2.*"], ["limits.rate_zero", "limits.rate_one"]),
        (["limits.*", "R1.1"], ["interface.call", "limits.rate_zero", "limits.rate_one"]),
        (["*.mean", "*mean"], ["moments.mean", "moments.noise_mean"]),
    ],
)
def test_requirements_are_chosen_by_number_id_or_pattern(names, found):
    assert [one.id for one in specification.choose(names)] == found


@pytest.mark.parametrize(
    ("name", "suggested"), [("rate.margina", "rate.marginal"), ("R6.11", "R6.1")]
)
def test_a_name_of_nothing_has_a_suggestion(name, suggested):
    with pytest.raises(UsageError, match=rf"Did you mean .*{suggested}"):
        specification.choose([name])
