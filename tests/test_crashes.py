"""A check that breaks is an error of its own, and leaves the others what they are."""

import dataclasses

import pytest

import dropout_stats as ds
from dropout_stats import checks, zoo

QUICK = {"rates": (0.1,), "dtypes": ("float32",), "resolution": 2**-5, "seed": 6}


def breaks(*_):
    raise ZeroDivisionError("a bug of ours")


@pytest.fixture
def breaking(monkeypatch):
    def replace(check, **steps):
        for known in (checks.by_id, checks.stream_checks):
            if check in known:
                monkeypatch.setitem(known, check, dataclasses.replace(known[check], **steps))

    return replace


class BreakingTally:
    def __init__(self, *_):
        self.add = breaks


@pytest.mark.parametrize(
    ("check", "steps"),
    [
        ("interface.dtype", {"ask": breaks}),
        ("gradient.linear", {"ask": breaks}),
        ("rate.marginal", {"decide": breaks}),
        ("rate.marginal", {"explain": breaks}),
        ("support.kept_value", {"decide": breaks}),
        ("dependence.lag", {"decide": breaks}),
        ("position.unit", {"tally": BreakingTally}),
    ],
)
def test_a_crash_in_one_check_hides_no_other(check, steps, breaking):
    planned = [one.case for one in ds.plan(zoo.Core().target(), **QUICK).cases]
    breaking(check, **steps)
    report = ds.check(zoo.Core().target(), **QUICK)
    broken = [result for result in report.results if result.verdict == "error"]
    assert broken, str(report)
    assert {result.check for result in broken} == {check}
    assert all("ZeroDivisionError: a bug of ours" in result.message for result in broken)
    assert report.verdict == "error"
    assert [result.case for result in report.results] == planned
    assert any(result.verdict == "pass" for result in report.results)
