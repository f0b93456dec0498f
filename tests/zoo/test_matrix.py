"""Every wrong specimen is killed by the check it is for; every correct one is spared."""

import dataclasses
import json
import re
import shlex
import subprocess
import sys

import pytest
from click.testing import CliRunner

import dropout_stats as ds
from dropout_stats import checks, zoo
from dropout_stats.cli import cli
from dropout_stats.report.terminal import failure_text
from dropout_stats.zoo.matrix import Row, judge, matrix, row_of, tally, to_json

EXPECTATION = re.compile(r"\b(expected|should|must|declared|declares)\b")
# Its noise depends on where its input lies in memory, which another run may put elsewhere.
BY_ADDRESS = ("SeededByTheBuffer",)


@pytest.mark.parametrize("specimen", zoo.WRONG, ids=lambda s: s.name)
def test_a_wrong_specimen_is_killed_named_and_reproduced(specimen, tmp_path):
    # One run, and all that its report must hold. A run that the clock stops is no other's like.
    report = judge(specimen, seed=11, max_seconds=600)
    row = row_of(specimen, report)
    assert row.outcome == "killed", row
    assert row.is_as_expected, row
    assert row.is_named, row
    for failure in report.failures:
        shows_all(failure, report.diagnoses)
    named = next(failure for failure in report.failures if failure.check == specimen.killed_by)
    again = reproduced(named.reproduce, tmp_path / "report.json")
    assert again.verdict == "fail"
    assert again == named or specimen.name in BY_ADDRESS


def shows_all(failure, diagnoses):
    """Expected and observed, where, the resolution, the fix, and the reproduction."""
    text = " ".join(failure_text(failure).split())
    assert failure.case.id in text
    assert f"reproduce: {failure.reproduce}" in text
    assert EXPECTATION.search(failure.message), failure
    observed = EXPECTATION.split(failure.message)[0]
    assert len(observed.split()) > 2, failure
    check = checks.by_id[failure.check]
    if isinstance(check, checks.StreamCheck) and check.spends:
        assert failure.evidence.resolution > 0, failure
        assert f"resolution: {failure.evidence.resolution:.2g}" in text
    (cause,) = [diagnosis for diagnosis in diagnoses if failure.check in diagnosis.checks]
    assert cause.fix


def reproduced(command, file):
    """What a printed command finds; in this process, for a new one takes a second."""
    program, *words = shlex.split(command)
    assert program == "dropout-stats"
    done = CliRunner().invoke(cli, [*words, "--json", str(file)])
    assert done.exit_code == 1, done.output
    (result,) = ds.Report.from_json(file.read_text(encoding="utf-8")).results
    return result


@pytest.mark.parametrize("specimen", zoo.CORRECT, ids=lambda s: s.name)
def test_a_correct_specimen_is_spared(specimen):
    (row,) = matrix([specimen], seed=12)
    assert row.outcome == "spared", row
    assert row.is_as_expected, row


@pytest.mark.slow
@pytest.mark.parametrize("name", ["Core", "TestScaledCore", "DividesByKeepProb", "DrawsFromAKey"])
def test_a_correct_specimen_is_spared_by_the_defaults(name):
    report = ds.check(zoo.by_name[name].build(), seed=12)
    assert report.verdict == "pass", str(report)


def row(name, verdict="fail", failed=(), broken=(), **changes):
    specimen = dataclasses.replace(zoo.by_name[name], **changes)
    return Row(specimen, verdict, failed, broken, None, 0.0)


def test_only_the_named_check_kills():
    assert row("NoScaling", failed=("support.kept_value",)).outcome == "killed"
    assert row("NoScaling", failed=("moments.mean",)).outcome == "survived"
    assert not row("NoScaling", failed=("moments.mean",)).is_as_expected


def test_every_killer_is_a_check():
    assert {specimen.killed_by for specimen in zoo.WRONG} <= checks.by_id.keys()


def test_no_diagnosis_is_never_the_right_one_of_a_wrong_specimen():
    assert not row("NoScaling").is_named
    assert not row("NoScaling", diagnosis=None).is_named
    assert row("Core", "pass").is_named


def test_only_a_pass_spares():
    assert row("Core", "pass").outcome == "spared"
    assert row("Core", "inconclusive").outcome == "accused"
    assert row("Core", "fail").outcome == "accused"


def test_a_check_that_breaks_is_never_as_expected():
    assert not row(
        "NoScaling", failed=("support.kept_value",), broken=("rate.marginal",)
    ).is_as_expected


def test_json_holds_the_rows_and_the_totals():
    rows = list(matrix(zoo.choose(["NoScaling", "Core"]), seed=1))
    values = json.loads(to_json(rows))
    assert values["totals"] == tally(rows) == {"killed": 1, "spared": 1}
    first = values["rows"][0]
    assert first["name"] == "NoScaling"
    assert first["outcome"] == "killed"
    assert first["diagnosis"] == first["expected_diagnosis"] == "no scaling"
    assert "support.kept_value" in first["failed"]


def run(*words, folder="."):
    return subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-m", "dropout_stats", "zoo", *words],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_command_prints_the_matrix_and_writes_it(tmp_path):
    done = run("NoScaling", "Core", "--seed", "1", "--json", "matrix.json", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    for word in ("NoScaling", "support.kept_value", "killed", "no scaling", "spared"):
        assert word in done.stdout
    assert json.loads((tmp_path / "matrix.json").read_text())["totals"]["killed"] == 1


def test_a_survivor_makes_the_command_fail():
    done = run("EightBitThreshold", "--resolution", "0.5", "--seed", "1")
    assert done.returncode == 1
    assert "survived" in done.stdout


def test_the_command_lists_without_judging():
    done = run("--list")
    assert done.returncode == 0
    assert all(name in done.stdout for name in zoo.by_name)


def test_an_unknown_name_has_a_suggestion():
    done = run("NoScalling")
    assert done.returncode == 2
    assert "Did you mean 'NoScaling'" in done.stderr
