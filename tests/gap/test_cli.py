"""`dropout-stats gap`: what it prints, writes and refuses."""

import json
import subprocess
import sys
from fractions import Fraction
from io import StringIO
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from click.testing import CliRunner

import dropout_stats as ds
from dropout_stats.cli import cli
from dropout_stats.gap.activations import BY_NAME
from dropout_stats.gap.terminal import shown

WEIGHTS, VALUES = np.array([0.5, -0.25, 1.0, -0.7]), np.array([1.0, 2.0, 0.5, -1.5])
QUICK = ("--activations", "relu,gelu", "--rates", "0.1,0.5", "--inputs", "20")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("weights.npy", WEIGHTS)
    np.save("values.npy", VALUES)
    return tmp_path


def gap(*words):
    """Run the command in this process; status, output, and the error that would be shown."""
    done = CliRunner().invoke(cli, ["gap", *words])
    assert done.exception is None or isinstance(done.exception, (SystemExit, ds.UsageError))
    return done


def printed(*words):
    done = gap(*words)
    assert done.exit_code == 0, done.output
    return done.stdout


def rows_of(file="gap.json"):
    return json.loads(Path(file).read_text(encoding="utf-8"))


def cells(output):
    """The rows of the table, by activation and rate."""
    lines = [line.split() for line in output.splitlines()]
    return {(line[0], float(line[1])): line[2:] for line in lines if line and line[0] in BY_NAME}


def test_the_table_shows_what_neuron_returns():
    output = printed(
        *("--weights", "weights.npy", "--values", "values.npy", "--bias", "0.3"),
        *("--activations", "all", "--rates", "0,0.3,1"),
    )
    table = cells(output)
    assert len(table) == 3 * len(BY_NAME)
    for (name, rate), (one, one_off, two, two_off, *methods) in table.items():
        for value, off, strategy in (
            (one, one_off, "inverted"),
            (two, two_off, "test-scaled"),
        ):
            direct = ds.gap.neuron(name, WEIGHTS, VALUES, bias=0.3, rate=rate, strategy=strategy)
            # what is shown holds all that was proved, as real numbers
            aside = abs(Fraction(value) - Fraction(direct.value)) + Fraction(direct.halfwidth)
            assert aside <= Fraction(off)
            assert direct.method in " ".join(methods)


@pytest.mark.parametrize("value", [0.0, 1.0, -0.1, 1 / 3, 2e-300, -3e300, 123456.789])
@pytest.mark.parametrize("halfwidth", [0.0, 5e-324, 1e-20, 9.99e-14, 3e-8, 0.25, 7.0, 1e200])
def test_the_digits_shown_are_honest(value, halfwidth):
    value_text, off = shown(ds.gap.Gap(value, halfwidth, "fourier", True))
    aside = abs(Fraction(value_text) - Fraction(value)) + Fraction(halfwidth)
    assert aside <= Fraction(off)
    spacing = Fraction(float(np.spacing(abs(value))))
    assert Fraction(off) <= Fraction(13, 10) * (Fraction(halfwidth) + spacing) * Fraction(11, 10)


def test_without_options_it_says_what_it_shows_and_is_the_same_every_time():
    output = printed()
    assert "64 inputs: normal weights of variance 2/64, inputs relu(normal), seed 0" in output
    assert len(cells(output)) == 25
    assert "Each gap is proved" in output
    assert printed("--seed", "0", "--inputs", "64") == output


def test_another_seed_is_another_unit():
    assert cells(printed(*QUICK)) == cells(printed(*QUICK, "--seed", "0"))
    assert cells(printed(*QUICK)) != cells(printed(*QUICK, "--seed", "1"))


def test_json_holds_the_unit_and_every_bit():
    printed(*QUICK, "--bias", "0.25", "--tolerance", "1e-9", "--json", "gap.json")
    read = rows_of()
    assert (read["format"], read["tolerance"]) == ("dropout-stats gap 1", 1e-9)
    unit = read["unit"]
    assert (len(unit["weights"]), unit["bias"]) == (20, 0.25)
    assert len(read["rows"]) == 8
    for row in read["rows"]:
        direct = ds.gap.neuron(
            row["activation"],
            unit["weights"],
            unit["inputs"],
            bias=unit["bias"],
            rate=row["rate"],
            strategy=row["strategy"],
            tolerance=read["tolerance"],
        )
        assert direct == ds.gap.Gap(
            *(row[key] for key in ("value", "halfwidth")),
            **{key: row[key] for key in ("method", "certified")},
        )


def test_what_files_leave_open():
    printed("--weights", "weights.npy", "--rates", "0.5", "--json", "gap.json")
    assert rows_of()["unit"]["weights"] == WEIGHTS.tolist()
    assert rows_of()["unit"]["inputs"] == [1.0] * 4
    printed("--values", "values.npy", "--rates", "0.5", "--seed", "7", "--json", "gap.json")
    assert rows_of()["unit"]["inputs"] == VALUES.tolist()
    assert "variance 2/4, inputs of values.npy, seed 7" in rows_of()["unit"]["words"]


def test_the_random_unit_has_a_pre_activation_of_about_unit_variance():
    squares = []
    for seed in range(40):
        printed(
            *("--inputs", "200", "--seed", str(seed), "--json", "gap.json"),
            *("--activations", "identity", "--rates", "0"),
        )
        unit = rows_of()["unit"]
        squares.append(np.dot(unit["weights"], unit["inputs"]) ** 2)
    assert 0.3 < np.mean(squares) < 2.5


def test_one_strategy_alone_and_nothing_twice():
    words = ("--activations", "relu,gelu", "--inputs", "20", "--strategy", "test-scaled")
    output = printed(*words, "--rates", "0.5,0.5,0.50")
    assert "inverted" not in output
    assert [len(line) for line in cells(output).values()] == [3, 3]
    assert output.count("gelu") == 1


def test_a_list_that_is_given_twice_has_all_its_items():
    apart = ("--activations", "relu", "--activations", "gelu", "--rates", "0.1", "--rates", "0.5")
    assert printed(*apart, "--inputs", "20") == printed(*QUICK)


def test_in_a_narrow_terminal_no_number_is_broken():
    from rich.console import Console

    from dropout_stats.gap.given import given
    from dropout_stats.gap.table import answers, questions
    from dropout_stats.gap.terminal import renderable

    unit = given(None, None, inputs=12, bias=-0.3)
    asked = questions(unit, ["leaky_relu", "tanh"], [0.25], ["inverted", "test-scaled"])
    rows = list(answers(unit, asked, 1e-12))
    printed = StringIO()
    Console(width=80, file=printed).print(renderable(unit, rows, 80))
    table = printed.getvalue().split("\n\n")[1]
    lines = [line.split() for line in table.splitlines()]
    assert lines[0] == ["activation", "rate", "strategy", "gap", "±", "method"]
    assert lines[1:] == [
        [row.question.activation, "0.25", row.question.strategy, *shown(row.gap), row.gap.method]
        for row in rows
    ]


def test_a_png_and_an_svg_are_drawn(folder):
    words = ("--activations", "all", "--rates", "0.9,0.1", "--inputs", "8")
    printed(*words, "--plot", "gap.png")
    assert (folder / "gap.png").read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    printed(*words, "--plot", "gap.SVG")
    first = (folder / "gap.SVG").read_bytes()
    assert ET.fromstring(first).tag.endswith("svg")  # noqa: S314 - our own file
    printed(*words, "--plot", "gap.SVG")
    assert (folder / "gap.SVG").read_bytes() == first


def test_the_plot_shows_the_values():
    from dropout_stats.gap import plot
    from dropout_stats.gap.given import given
    from dropout_stats.gap.table import answers, questions

    unit = given("weights.npy", None)
    asked = questions(unit, ["relu", "tanh"], [0.5, 0.1], ["inverted", "test-scaled"])
    rows = list(answers(unit, asked, 1e-12))
    curves = plot._figure(unit, rows).axes[0].get_lines()
    by_name = {curve.get_gid(): curve.get_xydata().tolist() for curve in curves}
    for name in ("relu", "tanh"):
        for strategy in ("inverted", "test-scaled"):
            expected = [
                [rate, ds.gap.neuron(name, WEIGHTS, np.ones(4), rate=rate, strategy=strategy).value]
                for rate in (0.1, 0.5)
            ]
            assert by_name[f"{name}-{strategy}"] == expected


def test_a_title_is_no_mathematics(folder):
    np.save("$x_{$.npy", WEIGHTS)
    printed("--weights", "$x_{$.npy", "--rates", "0.5", "--plot", "gap.svg")
    assert (folder / "gap.svg").exists()


def test_without_matplotlib_one_line_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ds.UsageError, match=r"^a plot .*pip install 'dropout-stats\[plot\]'$"):
        raise gap(*QUICK, "--plot", "gap.png").exception


def test_without_a_plot_matplotlib_is_not_imported():
    code = (
        "import sys; from dropout_stats.cli import cli; "
        "cli(['gap', '--inputs', '4', '--rates', '0.5'], standalone_mode=False); "
        "assert 'matplotlib' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)  # noqa: S603


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--activations", "gleu"), "got 'gleu'. Did you mean 'gelu'"),
        (("--activations", ","), "activations must be some of identity, "),
        (("--strategy", "invertd"), "Did you mean 'inverted'"),
        (("--strategy", ""), "strategies must be some of inverted, test-scaled"),
        (("--rates", "0.1,1.5"), "rate must be in [0, 1], got 1.5"),
        (("--rates", "-0.1"), "rate must be in [0, 1]"),
        (("--rates", "nan"), "rate must be in [0, 1]"),
        (("--rates", ""), "rates must be at least one rate"),
        (("--tolerance", "0"), "tolerance must be positive"),
        (("--tolerance", "nan"), "tolerance must be positive"),
        (("--bias", "inf"), "bias must be finite"),
        (("--inputs", "3", "--weights", "weights.npy"), "--inputs is for a random unit"),
        (("--inputs", "3", "--values", "values.npy"), "--inputs is for a random unit"),
        (("--seed", "3", "--weights", "weights.npy"), "--seed is for random weights"),
        (("--weights", "absent.npy"), "absent.npy cannot be read as a .npy file: No such file"),
        (("--weights", "."), ". cannot be read as a .npy file: "),
        (("--weights", "text.npy"), "text.npy cannot be read as a .npy file: "),
        (("--weights", "empty.npy"), "empty.npy cannot be read as a .npy file: "),
        (("--weights", "cut.npy"), "cut.npy cannot be read as a .npy file: "),
        (("--weights", "zip.npy"), "zip.npy cannot be read as a .npy file: "),
        (("--weights", "objects.npy"), "objects.npy cannot be read as a .npy file: "),
        (("--weights", "two.npz"), "two.npz holds several arrays"),
        (("--weights", "matrix.npy"), "one number for each input, got shape (2, 3)"),
        (("--weights", "number.npy"), "one number for each input, got shape ()"),
        (("--weights", "none.npy"), "one number for each input, got shape (0,)"),
        (("--weights", "nan.npy"), "nan.npy must hold finite numbers, but [1] is nan"),
        (("--weights", "long.npy"), "long.npy must hold finite numbers, but [1] is inf"),
        (("--weights", "complex.npy"), "must hold real numbers, but its dtype is complex128"),
        (("--weights", "words.npy"), "must hold real numbers, but its dtype is <U1"),
        (("--values", "nan.npy"), "nan.npy must hold finite numbers"),
        (("--weights", "nan.npy", "--values", "values.npy"), "nan.npy must hold finite numbers"),
        (("--weights", "two.npy", "--values", "values.npy"), "must have one shape"),
        (("--weights", "huge.npy"), "must stay below"),
        (("--plot", "gap.pdf"), "a plot is a .png or .svg file, got 'gap.pdf'"),
        (("--plot", "png"), "a plot is a .png or .svg file"),
    ],
)
def test_bad_input_is_one_line(folder, words, says):
    strange(folder)
    error = gap(*words).exception
    assert isinstance(error, ds.UsageError)
    assert says in str(error)
    assert "\n" not in str(error)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--rates", "a"), "comma-separated float"),
        (("--inputs", "0"), "--inputs"),
        (("--seed", "-1"), "--seed"),
        (("--plot", "absent/gap.png"), "there is no folder to write absent/gap.png into"),
        (("--json", "absent/gap.json"), "there is no folder to write absent/gap.json into"),
        (("--activations", "gleu"), "dropout-stats: activations must be of "),
    ],
)
def test_bad_input_ends_with_status_two(folder, words, says):
    done = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-m", "dropout_stats", "gap", *words],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert not done.stdout


def strange(folder):
    """Files that are not the weights of a unit."""
    (folder / "text.npy").write_text("0.5, 0.25\n")
    (folder / "empty.npy").write_bytes(b"")
    (folder / "zip.npy").write_bytes(b"PK\x03\x04 and no more")
    (folder / "cut.npy").write_bytes((folder / "weights.npy").read_bytes()[:-5])
    np.save("objects.npy", np.array([{}, 1]), allow_pickle=True)
    np.savez("two.npz", a=WEIGHTS, b=VALUES)
    largest = np.finfo(np.longdouble).max  # no double is, unless a long double is a double
    infinite = np.finfo(np.float64).max == largest
    long = np.array([1, np.inf if infinite else largest], np.longdouble)
    for name, array in {
        "matrix": np.ones((2, 3)),
        "number": np.float64(1),
        "none": np.ones(0),
        "nan": np.array([1, np.nan, np.inf]),
        "long": long,
        "complex": np.ones(2) * 1j,
        "words": np.array(["a", "b"]),
        "two": np.ones(2),
        "huge": np.array([1e200, 1.0]),
    }.items():
        np.save(f"{name}.npy", array)


@pytest.mark.parametrize("columns", ["200", "80"])
def test_a_gap_that_no_double_holds_does_not_cost_the_others(monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", columns)
    np.save("large.npy", np.full(30, 100.0))
    words = ("--weights", "large.npy", "--rates", "0.5", "--json", "gap.json", "--plot", "gap.svg")
    done = gap(*words, "--activations", "exp,relu")
    assert done.exit_code == 2 or isinstance(done.exception, ds.UsageError)
    table = cells(done.stdout)
    assert table["exp", 0.5].count("answer") in (1, 2)
    assert table["relu", 0.5][-1] != "-"
    of_exp, of_relu = rows_of()["rows"][0], rows_of()["rows"][-1]
    assert "double" in of_exp["error"]
    assert (
        of_relu["value"]
        == ds.gap.neuron(
            "relu", np.full(30, 100.0), np.ones(30), rate=0.5, strategy="test-scaled"
        ).value
    )
    assert Path("gap.svg").exists()


def test_where_nothing_has_an_answer_there_is_no_table():
    np.save("large.npy", np.full(30, 100.0))
    done = gap("--weights", "large.npy", "--activations", "exp")
    assert isinstance(done.exception, ds.UsageError)
    assert not done.stdout
