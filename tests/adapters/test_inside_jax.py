"""Dropouts inside models of Flax NNX and Equinox, judged with the mode and rate they have there."""

from types import SimpleNamespace

import pytest

import dropout_stats as ds

QUICK = {"resolution": 2**-5, "seed": 4}


def verdicts_of(report):
    return {result.check: result.verdict for result in report.results}


@pytest.fixture
def nnx():
    """Models of NNX."""
    import jax
    from flax import nnx

    class Block(nnx.Module):
        def __init__(self):
            rngs = nnx.Rngs(0)
            self.linear, self.norm = nnx.Linear(32, 64, rngs=rngs), nnx.BatchNorm(64, rngs=rngs)
            self.drop = nnx.Dropout(0.2, rngs=rngs)
            self.late = nnx.Dropout(0.4, broadcast_dims=(-1,), rngs=rngs)
            self.none = nnx.Dropout(0.0, rngs=rngs)
            self.forgotten = nnx.Dropout(0.5, rngs=rngs)

        def __call__(self, x):
            hidden = self.drop(jax.nn.relu(self.linear(self.none(x))))
            return self.late(self.norm(hidden))

    class Compiled(nnx.Module):
        def __init__(self):
            self.block = Block()

        @nnx.jit
        def __call__(self, x):
            return self.block(x)

    class AlwaysTraining(nnx.Module):
        def __init__(self):
            self.drop = nnx.Dropout(0.3, rngs=nnx.Rngs(0))

        def __call__(self, x):
            return self.drop(x, deterministic=False)

    class OneKey(nnx.Module):
        def __init__(self):
            self.drop = nnx.Dropout(0.3, rngs=nnx.Rngs(0))

        def __call__(self, x):
            return self.drop(x, rngs=nnx.Rngs(1))

    batch = jax.random.normal(jax.random.key(1), (64, 32))
    kinds = {kind.__name__: kind for kind in (Block, Compiled, AlwaysTraining, OneKey)}
    return SimpleNamespace(batch=batch, linear=nnx.Linear(32, 2, rngs=nnx.Rngs(0)), **kinds)


@pytest.fixture
def eqx():
    """Models of Equinox."""
    import equinox as eqx
    import jax

    class Block(eqx.Module):
        linear: eqx.nn.Linear
        drop: eqx.nn.Dropout
        late: tuple
        none: eqx.nn.Dropout
        forgotten: eqx.nn.Dropout

        def __init__(self):
            self.linear = eqx.nn.Linear(32, 2048, key=jax.random.key(0))
            self.drop, self.late = eqx.nn.Dropout(0.2), (eqx.nn.Dropout(0.4),)
            self.none, self.forgotten = eqx.nn.Dropout(0.0), eqx.nn.Dropout(0.5)

        def __call__(self, x, *, key):
            one, other = jax.random.split(key)
            hidden = jax.nn.relu(self.linear(self.none(x, key=one)))
            return self.late[0](self.drop(hidden, key=one), key=other)

    class Compiled(Block):
        @eqx.filter_jit
        def __call__(self, x, *, key):
            return super().__call__(x, key=key)

    class AlwaysTraining(Block):
        def __call__(self, x, *, key):
            return self.drop(self.linear(x), key=key, inference=False)

    class OneKey(Block):
        def __call__(self, x):
            return self.drop(self.linear(x), key=jax.random.key(3))

    class Mapped(Block):
        def __call__(self, x, *, key):
            keys = jax.random.split(key, len(x))
            return jax.vmap(lambda row, k: self.drop(row, key=k))(x, keys)

    batch = jax.random.normal(jax.random.key(1), (32,))
    kinds = {kind.__name__: kind for kind in (Block, Compiled, AlwaysTraining, OneKey, Mapped)}
    return SimpleNamespace(batch=batch, linear=eqx.nn.Linear(32, 2, key=jax.random.key(0)), **kinds)


FRAMEWORKS = [
    pytest.param("nnx", marks=pytest.mark.framework("flax"), id="nnx"),
    pytest.param("eqx", marks=pytest.mark.framework("equinox"), id="equinox"),
]


@pytest.fixture(params=FRAMEWORKS)
def models(request):
    """Those of one framework, and then of the other."""
    return request.getfixturevalue(request.param)


def test_each_dropout_of_a_model_is_found_with_its_rate_and_shape(models):
    model = models.Block()
    found = ds.inside(model, models.batch)
    drop, late = found.targets
    assert (drop, late) in {("drop", "late"), ("drop", "late.0")}
    assert found.idle == ("none",)
    assert found.unused == ("forgotten",)
    held = found.targets[drop].conventions
    assert (held.rates, held.dtypes) == ((0.2,), ("float32",))
    assert held.shapes[0][-1] in (64, 2048)
    assert found.targets[late].conventions.rates == (0.4,)
    assert type(model.drop).__mro__[1].__name__ != "Dropout", "the model must be as it was"


def test_dropouts_of_a_model_conform(models):
    for target in ds.inside(models.Block(), models.batch).targets.values():
        report = ds.check(target, **QUICK)
        assert report.verdict == "pass", str(report)
        for check in ("gradient.same_noise", "inference.law", "inference.graph"):
            assert report[check].verdict == "pass"


def test_a_compiled_model_is_looked_into(models):
    target = next(iter(ds.inside(models.Compiled(), models.batch).targets.values()))
    report = ds.check(target, **QUICK)
    assert report.verdict == "pass", str(report)
    assert report["gradient.same_noise"].verdict == "pass"


def test_a_part_that_does_not_follow_into_evaluation_is_accused(models):
    (target,) = ds.inside(models.AlwaysTraining(), models.batch).targets.values()
    report = ds.check(target, **QUICK)
    assert report["inference.deterministic"].verdict == "fail"
    assert report["rate.marginal"].verdict == "pass"


def test_a_key_that_is_always_the_same_is_seen(models):
    (target,) = ds.inside(models.OneKey(), models.batch).targets.values()
    assert verdicts_of(ds.check(target, **QUICK))["randomness.fresh"] == "fail"


def test_a_model_without_dropout_has_nothing_to_judge(models):
    with pytest.raises(ds.HarnessError, match="Linear holds no dropout layer"):
        ds.inside(models.linear, models.batch)


@pytest.mark.framework("flax")
def test_what_shares_its_draws_is_judged_so_and_the_mode_stays(nnx):
    model = nnx.Block()
    model.eval()
    mean = model.norm.mean[...]
    found = ds.inside(model, nnx.batch)
    assert found.targets["late"].law == ds.laws.Inverted(unit=(1,))
    assert found.shifted == ("norm",)
    assert (model.norm.mean[...] == mean).all(), "looking into a model must not train it"
    assert model.drop.deterministic
    assert model.norm.use_running_average


@pytest.mark.framework("equinox")
def test_a_model_that_maps_is_handed_over_with_one_example(eqx):
    import jax.numpy as jnp

    with pytest.raises(ds.HarnessError, match="inside a transformation such as"):
        ds.inside(eqx.Mapped(), jnp.ones((4, 32)))
