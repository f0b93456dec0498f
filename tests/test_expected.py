"""Failures that are known: what is declared, what becomes of the results, where it is shown."""

import dataclasses
import json
import sys
from xml.etree import ElementTree

import numpy as np
import pytest

import dropout_stats as ds
from dropout_stats import zoo
from dropout_stats.cli import main
from dropout_stats.results import Case, Result, worst
from dropout_stats.settings import merged, read_settings
from dropout_stats.settling import settle, settle_one
from dropout_stats.zoo.precision import EightBitThreshold
from dropout_stats.zoo.rate import SwappedMask

QUICK = {"rates": (0.1, 0.9), "resolution": 2**-5, "seed": 5}
REASON = "issue 12"


def known(check, **more):
    return ds.Expected(check, reason=REASON, **more)


def result(check, verdict, rate=0.1, dtype="float32", **more):
    return Result(check, verdict, "seen", None, Case(check, dtype, rate, **more), "again")


def wrong_only_in(dtype):
    """Keeps with probability `rate` in one type, with 1 - rate in the others."""
    rng = np.random.default_rng(3)

    def train(x, rate):
        keep_prob = rate if x.dtype.name == dtype else 1 - rate
        scale = x.dtype.type(1 / (1 - rate))
        return np.where(rng.random(x.shape) < keep_prob, x * scale, x.dtype.type(0))

    return ds.Target(
        name="wrong in one type",
        train=train,
        evaluate=lambda x, rate: x,
        conventions=ds.Conventions(dtypes=("float32", "float64")),
    )


# What it matches.


@pytest.mark.parametrize(
    ("expected", "matches"),
    [
        (known("rate.marginal"), True),
        (known("rate.*"), True),
        (known("moments.*"), False),
        (known("rate.marginal[0.1-float32]"), True),
        (known("rate.marginal[0.9-float32]"), False),
        (known("rate.*", when={"dtype": "float32"}), True),
        (known("rate.*", when={"dtype": "float64"}), False),
        (known("rate.*", when={"rate": 0.1, "dtype": "float32"}), True),
        (known("rate.*", when={"rate": 0.1, "dtype": "float64"}), False),
        (known("rate.*", when={"shape": [16, 8]}), True),
        (known("rate.*", when={"shape": (16, 9)}), False),
        (known("rate.*", when={"variant": ""}), True),
        (known("rate.*", when={"variant": "rank4"}), False),
    ],
)
def test_it_matches_by_id_pattern_or_name_and_by_fields(expected, matches):
    assert expected.matches(Case("rate.marginal", "float32", 0.1, (16, 8))) is matches


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"reason": ""}, "reason"),
        ({"reason": "  "}, "reason"),
        ({"reason": 3}, "reason"),
        ({"kind": "typo"}, "'bug' or 'convention'"),
        ({"kind": []}, "'bug' or 'convention'"),
        ({"when": 3}, "when"),
        ({"when": {"dtypes": "float32"}}, "Did you mean 'dtype'"),
        ({"when": {"dtype": "float23"}}, "unknown dtype 'float23'"),
        ({"when": {"dtype": 3}}, "must be a string"),
        ({"when": {"rate": 1.5}}, r"in \[0, 1\]"),
        ({"when": {"rate": "0.1"}}, "a number"),
        ({"when": {"shape": 3}}, "a shape"),
        ({"when": {"variant": 4}}, "a string"),
        ({"strict": 1}, "strict"),
    ],
)
def test_what_makes_no_sense_is_refused(arguments, says):
    with pytest.raises(ds.UsageError, match=says):
        ds.Expected("rate.*", **{"reason": REASON, **arguments})


@pytest.mark.parametrize(
    ("expected", "says"),
    [
        (known("rate.marginal[0.2-float32]"), r"Did you mean .*'rate\.marginal\[0\.1-float32\]'"),
        (known("rate.*[0.1-float32]"), "has no case"),
        (known("rate.*", when={"rate": 0.3}), r"where rate is 0\.3.*rate: 0\.1, 0\.9"),
        (known("rate.*", when={"dtype": "float64"}), "dtype: 'float32'"),
        (known("rate.margnal"), "Did you mean 'rate.marginal'"),
    ],
)
def test_one_that_matches_no_planned_case_is_a_usage_error(expected, says):
    with pytest.raises(ds.UsageError, match=says):
        ds.plan(zoo.Core().target(), **QUICK, expected=[expected])


def test_a_check_that_is_known_but_not_planned_is_refused():
    with pytest.raises(ds.UsageError, match=r"has no case 'rate\.marginal'"):
        ds.plan(zoo.Core().target(), rates=[1.0], expected=[known("rate.marginal")])


# What becomes of the results.


def verdicts(results, expected, absent=()):
    return [one.verdict for one in settle(results, expected, absent)]


@pytest.mark.parametrize(
    ("found", "expected", "becomes"),
    [
        # at least one fails: the others are as they were
        (("fail", "pass"), known("rate.*"), ("expected-failure", "pass")),
        (("fail", "inconclusive"), known("rate.*"), ("expected-failure", "inconclusive")),
        (("fail", "error"), known("rate.*"), ("expected-failure", "error")),
        (("fail", "pass"), known("rate.*", strict=True), ("expected-failure", "unexpected-pass")),
        (
            ("fail", "not-applicable"),
            known("rate.*", strict=True),
            ("expected-failure", "not-applicable"),
        ),
        # none fails
        (("pass", "pass"), known("rate.*"), ("unexpected-pass", "unexpected-pass")),
        (("pass", "not-applicable"), known("rate.*"), ("unexpected-pass", "not-applicable")),
        (("not-applicable",) * 2, known("rate.*"), ("unexpected-pass",) * 2),
        # nobody knows
        (("pass", "inconclusive"), known("rate.*"), ("pass", "inconclusive")),
        (("pass", "error"), known("rate.*"), ("pass", "error")),
        # what it does not match
        (("fail", "pass"), known("rate.*", when={"rate": 0.9}), ("fail", "unexpected-pass")),
        (("pass", "fail"), known("rate.*", when={"rate": 0.9}), ("pass", "expected-failure")),
        # one case by its name
        (("fail", "pass"), known("rate.marginal[0.9-float32]"), ("fail", "unexpected-pass")),
        (("fail", "pass"), known("rate.marginal[0.1-float32]"), ("expected-failure", "pass")),
    ],
)
def test_the_rule(found, expected, becomes):
    results = [
        result("rate.marginal", verdict, rate)
        for verdict, rate in zip(found, (0.1, 0.9), strict=False)
    ]
    assert verdicts(results, [expected]) == list(becomes)


def test_each_expectation_is_judged_by_itself():
    results = [result("rate.marginal", "fail"), result("moments.mean", "pass")]
    both = [known("rate.*"), known("moments.*")]
    assert verdicts(results, both) == ["expected-failure", "unexpected-pass"]
    assert verdicts(results, [known("*"), known("rate.*")]) == ["expected-failure", "pass"]


def test_a_case_that_was_not_run_might_have_failed():
    results = [result("rate.marginal", "pass", 0.1)]
    absent = [Case("rate.marginal", "float32", 0.9)]
    assert verdicts(results, [known("rate.*")], absent) == ["pass"]
    assert verdicts(results, [known("rate.*", when={"rate": 0.1})], absent) == ["unexpected-pass"]
    named = known("rate.marginal[0.1-float32]")
    assert verdicts(results, [named], absent) == ["unexpected-pass"]


def test_messages_keep_what_was_seen_and_say_why_it_was_expected():
    failed = settle_one(result("rate.marginal", "fail"), [known("rate.*", kind="convention")])
    assert failed.message == "seen\nexpected to fail (convention: issue 12)"
    assert failed.expected == "convention: issue 12"
    (passed,) = settle([result("rate.marginal", "pass")], [known("rate.*")])
    assert "'rate.*' is expected to fail (bug: issue 12)" in passed.message
    assert "remove or narrow the expectation" in passed.message
    (absent,) = settle([result("rate.marginal", "not-applicable")], [known("rate.*")])
    assert "are not applicable" in absent.message


@pytest.mark.parametrize(
    ("found", "whole"),
    [
        (("expected-failure", "pass"), "pass"),
        (("expected-failure",), "inconclusive"),
        (("expected-failure", "not-applicable"), "inconclusive"),
        (("unexpected-pass", "pass", "error", "inconclusive"), "unexpected-pass"),
        (("unexpected-pass", "fail"), "fail"),
        (("expected-failure", "error", "pass"), "error"),
        (("expected-failure", "inconclusive", "pass"), "inconclusive"),
    ],
)
def test_the_verdict_of_the_whole(found, whole):
    assert worst(found) == whole


# A run.


@pytest.fixture(scope="module")
def met():
    expected = [
        known("rate.*", when={"dtype": "float64"}),
        ds.Expected("*", reason="float64 is wrong", kind="convention", when={"dtype": "float64"}),
    ]
    checks = ["rate.*", "moments.*", "interface.dtype"]
    return ds.check(wrong_only_in("float64"), **QUICK, checks=checks, expected=expected)


@pytest.fixture(scope="module")
def out_of_date():
    expected = [known("moments.*"), known("rate.*", when={"rate": 0.9})]
    return ds.check(zoo.Core().target(), **QUICK, expected=expected)


def test_a_run_with_expected_failures_alone_passes(met):
    assert met.verdict == "pass", str(met)
    assert met.failures == ()
    assert {r.check for r in met.expected_failures} >= {"rate.marginal", "moments.mean"}
    assert {r.case.dtype for r in met.expected_failures} == {"float64"}
    assert met["rate.marginal"].verdict == "expected-failure"
    assert met["rate.marginal"].evidence.units > 0
    assert met.diagnoses == ()
    met.raise_for_failures()


def test_an_expectation_of_which_nothing_fails_fails_the_report(out_of_date):
    assert out_of_date.verdict == "unexpected-pass"
    assert out_of_date.failures == ()
    assert len(out_of_date.unexpected_passes) > 3
    with pytest.raises(AssertionError, match="unexpected-pass"):
        out_of_date.raise_for_failures()


def test_diagnoses_are_made_of_the_failures_that_nobody_expected():
    expected = [known("moments.*"), known("gap.*"), known("rate.marginal[0.1-float32]")]
    report = ds.check(SwappedMask().target(), **QUICK, expected=expected)
    assert report.verdict == "fail"
    assert {r.case.id for r in report.failures} == {"rate.marginal[0.9-float32]"}
    (diagnosis,) = report.diagnoses
    assert diagnosis.name == "keep probability and drop rate swapped in the mask"
    assert diagnosis.checks == ("rate.marginal",)


def test_what_checks_and_skip_leave_out_is_not_judged_and_that_is_said():
    core = zoo.Core().target()
    expected = [known("moments.*"), known("rate.*", when={"rate": 0.9})]
    for chosen in (
        {"checks": ["rate.marginal[0.1-float32]"]},
        {"skip": ["moments.*", "rate.marginal[0.9-float32]"]},
    ):
        report = ds.check(core, **QUICK, expected=expected, **chosen)
        assert report.verdict == "pass"
        said = [text for text in report.observations if "is expected to fail" in text]
        assert len(said) == 2
        assert "'moments.*' is expected to fail, but 8 of the 8 cases" in said[0]
    part = ds.check(core, **QUICK, expected=[known("moments.*")], checks=["moments.mean"])
    assert part.verdict == "pass"
    assert any("but 6 of the 8 cases" in text for text in part.observations)


def test_a_reproduction_carries_no_expectations(met):
    assert all("expected" not in r.reproduce for r in met.results)


def test_a_plan_says_what_is_expected_to_fail():
    plan = ds.plan(zoo.Core().target(), **QUICK, expected=[known("moments.*")])
    assert "'moments.*' is expected to fail (bug: issue 12): 8 cases" in str(plan)


# Where it is shown.


def test_the_text_lists_expected_failures_by_their_reason(met):
    text = str(met)
    assert "EXPECTED bug: issue 12\n  rate.marginal at 0.1-float64, 0.9-float64\n" in text
    assert "EXPECTED convention: float64 is wrong\n" in text
    assert "FAIL" not in text
    assert "\nexpected-failure  rate.marginal" in text
    assert text.index("EXPECTED bug") < text.index("PASS")


def test_the_text_shows_an_expectation_that_is_out_of_date_once(out_of_date):
    text = str(out_of_date)
    assert text.count("UNEXPECTED-PASS moments.mean[0.1-float32]") == 1
    assert "UNEXPECTED-PASS moments.variance" not in text
    assert "likewise at moments.variance[0.1-float32]" in text
    assert "remove or narrow the expectation" in text


def test_the_closing_line_adds_up(met, out_of_date):
    for report in (met, out_of_date):
        assert sum(report.tally.values()) == len(report.results)
        closing = " ".join(str(report).strip().splitlines()[-2:])
        counts = closing.partition("planned: ")[2].rpartition("; ")[0].split(", ")
        numbers = {
            name: int(number) for number, _, name in (part.partition(" ") for part in counts)
        }
        assert set(numbers) == {
            *("passed", "failed", "inconclusive", "not-applicable", "errors"),
            *("expected failures", "unexpected passes"),
        }
        assert sum(numbers.values()) == len(report.results)
        assert numbers["expected failures"] == len(report.expected_failures)
        assert numbers["unexpected passes"] == len(report.unexpected_passes)


def test_json_out_and_in_without_loss(met, out_of_date):
    for report in (met, out_of_date):
        again = ds.Report.from_json(report.to_json())
        assert again == report
        assert str(again) == str(report)
    values = json.loads(met.to_json())
    assert {r["expected"] for r in values["results"]} == {
        *(None, "bug: issue 12", "convention: float64 is wrong")
    }


def test_a_report_of_the_format_before_is_read():
    report = ds.check(SwappedMask().target(), **QUICK)
    values = json.loads(report.to_json())
    values["format"] = "dropout-stats report 1"
    for verdict in ("expected-failure", "unexpected-pass"):
        del values["tally"][verdict]
    for one in values["results"]:
        del one["expected"]
    for one in values["diagnoses"]:
        del one["checks"]
    again = ds.Report.from_json(json.dumps(values))
    assert again.results == report.results
    assert [d.name for d in again.diagnoses] == [d.name for d in report.diagnoses]
    assert "FAIL rate.marginal" in str(again)
    values["tally"]["fail"] += 1
    with pytest.raises(ds.UsageError, match="damaged"):
        ds.Report.from_json(json.dumps(values))
    del values["diagnoses"]
    with pytest.raises(ds.UsageError, match="damaged"):
        ds.Report.from_json(json.dumps(values))


def test_junit_skips_the_expected_and_fails_the_unexpected(met, out_of_date):
    for report in (met, out_of_date):
        suite = ElementTree.fromstring(report.to_junit())[0]  # noqa: S314 - our own text
        skipped = report.tally["not-applicable"] + report.tally["expected-failure"]
        assert int(suite.get("skipped")) == len(suite.findall("testcase/skipped")) == skipped
        failures = report.tally["unexpected-pass"]
        assert int(suite.get("failures")) == len(suite.findall("testcase/failure")) == failures
    assert "bug: issue 12" in met.to_junit()


def test_html_shows_them(met):
    assert "bug: issue 12" in met.to_html()


# From a file and from the command line.

TABLES = """
[tool.dropout_stats]
rates = [0.1, 0.9]
resolution = 0.03

[[tool.dropout_stats.expected]]
check = "rate.*"
reason = "issue 12"
kind = "convention"
when = { dtype = "float32", rate = 0.1 }
"""


def test_the_same_from_a_file(tmp_path):
    (tmp_path / "pyproject.toml").write_text(TABLES)
    settings = read_settings(tmp_path)
    one = ds.Expected(
        "rate.*", reason=REASON, kind="convention", when={"dtype": "float32", "rate": 0.1}
    )
    assert merged(settings, {})["expected"] == (one,)
    assert merged(settings, {"expected": [known("calls.*")]})["expected"] == (one, known("calls.*"))


@pytest.mark.parametrize(
    ("words", "ends"),
    [
        ((), (1, "UNEXPECTED-PASS rate.marginal[0.1-float32]")),
        (("--expect", "moments.*=issue 13"), (1, "UNEXPECTED-PASS moments.mean[0.1-float32]")),
        (("--checks", "interface.*"), (0, "PASS")),
        (("--dry-run",), (0, "(convention: issue 12): 1 case\n")),
    ],
)
def test_the_exit_status(words, ends, tmp_path, monkeypatch, capsys):
    (tmp_path / "pyproject.toml").write_text(TABLES)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["dropout-stats", "check", *words])
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == ends[0]
    assert ends[1] in capsys.readouterr().out


@pytest.mark.parametrize(
    ("word", "says"),
    [
        ("rate.*", "expected CHECK=REASON, got 'rate.*'"),
        ("rate.*=", "reason"),
        ("rate.margnal=known", "Did you mean 'rate.marginal'"),
        ("rate.marginal[0.3-float32]=known", "has no case"),
    ],
)
def test_an_expectation_on_the_command_line_that_makes_no_sense(word, says, monkeypatch, capsys):
    words = ["check", "--rates", "0.1", "--resolution", "0.03", "--expect", word]
    monkeypatch.setattr(sys, "argv", ["dropout-stats", *words])
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 2
    assert says in capsys.readouterr().err


def test_an_expected_failure_and_passes_end_with_zero(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(
        "from dropout_stats.zoo.limits import AcceptsAnyRate\ntarget = AcceptsAnyRate().target()\n"
    )
    words = [
        "check",
        "mine.py:target",
        "--rates",
        "0.1",
        "--resolution",
        "0.05",
        "--checks",
        "interface.*",
    ]
    known_one = ("--expect", "interface.invalid_rate=issue 12")
    for more, status in (((), 1), (known_one, 0)):
        monkeypatch.setattr(sys, "argv", ["dropout-stats", *words, *more])
        with pytest.raises(SystemExit) as caught:
            main()
        assert caught.value.code == status


def test_a_known_fault_of_one_type_is_all_that_is_excused():
    expected = [known("rate.*"), known("moments.*"), known("gap.*")]
    report = ds.check(
        EightBitThreshold().target(), rates=(0.1,), resolution=2**-8, seed=8, expected=expected
    )
    assert {r.check for r in report.expected_failures} >= {"rate.marginal"}
    assert not report.failures


def test_settled_results_are_left_as_they_are(met):
    expected = [known("rate.*")]
    assert settle(met.results, expected, ()) == met.results
    assert dataclasses.replace(known("rate.*"), strict=True).strict
