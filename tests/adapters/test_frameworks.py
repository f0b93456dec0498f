"""Real layers of real frameworks: the right ones pass, the wrong one fails for its reason."""

from dataclasses import replace

import numpy as np
import pytest

import dropout_stats as ds

COARSE = {"rates": (0.1, 0.3, 0.9), "resolution": 2**-6, "seed": 20}

torch_only = pytest.mark.framework("torch")


def verdict_of(target, **options):
    report = ds.check(target, **{**COARSE, **options})
    return report, str(report)


@pytest.mark.parametrize(
    ("spec", "dtypes"),
    [
        pytest.param("torch.nn:Dropout", 4, marks=pytest.mark.framework("torch")),
        pytest.param("torch.nn.functional:dropout", 4, marks=pytest.mark.framework("torch")),
        pytest.param("equinox.nn:Dropout", 3, marks=pytest.mark.framework("equinox")),
        pytest.param("flax.nnx:Dropout", 3, marks=pytest.mark.framework("flax")),
    ],
)
def test_a_released_dropout_passes_in_every_type_it_declares(spec, dtypes):
    report, text = verdict_of(spec)
    assert report.verdict == "pass", text
    assert len({result.case.dtype for result in report.results}) == dtypes
    applies = {result.check for result in report.results if result.verdict == "pass"}
    assert applies >= {
        "inference.law",
        "gradient.same_noise",
        "gradient.dropped_is_zero",
        "gradient.at_zero",
        "gradient.linear",
        "gradient.dy_unchanged",
        "gradient.forward",
        "gradient.evaluation",
        "randomness.fresh",
        "randomness.seed_repeats",
        "randomness.seeds_differ",
        "randomness.seed_is_read",
        "randomness.host_generators",
    }
    assert report.law_source == "target"


@pytest.mark.framework("torch")
def test_torch_raises_at_every_invalid_rate_and_drops_all_at_one():
    report, text = verdict_of("torch.nn:Dropout", rates=(0.3,))
    assert report["interface.invalid_rate"].verdict == "pass", text
    assert report["limits.rate_one"].verdict == "pass", text


@pytest.mark.framework("torch")
def test_torch_reports_are_the_same_for_the_same_seed():
    texts = []
    for _ in range(2):
        report = ds.check("torch.nn:Dropout", rates=(0.3,), resolution=2**-6, seed=4)
        texts.append([line for line in report.to_json().splitlines() if "seconds" not in line])
    assert texts[0] == texts[1]


@pytest.mark.framework("torch")
def test_a_users_own_torch_layer_right_and_wrong():
    import torch

    class Right(torch.nn.Module):
        def __init__(self, p):
            super().__init__()
            self.p = p

        def forward(self, x):
            if not self.training:
                return x
            return x * (torch.rand_like(x) >= self.p) / (1 - self.p)

    class NeverSwitchesOff(Right):
        def forward(self, x):
            return torch.nn.functional.dropout(x, self.p)

    class BackwardWithoutMask(Right):
        def forward(self, x):
            dropped = super().forward(x)
            return x / (1 - self.p) + (dropped - x / (1 - self.p)).detach()

    report, text = verdict_of(Right)
    assert report.verdict == "pass", text
    assert report.law_source == "assumed"
    report, text = verdict_of(NeverSwitchesOff)
    assert report["inference.deterministic"].verdict == "fail", text
    assert report.diagnoses[0].name == "dropping in evaluation"
    report, text = verdict_of(BackwardWithoutMask)
    assert report["gradient.dropped_is_zero"].verdict == "fail", text


@pytest.mark.framework("torch")
def test_a_torch_function_is_adapted_on_request():
    import torch

    def dropout(x, rate):
        return torch.dropout(x, rate, True)

    target = ds.adapt(dropout, framework="torch")
    report, text = verdict_of(target, rates=(0.3,))
    assert report.verdict == "pass", text


@pytest.mark.framework("torch")
def test_other_dropouts_of_torch_are_refused_rather_than_accused():
    import torch

    for name in ("RReLU", "FractionalMaxPool2d"):  # of the framework, random, and no known law
        with pytest.raises(ds.HarnessError, match="whose law is known"):
            ds.check(f"torch.nn:{name}")
    with pytest.raises(ds.HarnessError, match="rate is fixed"):
        ds.check(torch.nn.Dropout(0.3))
    with pytest.raises(ds.UsageError, match="Did you mean 'device'"):
        ds.adapt("torch.nn:Dropout", devise="cpu")


@pytest.mark.framework("torch")
def test_bfloat16_goes_through_torch_without_a_change():
    import torch

    from dropout_stats.adapters.torch import _bridge
    from dropout_stats.conventions import Conventions
    from dropout_stats.dtypes import as_dtype

    bridge = _bridge("cpu", Conventions())
    x = np.array([1.5, -0.0, 3e38, np.nan, 1e-40]).astype(as_dtype("bfloat16"))
    there = bridge.to_native(x)
    assert there.dtype == torch.bfloat16
    assert bridge.to_numpy(there).tobytes() == x.tobytes()


@pytest.mark.framework("jax")
def test_a_jax_function_with_a_key():
    import jax
    import jax.numpy as jnp

    def dropout(x, rate, key):
        keep = jax.random.bernoulli(jax.random.key(key), 1 - rate, x.shape)
        return jnp.where(keep, x / (1 - rate), 0).astype(x.dtype)

    report, text = verdict_of(dropout, rates=(0.1, 0.3))
    assert report.verdict == "pass", text

    def ignores_its_key(x, rate, key):
        return dropout(x, rate, 0)

    report, text = verdict_of(ignores_its_key, rates=(0.3,))
    assert report["calls.repeated_mask"].verdict == "fail", text


@pytest.mark.framework("equinox")
def test_a_users_own_equinox_layer():
    import equinox as eqx
    import jax
    import jax.numpy as jnp

    class Unscaled(eqx.Module):
        p: float

        def __call__(self, x, *, key=None, inference=False):
            if inference:
                return x
            return jnp.where(jax.random.bernoulli(key, 1 - self.p, x.shape), x, 0)

    report, text = verdict_of(Unscaled, rates=(0.1, 0.3))
    assert report.diagnoses[0].name == "no scaling", text


@pytest.mark.framework("numpy_ml")
@pytest.mark.filterwarnings("ignore")
def test_numpy_ml_is_wrong_in_its_gradient_and_only_there_at_default_settings():
    report = ds.check("numpy_ml.neural_nets.wrappers:Dropout", seed=20)  # 4 seconds
    text = str(report)
    assert report.verdict == "fail"
    assert {result.check for result in report.failures} == {
        "gradient.dropped_is_zero",
        "gradient.dy_unchanged",
    }, text
    assert report.diagnoses[0].name == "the backward pass does not apply the mask"
    assert any("collections.Hashable" in text for text in report.observations)


# Functions and classes of a user's own: whose arrays do they take?


@pytest.mark.framework("torch")
def test_a_function_on_tensors_is_called_with_tensors():
    import torch

    def annotated(x: torch.Tensor, p: float):
        return torch.nn.functional.dropout(x, p)

    def refuses_arrays(x, p):
        return x * torch.bernoulli(torch.full_like(x, 1 - p)) / (1 - p)

    def returns_tensors(x, p):
        return (torch.rand(x.shape) >= p) * x / (1 - p)

    def has_helper(x, p):
        return refuses_arrays(x, p)

    def imports_inside(x, p):
        from torch.nn import functional

        return functional.dropout(x, p)

    reasons = {
        annotated: "its parameter 'x' is annotated as an array of torch",
        refuses_arrays: "a NumPy array made it raise TypeError: full_like()",
        returns_tensors: "it returned an array of torch for a NumPy array",
        has_helper: "a NumPy array made it raise TypeError",
        imports_inside: "a NumPy array made it raise TypeError",
    }
    for function, reason in reasons.items():
        report, text = verdict_of(function, rates=(0.3,))
        assert report.verdict == "pass", text
        assert report["gradient.same_noise"].verdict == "pass", text
        assert f"was called with arrays of torch, since {reason}" in report.observations[0]


@pytest.mark.framework("torch")
def test_a_class_on_tensors_is_called_with_tensors():
    import torch

    class Plain:
        def __init__(self, p, generator):
            self.p, self.generator, self.training = p, generator, True

        def __call__(self, x):
            if not self.training:
                return x.clone()
            keep = torch.rand(x.shape, generator=self.generator) >= self.p
            return x * keep / (1 - self.p)

    class Module(torch.nn.Module):
        def __init__(self, p):
            super().__init__()
            self.p = p

        def forward(self, x, generator):
            if not self.training:
                return x
            return x * (torch.rand(x.shape, generator=generator) >= self.p) / (1 - self.p)

    for layer, randomness in ((Plain, "owned"), (Module, "key")):
        reports = [ds.check(layer, **{**COARSE, "rates": (0.3,)}) for _ in range(2)]
        assert reports[0].verdict == "pass", str(reports[0])
        assert reports[0]["inference.law"].verdict == "pass"
        assert reports[0].conventions["randomness"] == randomness
        assert reports[0] == reports[1]


@pytest.mark.framework("torch")
def test_an_autograd_function_is_judged_with_its_backward_pass():
    import torch

    class Right(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, p):
            mask = (torch.rand_like(x) >= p) / (1 - p)
            ctx.save_for_backward(mask)
            return x * mask

        @staticmethod
        def backward(ctx, dy):
            return dy * ctx.saved_tensors[0], None

    class Wrong(Right):
        @staticmethod
        def backward(ctx, dy):
            return dy, None

    assert verdict_of(Right, rates=(0.3,))[0].verdict == "pass"
    report, text = verdict_of(Wrong, rates=(0.3,))
    assert report["gradient.dropped_is_zero"].verdict == "fail", text


@pytest.mark.framework("torch")
def test_a_function_on_arrays_may_use_torch_inside():
    import torch

    def wrapped(x, rate):
        return torch.nn.functional.dropout(torch.from_numpy(x), rate).numpy()

    report, text = verdict_of(wrapped, rates=(0.3,))
    assert report.verdict == "pass", text
    assert "arrays of" not in " ".join(report.observations)


@pytest.mark.framework("torch")
def test_a_function_that_takes_no_arrays_at_all_is_not_accused():
    import torch

    def broken(x, rate):
        return torch.dropuot(x, rate)

    with pytest.raises(ds.HarnessError) as caught:
        ds.check(broken)
    text = str(caught.value)
    assert "arrays of numpy and torch" in text
    assert "dropuot" in text
    assert "--option framework=torch" in text
    report, _ = verdict_of(ds.adapt(broken, framework="torch"))
    assert report["interface.call"].verdict == "fail"


@pytest.mark.framework("torch")
def test_what_was_assumed_is_said_for_tensors_too():
    import torch

    def settings(x, dropout_param):
        return torch.dropout(x, dropout_param["p"], True)

    with pytest.raises(ds.HarnessError, match="'dropout_param' was assumed"):
        ds.check(settings)


@pytest.mark.framework("torch")
def test_the_options_of_an_adapter_choose_it(tmp_path, monkeypatch):
    (tmp_path / "on_tensors.py").write_text(
        "import torch\n"
        "def dropout(x, rate):\n"
        "    return torch.nn.functional.dropout(x, rate).to(x.device)\n"
    )
    monkeypatch.chdir(tmp_path)
    target = ds.adapt("on_tensors.py:dropout", device="cpu")
    assert target.spec == "on_tensors.py:dropout --option framework=torch --option device=cpu"
    with pytest.raises(ds.UsageError, match="Did you mean 'device'"):
        ds.adapt("on_tensors.py:dropout", devise="cpu")


@pytest.mark.framework("jax")
def test_functions_on_jax_arrays():
    import jax
    import jax.numpy as jnp

    def key_first(key, x, rate):
        return jnp.where(jax.random.bernoulli(key, 1 - rate, x.shape), x / (1 - rate), 0)

    def annotated(x: jax.Array, keep_prob: float, rng: jax.Array | None = None):
        return key_first(rng, x, 1 - keep_prob)

    def seeded(x, rate, seed):
        return key_first(jax.random.key(seed), x, rate)

    for function in (key_first, annotated, seeded, jax.jit(key_first)):
        report, text = verdict_of(function, rates=(0.3,), resolution=2**-4)
        assert report.verdict == "pass", text
        assert report["gradient.same_noise"].verdict == "pass", text
        assert "called with arrays of jax" in report.observations[0]


@pytest.mark.framework("jax")
def test_a_plain_class_on_jax_arrays():
    import jax
    import jax.numpy as jnp

    class Layer:
        def __init__(self, rate):
            self.rate = rate

        def __call__(self, x, key, train=True):
            if not train:
                return x
            keep = jax.random.bernoulli(key, 1 - self.rate, x.shape)
            return jnp.where(keep, x / (1 - self.rate), 0)

    report, text = verdict_of(Layer, rates=(0.3,), resolution=2**-4)
    assert report.verdict == "pass", text
    assert report["inference.law"].verdict == "pass"
    assert report.conventions["randomness"] == "key"


@pytest.mark.framework("equinox")
def test_equinox_modules_of_every_shape():
    import equinox as eqx
    import jax
    import jax.numpy as jnp

    def core(x, rate, key):
        return jnp.where(jax.random.bernoulli(key, 1 - rate, x.shape), x / (1 - rate), 0)

    class ByAttribute(eqx.Module):
        rate: float
        inference: bool = False

        def __call__(self, x, *, key):
            return x if self.inference else core(x, self.rate, key)

    class Around(eqx.Module):
        inner: eqx.nn.Dropout

        def __init__(self, keep_prob):
            self.inner = eqx.nn.Dropout(1 - keep_prob)

        def __call__(self, x, key=None):
            return self.inner(x, key=key)

    class NoMode(eqx.Module):
        rate: float

        def __call__(self, x, key):
            return core(x, self.rate, key)

    for layer, evaluation in ((ByAttribute, "pass"), (Around, "pass"), (NoMode, "not-applicable")):
        report, text = verdict_of(layer, rates=(0.3,), resolution=2**-4)
        assert report.verdict == "pass", text
        assert report["inference.law"].verdict == evaluation
        assert report.conventions["dtypes"] == ("float32",)

    class OneKey(eqx.Module):
        rate: float
        key: jax.Array

        def __call__(self, x):
            return core(x, self.rate, self.key)

    report, text = verdict_of(OneKey, rates=(0.3,), resolution=2**-4)
    assert report.conventions["randomness"] == "owned"
    assert report["calls.repeated_mask"].verdict == "fail", text


@pytest.mark.framework("flax")
def test_a_users_own_nnx_module():
    from flax import nnx

    class Around(nnx.Module):
        def __init__(self, keep_prob, *, rngs):
            self.inner = nnx.Dropout(1 - keep_prob, rngs=rngs)

        def __call__(self, x):
            return self.inner(x)

    report, text = verdict_of(Around, rates=(0.3,), resolution=2**-4)
    assert report.verdict == "pass", text
    assert report["inference.law"].verdict == "pass"
    assert report.conventions["rate_argument"] == "keep_prob"


@pytest.mark.framework("torch")
def test_a_torch_function_with_a_generator_of_its_own_is_not_held_to_the_global_seed():
    import torch

    own = torch.Generator().manual_seed(1)

    def dropout(x, rate):
        return x * (torch.rand(x.shape, generator=own) >= rate) / (1 - rate)

    report, text = verdict_of(ds.adapt(dropout, framework="torch"), rates=(0.3,))
    assert report.verdict == "pass", text
    assert any("other masks the second time" in said for said in report.observations)


@pytest.mark.framework("torch")
def test_a_torch_function_that_seeds_its_framework_is_found():
    import torch

    def dropout(x, rate, seed):
        torch.manual_seed(seed)
        return torch.dropout(x, rate, True)

    report, text = verdict_of(ds.adapt(dropout, framework="torch"), rates=(0.3,))
    assert {result.check for result in report.failures} == {"randomness.host_generators"}, text
    assert "Target.state" in report["randomness.host_generators"].message


@pytest.mark.framework("torch")
def test_an_evaluation_pass_without_gradients_is_observed():
    import torch

    def dropout(x, rate, training=True):
        if training:
            return torch.dropout(x, rate, True)
        with torch.no_grad():
            return x * 1

    report, text = verdict_of(ds.adapt(dropout, framework="torch"), rates=(0.3,))
    assert report.verdict == "pass", text
    assert any("no gradient flows back" in said for said in report.observations)


@pytest.mark.framework("torch")
def test_threads_are_judged_where_torch_is_known_to_lock():
    report, text = verdict_of("torch.nn:Dropout", rates=(0.3,))
    assert report["randomness.threads"].verdict == "pass", text


@pytest.mark.framework("jax")
def test_a_jax_function_that_returns_its_mask_has_a_gradient():
    import jax
    import jax.numpy as jnp

    def dropout(x, rate, key, training=True):
        if not training:
            return x, None
        keep = jax.random.bernoulli(key, 1 - rate, x.shape)
        return jnp.where(keep, x / (1 - rate), 0).astype(x.dtype), keep

    from dropout_stats.adapters.jax import adapt

    report, text = verdict_of(adapt(dropout, "dropout"), rates=(0.3,))
    assert report.verdict == "pass", text
    assert report["gradient.evaluation"].verdict == "pass"


@pytest.mark.parametrize(
    "spec",
    [
        pytest.param("torch.nn:Dropout", marks=pytest.mark.framework("torch")),
        pytest.param("torch.nn.functional:dropout", marks=pytest.mark.framework("torch")),
        pytest.param("equinox.nn:Dropout", marks=pytest.mark.framework("equinox")),
    ],
)
def test_lanes_of_a_mapped_call_draw_noise_of_their_own(spec):
    report, text = verdict_of(spec, rates=(0.3,), checks=["peers.copy"])
    assert report["peers.copy"].verdict == "pass", text


@pytest.mark.framework("torch")
def test_lanes_that_share_their_noise_are_accused():
    import torch

    released = ds.adapt("torch.nn:Dropout")

    def peers(x, rate, count):
        mapped = torch.func.vmap(torch.nn.Dropout(rate), randomness="same")
        return mapped(torch.from_numpy(x).expand(count, *x.shape)).numpy()

    report, text = verdict_of(replace(released, peers=peers), rates=(0.3,), checks=["peers.copy"])
    assert report["peers.copy"].verdict == "fail", text
    assert report.diagnoses[0].name == "peers draw the same noise"


@pytest.mark.framework("jax")
def test_lanes_that_share_their_key_are_accused():
    import jax

    def train(x, rate, key):
        kept = jax.random.bernoulli(jax.random.key(key), 1 - rate, x.shape)
        return jax.numpy.where(kept, x / (1 - rate), 0)

    def peers(x, rate, count, key):
        return np.asarray(jax.vmap(lambda v: train(v, rate, key))(np.stack([x] * count)))

    held = ds.Conventions(randomness="key")
    target = ds.Target(
        train=lambda x, rate, key: np.asarray(train(x, rate, key)),
        peers=peers,
        conventions=held,
        law=ds.laws.Inverted(),
    )
    report, text = verdict_of(target, rates=(0.3,), checks=["peers.copy"])
    assert report["peers.copy"].verdict == "fail", text


@pytest.mark.framework("torch")
@pytest.mark.parametrize("ndim", [1, 2, 3])
@pytest.mark.parametrize("name", ["torch.nn:Dropout", "torch.nn.functional:dropout"])
def test_torch_drops_channels_whole(name, ndim):
    few = {"rates": (0.1, 0.9), "dtypes": ["float32", "bfloat16"], "resolution": 2**-5}
    report, text = verdict_of(f"{name}{ndim}d", **few)
    assert report.verdict == "pass", text
    assert report.law == "inverted(unit='channel')"
    assert report["support.shared_draw"].verdict == "pass"


@pytest.mark.framework("torch")
@pytest.mark.parametrize(
    ("spec", "law"),
    [
        ("torch.nn:AlphaDropout", "alpha"),
        ("torch.nn.functional:alpha_dropout", "alpha"),
        ("torch.nn:FeatureAlphaDropout", "alpha(unit='channel')"),
        ("torch.nn.functional:feature_alpha_dropout", "alpha(unit='channel')"),
    ],
)
def test_torch_keeps_mean_and_variance_of_standard_units(spec, law):
    report, text = verdict_of(spec, rates=(0.1, 0.9))
    assert report.verdict == "pass", text
    assert report.law == law
    assert {result.case.dtype for result in report.results} == {"float32", "float64"}
    assert report["gradient.same_noise"].verdict == "pass"


@pytest.mark.framework("torch")
def test_a_torch_channel_dropout_is_no_element_dropout():
    report, text = verdict_of("torch.nn:Dropout1d", law="inverted", rates=(0.3,))
    assert report["dependence.axes"].verdict == "fail", text
    assert "unit='channel'" in report.diagnoses[0].fix
