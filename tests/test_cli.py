"""The command line, as a user runs it."""

import json
import shlex
import subprocess
import sys
import textwrap

import pytest

import dropout_stats as ds
from dropout_stats.checks import ALL

QUICK = ("--rates", "0.1,0.9", "--resolution", "0.02", "--seed", "3")


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "mine.py").write_text(
        textwrap.dedent("""
        import numpy as np
        import dropout_stats as ds

        rng = np.random.default_rng(0)

        def right(x, rate, training=True):
            if not training:
                return x
            return (x * (rng.random(x.shape) >= rate) / (1 - rate)).astype(x.dtype)

        def swapped(x, p):
            return (x * (rng.random(x.shape) < p) / p).astype(x.dtype)

        def keep(x, keep_prob):
            return (x * (rng.random(x.shape) < keep_prob) / keep_prob).astype(x.dtype)

        def needs_more(x, rate, temperature):
            return x

        def settings(x, dropout_param):
            return right(x, dropout_param["p"])

        class Layer:
            def __init__(self, drop_prob=0.5):
                self.drop_prob = drop_prob
            def forward(self, x, train=True):
                return right(x, self.drop_prob, train)

        class Wide:
            def __init__(self, width, rate):
                pass

        target = ds.Target(train=right, name="described")
        number = 7
        """)
    )
    return tmp_path


def run(folder, *words):
    return subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-m", "dropout_stats", *words],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("mine:right", 0),
        ("mine:target", 0),
        ("mine:keep", 0),
        ("mine:Layer", 0),
        ("mine.py:right", 0),
        ("mine:swapped", 1),
    ],
)
def test_exit_status_is_zero_for_a_right_and_one_for_a_wrong_dropout(folder, target, status):
    done = run(folder, "check", target, *QUICK)
    assert done.returncode == status, done.stdout + done.stderr
    assert ("PASS" if status == 0 else "FAIL") in done.stdout


def test_without_a_target_the_reference_is_judged(folder):
    done = run(folder, "check", "--rates", "0.3", "--resolution", "0.02")
    assert done.returncode == 0
    assert "reference inverted dropout" in done.stdout


def test_inconclusive_is_three(folder):
    done = run(folder, "check", "mine:right", "--rates", "0.3", "--max-seconds", "1e-9")
    assert done.returncode == 3
    assert "INCONCLUSIVE" in done.stdout


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("check", "mine:rigth"), "Did you mean 'right'"),
        (("check", "absent:thing"), "no module 'absent'"),
        (("check", "absent.py:thing"), "no file absent.py"),
        (("check", "mine"), "package.module:attribute"),
        (("check", "mine:number"), "of the type int"),
        (("check", "mine:needs_more"), "temperature"),
        (("check", "mine:settings"), "'dropout_param' was assumed to be the drop rate"),
        (("check", "mine:Wide"), "adapt(lambda rate: Wide(width=..., rate=rate))"),
        (("check", "mine:right", "--law", "invertd"), "Did you mean 'inverted'"),
        (("check", "mine:right", "--rates", "1.5"), "rates must be in [0, 1]"),
        (("check", "mine:right", "--rates", "a"), "comma-separated float"),
        (("check", "mine:right", "--checks", "rate.marginl"), "Did you mean 'rate.marginal'"),
        (("check", "mine:right", "--dtypes", "float23"), "unknown dtype"),
        (("check", "mine:right", "--option", "device"), "KEY=VALUE"),
        (("check", "mine:right", "--option", "device=cuda"), "no option 'device'"),
        (("explain", "rate.margina"), "Did you mean 'rate.marginal'"),
        (("explain",), "Missing argument"),
        (("report", "absent.json"), "absent.json"),
        (("frobnicate",), "No such command"),
    ],
)
def test_bad_usage_is_two_and_says_what_to_do(folder, words, says):
    done = run(folder, *words)
    assert done.returncode == 2, done.stdout + done.stderr
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_a_module_that_breaks_on_import_is_a_harness_error(folder):
    (folder / "broken.py").write_text("1 / 0\n")
    done = run(folder, "check", "broken:thing")
    assert done.returncode == 2
    assert "ZeroDivisionError" in done.stderr
    assert "Traceback" not in done.stderr


def test_how_a_parameter_was_read_is_said(folder):
    done = run(folder, "check", "mine:keep", *QUICK)
    assert "'keep_prob' was read as the keep probability" in done.stdout
    done = run(folder, "check", "mine:swapped", "--keep-prob", *QUICK)
    assert done.returncode == 0


def test_reports_are_written_and_read_again(folder):
    done = run(
        folder,
        "check",
        "mine:swapped",
        *QUICK,
        "--json",
        "r.json",
        "--html",
        "r.html",
        "--junit",
        "r.xml",
    )
    report = ds.Report.from_json((folder / "r.json").read_text())
    assert report.verdict == "fail"
    assert (folder / "r.html").read_text().startswith("<!DOCTYPE html>")
    assert (folder / "r.xml").read_text().startswith("<?xml")
    again = run(folder, "report", "r.json")
    assert again.returncode == done.returncode == 1
    assert again.stdout == done.stdout


def test_a_reproduction_reproduces(folder):
    run(folder, "check", "mine:swapped", *QUICK, "--json", "r.json")
    report = ds.Report.from_json((folder / "r.json").read_text())
    words = shlex.split(report["rate.marginal"].reproduce)
    assert words[0] == "dropout-stats"
    again = run(folder, *words[1:], "--json", "again.json")
    assert again.returncode == 1
    found = ds.Report.from_json((folder / "again.json").read_text())
    assert {result.check for result in found.results} == {"rate.marginal"}


def test_a_dry_run_calls_for_no_verdict(folder):
    done = run(folder, "check", "mine:swapped", "--dry-run")
    assert done.returncode == 0
    assert "units expected" in done.stdout
    assert "0.999" in done.stdout
    assert "PASS" not in done.stdout


def test_a_list_that_is_given_twice_has_all_its_items(folder):
    words = ("check", "mine:right", "--dry-run", "--checks", "rate.*", "--checks", "calls.drift")
    done = run(folder, *words, "--rates", "0.1", "--rates", "0.3,0.9")
    assert done.returncode == 0, done.stderr
    for part in ("rate.marginal", "calls.drift", "0.1", "0.3", "0.9"):
        assert part in done.stdout
    assert "calls.previous" not in done.stdout


def test_list_has_a_line_for_every_requirement(folder):
    lines = run(folder, "list").stdout.splitlines()
    for line, check in zip(lines, ALL, strict=True):
        number, name, question = line.split(maxsplit=2)
        assert number.startswith("R")
        assert (name, question) == (check.id, check.question)


@pytest.mark.parametrize("name", ["moments.mean", "R7.1", "7.1", "*.mean"])
def test_explain_says_all_about_a_requirement(folder, name):
    explained = run(folder, "explain", name).stdout
    for said in (
        "R7.1 moments.mean",
        "Is the mean of the training pass the law's",
        "The mean of a training pass shall be the law's",
        "InvertedUnderTestScaled",
        "FAIL moments.mean[0.1-float32]",
    ):
        assert said in explained


def test_explain_takes_several(folder):
    explained = run(folder, "explain", "limits.*", "R1.1").stdout
    assert [line.split()[0] for line in explained.splitlines() if line.startswith("R")] == [
        "R1.1",
        "R2.1",
        "R2.2",
    ]


def test_defaults_come_from_pyproject(folder):
    (folder / "pyproject.toml").write_text(
        '[tool.dropout_stats]\ntarget = "mine:right"\nrates = [0.25]\nresolution = 0.02\n'
        "[tool.dropout_stats.conventions]\nndims = [2, 2]\n"
    )
    done = run(folder, "check", "--json", "r.json")
    assert done.returncode == 0, done.stderr
    values = json.loads((folder / "r.json").read_text())
    assert values["target"] == "mine:right"
    assert values["conventions"]["ndims"] == [2, 2]
    assert {r["case"]["rate"] for r in values["results"] if r["check"] == "rate.marginal"} == {0.25}
    (folder / "pyproject.toml").write_text("[tool.dropout_stats]\nrate = [0.25]\n")
    done = run(folder, "check")
    assert done.returncode == 2
    assert "Did you mean 'rates'" in done.stderr
