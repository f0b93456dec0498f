import html
import io
import json
from importlib.metadata import PackageNotFoundError
from xml.etree import ElementTree

import pytest
from rich.console import Console

import dropout_stats as ds
from dropout_stats import zoo
from dropout_stats.report.terminal import failure_text, renderable
from dropout_stats.results import Case, Result, worst
from dropout_stats.zoo.rate import SwappedBoth
from dropout_stats.zoo.scale import ScaledTwice

COARSE = {"rates": (0.1, 0.5), "resolution": 2**-5}


@pytest.fixture(scope="module")
def failing():
    return ds.check(SwappedBoth().target(), **COARSE, seed=5)


@pytest.fixture(scope="module")
def passing():
    return ds.check(zoo.Core().target(), **COARSE, seed=5)


def test_json_out_and_in_without_loss(failing, passing):
    for report in (failing, passing):
        again = ds.Report.from_json(report.to_json())
        assert again == report
        assert again.seconds == report.seconds
        assert again.to_json() == report.to_json()
        assert str(again) == str(report)


def test_the_same_seed_gives_the_same_bytes_but_for_the_time():
    texts = []
    for _ in range(2):
        report = ds.check(ScaledTwice().target(), **COARSE, seed=77)
        texts.append(
            "\n".join(line for line in report.to_json().splitlines() if '"seconds"' not in line)
        )
    assert texts[0] == texts[1]
    other = ds.check(ScaledTwice().target(), **COARSE, seed=78)
    assert other.to_json().splitlines()[5:] != texts[0].splitlines()[5:]


def test_json_has_no_value_that_json_does_not_know(failing):
    json.loads(failing.to_json(), parse_constant=pytest.fail)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"format": "other"}', "null"])
def test_what_is_no_report_is_refused_with_a_reason(text):
    with pytest.raises(ds.UsageError, match=r"report|format"):
        ds.Report.from_json(text)


def test_a_damaged_report_is_refused(failing):
    values = json.loads(failing.to_json())
    del values["results"][0]["case"]["check"]
    with pytest.raises(ds.UsageError, match="damaged"):
        ds.Report.from_json(json.dumps(values))
    with pytest.raises(ds.UsageError, match="whole JSON report"):
        ds.Report.from_json(failing.to_json()[:-40])


def test_the_closing_line_adds_up(failing):
    assert sum(failing.tally.values()) == len(failing.results)
    closing = " ".join(str(failing).strip().splitlines()[-2:])
    for number in failing.tally.values():
        assert f"{number} " in closing
    assert f"{len(failing.results)} planned" in closing


def test_a_failure_shows_expected_observed_where_and_how_to_reproduce(failing):
    text = str(failing)
    assert "rate.marginal[0.1-float32]" in text
    assert "declared keep probability 0.9" in text
    assert "reproduce: " in text
    assert "DIAGNOSIS" in text
    assert "fix: " in text


def test_a_reproduction_is_one_line_in_every_console(failing):
    result = failing["rate.marginal"]
    for width in (30, 100):
        console = Console(file=io.StringIO(), width=width)
        console.print(renderable(failing), crop=False)
        lines = [line.strip() for line in console.file.getvalue().splitlines()]
        assert f"reproduce: {result.reproduce}" in lines
    assert f"reproduce: {result.reproduce}" in failure_text(result)
    assert f"reproduce: {result.reproduce}" in html.unescape(failing.to_html())


def test_a_failure_that_comes_too_soon_to_tell_resolves_what_was_planned():
    asked = {"rates": (0.3,), "resolution": 2**-5, "seed": 5, "checks": ["calls.repeated_mask"]}
    target = zoo.by_name["CachedMask"].build()
    case = ds.plan(target, **asked).cases[0]
    report = ds.check(target, **asked)
    failure = report.failures[0]
    assert failure.evidence.units < 10  # these exclude no pool of masks
    assert failure.case == case.case
    assert failure.evidence.resolution == case.resolution > 10
    assert f"resolution: {case.resolution:.2g}" in str(report)


def test_indexing_gives_the_worst_result_of_a_check(failing):
    found = failing["rate.marginal"]
    assert (found.verdict, found.case.rate) == ("fail", 0.1)
    with pytest.raises(KeyError, match=r"Did you mean 'rate.marginal'"):
        failing["rate.margnal"]


def test_raising_for_failures(failing, passing):
    passing.raise_for_failures()
    with pytest.raises(AssertionError, match=r"SwappedBoth: fail"):
        failing.raise_for_failures()


def test_inconclusive_raises_too():
    slow = ds.check(zoo.Core().target(), rates=(0.3,), max_seconds=1e-9)
    assert slow.verdict == "inconclusive"
    assert "max_seconds" in slow["rate.marginal"].message
    with pytest.raises(AssertionError, match="inconclusive"):
        slow.raise_for_failures()


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        ((), "inconclusive"),
        (("not-applicable",), "inconclusive"),
        (("pass", "not-applicable"), "pass"),
        (("pass", "inconclusive"), "inconclusive"),
        (("inconclusive", "error"), "error"),
        (("error", "fail", "pass"), "fail"),
    ],
)
def test_fail_before_error_before_inconclusive_before_pass(verdicts, expected):
    assert worst(verdicts) == expected


def test_junit_has_the_fix_of_each_failure_that_has_a_diagnosis(failing):
    suite = ElementTree.fromstring(failing.to_junit())[0]  # noqa: S314 - our own text
    texts = {
        (case.get("classname"), case.get("name")): note.text
        for case in suite
        for note in case.iter("failure")
    }
    for diagnosis in failing.diagnoses:
        for result in failing.failures:
            if result.check in diagnosis.checks:
                assert f"fix: {diagnosis.fix}" in texts[result.check, result.case.where]


def test_junit_counts_what_the_report_counts(failing):
    suite = ElementTree.fromstring(failing.to_junit())[0]  # noqa: S314 - our own text
    assert int(suite.get("tests")) == len(suite) == len(failing.results)
    failures = failing.tally["fail"] + failing.tally["inconclusive"]
    assert int(suite.get("failures")) == len(suite.findall("testcase/failure")) == failures
    assert int(suite.get("skipped")) == failing.tally["not-applicable"]


def test_html_is_one_page_that_loads_nothing(failing):
    page = failing.to_html()
    assert page.startswith("<!DOCTYPE html>")
    assert "rate.marginal" in page
    assert "src=" not in page
    assert "http://" not in page.replace("http://www.w3.org", "")


def test_results_and_cases_have_names():
    case = Case("rate.marginal", "float32", 0.1, (16, 16))
    assert case.id == "rate.marginal[0.1-float32]"
    assert Result("rate.marginal", "pass", "", None, case, "").case.where == "0.1-float32"


def test_a_report_on_one_half_alone_says_so():
    report = ds.check(SwappedBoth().target(), rates=(0.5,), resolution=2**-5, seed=1)
    assert report["rate.marginal"].verdict == "pass"
    assert any("only rate 0.5" in text for text in report.observations)


def test_a_copy_that_was_never_installed_judges_all_the_same(monkeypatch):
    def missing(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr("dropout_stats.api.version", missing)
    report = ds.check(ds.reference(ds.laws.Inverted()), checks=["inference.law"], rates=[0.5])
    assert report.verdict == "pass"
    assert report.versions["dropout_stats"] == "not installed"
