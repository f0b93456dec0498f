"""Laws by name: what is written is what is read."""

import subprocess
import sys

import pytest

import dropout_stats as ds
from dropout_stats.laws import by_name, spelled
from dropout_stats.zoo.precision import EightBitThreshold

LAWS = [
    ds.laws.Inverted(),
    ds.laws.Inverted(rate_bits=8),
    ds.laws.TestScaled(),
    ds.laws.TestScaled(rate_bits=4),
]


@pytest.mark.parametrize("law", LAWS, ids=str)
def test_a_law_is_found_by_what_it_is_spelled(law):
    assert by_name(spelled(law)) == law
    assert ds.plan(ds.reference(law)).law_name == spelled(law)


@pytest.mark.parametrize("text", ["inverted()", " inverted", "inverted( rate_bits = None )"])
def test_spaces_and_empty_brackets_are_nothing(text):
    assert by_name(text) == ds.laws.Inverted()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("invertd", "Did you mean 'inverted'"),
        ("inverted(bits=8)", "no parameter 'bits'"),
        ("inverted(rate_bits=99)", "rate_bits must be"),
        ("inverted(8)", "no law"),
        ("inverted(rate_bits=8", "no law"),
        ("inverted(rate_bits=open('x'))", "no law"),
        ("inverted(**{})(1)", "no law"),
        ("inverted(rate_bits=8) + 1", "no law"),
    ],
)
def test_what_is_no_law_is_refused(text, said):
    with pytest.raises(ds.UsageError, match=said):
        by_name(text)


def test_a_law_with_parameters_goes_through_the_command_line_and_back(tmp_path):
    options = ("--law", "inverted(rate_bits=8)", "--rates", "0.1", "--resolution", "0.03")
    command = [sys.executable, "-m", "dropout_stats", "check", *options, "--json", "r.json"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)  # noqa: S603
    assert done.returncode == 0, done.stdout + done.stderr
    report = ds.Report.from_json((tmp_path / "r.json").read_text())
    assert report.law == "inverted(rate_bits=8)"
    assert "--law 'inverted(rate_bits=8)'" in report["rate.marginal"].reproduce


def test_a_law_with_parameters_is_a_setting_of_the_project(tmp_path):
    from dropout_stats.settings import merged, read_settings

    (tmp_path / "pyproject.toml").write_text(
        '[tool.dropout_stats]\nlaw = "inverted(rate_bits=8)"\nrates = [0.1]\nresolution = 0.03\n'
    )
    options = merged(read_settings(tmp_path), {"checks": ["rate.*"], "seed": 3})
    assert ds.check(EightBitThreshold().target(law=None), **options).verdict == "pass"
