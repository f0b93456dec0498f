"""The reproduction of a case is complete: it finds exactly what was found."""

import dataclasses
import importlib
import json
import os
import shlex
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import dropout_stats as ds
from dropout_stats import zoo
from dropout_stats.adapters.locate import spec_of
from dropout_stats.zoo.rate import NeverDrops
from dropout_stats.zoo.scale import NoScaling, ScaledTwice

GIVEN = {
    "rates": (0.1, 0.3, 0.9),
    "dtypes": ("float32", "float64"),
    "shapes": ((8, 16), (4, 3)),
    "false_alarm": 1e-5,
    "power": 0.95,
    "resolution": 2**-5,
    "max_seconds": 120,
    "seed": 11,
}
FAILING = zoo.choose(
    [
        "ScaledTwice",
        "SwappedMask",
        "NeverDrops",
        "DropsInEvaluation",
        "UnmaskedGradient",
        "Promotes",
        "ReturnsTheDropMask",
        "LastColumnIsKept",
        "NeighboursShareADraw",
        "DependsOnTheSign",
    ]
)


def unnamed(specimen):
    """A target that no command names, as one that was made in a script."""
    return dataclasses.replace(specimen.build(), spec=None)


@pytest.mark.parametrize("specimen", FAILING, ids=lambda s: s.name)
def test_a_python_reproduction_gives_the_same_result(specimen):
    report = ds.check(unnamed(specimen), **GIVEN)
    bad = [result for result in report.results if result.verdict in ("fail", "inconclusive")]
    for result in {*bad[:1], *bad[-1:]}:  # each is a run of its own
        found = eval(result.reproduce, {"ds": ds, "target": unnamed(specimen)})  # noqa: S307
        assert found.results == (result,)


def test_a_selected_case_finds_what_it_finds_in_the_full_run():
    full = ds.check(ScaledTwice().target(), **GIVEN)
    part = ds.check(ScaledTwice().target(), **GIVEN, checks=["moments.*", "support.*"])
    assert part.results == tuple(
        result for result in full.results if result.check.startswith(("moments.", "support."))
    )


def test_what_is_at_its_default_is_left_out():
    report = ds.check(NeverDrops().target(), checks=["rate.*"], seed=3)
    assert report["rate.marginal"].reproduce == (
        "ds.check(target, checks=['rate.marginal[0.001-float32]'], seed=3)"
    )


def test_law_and_conventions_of_the_call_are_written_as_python():
    held = ds.Conventions(ndims=(2, 3), rate_argument="keep_prob", max_shapes=2)
    target = zoo.Core().target(law=None)
    report = ds.check(
        target, "test-scaled", conventions=held, rates=[0.1], resolution=0.05, max_seconds=1e400
    )
    for result in report.failures:
        found = eval(result.reproduce, {"ds": ds, "target": target})  # noqa: S307
        assert found.results == (result,)
        assert found.conventions == report.conventions
        assert found.law == "test-scaled"


def test_a_law_of_ones_own_is_called_law():
    class Own(ds.laws.Inverted.__mro__[1]):
        name = "own"

        def kept_factor(self, rate):
            return 1 / (1 - rate)

        def evaluation_factor(self, rate):
            return 1.0

    target = NoScaling().target(law=None, spec="mine.py:target")
    report = ds.check(target, Own(), rates=[0.1], resolution=0.05)
    text = report["support.kept_value"].reproduce
    assert text.startswith("ds.check(target, law=law, rates=[0.1]")
    found = eval(text, {"ds": ds, "target": target, "law": Own()})  # noqa: S307
    assert found.results == (report["support.kept_value"],)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "my targets.py").write_text(
        textwrap.dedent("""
        import numpy as np
        import dropout_stats as ds

        rng = [np.random.default_rng()]

        def seed(number):
            rng[0] = np.random.default_rng(number)

        def train(x, keep_prob):
            kept = rng[0].random(x.shape) < 1 - keep_prob
            return np.where(kept, x / x.dtype.type(keep_prob), x.dtype.type(0))

        def evaluate(x, keep_prob):
            return x * x.dtype.type(keep_prob)

        target = ds.Target(train=train, evaluate=evaluate, seed=seed)
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


def results(folder, *words):
    done = run(folder, *words, "--json", "report.json")
    assert done.returncode == 1, done.stdout + done.stderr
    return json.loads((folder / "report.json").read_text())["results"]


@pytest.mark.parametrize(
    "words",
    [
        ("--rates", "0.1,0.9", "--resolution", "0.02"),
        (
            *("--rates", "0.1,0.3", "--resolution", "0.05", "--law", "test-scaled"),
            *("--shapes", "16x16,3x5", "--dtypes", "float32,float64", "--power", "0.9"),
            *("--false-alarm", "1e-4", "--max-seconds", "100", "--seed", "4"),
            *("--convention", "rate_domain=[0, 1]", "--convention", "ndims=2,2"),
        ),
    ],
)
def test_a_command_gives_the_same_result(folder, words):
    report = results(folder, "check", "my targets.py:target", "--keep-prob", *words)
    failed = [result for result in report if result["verdict"] == "fail"]
    first = {result["check"]: result for result in reversed(failed)}
    for check in ("rate.marginal", "moments.mean", "limits.rate_zero"):
        program, *again = shlex.split(first[check]["reproduce"])
        assert program == "dropout-stats"
        assert results(folder, *again) == [first[check]]


SCRIPT = """
import dropout_stats as ds
from layers import build, dropout

def made_here(x, rate, training=True):
    return dropout(x, rate, training)

mine = build()
COARSE = {"rates": (0.1,), "resolution": 0.1, "seed": 5}
for judged in (dropout, made_here, mine):
    print(ds.check(judged, checks=["inference.*"], **COARSE))
"""


@pytest.fixture
def project(tmp_path):
    (tmp_path / "layers.py").write_text(
        textwrap.dedent("""
        import numpy as np
        import dropout_stats as ds

        def dropout(x, rate, training=True):
            kept = np.random.default_rng(0).random(x.shape) >= rate
            return np.where(kept, x / x.dtype.type(1 - rate), x.dtype.type(0))

        def build():
            return ds.Target(train=dropout, evaluate=dropout)
        """)
    )
    (tmp_path / "script.py").write_text(SCRIPT)
    return tmp_path


def printed(done):
    """The lines that a report tells its reader to run, each once."""
    lines = [line.strip() for line in done.stdout.splitlines()]
    found = [line for line in lines if line.startswith("reproduce: ")]
    return list(dict.fromkeys(line.removeprefix("reproduce: ") for line in found))


def findings(done):
    """What a report says of its failures: the lines between their heads and their reproductions."""
    text = done.stdout.partition("FAIL inference.law")[2].partition("reproduce: ")[0]
    return " ".join(text.split())


def in_a_shell(folder, line):
    scripts = str(Path(sys.executable).parent)
    path = os.pathsep.join((scripts, os.environ.get("PATH", "")))
    return subprocess.run(  # noqa: S602 - what is printed is there to be pasted into a shell
        line,
        shell=True,
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PATH": path, "COLUMNS": "60"},
    )


def in_python(folder, *words):
    return subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, *words], cwd=folder, capture_output=True, text=True, check=False
    )


def test_what_the_command_prints_runs_in_a_shell_as_it_stands(folder):
    command = "dropout-stats check 'my targets.py:target' --keep-prob --rates 0.1 --seed 5"
    found = in_a_shell(folder, f"{command} --resolution 0.1 --checks 'inference.*'")
    assert found.returncode == 1, found.stdout + found.stderr
    again = in_a_shell(folder, printed(found)[0])
    assert again.returncode == 1, again.stdout + again.stderr
    assert findings(found) == findings(again) != ""


def test_what_a_report_in_a_script_prints_runs_as_it_stands(project):
    found = in_python(project, "script.py")
    assert found.returncode == 0, found.stderr
    lines = printed(found)
    imported = [line for line in lines if line.startswith("dropout-stats check layers:dropout ")]
    made_here = [line for line in lines if line.startswith("ds.check(made_here, ")]
    mine = [line for line in lines if line.startswith("ds.check(mine, ")]
    assert [*imported, *made_here, *mine] == lines, found.stdout

    again = in_a_shell(project, imported[0])
    assert again.returncode == 1, again.stdout + again.stderr
    assert findings(again) == findings(found)

    (project / "script.py").write_text(f"{SCRIPT}\nassert {made_here[0]}.failures\n{mine[0]}\n")
    assert in_python(project, "script.py").returncode == 0


def test_what_no_other_process_finds_is_named_by_no_command(tmp_path, monkeypatch):
    (tmp_path / "hidden_layers.py").write_text("class Layer: ...\n")
    monkeypatch.syspath_prepend(tmp_path)
    hidden = importlib.import_module("hidden_layers").Layer

    class Local(hidden):
        pass

    assert spec_of(hidden) is None  # on the path of this process alone
    assert spec_of(Local) is None
    assert spec_of(ds.reference(ds.laws.Inverted())) is None
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert spec_of(hidden) == "hidden_layers:Layer"
    monkeypatch.delenv("PYTHONPATH")
    monkeypatch.chdir(tmp_path)
    assert spec_of(hidden) == "hidden_layers:Layer"
    assert spec_of(json.dumps) == "json:dumps"


def test_settings_of_pyproject_are_part_of_the_command(folder):
    (folder / "pyproject.toml").write_text(
        '[tool.dropout_stats]\ntarget = "my targets.py:target"\nrates = [0.2]\npower = 0.9\n'
        "shapes = [[16, 16]]\nresolution = 0.05\n"
        '[tool.dropout_stats.conventions]\nrate_argument = "keep_prob"\nmax_shapes = 2\n'
    )
    result = next(r for r in results(folder, "check") if r["check"] == "rate.marginal")
    (folder / "pyproject.toml").unlink()
    assert results(folder, *shlex.split(result["reproduce"])[1:]) == [result]


def test_a_convention_of_the_command_goes_before_the_one_of_the_file(folder):
    (folder / "pyproject.toml").write_text(
        "[tool.dropout_stats.conventions]\nmax_shapes = 2\nndims = [2, 2]\n"
    )
    words = ("--rates", "0.1", "--resolution", "0.05", "--convention", "max_shapes=1")
    results(folder, "check", "my targets.py:target", *words)
    conventions = json.loads((folder / "report.json").read_text())["conventions"]
    assert (conventions["max_shapes"], conventions["ndims"]) == (1, [2, 2])


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--shapes", "16x"), "comma-separated shape"),
        (("--shapes", "0x3"), "positive lengths"),
        (("--convention", "ndims"), "KEY=VALUE"),
        (("--convention", "ndims=a"), "(smallest, largest)"),
        (("--convention", "ndim=2,2"), "Did you mean 'ndims'"),
        (("--convention", "max_shapes=few"), "must be an integer, got 'few'"),
        (("--convention", "dtypes=float23"), "unknown dtype 'float23'"),
        (("--convention", "randomness=keys"), "Did you mean 'key'"),
    ],
)
def test_shapes_and_conventions_that_make_no_sense_are_refused(folder, words, says):
    done = run(folder, "check", "my targets.py:target", *words)
    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr
