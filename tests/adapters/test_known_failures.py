"""The known failures of released software are expected, and are there: no more, and no fewer."""

import importlib.util
import os
import tomllib
from pathlib import Path

import pytest
from framework_groups import GROUPS

import dropout_stats as ds
from dropout_stats.expected import expected_from

FILE = Path(__file__).parents[2] / "docs" / "findings" / "known_failures.toml"
KNOWN = tomllib.loads(FILE.read_text(encoding="utf-8"))["known"]
BY_HAND = ("timm", "torchvision")


def needs(framework):
    """The mark of a test that needs it; of what no environment of .ci/run has, none of them."""
    if framework not in BY_HAND:
        return pytest.mark.framework(framework)
    absent = importlib.util.find_spec(framework) is None
    return pytest.mark.skipif(absent, reason=f"{framework} is not installed")


def is_here(known):
    """Whether the variables are set so; .ci/run runs Keras on each of its backends."""
    variables = known.get("environment", {})
    return all(os.environ.get(name) == value for name, value in variables.items())


@pytest.mark.filterwarnings("default")  # imports of frameworks warn
@pytest.mark.parametrize(
    "known",
    [
        pytest.param(one, marks=needs(one["framework"]), id=f"{one['target']} of {one['version']}")
        for one in KNOWN
        if is_here(one)
    ],
)
def test_what_is_known_to_fail_fails_and_nothing_else_does(known):
    target = ds.adapt(known["target"], **known.get("options", {}))
    report = ds.check(
        target,
        dtypes=known.get("dtypes"),
        rates=known.get("rates", (0.1, 0.3)),
        resolution=known.get("resolution", 2**-5),
        seed=11,
        expected=expected_from(known["expected"]),
    )
    verdicts = {result.verdict for result in report.results}
    assert "expected-failure" in verdicts
    # A check that a known failure stops before it has an answer is inconclusive.
    assert not verdicts & {"fail", "unexpected-pass", "error"}, str(report)


def test_only_what_is_run_by_hand_is_in_no_group():
    grouped = {name for group in GROUPS.values() for name in group}
    assert {one["framework"] for one in KNOWN} - grouped == set(BY_HAND)
