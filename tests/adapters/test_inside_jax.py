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
    model = models.AlwaysTraining()
    with pytest.raises(ds.HarnessError, match=r"training=dict\(...\), evaluation=dict\(...\)"):
        ds.inside(model, models.batch)
    (target,) = ds.inside(model, models.batch, training={}, evaluation={}).targets.values()
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
def test_a_dropout_that_is_mapped_is_named_and_not_judged(eqx):
    import jax.numpy as jnp

    found = ds.inside(eqx.Mapped(), jnp.ones((4, 32)))
    assert (found.mapped, found.targets) == (("drop",), {})


def correct_models_of_nnx():
    """Ordinary models, what each is called with beside the batch, and in each mode."""
    import jax
    from flax import nnx

    class Model(nnx.Module):
        def __init__(self):
            self.drop = nnx.Dropout(0.3, rngs=nnx.Rngs(0))

    class ByArgument(Model):
        def __call__(self, x, deterministic=True):
            return self.drop(x, deterministic=deterministic)

    class TakesRngs(Model):
        def __call__(self, x, rngs):
            return self.drop(x, rngs=rngs)

    class LeftOutByChance(Model):
        def __call__(self, x):
            return self.drop(x) if jax.random.bernoulli(self.drop.rngs(), 0.5) else x

    class Untraceable(Model):
        def __call__(self, x):
            return float(self.drop(inputs=x).sum())

    modes = {"training": {"deterministic": False}, "evaluation": {"deterministic": True}}
    return {
        "ByArgument": (ByArgument(), (), modes),
        "AKey": (TakesRngs(), (), {"rngs": jax.random.key(5)}),
        "Rngs": (TakesRngs(), (nnx.Rngs(5),), {}),
        "LeftOutByChance": (LeftOutByChance(), (), {}),
        "Untraceable": (Untraceable(), (), {}),
    }


def correct_models_of_eqx():
    """The same of Equinox."""
    import equinox as eqx
    import jax

    class Model(eqx.Module):
        drop: eqx.nn.Dropout = eqx.nn.Dropout(0.3)

    class ByArgument(Model):
        def __call__(self, x, enable_dropout=False, key=None):
            return self.drop(x, inference=not enable_dropout, key=key)

    class TakesRng(Model):
        def __call__(self, x, rng):
            return self.drop(x=x, key=rng)

    class Stateful(Model):
        index: eqx.nn.StateIndex

        def __init__(self):
            self.drop = eqx.nn.Dropout(0.3)
            self.index = eqx.nn.StateIndex(jax.numpy.zeros(()))

        def __call__(self, x, state, *, key):
            return self.drop(x, key=key), state.set(self.index, state.get(self.index) + 1)

    class Attends(eqx.Module):
        attention: eqx.nn.MultiheadAttention
        drop: eqx.nn.Dropout

        def __init__(self):
            self.drop = eqx.nn.Dropout(0.3)
            self.attention = eqx.nn.MultiheadAttention(2, 8, key=jax.random.key(0))

        def __call__(self, x, *, key):
            rows = x.reshape(-1, 8)
            return self.drop(self.attention(rows, rows, rows), key=key)

    stateful, state = eqx.nn.make_with_state(Stateful)()
    modes = {"training": {"enable_dropout": True}, "evaluation": {"enable_dropout": False}}
    return {
        "ByArgument": (ByArgument(), (), modes),
        "AKey": (TakesRng(), (jax.random.key(5),), {}),
        "AKeyOfOldStyle": (TakesRng(), (), {"rng": jax.random.PRNGKey(5)}),
        "Stateful": (stateful, (state,), {}),
        "Attends": (Attends(), (), {}),
    }


@pytest.mark.framework("flax")
@pytest.mark.parametrize("name", ["ByArgument", "AKey", "Rngs", "LeftOutByChance", "Untraceable"])
def test_correct_models_of_nnx_are_not_accused(name, nnx):
    model, inputs, named = correct_models_of_nnx()[name]
    (target,) = ds.inside(model, nnx.batch, *inputs, **named).targets.values()
    report = ds.check(target, **QUICK)
    assert report.verdict == "pass", str(report)


@pytest.mark.framework("equinox")
@pytest.mark.parametrize("name", ["ByArgument", "AKey", "AKeyOfOldStyle", "Stateful", "Attends"])
def test_correct_models_of_equinox_are_not_accused(name):
    import jax.numpy as jnp

    model, inputs, named = correct_models_of_eqx()[name]
    (target,) = ds.inside(model, jnp.ones(2048), *inputs, **named).targets.values()
    report = ds.check(target, **QUICK)
    assert report.verdict == "pass", str(report)


@pytest.mark.framework("flax")
def test_looking_into_a_model_uses_up_none_of_its_keys(nnx):
    model = nnx.Block()
    before = int(model.drop.rngs.count[...])
    ds.inside(model, nnx.batch)
    assert int(model.drop.rngs.count[...]) == before


def evaluated(target):
    """The report on the evaluation of a target."""
    return ds.check(target, checks=["inference.law", "inference.deterministic"], **QUICK)


def noisy_models():
    """Models with a dropout that follows the mode, and a function that does not."""
    import equinox as eqx
    import jax
    from flax import nnx

    def drops(x, key):
        return x * jax.random.bernoulli(key, 0.5, x.shape)

    class OfNnx(nnx.Module):
        def __init__(self):
            self.rngs = nnx.Rngs(0)
            self.drop = nnx.Dropout(0.3, rngs=self.rngs)

        def __call__(self, x):
            return drops(self.drop(x), self.rngs())

    class OfEquinox(eqx.Module):
        drop: eqx.nn.Dropout = eqx.nn.Dropout(0.3)

        def __call__(self, x, *, key):
            one, other = jax.random.split(key)
            return drops(self.drop(x, key=one), other)

    return {"nnx": OfNnx, "eqx": OfEquinox}


@pytest.mark.framework("equinox", "flax")
@pytest.mark.parametrize("name", ["nnx", "eqx"])
def test_a_function_that_drops_in_evaluation_fails_the_run(name):
    import jax

    found = ds.inside(noisy_models()[name](), jax.random.normal(jax.random.key(1), (64, 32)))
    assert found.evaluation_differs.startswith("differ by up to")
    report = evaluated(found.targets["drop"])
    assert report["inference.deterministic"].verdict == "fail"
    assert report["inference.law"].verdict == "pass"
    assert report.diagnoses[0].name == "something else in the model draws in evaluation"


@pytest.mark.framework("equinox", "flax")
@pytest.mark.parametrize("name", ["nnx", "eqx"])
def test_a_refused_model_is_told_what_draws_in_it(name):
    import jax

    model = noisy_models()[name]()
    object.__setattr__(model, "drop", lambda x, key=None: x)
    with pytest.raises(ds.HarnessError, match="holds no dropout layer") as refused:
        ds.inside(model, jax.random.normal(jax.random.key(1), (64, 32)))
    assert "two training passes of it on one input differ by up to" in str(refused.value)
    assert "two evaluation passes of it on one input differ by up to" in str(refused.value)


def test_a_layer_that_stays_in_training_is_accused_alone(models):
    found = ds.inside(models.AlwaysTraining(), models.batch, training={}, evaluation={})
    assert found.evaluation_differs == ""
    target = found.targets["drop"]
    assert evaluated(target)["inference.deterministic"].verdict == "fail"


@pytest.mark.framework("flax")
def test_a_normalisation_behind_a_dropout_is_warned_of_without_a_size(nnx):
    found = ds.inside(nnx.Block(), nnx.batch)
    said = " ".join(evaluated(found.targets["drop"]).observations)
    assert "batch normalisation norm is called after drop" in said
    assert found.targets["late"].notes == ()


@pytest.mark.framework("flax")
def test_a_normalisation_that_is_told_to_collect_nothing_is_not_warned_of(nnx):
    class Frozen(nnx.Block):
        def __call__(self, x):
            hidden = self.drop(self.linear(self.none(x)))
            return self.late(self.norm(hidden, use_running_average=True))

    found = ds.inside(Frozen(), nnx.batch)
    assert found.shifted == ()
    assert found.targets["drop"].notes == ()


@pytest.mark.framework("flax")
def test_a_cache_that_evaluation_fills_is_no_noise(nnx):
    import jax.numpy as jnp
    from flax.nnx import Cache

    class Remembers(nnx.Block):
        def __init__(self):
            super().__init__()
            self.calls = Cache(jnp.zeros(()))

        def __call__(self, x):
            self.calls[...] += 1
            return super().__call__(x) + self.calls[...]

    assert ds.inside(Remembers(), nnx.batch).evaluation_differs == ""
