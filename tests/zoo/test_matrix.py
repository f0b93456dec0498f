"""Every wrong specimen is killed by the check it is for; every correct one is spared."""

import dataclasses
import json
import subprocess
import sys

import pytest

import dropout_stats as ds
from dropout_stats import checks, zoo
from dropout_stats.zoo.matrix import Row, matrix, tally, to_json


@pytest.mark.parametrize("specimen", zoo.WRONG, ids=lambda s: s.name)
def test_a_wrong_specimen_is_killed_by_the_check_it_is_for(specimen):
    (row,) = matrix([specimen], seed=11)
    assert row.outcome == "killed", row
    assert row.is_as_expected, row
    assert row.is_named, row


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
