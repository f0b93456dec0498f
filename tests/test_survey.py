"""A survey: one row a target, one cell a type, one error budget for all."""

import importlib.util
import json
import re
import textwrap
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner

import dropout_stats as ds
from dropout_stats.cli import cli
from dropout_stats.options import read_options
from dropout_stats.results import Case
from dropout_stats.survey import Survey, known, run, survey, targets
from dropout_stats.survey.run import Course
from dropout_stats.survey.targets import RELEASED, Surveyed, choose

CHECKS = ["interface.dtype", "support.kept_value", "rate.*", "moments.*"]
QUICK = {"checks": CHECKS, "rates": [0.1], "resolution": 0.2, "seed": 5}
QUICK["dtypes"] = ["float32", "float16"]
WORDS = (
    "--checks",
    ",".join(CHECKS),
    "--rates",
    "0.1",
    "--resolution",
    "0.2",
    "--seed",
    "5",
    "--dtypes",
    "float32,float16",
)
ABSENT = Surveyed("no_such_framework.nn:Dropout", is_released=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Targets in files of their own, named by absolute paths."""
    place = tmp_path_factory.mktemp("targets")
    (place / "mine.py").write_text(
        textwrap.dedent("""
        from dataclasses import replace
        from dropout_stats import Conventions, zoo

        both = Conventions(dtypes=("float32", "float16"))
        right = replace(zoo.by_name["Core"].build(), conventions=both, name="right")
        single = replace(right, conventions=Conventions(dtypes=("float32",)))
        double = replace(right, conventions=Conventions(dtypes=("float64",)))
        fixed = replace(right, conventions=Conventions(rates=(0.2,)))
        wrong = zoo.by_name["ScaledByTheRate"].build()
        """)
    )
    (place / "broken.py").write_text("1 / 0\n")
    return place


@pytest.fixture(scope="module")
def table(folder):
    names = ("mine.py:right", "mine.py:single", "mine.py:wrong", "broken.py:thing")
    asked = (*(Surveyed(f"{folder}/{name}") for name in names), ABSENT)
    return survey(asked, **QUICK)


def test_each_target_has_a_row_and_each_declared_type_a_cell(table):
    right, single, wrong, broken, absent = table.rows
    assert [row.verdict for row in table.rows] == [
        "pass",
        "pass",
        "fail",
        "error",
        "not-applicable",
    ]
    assert (right.cell("float32").verdict, right.cell("float16").verdict) == ("pass", "pass")
    assert (single.cell("float32").verdict, single.cell("float16").verdict) == ("pass", None)
    assert wrong.cell("float32").verdict == "fail"
    assert "support.kept_value" in wrong.cell("float32").checks
    assert "ZeroDivisionError" in broken.error
    assert absent.left_out == "not installed: no_such_framework"
    assert table.verdict == "fail"


def test_the_error_probability_is_divided_among_what_is_installed(table):
    shares = {row.report.false_alarm for row in table.rows if row.report}
    assert shares == {1e-6 / 4}  # the broken one was there, too
    assert table.false_alarm == 1e-6


def test_what_cannot_be_judged_does_not_count(folder):
    assert survey([ABSENT], **QUICK).verdict == "inconclusive"
    double = survey([Surveyed(f"{folder}/mine.py:double"), ABSENT], **QUICK)
    assert double.rows[0].left_out == "declares none of float32, float16"
    assert double.judged == ()


def test_an_adapter_that_crashes_is_a_row(folder, monkeypatch):
    def adapt(spec, **options):
        if spec.endswith("right"):
            raise SystemExit("gone")
        return ds.adapt(spec, **options)

    monkeypatch.setattr(run, "adapt", adapt)
    names = ("mine.py:right", "mine.py:single")
    found = survey([Surveyed(f"{folder}/{name}") for name in names], **QUICK)
    assert [row.verdict for row in found.rows] == ["error", "pass"]
    assert found.rows[0].error == "SystemExit: gone"
    assert found.verdict == "error"


def test_a_target_of_one_rate_is_asked_for_that_one(folder):
    found = survey([Surveyed(f"{folder}/mine.py:fixed")], **QUICK)
    rates = {one.case.rate for one in found.rows[0].report.results if one.check == "rate.marginal"}
    assert rates == {0.2}


def test_json_there_and_back(table):
    text = table.to_json()
    again = Survey.from_json(text)
    assert again == table
    assert again.to_json() == text
    values = json.loads(text)
    assert values["rows"][2]["report"]["diagnoses"][0]["name"].startswith("keep probability")
    assert values["rows"][0]["report"]["results"][0]["case"]["dtype"] == "float32"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "no"),
        ("[]", "found 'list'"),
        ('{"format": "dropout-stats report 2"}', "survey 1"),
        ('{"format": "dropout-stats survey 1"}', "damaged: KeyError"),
    ],
)
def test_what_is_no_survey_is_refused(text, says):
    with pytest.raises(ds.UsageError, match=says):
        Survey.from_json(text)


def test_a_survey_whose_verdict_was_changed_is_refused(table):
    values = json.loads(table.to_json())
    values["verdict"] = "pass"
    with pytest.raises(ds.UsageError, match="does not follow"):
        Survey.from_json(json.dumps(values))


def test_the_page_has_a_cell_for_each_target_and_type(table):
    text = table.to_html()
    assert text.startswith("<!DOCTYPE html>")
    assert not re.search(r"(src|href)=\"(?!#)|https?:", text), "it must need nothing else"
    root = ElementTree.fromstring(re.sub(r"<!DOCTYPE html>|<meta[^>]*>", "", text))  # noqa: S314
    lines = [[*line] for line in root.iter("tr")]
    assert [cell.text for cell in lines[0]] == ["target", "float32", "float16", "whole"]
    assert [len(line) for line in lines[1:]] == [4, 4, 4, 2]
    words = [["".join(cell.itertext()).split() for cell in line[1:]] for line in lines[1:]]
    assert words[0] == [["✓", "pass"]] * 3
    assert words[1][1] == ["not", "declared"]
    assert words[2][0][:2] == ["✗", "fail"]
    assert "support.kept_value," in words[2][0]
    assert "broken.py" in " ".join(words[3][0])
    anchors = {section.get("id") for section in root.iter("section")}
    assert {link.get("href").removeprefix("#") for link in root.iter("a")} == anchors
    titles = [cell.get("title") for cell in root.iter("td") if cell.get("class") == "fail"]
    assert any("float32: fail: " in title for title in titles)


def surveyed(folder, *words):
    return CliRunner().invoke(cli, ["survey", *words, *WORDS])


def test_exit_statuses(folder):
    right, wrong = f"{folder}/mine.py:right", f"{folder}/mine.py:wrong"
    assert surveyed(folder, right).exit_code == 0
    assert surveyed(folder, right, wrong).exit_code == 1
    assert surveyed(folder, right, f"{folder}/broken.py:thing").exit_code == 2
    assert surveyed(folder, right, "--max-seconds", "1e-9").exit_code == 3


def test_the_command_prints_a_table_and_writes_files(folder):
    files = ("--json", f"{folder}/s.json", "--html", f"{folder}/s.html")
    done = surveyed(folder, f"{folder}/mine.py:wrong", *files)
    assert done.exit_code == 1
    assert "support.kept_value" in done.stdout
    assert "False alarm 1e-06 in all" in done.stdout
    assert Survey.from_json((folder / "s.json").read_text()).verdict == "fail"
    assert (folder / "s.html").read_text().startswith("<!DOCTYPE html>")


def test_a_failure_that_is_known_does_not_fail_the_survey(folder):
    wrong = f"{folder}/mine.py:wrong"
    path = folder / "known.toml"
    text = (
        f'[[known]]\ntarget = "{wrong}"\n[[known.expected]]\ncheck = "{{}}"\nreason = "issue 3"\n'
    )
    path.write_text(text.format("*"))
    done = surveyed(folder, wrong, "--expected", str(path))
    assert done.exit_code in (0, 3), done.stdout  # a fault may leave other checks undecided
    assert "expected-failure" in done.stdout
    path.write_text(text.format("interface.dtype"))
    assert surveyed(folder, wrong, "--expected", str(path)).exit_code == 1


def test_a_pass_with_known_failures_is_shown_as_such(table):
    row = table.rows[0]
    first, *rest = row.report.results
    known_result = replace(first, verdict="expected-failure", expected="bug: issue 3")
    known_row = replace(row, report=replace(row.report, results=(known_result, *rest)))
    found = replace(table, rows=(known_row,))
    assert (known_row.verdict, known_row.outcome) == ("pass", "expected-failure")
    assert (row.verdict, row.outcome) == ("pass", "pass")
    assert found.verdict == "pass"
    assert "x expected-failure" in found.to_html()


def test_an_expectation_of_another_type_is_not_asked_for():
    one = ds.Expected("rate.marginal", reason="7 bits", when={"dtype": "bfloat16"})
    assert known.planned((one,), (Case("rate.marginal", "float32", 0.1),)) == ()
    assert known.planned((one,), (Case("rate.marginal", "bfloat16", 0.1),)) == (one,)


def test_what_is_known_belongs_to_a_target_with_its_options(tmp_path):
    path = tmp_path / "known.toml"
    path.write_text(
        '[[known]]\ntarget = "a:b"\noptions = { mode = "c" }\n'
        '[[known.expected]]\ncheck = "rate.*"\nreason = "issue 3"\n'
    )
    read = known.read_known(path)
    assert known.of_target(read, Surveyed("a:b"), 0.5) == ()
    (one,) = known.of_target(read, Surveyed("a:b", {"mode": "c"}), 0.5)
    assert one.check == "rate.*"


def test_what_is_known_is_expected_where_it_shows(tmp_path, monkeypatch):
    path = tmp_path / "known.toml"
    path.write_text(
        '[[known]]\ntarget = "a:b"\nresolution = 0.01\nenvironment = { BACKEND = "c" }\n'
        '[[known.expected]]\ncheck = "rate.*"\nreason = "issue 3"\n'
    )
    read = known.read_known(path)
    monkeypatch.delenv("BACKEND", raising=False)
    assert known.of_target(read, Surveyed("a:b"), 0.001) == ()
    monkeypatch.setenv("BACKEND", "c")
    assert len(known.of_target(read, Surveyed("a:b"), 0.01)) == 1
    assert known.of_target(read, Surveyed("a:b"), 0.03) == ()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("known = 3", "tables"),
        ("[[known]]\nexpected = []", "target"),
        ('[[known]]\ntarget = "a:b"\nexpectd = []', "Did you mean 'expected'"),
        ('[[known]]\ntarget = "a:b"\nenvironment = "c"\nexpected = []', "a table of variables"),
        ("[[known", "not valid TOML"),
    ],
)
def test_a_file_that_says_nothing_is_refused(tmp_path, text, says):
    path = tmp_path / "known.toml"
    path.write_text(text)
    with pytest.raises(ds.UsageError, match=says):
        known.read_known(path)


def test_targets_are_chosen_by_name_by_pattern_or_all():
    assert choose(()) == RELEASED
    assert [one.name for one in choose(["equinox.*", "mine:layer"])] == [
        "equinox.nn:Dropout",
        "equinox.nn:Dropout wrap=jit",
        "equinox.nn:Dropout wrap=vmap",
        "mine:layer",
    ]
    assert [one.name for one in choose(["paddle.nn:Dropout"])] == [
        "paddle.nn:Dropout",
        "paddle.nn:Dropout mode=downscale_in_infer",
    ]
    with pytest.raises(ds.UsageError, match=r"Did you mean 'torch\.nn:Dropout"):
        choose(["torch.nn.Dropout"])
    with pytest.raises(ds.UsageError, match="matches no released dropout"):
        choose(["frob*"])


def test_one_backend_of_several_is_enough(monkeypatch):
    (layer,) = choose(["keras.layers:Dropout"])
    monkeypatch.setattr(targets, "_is_installed", {"keras", "jax"}.__contains__)
    assert layer.missing() == ()
    monkeypatch.setattr(targets, "_is_installed", {"keras"}.__contains__)
    assert layer.missing() == ("jax or tensorflow or torch",)


def test_a_survey_of_what_is_not_there_imports_nothing():
    asked = read_options(None, QUICK)
    course = Course((ABSENT,) * 2, asked)
    assert [row.left_out for row in course.rows()] == ["not installed: no_such_framework"] * 2
    assert course.table(()).dtypes == ("float32", "float16")
    assert replace(course, asked=read_options(None, {})).dtypes[0] == "float32"


def test_of_several_backends_the_one_that_is_chosen_is_named(monkeypatch):
    (layer,) = choose(["keras.layers:Dropout"])
    installed = {"keras": ["keras"], "jax": ["jax"], "torch": ["torch"]}
    monkeypatch.setattr(targets, "_distributions", lambda: installed)
    monkeypatch.setattr(targets, "version", lambda name: f"1.{len(name)}")
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    assert layer.versions() == {"keras": "1.5", "jax": "1.3", "torch": "1.5"}
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    assert layer.versions() == {"keras": "1.5", "torch": "1.5"}


@pytest.fixture
def script():
    """What makes the page of the survey."""
    place = Path(__file__).parents[1] / "docs" / "findings" / "survey_page.py"
    spec = importlib.util.spec_from_file_location("survey_page", place)
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


def test_the_page_of_the_survey_is_made_of_its_data(script):
    rows = json.loads(script.DATA.read_text(encoding="utf-8"))
    text = script.PAGE.read_text(encoding="utf-8")
    assert text.split(script.BEGIN)[1].split(script.END)[0] == script.table(rows) + "\n"
    assert {row["target"] for row in rows} == {one.name for one in RELEASED}


def test_the_script_of_the_page_reads_what_a_survey_writes(script, folder, tmp_path, monkeypatch):
    found = survey([Surveyed(f"{folder}/mine.py:wrong")], **QUICK)
    (row,) = found.rows
    versions = {"keras": "3", "torch": "2.13.0+cpu", "ml_dtypes": "1"}
    path = tmp_path / "one.json"
    path.write_text(replace(found, rows=(replace(row, versions=versions),)).to_json())
    for name, text in (("DATA", ""), ("PAGE", f"a{script.BEGIN}b\n{script.END}c")):
        place = tmp_path / name
        place.write_text(text)
        monkeypatch.setattr(script, name, place)
    script.write([str(path)])
    (data,) = json.loads(script.DATA.read_text())
    assert data["framework"] == "Keras 3 on PyTorch"
    assert data["types"]["float32"]["verdict"] == "fail"
    assert "**fail**" in script.PAGE.read_text()
    assert "`support.kept_value`" in script.PAGE.read_text()
