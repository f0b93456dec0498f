"""No test of a framework is left out: none silently skipped, none in no environment of .ci/run."""

from pathlib import Path

import pytest
from framework_groups import GROUPS, group_of

from dropout_stats.adapters import FRAMEWORKS

ROOT = Path(__file__).resolve().parents[2]
INSTALLED_AS = {
    "haiku": "dm-haiku",
    "mlx": "mlx[cpu]",
    "numpy_ml": "numpy-ml",
    "paddle": "paddlepaddle",
    "tensorflow": "tensorflow-cpu",
}
# By paddle, which does not say so; Keras, whose tests are run on its other backends, too; the
# compiler that tinygrad calls; and PyTorch, apart from packages that cannot stand a torchvision
# whose compiled part fits another build of it.
ALSO_INSTALLED = {
    "paddle": {"setuptools"},
    "jax": {"keras"},
    "light": {"ziglang"},
    "vision": {"torch"},
}
STAND_ON_TORCH = ("timm", "torch_geometric", "torchvision", "transformers")


@pytest.fixture
def outcome(pytester, monkeypatch):
    """Run tests in a process of its own: `outcome(text, group)`."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "tests"))
    pytester.makeini("[pytest]\nmarkers = framework(name): needs it")

    def run(text, group=None):
        if group:
            monkeypatch.setenv("DROPOUT_STATS_GROUP", group)
        else:
            monkeypatch.delenv("DROPOUT_STATS_GROUP", raising=False)
        pytester.makepyfile(f"import pytest\nframework = pytest.mark.framework\n{text}")
        return pytester.runpytest_subprocess("-p", "framework_groups", "-rs")

    return run


NOT_INSTALLED = "@framework('torch')\ndef test_it(): pass"


def test_every_framework_with_an_adapter_is_in_one_group():
    named = [name for group in GROUPS.values() for name in group]
    assert sorted(named) == sorted([*FRAMEWORKS, *STAND_ON_TORCH])


def test_every_group_is_installed_and_run_by_ci():
    words = {}
    for line in (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines():
        if line.lstrip().startswith("group "):
            _, group, *packages = line.replace("'", "").split()
            words[group] = set(packages) - ALSO_INSTALLED.get(group, set())
    assert words == {
        group: {INSTALLED_AS.get(name, name) for name in names} for group, names in GROUPS.items()
    }


def test_keras_is_judged_on_each_backend():
    lines = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    assert {"keras_on jax", "keras_on tensorflow", "export KERAS_BACKEND=torch"} <= set(lines)


def test_a_test_of_frameworks_that_no_group_has_stops_every_run(outcome):
    for names in ("'chainer'", "'torch', 'jax'"):
        for group in (None, "jax"):
            done = outcome(f"@framework({names})\ndef test_it(): pass", group)
            assert done.ret == pytest.ExitCode.USAGE_ERROR
            done.stderr.fnmatch_lines(["*no group of tests/framework_groups.py has *"])
    with pytest.raises(pytest.UsageError):
        group_of(("torch", "jax"))


def test_only_the_tests_of_the_group_run(outcome):
    text = "def test_plain(): pass\n@framework('jax')\ndef test_jax(): pass\n" + NOT_INSTALLED
    done = outcome(text, "light")
    assert done.ret == pytest.ExitCode.NO_TESTS_COLLECTED  # which fails .ci/run
    done.assert_outcomes(deselected=3)


def test_a_framework_that_is_missing_is_a_failure_in_its_group_alone(outcome):
    patched = "import framework_groups\nframework_groups.GROUPS['light'] = ('no_such_framework',)\n"
    text = patched + NOT_INSTALLED.replace("torch", "no_such_framework")
    outcome(text).assert_outcomes(skipped=1)
    done = outcome(text, "light")
    done.assert_outcomes(errors=1)
    done.stdout.fnmatch_lines(["skipped, where nothing may be: no_such_framework is not installed"])


def test_any_other_skip_fails_in_a_group_too_and_an_expected_failure_does_not(outcome):
    text = "@framework('numpy')\ndef test_it(): pytest.skip('no GPU')"
    patched = "import framework_groups\nframework_groups.GROUPS['light'] = ('numpy',)\n"
    done = outcome(patched + text, "light")
    done.assert_outcomes(failed=1)
    done.stdout.fnmatch_lines(["skipped, where nothing may be: no GPU"])
    done = outcome(
        patched + "@framework('numpy')\n@pytest.mark.xfail\ndef test_it(): assert False", "light"
    )
    done.assert_outcomes(xfailed=1)


def test_an_unknown_group_is_said(outcome):
    done = outcome("def test_it(): pass", "jaxx")
    done.stderr.fnmatch_lines(["*DROPOUT_STATS_GROUP=jaxx: expected one of light, jax, torch,*"])
