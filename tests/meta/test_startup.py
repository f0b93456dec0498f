"""Other people's pytest start-up is sacred."""

import subprocess
import sys

import pytest

HEAVY = ("numpy", "scipy", "hypothesis", "rich", "click", "matplotlib", "torch", "jax")


def imported_by(code):
    code += "\nimport sys; print('|'.join(sys.modules))"
    done = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    return {name.partition(".")[0] for name in done.stdout.strip().splitlines()[-1].split("|")}


def test_importing_the_package_imports_nothing_heavy():
    assert not imported_by("import dropout_stats") & set(HEAVY)


def test_the_plugin_imports_pytest_and_nothing_heavy():
    assert not imported_by("import pytest, dropout_stats.pytest_plugin") & set(HEAVY)


def test_a_pytest_run_without_a_target_imports_nothing_heavy(pytester, monkeypatch):
    pytester.makeconftest(
        f"""
        import sys

        def pytest_sessionfinish(session):
            heavy = set(name.partition(".")[0] for name in sys.modules) & set({HEAVY!r})
            print("heavy:", sorted(heavy))
        """
    )
    pytester.makepyfile("def test_nothing(): pass")
    # Other packages bring plugins of their own, which import what they like.
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    done = pytester.runpytest_subprocess("-p", "dropout_stats.pytest_plugin")
    done.stdout.fnmatch_lines(["*heavy: []*"])


@pytest.mark.parametrize("name", ["check", "Target", "laws", "parametrize_checks", "Report"])
def test_public_names_are_loaded_on_first_use(name):
    assert imported_by(f"import dropout_stats\ndropout_stats.{name}") >= {"dropout_stats"}


def test_an_unknown_name_has_a_suggestion():
    import dropout_stats

    with pytest.raises(AttributeError, match="Did you mean 'check'"):
        dropout_stats.chek  # noqa: B018 - the access is the point


def test_every_public_name_is_there_and_is_what_it_says():
    import dropout_stats as ds

    assert sorted(dir(ds)) == sorted(ds.__all__)
    for name in ds.__all__:
        assert getattr(ds, name) is not None
    assert callable(ds.plan), "a module of that name would shadow the function"
