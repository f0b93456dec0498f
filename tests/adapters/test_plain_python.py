"""Functions and classes on NumPy arrays, in every shape in which people write them."""

import sys

import numpy as np
import pytest

import dropout_stats as ds

RNG = np.random.default_rng(99)
COARSE = {"rates": (0.1, 0.3, 0.9), "resolution": 2**-5, "seed": 6}


def core(x, rate, rng=RNG):
    return (x * (rng.random(x.shape) >= rate) / (1 - rate)).astype(x.dtype)


def by_position(x, rate, /):
    return core(x, rate)


def by_keyword(x, *, drop_prob):
    return core(x, drop_prob)


def keep(x, keep_prob):
    return core(x, 1 - keep_prob)


def with_training(x, rate, training):
    return core(x, rate) if training else x


def with_deterministic(x, p, deterministic=False):
    return x if deterministic else core(x, p)


def with_mode(x, p, mode="train"):
    return core(x, p) if mode == "train" else x


def with_rng(x, rate, rng):
    return core(x, rate, rng)


def with_seed(x, rate, seed):
    return core(x, rate, np.random.default_rng(seed))


def with_cache(x, keep_prob):
    mask = RNG.random(x.shape) < keep_prob
    return (x * mask / keep_prob).astype(x.dtype), (mask, keep_prob)


def anything(*args):
    return core(*args)


class Functional:
    def __init__(self, rate):
        self.rate = rate

    def __call__(self, x, training=True):
        return core(x, self.rate) if training else x


class Modal:
    def __init__(self, keep_prob):
        self.keep_prob, self.training = keep_prob, True

    def forward(self, x):
        if not self.training:
            return x
        self.mask = RNG.random(x.shape) < self.keep_prob
        return (x * self.mask / self.keep_prob).astype(x.dtype)

    def backward(self, dy):
        return (dy * self.mask / self.keep_prob).astype(dy.dtype)


class Switched(Modal):
    def train(self):
        self.training = True

    def eval(self):
        self.training = False


@pytest.mark.parametrize(
    "target",
    [
        by_position,
        by_keyword,
        keep,
        with_training,
        with_deterministic,
        with_mode,
        with_rng,
        with_seed,
        with_cache,
        anything,
        Functional,
        Modal,
        Switched,
        lambda x, p: core(x, p, RNG),
    ],
    ids=lambda target: target.__name__,
)
def test_a_correct_dropout_passes_however_it_is_called(target):
    report = ds.check(target, **COARSE)
    assert report.verdict == "pass", str(report)


@pytest.mark.parametrize("target", [with_training, with_deterministic, Functional, Modal, Switched])
def test_an_evaluation_pass_is_found(target):
    assert ds.check(target, **COARSE)["inference.law"].verdict == "pass"


@pytest.mark.parametrize("target", [Modal, Switched])
def test_a_backward_method_is_found(target):
    assert ds.check(target, **COARSE)["gradient.same_noise"].verdict == "pass"


def test_the_convention_that_was_read_is_said():
    said = " ".join(ds.check(keep, **COARSE).observations)
    assert "'keep_prob' was read as the keep probability" in said
    said = " ".join(ds.check(with_mode, **COARSE).observations)
    assert "'p' was read as the drop rate" in said
    said = " ".join(ds.check(with_cache, **COARSE).observations)
    assert "tuple of 2" in said


def test_a_declared_convention_goes_before_a_name():
    def misnamed(x, p):
        return core(x, 1 - p)

    assert ds.check(misnamed, **COARSE).verdict == "fail"
    declared = ds.Conventions(rate_argument="keep_prob")
    assert ds.check(misnamed, conventions=declared, **COARSE).verdict == "pass"


def test_other_declared_conventions_leave_what_was_read_alone():
    report = ds.check(keep, conventions=ds.Conventions(dtypes=("float64",)), **COARSE)
    assert report.verdict == "pass", str(report)
    assert report.conventions["rate_argument"] == "keep_prob"


def test_keys_never_repeat():
    seen = []

    def keyed(x, rate, key):
        seen.append(key)
        return core(x, rate, np.random.default_rng(key))

    report = ds.check(keyed, rates=(0.3,), resolution=2**-6, checks=["rate.*", "calls.*"])
    assert report.verdict == "pass"
    assert len(seen) == len(set(seen)) > 30


def test_a_layer_is_built_once_a_rate():
    built = []

    def build(rate):
        built.append(rate)
        return Modal(1 - rate)

    target = ds.Target.from_layer(build, name="mine")
    report = ds.check(target, rates=(0.3,), resolution=2**-5, seed=1)
    assert report.verdict == "pass", str(report)
    assert sum(type(rate) is float and rate == 0.3 for rate in built) == 1
    assert report["gradient.dropped_is_zero"].verdict == "pass"


def test_a_layer_with_its_own_way_of_being_called():
    target = ds.Target.from_layer(
        lambda rate: {"rate": rate},
        train=lambda layer, x: core(x, layer["rate"]),
        evaluate=lambda layer, x: x,
        vjp=lambda layer, x, dy: (core(x, 0.0), dy),
    )
    report = ds.check(target, **COARSE)
    assert report["inference.law"].verdict == "pass"
    assert report["gradient.same_noise"].verdict == "pass"


def test_a_layer_that_cannot_be_built_is_a_harness_error():
    def build(rate):
        raise OSError("no weights")

    with pytest.raises(ds.HarnessError, match="no weights"):
        ds.Target.from_layer(build)


@pytest.mark.parametrize("value", [7, None, [1]])
def test_what_cannot_be_a_target_is_refused(value):
    with pytest.raises(ds.HarnessError, match="a target is"):
        ds.check(value)


@pytest.mark.parametrize("field", ["train", "evaluate", "vjp", "seed", "apply"])
def test_the_parts_of_a_target_must_be_callable(field):
    with pytest.raises(ds.UsageError, match=field):
        ds.Target(**{"train": core, field: 3})


@pytest.mark.parametrize(
    "bad",
    [
        {"rate_argument": "keep"},
        {"rate_domain": "[0,1]"},
        {"invalid_rates": "raises"},
        {"randomness": "globl"},
        {"dtypes": ("float8",)},
        {"dtypes": ()},
        {"ndims": (3, 1)},
        {"max_shapes": 0},
    ],
)
def test_senseless_conventions_are_refused(bad):
    with pytest.raises(ds.UsageError):
        ds.Conventions(**bad)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("rates", ()),
        ("rates", (2.0,)),
        ("rates", (float("nan"),)),
        ("dtypes", ()),
        ("shapes", ((0,),)),
        ("false_alarm", 0),
        ("power", 1),
        ("resolution", 0),
        ("resolution", 3),
        ("max_seconds", 0),
        ("seed", -1),
        ("ratse", (0.1,)),
        ("checks", ["nothing"]),
        ("skip", ["nothing"]),
    ],
)
def test_senseless_options_are_refused(option, value):
    with pytest.raises(ds.UsageError):
        ds.check(core, **{option: value})


def test_ranks_and_shapes_follow_the_conventions():
    shapes = set()

    def four_dimensional(x, rate):
        shapes.add(x.shape)
        if x.ndim != 4:
            raise ValueError("only batches of images")
        return core(x, rate)

    four = ds.Conventions(ndims=(4, 4))
    assert ds.check(four_dimensional, conventions=four, **COARSE).verdict == "pass"
    assert len(shapes) > 1
    shapes.clear()
    one = ds.Conventions(max_shapes=1, ndims=(1, 3))
    assert (
        ds.check(
            lambda x, rate: shapes.add(x.shape) or core(x, rate),
            conventions=one,
            rates=(0.3,),
            resolution=2**-5,
            skip=["interface.degenerate"],
        ).verdict
        == "pass"
    )
    assert len(shapes) == 1
    report = ds.check(core, rates=(0.3,), shapes=[(64, 8), (3, 4)], resolution=2**-5)
    assert report.verdict == "pass"
    assert report["rate.marginal"].case.shape == (64, 8)


@pytest.mark.parametrize(
    ("spec", "missing", "line"),
    [
        ("thinc.api:Dropout", "thinc", "pip install thinc"),
        ("haiku:dropout", "jax", "pip install dm-haiku jax"),
        ("mlx.nn:Dropout", "mlx", "pip install 'mlx[cpu]'"),
        ("paddle.nn:Dropout", "paddle", "pip install paddlepaddle"),
    ],
)
def test_a_framework_that_is_not_installed_is_named_with_the_line_that_installs_it(
    spec, missing, line, monkeypatch
):
    monkeypatch.setitem(sys.modules, missing, None)
    framework = spec.partition(":")[0].partition(".")[0]
    monkeypatch.delitem(sys.modules, f"dropout_stats.adapters.{framework}", raising=False)
    with pytest.raises(ds.HarnessError) as raised:
        ds.check(spec)
    assert str(raised.value).endswith(line)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (
            "raise ImportError('libmlx.so: cannot open shared object file', name='core')",
            "libmlx.so",
        ),
        ("import mlx.no_such_part", "No module named 'mlx.no_such_part'"),
        ("raise OSError('libgomp.so.1: cannot open shared object file')", "libgomp.so.1"),
    ],
)
def test_a_framework_that_is_installed_and_broken_is_not_to_be_installed(
    code, error, tmp_path, monkeypatch
):
    (tmp_path / "mlx").mkdir()
    (tmp_path / "mlx" / "__init__.py").write_text("")
    (tmp_path / "mlx" / "core.py").write_text(f"{code}\n")
    monkeypatch.syspath_prepend(tmp_path)
    for module in [m for m in sys.modules if m.partition(".")[0] == "mlx"]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.delitem(sys.modules, "dropout_stats.adapters.mlx", raising=False)
    with pytest.raises(ds.HarnessError) as raised:
        ds.check("mlx.nn:Dropout")
    assert "pip install" not in str(raised.value)
    assert "importing 'mlx' raised" in str(raised.value)
    assert error in str(raised.value)
    for module in [m for m in sys.modules if m.partition(".")[0] == "mlx"]:
        del sys.modules[module]
