"""`pytest --dropout-target`, `parametrize_checks`, `assert_conforms`: callers of one engine."""

import shlex

import pytest

QUICK = ("--dropout-rates=0.1,0.9", "--dropout-resolution=0.02", "--dropout-seed=5")
CHECKS = 21


@pytest.fixture
def project(pytester):
    pytester.makepyfile(
        mine="""
        import numpy as np

        rng = np.random.default_rng(0)
        calls = []

        def right(x, rate):
            calls.append(x.shape)
            return (x * (rng.random(x.shape) >= rate) / (1 - rate)).astype(x.dtype)

        def swapped(x, p):
            return (x * (rng.random(x.shape) < p) / p).astype(x.dtype)
        """
    )
    return pytester


def run(project, *words):
    return project.runpytest_subprocess("-p", "no:cacheprovider", *words)


def test_no_test_file_is_needed_for_a_right_dropout(project):
    done = run(project, "--dropout-target=mine:right", *QUICK)
    assert done.ret == 0
    outcomes = done.parseoutcomes()
    assert outcomes["passed"] > 15
    assert "failed" not in outcomes
    done.stdout.fnmatch_lines(["*target mine:right, seed 5*"])


def test_a_wrong_dropout_fails_with_its_text_and_diagnosis(project):
    done = run(project, "--dropout-target=mine:swapped", *QUICK)
    assert done.ret == 1
    done.stdout.fnmatch_lines(
        [
            "*rate.marginal?0.1-float32?*",
            "*declared keep probability 0.9*",
            "*reproduce: dropout-stats check mine:swapped*",
            "diagnosis: keep probability and drop rate swapped in mask and scale*",
        ]
    )
    assert "Traceback" not in done.stdout.str()


def test_one_item_a_case(project):
    done = run(project, "--dropout-target=mine:right", *QUICK, "--collect-only", "-q")
    items = [line for line in done.outlines if "::" in line]
    assert len(items) == len(set(items))
    for case in (
        "rate.marginal[0.1-float32]",
        "rate.marginal[0.9-float32]",
        "limits.rate_zero[0-float32]",
    ):
        assert any(line.endswith(case) for line in items)


def test_selecting_cases_leaves_their_share_alone(project):
    everything = run(project, "--dropout-target=mine:swapped", *QUICK).stdout.str()
    one = run(project, "--dropout-target=mine:swapped", *QUICK, "-k", "rate.marginal").stdout.str()
    thresholds = [
        {part.split(")")[0] for part in text.split("threshold ")[1:]} for text in (everything, one)
    ]
    assert thresholds[0] == thresholds[1] != set()


def test_workers_plan_the_same_run(project):
    words = ("--dropout-rates=0.1", "--dropout-resolution=0.02", "-n", "2")
    done = run(project, "--dropout-target=mine:right", *words)
    assert done.ret == 0, done.stdout.str()


def summary(done):
    lines = done.outlines
    start = next((n for n, line in enumerate(lines) if "= dropout-stats =" in line), len(lines))
    return [line for line in lines[start + 1 :] if line.startswith(("diagnosis", "  fix", "obser"))]


@pytest.mark.parametrize("target", ["mine:swapped", "mine:right"])
def test_workers_lead_to_the_same_summary(project, target):
    words = (f"--dropout-target={target}", *QUICK)
    alone, together = run(project, *words), run(project, *words, "-n", "2")
    assert together.ret == alone.ret
    assert ("diagnosis" in alone.stdout.str()) == (target == "mine:swapped")
    assert summary(alone) == summary(together) != []


def test_the_summary_is_of_the_cases_that_ran(project):
    words = ("--dropout-target=mine:swapped", *QUICK)
    assert summary(run(project, *words, "--collect-only")) == []
    some = run(project, *words, "-k", "invalid_rate", "-n", "2")
    assert [line.partition(":")[0] for line in summary(some)] == ["observed"] * 2
    assert "diagnosis" not in some.stdout.str()


def test_reports_of_other_tests_carry_nothing(project):
    project.makepyfile("def test_theirs(): pass")
    done = run(project, "--dropout-target=mine:right", *QUICK, "-n", "2", "--junitxml=out.xml")
    assert done.ret == 0
    assert "properties" not in (project.path / "out.xml").read_text()


def test_the_stream_of_a_configuration_is_drawn_once(project):
    project.makeconftest(
        """
        def pytest_sessionfinish(session):
            import mine
            print("stream calls", sum(shape == (16, 16) for shape in mine.calls))
        """
    )
    counts = []
    for selection in ((), ("-k", "rate.marginal")):
        done = run(
            project,
            "--dropout-target=mine:right",
            "--dropout-rates=0.3",
            "--dropout-resolution=0.05",
            "--dropout-seed=5",
            *selection,
        )
        line = next(line for line in done.outlines if "stream calls" in line)
        counts.append(int(line.split()[-1]))
    assert counts[0] == counts[1] > 0


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--dropout-target=mine:rigth",), "*Did you mean 'right'*"),
        (("--dropout-target=absent:x",), "*no module 'absent'*"),
        (("--dropout-target=mine:right", "--dropout-checks=rate.margina"), "*no check matches*"),
        (("--dropout-target=mine:right", "--dropout-rates=a"), "*could not convert*"),
    ],
)
def test_bad_usage_ends_the_session_with_one_line(project, words, says):
    done = run(project, *words)
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    (done.stderr if "*" in done.stderr.str() else done.stdout)
    assert "Traceback" not in done.stdout.str() + done.stderr.str()
    project_text = done.stdout.lines + done.stderr.lines
    assert any(says.strip("*") in line for line in project_text), project_text


def test_parametrize_checks_in_somebodys_own_file(project):
    project.makepyfile(
        test_mine="""
        import dropout_stats as ds
        import mine

        @ds.parametrize_checks(mine.right, rates=[0.1], resolution=0.02,
                               checks=["rate.*", "inference.*"])
        def test_right(case):
            case.check()

        @ds.parametrize_checks("mine:swapped", rates=[0.1], resolution=0.02, checks=["rate.*"])
        def test_swapped(case):
            case.check()
        """
    )
    done = run(project)
    done.assert_outcomes(passed=1, skipped=3, failed=1)
    done.stdout.fnmatch_lines(["*test_swapped?rate.marginal?0.1-float32??*"])


ANONYMOUS = """
    import dropout_stats as ds
    import mine

    @ds.parametrize_checks(ds.Target(train=mine.swapped), rates=[0.1, 0.9], resolution=0.02, seed=1)
    def test_swapped(case):
        case.check()
"""


@pytest.mark.parametrize("workers", [(), ("-n", "2", "--dist", "loadfile")])
def test_targets_in_somebodys_own_file_are_diagnosed(project, workers):
    project.makepyfile(test_mine=ANONYMOUS)
    printed = summary(run(project, *workers))
    assert len(printed) == 2, printed
    assert "keep probability and drop rate swapped in mask and scale" in printed[0]
    assert printed[1].startswith("  fix: ")


def test_tests_that_are_not_ours_are_not_summed_up(project):
    project.makepyfile(
        "import pytest\n@pytest.mark.parametrize('x', [1])\ndef test_theirs(x): assert not x"
    )
    assert "= dropout-stats =" not in run(project).stdout.str()


def test_what_no_command_names_is_asked_again_by_its_test(project):
    project.makepyfile(test_mine=ANONYMOUS)
    done = run(project, "-k", "rate.marginal and 0.1-float32")
    (line,) = {line.strip("E ") for line in done.outlines if "reproduce:" in line}
    again = shlex.split(line.removeprefix("reproduce: "))
    assert again[0] == "pytest"
    assert project.runpytest_subprocess(*again[1:]).parseoutcomes() == {"failed": 1}


def test_inconclusive_fails(project):
    project.makepyfile(
        test_mine="""
        import dropout_stats as ds
        import mine

        @ds.parametrize_checks(mine.right, rates=[0.1], max_seconds=1e-9, checks=["rate.*"])
        def test_right(case):
            case.check()
        """
    )
    done = run(project)
    done.assert_outcomes(failed=1)
    done.stdout.fnmatch_lines(["*INCONCLUSIVE rate.marginal*"])


def test_assert_conforms(project):
    project.makepyfile(
        test_mine="""
        import dropout_stats as ds
        import mine
        import pytest

        def test_both():
            ds.assert_conforms(mine.right, rates=[0.1], resolution=0.02)
            with pytest.raises(AssertionError, match="swapped: fail"):
                ds.assert_conforms(mine.swapped, rates=[0.1], resolution=0.02)
        """
    )
    run(project).assert_outcomes(passed=1)


def test_settings_are_read_from_pyproject(project):
    project.makepyprojecttoml("[tool.dropout_stats]\nrates = [0.2]\nresolution = 0.02\n")
    done = run(project, "--dropout-target=mine:right", "--collect-only", "-q")
    assert any("rate.marginal[0.2-float32]" in line for line in done.outlines)


EXPECTED = """
[[tool.dropout_stats.expected]]
check = "{check}"
reason = "issue 12"
strict = {strict}
"""


def expecting(project, *checks, strict="false"):
    tables = "".join(EXPECTED.format(check=check, strict=strict) for check in checks)
    project.makepyprojecttoml(f"[tool.dropout_stats]\nmax_seconds = 60\n{tables}")


@pytest.mark.parametrize("workers", [(), ("-n", "2")])
def test_an_expected_failure_is_xfailed(project, workers):
    expecting(project, "rate.*")
    words = ("--dropout-target=mine:swapped", *QUICK, "--dropout-checks=rate.*,interface.*", "-rx")
    done = run(project, *words, *workers)
    assert done.ret == 0, done.stdout.str()
    assert done.parseoutcomes()["xfailed"] == 2
    done.stdout.fnmatch_lines(["*XFAIL*rate.marginal*bug: issue 12*"])
    assert "diagnosis:" not in done.stdout.str()
    assert run(project, *words, "--runxfail").ret == 1


@pytest.mark.parametrize("workers", [(), ("-n", "2")])
def test_an_expectation_of_which_nothing_fails_fails_the_session(project, workers):
    expecting(project, "rate.*")
    words = ("--dropout-target=mine:right", *QUICK, "--dropout-checks=rate.*,interface.*")
    done = run(project, *words, *workers)
    assert done.ret == pytest.ExitCode.TESTS_FAILED, done.stdout.str()
    assert "failed" not in done.parseoutcomes()
    done.stdout.fnmatch_lines(["unexpected pass: 'rate.*' is expected to fail (bug: issue 12)*"])
    some = run(project, *words, *workers, "-k", "0.1-float32")
    assert some.ret == 0, some.stdout.str()
    assert "unexpected pass" not in some.stdout.str()
    some.stdout.fnmatch_lines(["*1 of the 2 cases that it matches were not run*"])


@pytest.mark.parametrize(
    ("check", "strict"), [("rate.marginal[0.1-float32]", "false"), ("rate.*", "true")]
)
def test_an_item_that_must_fail_and_passes_fails(project, check, strict):
    expecting(project, check, strict=strict)
    done = run(project, "--dropout-target=mine:right", *QUICK, "-k", "rate.marginal and 0.1")
    done.assert_outcomes(failed=1)
    done.stdout.fnmatch_lines(["*UNEXPECTED-PASS rate.marginal?0.1-float32?*"])


def test_expectations_in_somebodys_own_file(project):
    project.makepyfile(
        test_mine="""
        import dropout_stats as ds
        import mine

        known = ds.Expected("rate.*", reason="issue 12")
        named = ds.Expected("rate.marginal[0.1-float32]", reason="issue 12")
        quick = dict(rates=[0.1], resolution=0.02, checks=["rate.*"])

        @ds.parametrize_checks(mine.swapped, **quick, expected=[known])
        def test_swapped(case):
            case.check()

        @ds.parametrize_checks(mine.right, **quick, expected=[named])
        def test_right(case):
            case.check()
        """
    )
    run(project).assert_outcomes(xfailed=1, failed=1)
