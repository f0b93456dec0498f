"""Adapters that other packages bring through the entry points of `dropout_stats.adapters`."""

import subprocess
import sys

import pytest

import dropout_stats as ds

FRAMEWORK = """
import random

class Dropout:
    def __init__(self, chance):
        self.chance = chance

    def noise(self, values):
        return [0 if random.random() < self.chance else v / (1 - self.chance) for v in values]
"""
ADAPTER = """
import random

import numpy as np

import dropout_stats as ds

def adapt(target, name, *, scale=1):
    def train(layer, x):
        return np.array(layer.noise(x.ravel().tolist()), x.dtype).reshape(x.shape) * scale

    return ds.Target.from_layer(
        target, train=train, evaluate=lambda layer, x: x, seed=random.seed, name=name,
        law=ds.laws.Inverted(),
    )
"""
QUICK = {"rates": (0.3,), "resolution": 0.1, "checks": ["rate.*", "support.*"], "seed": 1}


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Install a distribution, as pip would: its modules and its entry points on the path."""
    monkeypatch.syspath_prepend(tmp_path)
    made = set()

    def installed(name, points, **modules):
        made.update(modules)
        for module, text in modules.items():
            sys.modules.pop(module, None)  # the documentation has some of these names, too
            (tmp_path / f"{module}.py").write_text(text)
        info = tmp_path / f"{name.replace('-', '_')}-1.2.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n")
        lines = "\n".join(f"{root} = {place}" for root, place in points.items())
        (info / "entry_points.txt").write_text(f"[dropout_stats.adapters]\n{lines}\n")

    yield installed
    for module in made:
        sys.modules.pop(module, None)


@pytest.fixture
def fastdrop(install):
    install("fastdrop", {}, fastdrop=FRAMEWORK)
    install("fastdrop-adapter", {"fastdrop": "fastdrop_adapter"}, fastdrop_adapter=ADAPTER)


def test_a_target_is_found_by_its_import_string_and_by_its_class(fastdrop):
    import fastdrop as framework

    class Own(framework.Dropout):
        pass

    for target in ("fastdrop:Dropout", framework.Dropout, Own):
        report = ds.check(target, **QUICK)
        assert report.verdict == "pass", str(report)
        assert report.law_source == "target"
        said = "adapted by the adapter fastdrop_adapter of fastdrop-adapter 1.2"
        assert said in report.observations


def test_a_wrong_target_fails_through_it(fastdrop):
    report = ds.check(ds.adapt("fastdrop:Dropout", scale=2), **QUICK)
    assert report["support.kept_value"].verdict == "fail", str(report)


def test_its_options_are_those_of_the_adapter(fastdrop):
    target = ds.adapt("fastdrop:Dropout", framework="fastdrop", scale=1)
    assert target.spec == "fastdrop:Dropout --option framework=fastdrop --option scale=1"
    with pytest.raises(ds.UsageError, match=r"no option 'scael'.*Did you mean 'scale'"):
        ds.adapt("fastdrop:Dropout", scael=1)
    with pytest.raises(ds.UsageError, match=r"unknown framework 'fast': .*fastdrop"):
        ds.adapt("fastdrop:Dropout", framework="fast")


def test_it_goes_before_an_adapter_of_this_library(install):
    install("own-torch", {"numpy_ml": "own_adapter"}, own_adapter=ADAPTER, numpy_ml=FRAMEWORK)
    assert "own_adapter" in ds.check("numpy_ml:Dropout", **QUICK).observations[0]


@pytest.mark.parametrize(
    ("adapter", "said"),
    [
        ("import nowhere_to_be_found", "cannot be imported: it raised ModuleNotFoundError"),
        ("raise SystemExit(3)", "cannot be imported: it raised SystemExit: 3"),
        ("adapt = 3", "has no function adapt(target, name)"),
        ("def adapt(target, name): return target", "made a type of its target; expected a"),
        ("def adapt(target, name): raise KeyError('x')", "raised KeyError: 'x'"),
        (f"{ADAPTER}\ndef prepare(): raise OSError('no device')", "raised OSError: no device"),
    ],
)
def test_a_broken_one_is_named(install, adapter, said):
    install("broken-adapter", {"fastdrop": "broken"}, broken=adapter, fastdrop=FRAMEWORK)
    with pytest.raises(ds.HarnessError) as caught:
        ds.adapt("fastdrop:Dropout")
    assert said in str(caught.value)
    assert "the adapter broken of broken-adapter 1.2" in str(caught.value)


def test_what_it_says_itself_is_left_as_it_is(install):
    install("refusing", {"fastdrop": "refusing"}, fastdrop=FRAMEWORK, refusing=(
        "from dropout_stats import HarnessError\n"
        "def adapt(target, name): raise HarnessError('only classes')"
    ))  # fmt: skip
    with pytest.raises(ds.HarnessError, match=r"^only classes$"):
        ds.adapt("fastdrop:Dropout")


def test_two_for_one_framework_are_refused(fastdrop, install):
    install("another-adapter", {"fastdrop": "another"}, another=ADAPTER)
    with pytest.raises(ds.HarnessError, match="2 packages bring an adapter for fastdrop") as caught:
        ds.adapt("fastdrop:Dropout")
    assert "fastdrop-adapter 1.2" in str(caught.value)
    assert "another-adapter 1.2" in str(caught.value)


def test_a_broken_one_is_nobody_elses_concern(install):
    install("broken-adapter", {"fastdrop": "broken"}, broken="raise RuntimeError")
    assert ds.adapt(lambda x, rate: x).name


def test_entry_points_are_not_read_before_something_is_adapted(install):
    install("broken-adapter", {"fastdrop": "broken"}, broken="raise RuntimeError")
    code = (
        "import sys, dropout_stats, dropout_stats.pytest_plugin\n"
        "assert 'dropout_stats.adapters' not in sys.modules\n"
        "dropout_stats.adapt(lambda x, rate: x)\n"
        "assert 'broken' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)  # noqa: S603 - our own interpreter
