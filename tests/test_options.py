"""Options that make no sense are refused with a reason, wherever they come from."""

import sys

import numpy as np
import pytest

import dropout_stats as ds
from dropout_stats import zoo
from dropout_stats.conventions import from_words, to_words
from dropout_stats.options import Asked, Options, read_options
from dropout_stats.settings import read_settings

NUMBERS = ["0.1", (), [0.1], True, 1j, float("nan"), 10**400, np.array([0.1, 0.2])]
WRONG = {
    "law": [3, 0, "", "invertd", [], ds.laws.Inverted, object()],
    "conventions": [3, "float32", {"ndims": (2, 2)}, ds.Conventions, []],
    "rates": [
        *(0.1, "0.1", 0, True, b"01", {0.1: 0.9}, np.array(0.1)),
        *([], ["0.1"], [None], [True], [[0.1]], [1.5], [-0.1], [float("nan")], [1e-9], [1j]),
    ],
    "dtypes": [
        *("float32", np.float32, 3, {}, b"float32"),
        *([], [3], [np.float32], ["float23"], [["float32"]], [None]),
    ],
    "shapes": [
        *(3, "16x16", {}, (3, 5), np.array(3)),
        *([], ["16"], [(0, 3)], [(10**6, 10**6)], [(-1,)]),
        *([(2.5, 2)], [(True, 2)], [None], [["a"]]),
    ],
    "checks": ["rate.*", 3, [3], ["rate.margina"], [None], b"rate", {"rate.*": 1}],
    "skip": ["rate.*", 3, [3], ["rate.margina"], [None]],
    "expected": [
        *("rate.*", 3, {"rate.*": "known"}, ["rate.*"], [None], [{"check": "rate.*"}]),
        ds.Expected("rate.*", reason="known"),
    ],
    "false_alarm": [*NUMBERS, 0, 1, -1e-6, 1e-200],
    "power": [*NUMBERS, 0.1, 1, 2],
    "resolution": [*NUMBERS, 0, 0.6, -1],
    "max_seconds": [*NUMBERS, 0, -1],
    "seed": ["x", 1.0, [1], True, -1, 2**63, float("nan")],
}
# What is wrong as it stands in a pyproject.toml.
WRONG_IN_A_FILE = {
    "target": ["3", "[]", "true"],
    "law": ["3", '"invertd"', "[]", '""'],
    "conventions": [
        *("3", '"float32"', "[]", "{ ndim = [2, 2] }", '{ dtypes = "float32" }', "{ dtypes = [] }"),
        *("{ dtypes = [3] }", '{ dtypes = ["float23"] }', "{ ndims = 3 }", "{ ndims = [2] }"),
        *('{ ndims = ["a", "b"] }', "{ ndims = [3, 2] }", '{ max_shapes = "3" }'),
        *("{ max_shapes = 0 }", "{ max_shapes = true }", "{ compute_dtype = 3 }"),
        *("{ rate_argument = 3 }", '{ rate_domain = "[0,1]" }', "{ randomness = [] }"),
    ],
    "rates": ["0.1", '"0.1"', "[]", '["0.1"]', "[true]", "[1.5]", "[nan]", "{ a = 1 }"],
    "dtypes": ['"float32"', "3", "[]", "[3]", '["float23"]'],
    "shapes": ["3", '"3x5"', "[3, 5]", "[[0]]", "[[2.5]]", '[["a"]]', "[]"],
    "checks": ['"rate.*"', "3", "[3]", '["rate.margina"]'],
    "skip": ['"rate.*"', "3", "[3]", '["rate.margina"]'],
    "expected": [
        *("3", '"rate.*"', "[3]", '["rate.*"]', '{ check = "rate.*", reason = "r" }'),
        *('[{ check = "rate.*" }]', '[{ reason = "r" }]', '[{ check = "rate.*", reason = "" }]'),
        *('[{ check = "rate.*", reason = 3 }]', '[{ check = "rate.margina", reason = "r" }]'),
        '[{ check = "rate.*", reason = "r", kind = "typo" }]',
        '[{ check = "rate.*", reason = "r", kinds = "bug" }]',
        '[{ check = "rate.*", reason = "r", strict = "yes" }]',
        '[{ check = "rate.*", reason = "r", when = "bfloat16" }]',
        '[{ check = "rate.*", reason = "r", when = { dtyp = "bfloat16" } }]',
        '[{ check = "rate.*", reason = "r", when = { rate = "0.1" } }]',
    ],
    "false_alarm": ["true", '"small"', "[0.1]", "0", "nan", "1979-05-27"],
    "power": ["true", '"high"', "0.1", "inf"],
    "resolution": ["true", '"fine"', "0", "0.6"],
    "max_seconds": ["true", '"long"', "0", "nan"],
    "seed": ["true", '"x"', "1.0", "-1"],
}
WRONG_CONVENTIONS = {
    "dtypes": ["float32", 3, (), [3], ["float23"], None, np.float32],
    "compute_dtype": [3, "float23", ["float32"], np.float32],
    "rate_argument": [3, "keep", ["rate"], np.array([1, 2])],
    "shapes": [3, [3], [(0, 2)], [("a",)]],
    "rates": [3, (), (0.0, 1.0), (1.5,), ["a"], np.float32],
    "rate_domain": [None, "[0,1]", (0, 1), np.array([0, 1])],
    "invalid_rates": [None, True, "raises"],
    "randomness": [3, "keys", {}],
    "numpy_rates": [None, True, "keep"],
    "dropped_nonfinite": [None, 0, "zeros"],
    "idle_draws": [None, False, "no"],
    "threads": [None, True, "independant"],
    "workers": [None, True, "independant"],
    "peers": [None, False, "equal"],
    "dy": [None, False, "overwritten"],
    "evaluation_graph": [None, True, "none"],
    "ndims": [3, "2", (2,), (2, 3, 4), (3, 2), (-1, 2), (2.0, 3), (True, 2), "23", None],
    "max_shapes": [0, -1, 2.0, "3", True, [3]],
}


def every(wrong):
    return [
        pytest.param(name, value, id=f"{name}-{number}")
        for name, values in wrong.items()
        for number, value in enumerate(values)
    ]


def test_every_option_is_tried_here():
    assert set(WRONG) == {"law", *Options.__annotations__}
    assert set(WRONG_IN_A_FILE) == {"target", *WRONG}
    assert set(WRONG_CONVENTIONS) == set(ds.Conventions.__dataclass_fields__)


@pytest.mark.parametrize(("name", "value"), every(WRONG))
def test_a_wrong_value_is_a_usage_error_that_names_the_option_and_what_it_got(name, value):
    with pytest.raises(ds.UsageError) as caught:
        ds.check(zoo.Core().target(), **{name: value})
    message = str(caught.value)
    assert name.removesuffix("s") in message
    items = value if isinstance(value, list | tuple) and value else [()]
    seen = [repr(value), *map(repr, items), *map(str, items)]
    assert any(text in message for text in seen), message


@pytest.mark.parametrize(("name", "value"), every(WRONG_CONVENTIONS))
def test_a_wrong_convention_is_a_usage_error_that_names_it(name, value):
    with pytest.raises(ds.UsageError, match=name.removeprefix("compute_").removesuffix("s")):
        ds.Conventions(**{name: value})


@pytest.mark.parametrize(("key", "value"), every(WRONG_IN_A_FILE))
def test_a_wrong_setting_ends_with_two_and_names_file_and_key(
    key, value, tmp_path, monkeypatch, capsys
):
    from dropout_stats.cli import main

    (tmp_path / "pyproject.toml").write_text(f"[tool.dropout_stats]\n{key} = {value}\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["dropout-stats", "check"])
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 2
    printed = capsys.readouterr()
    assert not printed.out
    assert printed.err.startswith("dropout-stats: ")
    assert len(printed.err.splitlines()) == 1, printed.err
    assert f"{tmp_path / 'pyproject.toml'}: [tool.dropout_stats] {key}: " in printed.err


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("tool = 3", "tool must be a table"),
        ("[tool]\ndropout_stats = 3", "dropout_stats must be a table"),
        ("[tool.dropout_stats]\nrate = [0.1]", "Did you mean 'rates'"),
        ("[tool.dropout_stats", "not valid TOML"),
    ],
)
def test_a_file_without_a_table_of_settings_is_refused(text, says, tmp_path):
    (tmp_path / "pyproject.toml").write_text(text)
    with pytest.raises(ds.UsageError, match=says) as caught:
        read_settings(tmp_path)
    assert str(tmp_path / "pyproject.toml") in str(caught.value)


def test_an_unknown_option_has_a_suggestion():
    with pytest.raises(ds.UsageError, match="Did you mean 'rates'"):
        ds.check(zoo.Core().target(), rate=[0.1])


def test_none_stands_for_the_default():
    nothing = dict.fromkeys(Options.__annotations__)
    assert read_options(None, {**nothing, "seed": 1}) == Asked(seed=1)


def test_values_of_numpy_and_of_any_iterable_are_taken():
    asked = read_options(
        "inverted",
        {
            "rates": np.array([0.1, 0.9]),
            "dtypes": iter(["float64", "float32", "float64"]),
            "shapes": [np.array([3, 5]), [2]],
            "resolution": np.float32(0.25),
            "seed": np.int64(3),
        },
    )
    assert asked == Asked(
        law=ds.laws.Inverted(),
        rates=(0.1, 0.9),
        dtypes=("float64", "float32"),
        shapes=((3, 5), (2,)),
        resolution=0.25,
        seed=3,
    )


def test_conventions_take_lists_as_well():
    found = ds.Conventions(dtypes=["float32", "float64"], ndims=[2, 4])
    assert found == ds.Conventions(dtypes=("float32", "float64"), ndims=(2, 4))
    assert found.dtypes == ("float32", "float64")


@pytest.mark.parametrize("field", ["law", "conventions"])
@pytest.mark.parametrize("value", [3, "inverted", ds.laws.Inverted, ds.Conventions])
def test_a_target_with_a_wrong_declaration_is_refused(field, value):
    with pytest.raises(ds.UsageError, match=field):
        zoo.Core().target(**{field: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("dtypes", ("float32", "float64")),
        ("compute_dtype", "float64"),
        ("rate_argument", "keep_prob"),
        ("rate_domain", "[0, 1]"),
        ("invalid_rates", "raise"),
        ("randomness", "key"),
        ("ndims", (2, 4)),
        ("max_shapes", 3),
    ],
)
def test_every_convention_can_be_written_on_a_command_line(name, value):
    assert from_words(name, to_words(value)) == value
    ds.Conventions(**{name: value})


@pytest.mark.parametrize("name", ["checks", "skip"])
def test_a_case_that_is_not_planned_is_refused(name):
    with pytest.raises(ds.UsageError, match=r"Did you mean 'rate\.marginal\[0\.1-float32\]'"):
        ds.plan(zoo.Core().target(), rates=[0.1], **{name: ["rate.marginal[0.2-float32]"]})


def test_single_cases_are_selected_and_skipped_by_their_names():
    case = "rate.marginal[0.1-float32]"
    quick = {"rates": [0.1, 0.9], "resolution": 0.05}
    one = ds.plan(zoo.Core().target(), **quick, checks=[case])
    assert [planned.case.id for planned in one.cases] == [case]
    assert len(one.streams) == 1
    rest = ds.plan(zoo.Core().target(), **quick, checks=["rate.*"], skip=[case])
    assert [planned.case.id for planned in rest.cases] == ["rate.marginal[0.9-float32]"]
    assert rest.cases[0].share == one.cases[0].share


def test_a_rate_at_which_kept_values_overflow_is_refused():
    with pytest.raises(ds.UsageError, match=r"rate 0.9999 kept values.*more than float16"):
        ds.plan(ds.reference(ds.laws.Inverted()), rates=[0.9999], dtypes=["float32", "float16"])
    assert ds.plan(ds.reference(ds.laws.Inverted()), rates=[0.999], dtypes=["float16"]).streams
    assert ds.plan(ds.reference(ds.laws.TestScaled()), rates=[0.9999], dtypes=["float16"]).streams
