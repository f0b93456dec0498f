"""Dropouts inside models of Flax Linen, judged with the mode and the rate that they have there."""

from types import SimpleNamespace

import pytest

import dropout_stats as ds

QUICK = {"resolution": 2**-5, "seed": 4}

pytestmark = pytest.mark.framework("flax")


def the_target(found):
    (target,) = found.targets.values()
    return target


@pytest.fixture
def batch():
    import jax

    return jax.random.normal(jax.random.key(1), (64, 32))


@pytest.fixture
def linen():
    """Models of Linen: with a `setup`, compact, and compact inside another."""
    import jax
    from flax import linen as nn

    class Block(nn.Module):
        def setup(self):
            self.linear, self.norm = nn.Dense(64), nn.BatchNorm()
            self.drop, self.late = nn.Dropout(0.2), nn.Dropout(0.4, broadcast_dims=(-1,))
            self.none, self.forgotten = nn.Dropout(0.0), [nn.Dropout(0.5)]

        def __call__(self, x, train):
            hidden = nn.relu(self.linear(self.none(x, not train)))
            hidden = self.norm(self.drop(hidden, not train), use_running_average=not train)
            return self.late(hidden, deterministic=not train)

    class Compact(nn.Module):
        drop: type = nn.Dropout

        @nn.compact
        def __call__(self, x, deterministic=True):
            return self.drop(0.3)(x, deterministic=deterministic)

    class Outer(nn.Module):
        @nn.compact
        def __call__(self, x, train=False):
            return Compact()(nn.Dense(48)(x), not train)

    class AlwaysTraining(nn.Module):
        @nn.compact
        def __call__(self, x):
            return nn.Dropout(0.3)(x, deterministic=False)

    class OneKey(nn.Module):
        @nn.compact
        def __call__(self, x, train):
            return nn.Dropout(0.3)(x, not train, rng=jax.random.key(3))

    kinds = (Block, Compact, Outer, AlwaysTraining, OneKey)
    return SimpleNamespace(nn=nn, **{kind.__name__: kind for kind in kinds})


def test_each_dropout_of_a_model_is_found_with_its_rate_and_shape(linen, batch):
    found = ds.inside(linen.Block(), batch)
    assert list(found.targets) == ["drop", "late"]
    assert (found.idle, found.unused) == (("none",), ("forgotten_0",))
    assert (found.shifted, found.mapped) == (("norm",), ())
    held = found.targets["drop"].conventions
    assert (held.rates, held.dtypes, held.shapes) == ((0.2,), ("float32",), ((64, 64),))
    assert found.targets["late"].law == ds.laws.Inverted(unit=(1,))


def test_dropouts_of_a_model_conform(linen, batch):
    for target in ds.inside(linen.Block(), batch).targets.values():
        report = ds.check(target, **QUICK)
        assert report.verdict == "pass", str(report)
        for check in ("gradient.same_noise", "inference.law", "inference.graph"):
            assert report[check].verdict == "pass"


def test_modules_that_are_made_on_the_way_are_named_by_their_path(linen, batch):
    found = ds.inside(linen.Outer(), batch)
    (name,) = found.targets
    assert name == "Compact_0.Dropout_0"
    assert found.targets[name].conventions.shapes == ((64, 48),)
    assert list(ds.inside(linen.nn.Dropout(0.3), batch).targets) == [""]


def test_variables_come_with_the_model_or_beside_it_or_are_made(linen, batch):
    import jax

    model = linen.Block()
    variables = model.init(jax.random.key(7), batch, train=False)
    mean = variables["batch_stats"]["norm"]["mean"]
    inputs = [
        found.targets["late"].train.__self__.given
        for found in (
            ds.inside(model, batch, variables=variables),
            ds.inside(model.bind(variables), batch),
            ds.inside(model, batch),
        )
    ]
    assert (inputs[0] == inputs[1]).all()
    assert (inputs[0] != inputs[2]).any(), "other variables"
    assert (variables["batch_stats"]["norm"]["mean"] == mean).all()


def test_a_call_that_never_drops_is_accused(linen, batch):
    """A mode that reaches the model the wrong way round, or not at all."""
    modes = {"training": {"deterministic": True}, "evaluation": {"deterministic": False}}
    report = ds.check(the_target(ds.inside(linen.Compact(), batch, **modes)), **QUICK)
    assert report["rate.marginal"].verdict == "fail"
    assert report["inference.deterministic"].verdict == "fail"


def test_a_part_that_does_not_follow_into_evaluation_is_accused(linen, batch):
    model = linen.AlwaysTraining()
    with pytest.raises(ds.HarnessError, match=r"training=dict\(...\), evaluation=dict\(...\)"):
        ds.inside(model, batch)
    report = ds.check(the_target(ds.inside(model, batch, training={}, evaluation={})), **QUICK)
    assert report["inference.deterministic"].verdict == "fail"
    assert report["rate.marginal"].verdict == "pass"


def test_a_key_that_is_always_the_same_is_seen(linen, batch):
    report = ds.check(the_target(ds.inside(linen.OneKey(), batch)), **QUICK)
    assert report["randomness.fresh"].verdict == "fail"


def test_a_dropout_with_a_call_of_its_own_is_held_to_no_law_of_its_base(linen, batch):
    """Which may call its base: what the base makes is not what the layer makes."""

    class Unscaled(linen.nn.Dropout):
        @linen.nn.compact
        def __call__(self, x, deterministic):
            kept = super().__call__(x, deterministic)
            return kept if deterministic else kept * (1 - self.rate)

    target = the_target(ds.inside(linen.Compact(drop=Unscaled), batch))
    assert target.law is None
    report = ds.check(target, ds.laws.Inverted(), **QUICK)
    assert report["support.kept_value"].verdict == "fail"
    assert report.diagnoses[0].name == "no scaling"


def test_what_cannot_be_looked_into_is_refused_with_its_reason(linen, batch):
    import jax

    with pytest.raises(ds.HarnessError, match="Dense holds no dropout layer"):
        ds.inside(linen.nn.Dense(3), batch, training={}, evaluation={})
    with pytest.raises(ds.HarnessError, match="initialising pass raised TypeError"):
        ds.inside(linen.Compact(), batch, batch, batch)
    variables = {"params": {}}
    with pytest.raises(ds.HarnessError, match="a training pass raised ScopeCollectionNotFound"):
        ds.inside(linen.Block(), batch, variables=variables)
    variables = linen.Block().init(jax.random.key(0), batch, train=False)
    modes = {"training": {"train": True}, "evaluation": {"trian": False}}
    with pytest.raises(ds.HarnessError, match="evaluation pass raised TypeError"):
        ds.inside(linen.Block(), batch, variables=variables, **modes)
    with pytest.raises(ds.UsageError, match=r"training=dict\(train=True\)"):
        ds.inside(linen.Block(), batch, training=True)


def correct_models():
    """Ordinary models, and what each is called with beside the batch."""
    import jax
    from flax import linen as nn

    class ByField(nn.Module):
        deterministic: bool = True

        @nn.compact
        def __call__(self, x):
            return nn.Dropout(0.3, deterministic=self.deterministic)(x)

    class ByConfiguration(nn.Module):
        config: dict

        @nn.compact
        def __call__(self, x):
            return nn.Dropout(**self.config)(inputs=x)

    class ByKey(nn.Module):
        @nn.compact
        def __call__(self, x):
            return nn.Dropout(0.3)(x, deterministic=not self.has_rng("dropout"))

    class OtherStream(nn.Module):
        @nn.compact
        def __call__(self, x, train):
            return nn.Dropout(0.3, rng_collection="noise")(x, not train)

    class OtherMethod(nn.Module):
        @nn.compact
        def encode(self, x, enable_dropout):
            return nn.Dropout(0.3)(x, deterministic=not enable_dropout)

    class Compiled(nn.Module):
        @nn.compact
        def __call__(self, x, train):
            return nn.jit(nn.Dropout, static_argnums=(2,))(0.3)(nn.Dense(32)(x), not train)

    class Step(nn.Module):
        train: bool

        @nn.compact
        def __call__(self, x, _):
            return nn.Dropout(0.3)(nn.Dense(32)(x), not self.train), None

    class Scanned(nn.Module):
        @nn.compact
        def __call__(self, x, train):
            split, axes = {"params": True, "dropout": True}, {"params": 0}
            steps = nn.scan(Step, variable_axes=axes, split_rngs=split, length=3)
            return steps(train)(x, None)[0]

    class LeftOutByChance(nn.Module):
        @nn.compact
        def __call__(self, x, train):
            left_out = train and jax.random.bernoulli(self.make_rng("dropout"))
            return x if left_out else nn.Dropout(0.3)(x, not train)

    by = {"training": {"enable_dropout": True}, "evaluation": {"enable_dropout": False}}
    rates = {"rate": 0.3, "deterministic": False}
    configured = {"training": {}, "evaluation": {"config": {**rates, "deterministic": True}}}
    return {
        "ByField": (ByField(), {}),
        "ByConfiguration": (ByConfiguration(rates), configured),
        "ByKey": (ByKey(), {"training": {}, "evaluation": {"rngs": {}}}),
        "OtherStream": (OtherStream(), {"rngs": {"noise": jax.random.PRNGKey(5)}}),
        "OtherMethod": (OtherMethod(), {"method": "encode", **by}),
        "Compiled": (Compiled(), {}),
        "Scanned": (Scanned(), {}),
        "LeftOutByChance": (LeftOutByChance(), {}),
    }


@pytest.mark.parametrize(
    "name",
    [
        "ByField",
        "ByConfiguration",
        "ByKey",
        "OtherStream",
        "OtherMethod",
        "Compiled",
        "Scanned",
        "LeftOutByChance",
    ],
)
def test_correct_models_are_not_accused(name, batch):
    model, named = correct_models()[name]
    report = ds.check(the_target(ds.inside(model, batch, **named)), **QUICK)
    assert report.verdict == "pass", str(report)
    assert report["gradient.same_noise"].verdict == "pass"


def test_a_dropout_that_a_transformation_hides_is_named_and_not_judged(linen, batch):
    class Remade(linen.nn.Module):
        @linen.nn.compact
        def __call__(self, x, deterministic):
            return linen.nn.remat(linen.Compact, static_argnums=(2,))()(x, deterministic)

    found = ds.inside(Remade(), batch)
    assert (found.mapped, found.targets) == (("CheckpointCompact_0.Dropout_0",), {})


def evaluated(target):
    """The report on the evaluation of a target."""
    return ds.check(target, checks=["inference.law", "inference.deterministic"], **QUICK)


def test_a_function_that_drops_in_evaluation_fails_the_run(linen, batch):
    import jax

    class Functional(linen.nn.Module):
        @linen.nn.compact
        def __call__(self, x, train):
            kept = jax.random.bernoulli(self.make_rng("dropout"), 0.5, x.shape)
            return linen.nn.Dropout(0.3)(x, not train) * kept

    found = ds.inside(Functional(), batch)
    assert found.evaluation_differs.startswith("differ by up to")
    report = evaluated(the_target(found))
    assert report["inference.deterministic"].verdict == "fail"
    assert report["inference.law"].verdict == "pass"


def test_a_layer_that_stays_in_training_is_accused_alone(linen, batch):
    found = ds.inside(linen.AlwaysTraining(), batch, training={}, evaluation={})
    assert found.evaluation_differs == ""


def test_a_normalisation_behind_a_dropout_is_warned_of_without_a_size(linen, batch):
    class Frozen(linen.nn.Module):
        @linen.nn.compact
        def __call__(self, x, train):
            x = linen.nn.Dropout(0.3)(x, not train)
            return linen.nn.BatchNorm(use_running_average=True)(x)

    said = " ".join(evaluated(ds.inside(linen.Block(), batch).targets["drop"]).observations)
    assert "batch normalisation norm is called after drop" in said
    found = ds.inside(Frozen(), batch)
    assert (found.shifted, the_target(found).notes) == ((), ())
