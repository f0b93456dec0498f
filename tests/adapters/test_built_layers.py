"""Layers that need more than a rate: the lines that a message prints judge them as they are."""

from functools import partial

import numpy as np
import pytest

import dropout_stats as ds

# Each call of another shape or rate may be a compilation.
COARSE = {
    "rates": (0.1, 0.5),
    "resolution": 2**-5,
    "seed": 20,
    "skip": ["structure.*"],
    "conventions": ds.Conventions(max_shapes=2),
}


def printed(layer, **options):
    """The line that the message prints for it."""
    with pytest.raises(ds.HarnessError, match="cannot be built from a rate alone") as raised:
        ds.check(layer, **options)
    return str(raised.value).splitlines()[-1].strip()


def judged(line, layer):
    """The report of what that line makes, after its dots were filled."""
    names = {"dropout_stats": ds, "partial": partial, layer.__name__: layer}
    exec(line.replace("dim=...", "dim=4"), names)  # noqa: S102 - the very line that users copy
    report = ds.check(names["target"], **COARSE)
    return report, str(report)


def reached(report):
    return {result.check for result in report.results if result.verdict == "pass"}


EVERY_PASS = {"rate.marginal", "inference.law", "gradient.same_noise"}


@pytest.mark.framework("torch")
def test_a_layer_of_torch_is_judged_by_the_printed_line():
    import torch

    class Block(torch.nn.Module):
        def __init__(self, dim, p):
            super().__init__()
            self.dim, self.dropout = dim, torch.nn.Dropout(p)

        def forward(self, x):
            return self.dropout(x)

    line = printed(Block)
    assert line == (
        'target = dropout_stats.adapt(lambda rate: Block(dim=..., p=rate), framework="torch")'
    )
    report, text = judged(line, Block)
    assert report.verdict == "pass", text
    assert reached(report) >= EVERY_PASS


@pytest.mark.framework("keras")
def test_a_layer_of_keras_is_judged_by_the_printed_line():
    import keras

    class Block(keras.layers.Layer):
        def __init__(self, dim, rate, **kwargs):
            super().__init__(**kwargs)
            self.dim, self.dropout = dim, keras.layers.Dropout(rate)

        def call(self, x, training=None):
            return self.dropout(x, training=training)

    line = printed(Block)
    assert 'lambda rate: Block(dim=..., rate=rate), framework="keras")' in line
    report, text = judged(line, Block)
    assert report.verdict == "pass", text
    assert reached(report) >= EVERY_PASS


@pytest.mark.framework("equinox")
def test_a_layer_of_equinox_is_judged_by_the_printed_line():
    import equinox as eqx
    import jax

    class Block(eqx.Module):
        weight: jax.Array
        dropout: eqx.nn.Dropout

        def __init__(self, dim, p, *, key):
            self.weight, self.dropout = jax.random.normal(key, (dim,)), eqx.nn.Dropout(p)

        def __call__(self, x, key):
            return self.dropout(x, key=key)

    line = printed(Block)
    assert 'lambda rate, key: Block(dim=..., key=key, p=rate), framework="equinox")' in line
    report, text = judged(line, Block)
    assert report.verdict == "pass", text
    assert reached(report) >= EVERY_PASS
    report, text = judged("target = dropout_stats.adapt(partial(Block, 4))", Block)
    assert report.verdict == "pass", text
    assert reached(report) >= EVERY_PASS


@pytest.mark.framework("flax")
def test_a_module_of_nnx_is_judged_by_the_printed_line():
    from flax import nnx

    class Block(nnx.Module):
        def __init__(self, dim, rate, *, rngs):
            self.dim, self.dropout = dim, nnx.Dropout(rate, rngs=rngs)

        def __call__(self, x):
            return self.dropout(x)

    line = printed(Block)
    assert 'lambda rate, rngs: Block(dim=..., rngs=rngs, rate=rate), framework="flax")' in line
    for judge in (line, "target = dropout_stats.adapt(partial(Block, 4))"):
        report, text = judged(judge, Block)
        assert report.verdict == "pass", text
        assert reached(report) >= EVERY_PASS


@pytest.mark.framework("flax")
def test_a_module_of_linen_is_judged_by_the_printed_line():
    from flax import linen

    class Block(linen.Module):
        dim: int
        rate: float

        @linen.compact
        def __call__(self, x, train: bool):
            return linen.Dropout(self.rate, deterministic=not train)(x)

    line = printed(Block)
    assert 'framework="flax")' in line
    report, text = judged(line, Block)
    assert report.verdict == "pass", text
    assert reached(report) >= EVERY_PASS


@pytest.mark.framework("penzai")
def test_a_layer_of_penzai_is_judged_by_the_printed_line():
    from penzai import pz

    @pz.pytree_dataclass(has_implicitly_inherited_fields=True)
    class Block(pz.nn.StochasticDropout):
        def __init__(self, drop_rate, dim):
            super().__init__(drop_rate)

    line = printed(Block)
    assert 'lambda rate: Block(dim=..., drop_rate=rate), framework="penzai")' in line
    report, text = judged(line, Block)
    assert report.verdict == "pass", text
    assert reached(report) >= EVERY_PASS


@pytest.mark.framework("mlx")
def test_a_layer_of_mlx_is_judged_by_the_printed_line():
    from mlx import nn

    class Block(nn.Module):
        def __init__(self, dim, p):
            super().__init__()
            self.dim, self.dropout = dim, nn.Dropout(p)

        def __call__(self, x):
            return self.dropout(x)

    line = printed(Block)
    assert 'lambda rate: Block(dim=..., p=rate), framework="mlx")' in line
    report, text = judged(line, Block)
    assert report.verdict == "pass", text
    assert reached(report) >= EVERY_PASS


@pytest.mark.framework("paddle")
@pytest.mark.filterwarnings("default")  # importing it warns
def test_a_layer_of_paddle_is_judged_by_the_printed_line():
    import paddle

    class Block(paddle.nn.Layer):
        def __init__(self, dim, p):
            super().__init__()
            self.dim, self.dropout = dim, paddle.nn.Dropout(p)

        def forward(self, x):
            return self.dropout(x)

    line = printed(Block)
    assert 'lambda rate: Block(dim=..., p=rate), framework="paddle")' in line
    report, text = judged(line, Block)
    assert report.verdict == "pass", text


@pytest.mark.framework("torch")
def test_a_class_on_tensors_that_is_no_module_is_judged_by_the_printed_line():
    import torch

    class Block:
        def __init__(self, dim, p):
            self.dim, self.p = dim, p

        def __call__(self, x):
            return x * (torch.rand_like(x) >= self.p) / (1 - self.p)

    report, text = judged(printed(Block), Block)
    assert report.verdict == "pass", text
    assert any("arrays of torch" in line for line in report.observations)


def test_a_class_that_takes_a_keep_probability_is_judged_by_the_printed_line():
    class Block:
        def __init__(self, dim, keep_prob):
            self.dim, self.keep_prob = dim, keep_prob
            self.rng = np.random.default_rng(3)

        def __call__(self, x):
            kept = self.rng.random(x.shape) < self.keep_prob
            return np.where(kept, x / np.float32(self.keep_prob), 0).astype(x.dtype)

    line = printed(Block)
    assert line == "target = dropout_stats.adapt(lambda rate: Block(dim=..., keep_prob=1 - rate))"
    report, text = judged(line, Block)
    assert report.verdict == "pass", text


@pytest.mark.framework("torch")
@pytest.mark.parametrize("layer", ["Dropout", "Dropout2d"])
def test_arguments_of_a_released_dropout_do_not_accuse_it(layer):
    import torch

    released = getattr(torch.nn, layer)
    with pytest.raises(ds.HarnessError, match=f"torch's {layer} with arguments") as raised:
        ds.adapt(partial(released, inplace=False))
    assert "lambda rate: Dropout" in str(raised.value)
    built = ds.adapt(lambda rate: released(rate, inplace=False), framework="torch")
    assert built.law is None


@pytest.mark.framework("torch")
def test_a_function_of_torch_with_arguments_is_judged_as_before():
    import torch

    report = ds.check(partial(torch.nn.functional.dropout, inplace=False), **COARSE)
    assert report.verdict == "pass", str(report)
