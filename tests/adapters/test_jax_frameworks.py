"""Haiku, Penzai and Flax Linen: what is right passes, what is wrong fails for its reason."""

import numpy as np
import pytest

import dropout_stats as ds
from dropout_stats.dtypes import as_dtype

COARSE = {"rates": (0.1, 0.9), "resolution": 2**-4, "seed": 20}

flax_only = pytest.mark.framework("flax")
haiku_only = pytest.mark.framework("haiku")
penzai_only = pytest.mark.framework("penzai")


def verdict_of(target, **options):
    report = ds.check(target, **{**COARSE, **options})
    return report, str(report)


@pytest.mark.parametrize(
    ("spec", "evaluates"),
    [
        pytest.param("flax.linen:Dropout", True, marks=flax_only),
        pytest.param("haiku:dropout", False, marks=haiku_only),
        pytest.param("penzai.nn.dropout:StochasticDropout", True, marks=penzai_only),
    ],
)
def test_a_released_dropout_passes_in_every_type_it_declares(spec, evaluates):
    report, text = verdict_of(spec)
    assert report.verdict == "pass", text
    assert report.law_source == "target"
    assert report.conventions["randomness"] == "key"
    assert len({result.case.dtype for result in report.results}) == 3
    passed = {result.check for result in report.results if result.verdict == "pass"}
    assert passed >= {"gradient.same_noise", "randomness.seed_repeats", "peers.copy"}
    evaluation = {"inference.law", "inference.graph", "gradient.evaluation"}
    assert passed & evaluation == (evaluation if evaluates else set())


@flax_only
def test_rate_one_drops_all_in_flax():
    for spec in ("flax.linen:Dropout", "flax.nnx:Dropout"):
        report, text = verdict_of(spec, checks=["limits.*"])
        assert report["limits.rate_one"].verdict == "pass", text


@flax_only
def test_batch_and_heads_share_their_draws_in_the_attention_of_linen():
    spec = "flax.linen:dot_product_attention_weights"
    report, text = verdict_of(spec)
    assert report.verdict == "pass", text
    assert report.law == "inverted(unit=(0, 1))"
    assert report["support.shared_draw"].verdict == "pass"
    report, text = verdict_of(spec, law="inverted", rates=(0.3,))
    assert report["dependence.axes"].verdict == "fail", text


@flax_only
def test_a_users_own_linen_module_right_and_wrong():
    from flax import linen

    class Right(linen.Module):
        keep_prob: float

        @linen.compact
        def __call__(self, x, train: bool):
            return linen.Dropout(1 - self.keep_prob)(x, deterministic=not train)

    class NeverSwitchesOff(linen.Module):
        rate: float

        @linen.compact
        def __call__(self, x, train: bool):
            return linen.Dropout(self.rate, deterministic=False)(x)

    class NoMode(linen.Module):
        rate: float

        def __call__(self, x):
            return x

    report, text = verdict_of(Right, rates=(0.3,))
    assert report.verdict == "pass", text
    assert report.law_source == "assumed"
    assert report["inference.law"].verdict == report["gradient.evaluation"].verdict == "pass"
    report, text = verdict_of(NeverSwitchesOff, rates=(0.3,))
    assert report.diagnoses[0].name == "dropping in evaluation", text
    with pytest.raises(ds.HarnessError, match="nothing selects the pass"):
        ds.adapt(NoMode)


@flax_only
def test_a_linen_module_with_parameters_is_not_accused():
    from flax import linen

    class Layer(linen.Module):
        rate: float

        @linen.compact
        def __call__(self, x, train: bool):
            return linen.Dropout(self.rate, deterministic=not train)(linen.Dense(5)(x))

    with pytest.raises(ds.HarnessError, match="applied without parameters"):
        ds.check(Layer)


@penzai_only
def test_a_penzai_layer_that_needs_more_than_a_rate_is_not_accused():
    from penzai import pz

    @pz.pytree_dataclass(has_implicitly_inherited_fields=True)
    class Layer(pz.nn.StochasticDropout):
        def __init__(self, drop_rate, axis):
            pass

    with pytest.raises(ds.HarnessError, match="cannot be built from a rate alone"):
        ds.check(Layer)


@penzai_only
def test_a_users_own_penzai_layer_that_does_not_scale():
    import jax.numpy as jnp
    from penzai import pz

    @pz.pytree_dataclass(has_implicitly_inherited_fields=True)
    class Unscaled(pz.nn.StochasticDropout):
        def __call__(self, value, /, **inputs):
            y = super().__call__(value, **inputs)
            return pz.nx.nmap(jnp.multiply)(y, 1 - self.drop_rate)

    report, text = verdict_of(Unscaled, rates=(0.1, 0.3))
    assert report.diagnoses[0].name == "no scaling", text


@haiku_only
def test_a_users_own_function_on_haiku():
    import haiku
    import jax

    def swaps(x: jax.Array, rate: float, key: jax.Array):
        return haiku.dropout(key, 1 - rate, x) if rate else x

    report, text = verdict_of(swaps, rates=(0.1, 0.3))
    assert report["rate.marginal"].verdict == "fail", text
    assert "its parameter 'x' is annotated as an array of jax" in report.observations[0]


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        pytest.param("flax.linen:Dense", "whose law is known", marks=flax_only),
        pytest.param("flax.core:freeze", "whose law is known", marks=flax_only),
        pytest.param("haiku:Linear", "needs haiku.transform", marks=haiku_only),
        pytest.param("penzai.nn.dropout:DisabledDropout", "is no layer", marks=penzai_only),
    ],
)
def test_what_is_no_dropout_is_refused(spec, said):
    with pytest.raises(ds.HarnessError, match=said):
        ds.check(spec)


@pytest.mark.framework("jax")
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
@pytest.mark.parametrize("shape", [(), (0,), (2, 0, 3), (7,)])
def test_arrays_go_through_jax_without_a_change(dtype, shape):
    import jax.numpy as jnp

    from dropout_stats.adapters.jax import to_numpy

    values = np.resize([1.5, -0.0, 3e4, np.nan, 1e-7, np.inf], shape).astype(as_dtype(dtype))
    back = to_numpy(jnp.asarray(values))
    assert back.dtype == values.dtype
    assert back.shape == values.shape
    assert back.tobytes() == values.tobytes()
