"""Dropouts that are right by themselves and wrong in their wrapper: jit, vmap, scan, checkpoint."""

import os
import shutil
import sysconfig
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import dropout_stats as ds
from dropout_stats.cli import cli

COARSE = {"rates": (0.1, 0.9), "resolution": 2**-5, "seed": 20, "skip": ["structure.*"]}
# What a wrapper may spoil; each call of another shape or rate may be a compilation.
THROUGH = [
    *("rate.*", "support.*", "calls.*", "dependence.*", "gradient.same_noise"),
    *("inference.*", "randomness.seed_repeats", "randomness.fresh"),
]
FEW = ds.Conventions(max_shapes=2)
KEYED = ds.Conventions(randomness="key", ndims=(2, 4), max_shapes=2)


def judge(target, **options):
    report = ds.check(target, **{**COARSE, **options})
    assert "error" not in {result.verdict for result in report.results}, str(report)
    return report, {result.check for result in report.failures}


def bernoulli(x, rate, key):
    import jax

    kept = jax.random.bernoulli(key, 1 - rate, x.shape)
    return jax.numpy.where(kept, x / (1 - rate), 0).astype(x.dtype)


@pytest.mark.framework("jax")
def test_a_key_that_is_baked_into_a_compiled_function_repeats_its_mask():
    import jax

    key = jax.random.key(0)
    report, failed = judge(jax.jit(lambda x, rate: bernoulli(x, rate, key)))
    assert "calls.repeated_mask" in failed, str(report)
    assert report.diagnoses[0].name == "the same mask comes back"


@pytest.mark.framework("jax")
@pytest.mark.parametrize("wrapper", ["vmap", "scan"])
def test_a_key_that_is_not_split_gives_all_lanes_or_steps_one_mask(wrapper):
    import jax

    def mapped(x, rate, key):
        return jax.vmap(lambda row: bernoulli(row, rate, key))(x)

    def scanned(x, rate, key):
        return jax.lax.scan(lambda _, row: (0, bernoulli(row, rate, key)), 0, x)[1]

    report, failed = judge(jax.jit({"vmap": mapped, "scan": scanned}[wrapper]), conventions=KEYED)
    assert "dependence.axes" in failed, str(report)
    assert report.diagnoses[0].name == "units do not draw independently"


@pytest.mark.framework("jax")
def test_a_key_that_is_split_is_not_accused():
    import jax

    @jax.jit
    def mapped(x, rate, key):
        keys = jax.random.split(key, len(x))
        return jax.vmap(lambda row, own: bernoulli(row, rate, own))(x, keys)

    report, _ = judge(mapped, conventions=KEYED)
    assert report.verdict == "pass", str(report)


@pytest.mark.framework("torch")
@pytest.mark.filterwarnings("ignore:None of the inputs have requires_grad")
@pytest.mark.parametrize("reentrant", [True, False])
@pytest.mark.parametrize("preserved", [True, False])
def test_a_checkpoint_must_bring_its_noise_back(preserved, reentrant):
    import torch
    from torch.utils.checkpoint import checkpoint

    class Checkpointed(torch.nn.Module):
        def __init__(self, p=0.5):
            super().__init__()
            self.dropout = torch.nn.Dropout(p)

        def forward(self, x):
            if not self.training:
                return self.dropout(x)
            how = {"use_reentrant": reentrant, "preserve_rng_state": preserved}
            return checkpoint(self.dropout, x, **how)

    report, failed = judge(Checkpointed)
    if preserved:
        assert report.verdict == "pass", str(report)
    else:
        assert "gradient.same_noise" in failed, str(report)
        assert report.diagnoses[0].name == "the backward pass disagrees with its forward pass"


@pytest.mark.framework("torch")
@pytest.mark.parametrize("kind", ["function", "layer"])
def test_what_is_to_be_compiled_never_runs_as_it_is(kind):
    """Beyond eight rates PyTorch goes on with the function itself, and says so in its log alone."""
    import torch

    as_it_is = []

    def dropout(x, rate):
        if not torch.compiler.is_compiling():
            as_it_is.append(rate)
        return torch.nn.functional.dropout(x, rate)

    class Layer(torch.nn.Module):
        def __init__(self, p=0.5):
            super().__init__()
            self.p = p

        def forward(self, x):
            return dropout(x, self.p) if self.training else x

    made = {"function": dropout, "layer": Layer}[kind]
    target = ds.adapt(made, framework="torch", compile="eager")
    as_it_is.clear()  # how it wants to be called was tried first
    for number in range(12):
        target.train(np.ones(8, np.float32), number / 12)
    assert as_it_is == []


@pytest.mark.framework("torch")
@pytest.mark.parametrize("wrap", ["checkpoint", "vmap", "export", "replay"])
def test_a_layer_of_torch_is_judged_through_a_wrapper(wrap):
    target = ds.adapt("torch.nn:Dropout", wrap=wrap)
    report, _ = judge(target, dtypes=["float32"], rates=(0.3,))
    assert report.verdict == "pass", str(report)
    passed = {result.check for result in report.results if result.verdict == "pass"}
    assert passed >= {"gradient.same_noise", "dependence.axes", "calls.repeated_mask"}
    assert f"wrap={wrap}" in report["rate.marginal"].reproduce


@pytest.mark.framework("torch")
@pytest.mark.parametrize("wrap", ["export", "replay"])
def test_a_program_that_holds_its_mask_is_caught(wrap):
    import torch

    def dropout(x, rate):
        mask = torch.from_numpy(np.random.default_rng().random(tuple(x.shape)) >= rate)
        return torch.where(mask, x / (1 - rate), 0.0)

    target = ds.adapt(dropout, framework="torch", wrap=wrap)
    report, failed = judge(target, rates=(0.3,), skip=["structure.*", "gradient.*"])
    assert "calls.repeated_mask" in failed, str(report)


@pytest.mark.framework("torch")
def test_a_mapped_function_with_one_mask_for_all_rows_is_caught():
    import torch

    def dropout(x, rate):
        kept = torch.from_numpy(np.random.default_rng().random(tuple(x.shape)) >= rate)
        return torch.where(kept, x / (1 - rate), 0.0)

    plain, _ = judge(ds.adapt(dropout, framework="torch"), checks=["dependence.*"], skip=[])
    mapped, failed = judge(ds.adapt(dropout, framework="torch", wrap="vmap"))
    assert plain.verdict == "pass", str(plain)
    assert "dependence.axes" in failed, str(mapped)


@pytest.mark.framework("jax")
@pytest.mark.parametrize("wrap", ["jit", "vmap", "scan", "checkpoint", "export"])
def test_a_function_on_jax_arrays_is_judged_through_a_wrapper(wrap):
    def dropout(x, rate, key):
        return bernoulli(x, rate, key)

    target = ds.adapt(dropout, framework="jax", wrap=wrap)
    report, _ = judge(target, rates=(0.3,), checks=THROUGH, conventions=KEYED)
    assert report.verdict == "pass", str(report)
    passed = {result.check for result in report.results if result.verdict == "pass"}
    assert passed >= {"gradient.same_noise", "dependence.axes", "randomness.seed_repeats"}


@pytest.mark.framework("jax")
def test_a_key_that_a_wrapper_cannot_split_gives_all_lanes_one_mask():
    import jax

    keys = iter(range(10**9))

    def dropout(x, rate):
        return bernoulli(x, rate, jax.random.key(next(keys)))

    target = ds.adapt(dropout, framework="jax", wrap="vmap")
    report, failed = judge(target, rates=(0.3,), checks=THROUGH, conventions=FEW)
    assert "dependence.axes" in failed, str(report)


@pytest.mark.framework("equinox")
@pytest.mark.parametrize("wrap", ["jit", "scan"])
def test_a_layer_of_equinox_is_judged_through_a_wrapper(wrap):
    target = ds.adapt("equinox.nn:Dropout", wrap=wrap)
    report, _ = judge(target, dtypes=["float32"], rates=(0.3,), checks=THROUGH, conventions=FEW)
    assert report.verdict == "pass", str(report)


@pytest.mark.parametrize(
    "spec",
    [
        pytest.param("flax.nnx:Dropout", marks=pytest.mark.framework("flax")),
        pytest.param("flax.linen:Dropout", marks=pytest.mark.framework("flax")),
        pytest.param("haiku:dropout", marks=pytest.mark.framework("haiku")),
        pytest.param("penzai.nn.dropout:StochasticDropout", marks=pytest.mark.framework("penzai")),
    ],
)
@pytest.mark.parametrize("wrap", ["jit", "vmap", "scan", "checkpoint"])
def test_a_released_dropout_on_jax_is_judged_through_a_wrapper(spec, wrap):
    target = ds.adapt(spec, wrap=wrap)
    report, _ = judge(target, dtypes=["float32"], rates=(0.3,), checks=THROUGH, conventions=FEW)
    assert report.verdict == "pass", str(report)
    passed = {result.check for result in report.results if result.verdict == "pass"}
    assert passed >= {"gradient.same_noise", "dependence.axes", "calls.repeated_mask"}


@pytest.mark.framework("flax")
@pytest.mark.parametrize("wrap", ["jit", "vmap", "export"])
def test_a_users_own_linen_module_is_judged_through_a_wrapper(wrap):
    from flax import linen

    class Layer(linen.Module):
        rate: float

        @linen.compact
        def __call__(self, x, train: bool):
            return linen.Dropout(self.rate, deterministic=not train)(x)

    target = ds.adapt(Layer, wrap=wrap)
    report, _ = judge(target, rates=(0.3,), checks=THROUGH, conventions=KEYED)
    assert report.verdict == "pass", str(report)


@pytest.mark.framework("flax")
def test_a_mask_that_is_baked_into_a_compiled_module_is_caught():
    import jax
    from flax import linen, nnx

    class BakedLinen(linen.Module):
        rate: float

        def __call__(self, x, train: bool):
            kept = jax.numpy.asarray(np.random.default_rng().random(x.shape) >= self.rate)
            return jax.numpy.where(kept, x / (1 - self.rate), 0) if train else x

    class BakedNnx(nnx.Module):
        def __init__(self, rate):
            self.layer = BakedLinen(rate)
            self.training = True

        def __call__(self, x):
            return self.layer(x, self.training)

    few = {"rates": (0.3,), "checks": ["rate.*", "calls.*"], "conventions": FEW}
    for baked in (BakedLinen, BakedNnx):
        _, failed = judge(baked, **few)
        assert "calls.repeated_mask" not in failed
        report, failed = judge(ds.adapt(baked, wrap="jit"), **few)
        assert "calls.repeated_mask" in failed, str(report)


@pytest.mark.framework("flax")
def test_what_flax_cannot_be_entered_through_is_refused():
    with pytest.raises(ds.UsageError, match=r"jit, vmap, scan, checkpoint.*got 'export'"):
        ds.adapt("flax.nnx:Dropout", wrap="export")
    with pytest.raises(ds.UsageError, match="read out as it is"):
        ds.adapt("flax.linen:dot_product_attention_weights", wrap="jit")


@pytest.mark.framework("torch")
def test_a_wrapper_that_an_adapter_cannot_enter_is_refused():
    with pytest.raises(ds.UsageError, match=r"checkpoint, vmap, export, replay.*got 'jit'"):
        ds.adapt("torch.nn:Dropout", wrap="jit")
    with pytest.raises(ds.UsageError, match="capture a graph in a function"):
        ds.adapt("torch.nn:Dropout", wrap="replay", device="cuda")
    for layer in ("Dropout2d", "FeatureAlphaDropout"):
        with pytest.raises(ds.UsageError, match="maps over the samples"):
            ds.adapt(f"torch.nn:{layer}", wrap="vmap")


@pytest.mark.framework("torch")
@pytest.mark.parametrize("wrap", ["export", "replay"])
def test_a_program_is_not_blamed_for_a_generator_that_it_cannot_take(wrap):
    import torch

    def dropout(x, rate, generator):
        kept = torch.rand(x.shape, generator=generator) >= rate
        return torch.where(kept, x / (1 - rate), 0.0)

    with pytest.raises(ds.HarnessError, match="takes no key or generator"):
        ds.adapt(dropout, framework="torch", wrap=wrap)


# The default backend of torch.compile builds with a compiler of C++ and the headers of Python,
# which a machine may lack; the other traces and differentiates alike, and runs what comes of that
# operation by operation.
_CAN_BUILD = (
    shutil.which(os.environ.get("CXX", "g++"))
    and Path(sysconfig.get_path("include"), "Python.h").exists()
)
BACKENDS = [*(["true"] if _CAN_BUILD else []), "aot_eager"]


@pytest.mark.framework("torch")
@pytest.mark.filterwarnings("default")  # the compiler imports what is deprecated
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_compiled_layer_of_torch_passes(backend):
    target = ds.adapt("torch.nn:Dropout", compile=backend == "true" or backend)
    report, _ = judge(target, rates=(0.3,), dtypes=["float32"], conventions=FEW, max_seconds=300)
    assert report.verdict == "pass", str(report)
    held = {result.check for result in report.results if result.verdict == "pass"}
    assert held >= {"gradient.same_noise", "randomness.seed_repeats", "inference.law"}


@pytest.mark.framework("torch")
@pytest.mark.filterwarnings("default")  # the compiler imports what is deprecated
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_compiled_layer_is_judged_from_the_command_line(backend):
    words = ["check", "torch.nn:Dropout", "--option", f"compile={backend}", "--dtypes", "float32"]
    asked = ["--rates", "0.3", "--resolution", "0.03", "--checks", "rate.*,support.*"]
    done = CliRunner().invoke(cli, [*words, *asked])
    assert done.exit_code == 0, done.output
    assert "PASS" in done.output


@pytest.mark.framework("torch")
@pytest.mark.filterwarnings("default")
def test_what_is_compiled_is_what_is_judged():
    import torch

    class ScalesEagerlyAlone(torch.nn.Dropout):
        def forward(self, x):
            y = super().forward(x)
            compiling = torch.compiler.is_compiling() and self.training
            return y * (1 - self.p) if compiling else y

    quick = {"rates": (0.3,), "checks": ["support.*", "rate.*", "moments.*"]}
    report, failed = judge(ScalesEagerlyAlone, **quick)
    assert not failed, str(report)
    report, failed = judge(ds.adapt(ScalesEagerlyAlone, compile="aot_eager"), **quick)
    assert report.diagnoses[0].name == "no scaling", str(report)


@pytest.mark.framework("torch")
def test_a_backend_that_is_none_is_named():
    with pytest.raises(ds.UsageError, match="Did you mean 'aot_eager'"):
        ds.adapt("torch.nn:Dropout", compile="aot_eagr")
