"""The known failures of released software are expected, and are there: no more, and no fewer."""

import os
import tomllib
from pathlib import Path

import pytest

import dropout_stats as ds
from dropout_stats.expected import expected_from

FILE = Path(__file__).parents[2] / "docs" / "findings" / "known_failures.toml"
KNOWN = tomllib.loads(FILE.read_text(encoding="utf-8"))["known"]


def is_here(known):
    """Whether the variables are set so; .ci/run runs Keras on each of its backends."""
    variables = known.get("environment", {})
    return all(os.environ.get(name) == value for name, value in variables.items())


@pytest.mark.filterwarnings("default")  # imports of frameworks warn
@pytest.mark.parametrize(
    "known",
    [
        pytest.param(
            one,
            marks=pytest.mark.framework(one["framework"]),
            id=f"{one['target']} of {one['version']}",
        )
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


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize(
    ("spec", "names"),
    [
        pytest.param(
            "numpy_ml.neural_nets.wrappers:Dropout",
            [
                "the backward pass does not apply the mask",
                "the backward pass writes into the gradient that it is handed",
            ],
            marks=pytest.mark.framework("numpy_ml"),
        ),
        pytest.param(
            "tensorflow.nn:dropout",
            ["a 10-bit threshold", "a 7-bit threshold"],
            marks=pytest.mark.framework("tensorflow"),
        ),
    ],
)
def test_two_that_were_known_before_are_named_at_default_settings(spec, names):
    report = ds.check(spec, seed=1)
    assert report.verdict == "fail"
    assert [diagnosis.name for diagnosis in report.diagnoses] == names, str(report)
